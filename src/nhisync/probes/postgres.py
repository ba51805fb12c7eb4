"""PostgreSQL: one login as the role, with nothing of this host's environment, and at most a transaction that is undone.

A server whose pg_hba.conf trusts everybody has not looked at the password; libpq says so. With SCRAM the server shows
that it knows the password, too (RFC 5802 §3). Every other method may have somebody behind it who says yes to all of
them (radius, ldap, pam), so that a made-up password is tried as well. Failed logins are made once.
"""

import os
import socket
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from nhisync.probes.order import (
    Order,
    Patience,
    Presented,
    Shown,
    login_of,
    name_of,
    nobody_judges,
    not_made,
    refused,
    value_of,
)
from nhisync.probes.stranger import proven, stranger
from nhisync.probes.wire import authorities, connect, cut_at, place
from nhisync.spi import ErrorKind, ProviderError

_REFUSED = ("password authentication failed", "is not permitted to log in", "authentication failed")
_MUTUAL, _ANY = "scram-sha-256,none", "scram-sha-256,md5,password,none"
"""Methods (libpq, ``require_auth``) of which the server proves the password, too, and all that take a password."""

_OTHER_METHOD = "authentication method"
_NO_RIGHT = "permission denied for database"
_REASONS = (
    ("certificate verify failed", "the server's certificate is not trusted (TLS)"),
    ("does not match host name", "the server's certificate is for another name (TLS)"),
    ("does not support ssl", "the server offers no TLS"),
    ("no pg_hba.conf entry", "no line of pg_hba.conf lets this login in from here"),
    ("too many", "the server has no connection left"),
    ("does not exist", "the database is not there"),
    ("timeout expired", "the server did not answer in time"),
)
"""Wording of libpq while a connection is made, which has no SQLSTATE; matched, never passed on."""

_WHO = (
    "SELECT session_user::text, coalesce(inet_server_addr()::text, ''), "
    "(SELECT system_identifier::text FROM pg_catalog.pg_control_system())"
)


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Log in, ask who we are, leave.

    Raises:
        ProviderError: nobody answers, or the driver is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415 - an extra, and only this kind needs it
    except ModuleNotFoundError:
        fix = "pip install 'nhisync[postgres]'"
        raise ProviderError(ErrorKind.UNSUPPORTED, "the driver psycopg is not installed", fix=fix) from None
    authorities(order.ca_file)
    connect(*place(order.target), patience).close()
    shown = _tried(psycopg, order, presented, patience, _MUTUAL)
    # Without TLS the password itself must not travel, nor a digest that another session could use.
    if shown is None and order.encrypted:
        asked, other = replace(order, depth="auth"), stranger(presented.user)
        shown = _tried(psycopg, order, presented, patience, _ANY)
        if shown is not None:
            shown = proven(shown, order.floor, lambda: _tried(psycopg, asked, other, patience, _ANY) or _foreign())
    return shown or _foreign()


def _tried(psycopg: Any, order: Order, presented: Presented, patience: Patience, methods: str) -> Shown | None:
    """What the server says; None where it wants another method than `methods`, and has seen nothing yet."""
    try:
        arguments = _arguments(order, presented, patience)
        connection = psycopg.connect(**arguments, require_auth=methods, autocommit=True)
    except psycopg.Error as failure:
        said = str(failure).lower()
        return None if _OTHER_METHOD in said else _failed(said)
    except (UnicodeError, ValueError):
        raise ProviderError(ErrorKind.MISCONFIGURED, "the value is no text that a login can carry") from None
    # A server may let us in and then say nothing for ever: libpq itself waits as long.
    with closing(connection), socket.socket(fileno=os.dup(connection.fileno())) as wire, cut_at(wire, patience):
        if not connection.pgconn.used_password:
            return nobody_judges(order.floor, "the server lets this role in without a password")
        return _logged_in(connection, order, presented, psycopg.Error)


def _logged_in(connection: Any, order: Order, presented: Presented, broken: type[Exception]) -> Shown:
    seen = ""
    with suppress(broken):  # some servers keep their identifier to themselves
        user, _, cluster = connection.execute(_WHO).fetchone()
        told = name_of(f"at cluster {cluster}" if user == presented.user else f"{user} at cluster {cluster}", presented)
        seen = f"{login_of(presented)} {told}" if told and user == presented.user else told
    if not seen:
        host, port = place(order.target)
        seen = f"{login_of(presented)} at {host}:{port}"
    if not login_of(presented):
        seen = ""
    if order.depth != "txn":
        return Shown(depth="auth", accepted=True, seen_as=seen)
    if not _begins(connection, broken):
        kind, told = ErrorKind.READ_ONLY_SIDE, "the login is accepted, but the server begins no writing transaction"
        return not_made("auth", ProviderError(kind, told))
    return Shown(depth="txn", accepted=True, seen_as=seen)


def _begins(connection: Any, broken: type[Exception]) -> bool:
    """Whether the server begins a writing transaction, which is undone; a standby gives out no transaction id."""
    try:
        connection.execute("BEGIN")
        (state,) = connection.execute("SELECT pg_catalog.current_setting('transaction_read_only')").fetchone()
        connection.execute("SELECT pg_catalog.txid_current()")
        connection.execute("ROLLBACK")
    except broken:
        return False
    return bool(state == "off")


def _foreign() -> Shown:
    told = "the server wants another way to log in than a password"
    return not_made("tcp", ProviderError(ErrorKind.UNREACHABLE, told))


def _failed(said: str) -> Shown:
    if any(words in said for words in _REFUSED):
        return refused("tcp", ErrorKind.AUTH_FAILED, "the server refuses the login")
    if _NO_RIGHT in said:
        return refused("tcp", ErrorKind.DENIED, "the login may not connect to the database")
    told = next((told for words, told in _REASONS if words in said), "the connection was lost")
    return not_made("tcp", ProviderError(ErrorKind.UNREACHABLE, told))


def _arguments(order: Order, presented: Presented, patience: Patience) -> dict[str, Any]:
    """All that libpq would otherwise take from the environment, from files or from a Kerberos cache is set."""
    host, port = place(order.target)
    found: dict[str, Any] = {
        "host": host,
        "hostaddr": "",
        "port": port,
        "user": presented.user,
        "password": value_of(presented).decode(),
        "dbname": order.database or presented.user,
        "passfile": os.devnull,
        "application_name": "nhisync-probe",
        "connect_timeout": max(2, round(patience.left)),  # libpq takes whole seconds, and no less than two
        "gssencmode": "disable",
        "sslcertmode": "disable",
        "sslcrl": "",
        "sslcrldir": "",
        "client_encoding": "UTF8",
        "options": "-c statement_timeout=5000 -c search_path=pg_catalog",
        "sslmode": "verify-full" if order.encrypted else "disable",
    }
    if order.encrypted:
        found["sslrootcert"] = authorities(order.ca_file) or "system"
    return found
