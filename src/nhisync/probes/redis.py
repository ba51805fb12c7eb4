"""Redis and Valkey: one login, and the same login with a made-up password to learn whether anybody looks at it.

A user with ``nopass`` takes every password (redis.io, "ACL"), and the server does not tell. Redis locks nobody out;
the made-up login leaves one entry in its ACL log. ``txn`` sets a key of our own and deletes it in one MULTI.
"""

import socket
from contextlib import ExitStack, closing, suppress
from typing import Any, Final

from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, nobody_judges, not_made, refused, value_of
from nhisync.probes.stranger import MADE_UP
from nhisync.probes.wire import ClientRefusedError, connect, context_of, cut_at, place, shake
from nhisync.spi import ErrorKind, ProviderError

KEY: Final = "nhisync:probe"
"""Key that a ``txn`` probe sets and deletes; the user's ACL must allow it."""

_REFUSED: Final = ("wrongpass", "invalid username-password pair", "invalid password")
_OPEN: Final = ("without any password configured", "no password is set")


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Log in, ask who we are, leave.

    Raises:
        ProviderError: nobody answers, or the client is not installed.
    """
    try:
        from redis import exceptions  # noqa: PLC0415 - an extra, and only this kind needs it
    except ModuleNotFoundError:
        fix = "pip install 'nhisync[redis]'"
        raise ProviderError(ErrorKind.UNSUPPORTED, "the client redis is not installed", fix=fix) from None
    try:
        password = value_of(presented).decode()
    except UnicodeDecodeError:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the value is no text that a login can carry") from None
    try:
        with closing(_Line(order, presented.user, password, patience)) as line:
            shown = _logged_in(line, order, presented, exceptions.RedisError)
    except exceptions.RedisError as failure:
        return _failed(str(failure).lower(), order.floor)
    if not shown.accepted:
        return shown
    return _doubt(order, presented.user, patience, exceptions.RedisError) or shown


class _Line:
    """One logged-in connection over a socket of our own; RESP2, so that a server before 6 is spoken to alike."""

    def __init__(self, order: Order, user: str, password: str, patience: Patience) -> None:
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.connection import Connection  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        class Own(Connection):
            """redis-py's protocol; which service that is, and for how long it may speak, is ours to say."""

            def _connect(self) -> socket.socket:
                return channel

        host, port = place(order.target)
        channel: socket.socket = connect(host, port, patience)
        if order.encrypted:
            channel = _encrypted(channel, order, host, patience)
        self._held = ExitStack()
        self._held.callback(channel.close)
        self._held.enter_context(cut_at(channel, patience))
        retry = Retry(NoBackoff(), 0)
        own: Any = Own
        self._connection: Any = own(
            host=host,
            port=port,
            username=user or None,
            password=password,
            retry=retry,
            protocol=2,
            driver_info=None,
        )
        try:
            channel.settimeout(patience.left)
            self._connection.connect()
        except BaseException:
            self._held.close()
            raise

    def ask(self, *words: str) -> Any:
        """Send one command and read its answer."""
        self._connection.send_command(*words, check_health=False)
        return self._connection.read_response()

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()
        self._held.close()


def _encrypted(channel: socket.socket, order: Order, host: str, patience: Patience) -> socket.socket:
    try:
        return shake(channel, context_of(order.ca_file), order.server_name or host, patience)
    except ClientRefusedError:
        told = "the server wants a client certificate, which this probe does not present"
        raise ProviderError(ErrorKind.MISCONFIGURED, told) from None


def _logged_in(line: _Line, order: Order, presented: Presented, broken: type[Exception]) -> Shown:
    host, port = place(order.target)
    name: Any = b""
    with suppress(broken):  # a user need not be allowed to ask
        name = line.ask("ACL", "WHOAMI")
    told = name_of(name.decode("utf-8", "replace"), presented) if isinstance(name, bytes) else ""
    seen = f"{told} at {host}:{port}" if told else ""
    if order.depth != "txn":
        return Shown(depth="auth", accepted=True, seen_as=seen)
    problem = _written(line, broken)
    if problem is None:
        return Shown(depth="txn", accepted=True, seen_as=seen)
    return not_made("auth", problem)


def _written(line: _Line, broken: type[Exception]) -> ProviderError | None:
    """Set our key and delete it at once; a key that somebody else put there stays (NX), and then nothing is proven."""
    try:
        line.ask("MULTI")
        line.ask("SET", KEY, "1", "NX", "PX", "1000")
        line.ask("DEL", KEY)
        answers = line.ask("EXEC")
    except broken as failure:
        said = str(failure).lower()
        if "readonly" in said or "read only" in said:
            return ProviderError(
                ErrorKind.READ_ONLY_SIDE, "the login is accepted, but the server is a read-only replica"
            )
        if "noperm" in said or "no permissions" in said or "permission" in said:
            fix = f"ACL SETUSER <user> ~{KEY} +set +del +multi +exec"
            return ProviderError(ErrorKind.DENIED, f"the user may not write the key {KEY}", fix=fix)
        return ProviderError(ErrorKind.UNREACHABLE, "the login is accepted, but the server runs no transaction")
    if not isinstance(answers, list) or len(answers) != 2 or any(isinstance(one, Exception) for one in answers):
        return ProviderError(ErrorKind.UNREACHABLE, "the login is accepted, but the server runs no transaction")
    return None


def _doubt(order: Order, user: str, patience: Patience, broken: type[Exception]) -> Shown | None:
    """Why it may not have been the password that opened; None when a made-up one is refused."""
    try:
        _Line(order, user, MADE_UP, patience).close()
    except broken as failure:
        if any(words in str(failure).lower() for words in _REFUSED):
            return None
        # A limit or a lost connection is no refusal: the made-up password might have been let in.
        told = "the login is accepted, but the server did not say what it makes of a made-up password"
        return not_made(order.floor, ProviderError(ErrorKind.UNREACHABLE, told))
    return nobody_judges(order.floor, "the server lets this user in with any password")


def _failed(said: str, floor: str) -> Shown:
    if any(words in said for words in _OPEN):
        return nobody_judges(floor, "the server asks nobody for a password")
    if any(words in said for words in _REFUSED):
        return refused(floor, ErrorKind.AUTH_FAILED, "the server refuses the login")
    return not_made("tcp", ProviderError(ErrorKind.UNREACHABLE, "the connection was lost"))
