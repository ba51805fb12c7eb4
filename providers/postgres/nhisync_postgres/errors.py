"""PostgreSQL's refusals as typed errors; no text of the server or the driver is passed on.

SQLSTATE decides where there is one (https://www.postgresql.org/docs/current/errcodes-appendix.html). While a connection
is being made libpq gives text only, so its wording is matched; wording that nobody knows is UNREACHABLE.
"""

from types import MappingProxyType
from typing import Final

from nhisync.spi import ErrorKind, ProviderError

_Meaning = tuple[ErrorKind, str, str]
"""Kind, our sentence, the next step."""

_STATES: Final = MappingProxyType(
    {
        "25006": (ErrorKind.READ_ONLY_SIDE, "the server is read-only", "Ask the primary of this cluster."),
        "42501": (ErrorKind.DENIED, "the role may not read this", "Apply what nhisync permissions prints."),
        "57014": (ErrorKind.UNREACHABLE, "the query was cut off", "Raise query_timeout, or look what holds locks."),
        "53300": (ErrorKind.THROTTLED, "the server has no connection left", "Raise max_connections, or free some."),
        "28P01": (ErrorKind.AUTH_FAILED, "the server refuses our password", "Renew the password in password_file."),
        "28000": (ErrorKind.AUTH_FAILED, "the server refuses our role", "Look at pg_hba.conf and the role's LOGIN."),
        "42883": (ErrorKind.UNSUPPORTED, "the server lacks a function", "nhisync needs PostgreSQL 12 or newer."),
        "42P01": (ErrorKind.UNSUPPORTED, "the server lacks a catalog", "nhisync needs PostgreSQL 12 or newer."),
        "42703": (ErrorKind.UNSUPPORTED, "the server lacks a column", "nhisync needs PostgreSQL 12 or newer."),
    }
)

_NO_WAY: Final[_Meaning] = (ErrorKind.UNREACHABLE, "there is no way to the server", "Look at routes and firewalls.")

_WORDS: Final[tuple[tuple[str, _Meaning], ...]] = (
    ("password authentication failed", _STATES["28P01"]),
    ("no password supplied", _STATES["28P01"]),
    ("no pg_hba.conf entry", (ErrorKind.AUTH_FAILED, "no line of pg_hba.conf lets us in", "Add a line for this role.")),
    ("authentication failed", _STATES["28000"]),
    ("is not permitted to log in", _STATES["28000"]),
    ("requires a valid client certificate", _STATES["28000"]),
    ("connection slots are reserved", _STATES["53300"]),
    ("too many connections", _STATES["53300"]),
    ("too many clients", _STATES["53300"]),
    (
        "permission denied for database",
        (ErrorKind.DENIED, "our role may not connect to the database", "Grant CONNECT on it to our role."),
    ),
    ("the database system is starting up", (ErrorKind.UNREACHABLE, "the server is starting", "Wait, then try again.")),
    ("the database system is shutting down", (ErrorKind.UNREACHABLE, "the server is stopping", "Start it again.")),
    ("the database system is in recovery", (ErrorKind.UNREACHABLE, "the server is recovering", "Wait for it.")),
    ("the database system is not yet accepting", (ErrorKind.UNREACHABLE, "the server is not ready", "Wait for it.")),
    ("does not exist", (ErrorKind.MISCONFIGURED, "the role or the database is not there", "Correct user or database.")),
    (
        "failed to resolve host",
        (ErrorKind.UNREACHABLE, "the server's name has no address here (DNS)", "Look at host and at the resolver."),
    ),
    (
        "connection refused",
        (ErrorKind.UNREACHABLE, "nobody listens at the server's port", "Start the server, or correct host and port."),
    ),
    (
        "no such file or directory",
        (ErrorKind.UNREACHABLE, "there is no socket in the folder", "Start the server, or correct host and port."),
    ),
    (
        "does not support ssl",
        (ErrorKind.UNREACHABLE, "the server offers no TLS", "Switch ssl on in postgresql.conf, or set sslmode."),
    ),
    (
        "certificate verify failed",
        (ErrorKind.UNREACHABLE, "the server's certificate is not trusted (TLS)", "Set ca_file to its authority."),
    ),
    (
        "does not match host name",
        (
            ErrorKind.UNREACHABLE,
            "the server's certificate is for another name (TLS)",
            "Correct host, or the certificate.",
        ),
    ),
    (
        "could not load system root",
        (ErrorKind.MISCONFIGURED, "the operating system offers no roots (TLS)", "Set ca_file."),
    ),
    (
        "certificate file",
        (ErrorKind.MISCONFIGURED, "a certificate file cannot be used (TLS)", "Correct ca_file or certificate_file."),
    ),
    (
        "private key file",
        (ErrorKind.MISCONFIGURED, "the key file cannot be used (TLS)", "Correct key_file; its mode must be 0600."),
    ),
    ("ssl error", (ErrorKind.UNREACHABLE, "the TLS handshake failed", "Compare the TLS settings of both ends.")),
    (
        "timeout expired",
        (ErrorKind.UNREACHABLE, "the server did not answer in time", "Look at the network, or raise connect_timeout."),
    ),
    ("no route to host", (ErrorKind.UNREACHABLE, "there is no way to the server", "Look at routes and firewalls.")),
    (
        "network is unreachable",
        (ErrorKind.UNREACHABLE, "there is no way to the server", "Look at routes and firewalls."),
    ),
)

_LOST: Final[_Meaning] = (
    ErrorKind.UNREACHABLE,
    "the connection was lost, or what answers is no PostgreSQL server",
    "Look at the server's log, and at proxies in between.",
)


def translate(state: str | None, text: str, where: str, *, principal: str, database: str) -> ProviderError:
    """The typed error of a failed connection or query.

    Args:
        state: SQLSTATE, or None while a connection is made.
        text: the driver's text; matched, never passed on.
        where: the server, for a person.
        principal: our role.
        database: what we connect to.
    """
    kind, message, fix = _meaning(state, text)
    refused = kind is ErrorKind.DENIED and state is None
    return ProviderError(
        kind,
        f"{where}: {message}",
        action=connect_action(database, principal) if refused else "",
        resource=where,
        principal=principal,
        reason=state or "",
        fix=fix,
    )


def connect_action(database: str, role: str) -> str:
    """The right to connect, in PostgreSQL's own words."""
    return f"CONNECT ON DATABASE {database} TO {role}"


def _meaning(state: str | None, text: str) -> _Meaning:
    if state is not None and state in _STATES:
        return _STATES[state]
    said = text.lower()
    for words, meaning in _WORDS:
        if words in said:
            return meaning
    return _LOST


def malformed(where: str, what: str) -> ProviderError:
    """An answer that cannot be believed."""
    fix = "Look at the server's encoding, and at proxies in between."
    return ProviderError(ErrorKind.MALFORMED, f"{where}: {what}", resource=where, fix=fix)
