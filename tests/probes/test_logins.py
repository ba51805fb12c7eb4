"""Logins at servers that misbehave: what is no answer of theirs judges nothing, and holds nobody."""

import socket
from collections.abc import Callable

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Shown
from nhisync.probes.order import Patience, not_made
from nhisync.spi import ErrorKind, ProviderError

from .conftest import CANARY, Raw, showing

MakeRaw = Callable[..., Raw]


def drip(channel: socket.socket) -> None:
    """One byte at a time, for ever."""
    channel.recv(1)
    while True:
        channel.sendall(b"+")
        socket.socket.settimeout(channel, 0.05)
        try:
            channel.recv(65_536)
        except TimeoutError:
            continue


def silent(channel: socket.socket) -> None:
    """Listens and says nothing."""
    while channel.recv(65_536):
        pass


def web(channel: socket.socket) -> None:
    """Speaks HTTP."""
    channel.recv(65_536)
    channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")


def gone(channel: socket.socket) -> None:
    """Hangs up at once."""


@pytest.mark.parametrize("behave", [drip, silent, web, gone])
@pytest.mark.parametrize("kind", ["redis", "amqp"])
def test_a_server_that_speaks_something_else_judges_nothing(
    raw: MakeRaw, kind: str, behave: Callable[[socket.socket], None]
) -> None:
    """Not accepted, not refused, within the probe's time, and nothing of the value in what is told."""
    clock = SystemClock()
    began = clock.monotonic()
    order = Order(target=raw(behave).address, auth="login", encrypted=False)
    try:
        shown = KINDS[kind](order, showing(user="payments"), Patience(clock, 1.5))
    except ProviderError as failure:
        shown = Shown(depth="", accepted=None, error=failure.fact)
    assert shown.accepted is None
    assert shown.error is not None
    assert CANARY not in str(shown)
    assert clock.monotonic() - began < 30, "the probe ends by its own clock, not by the server's will"


def test_what_helps_is_told_with_the_reason() -> None:
    """A finding has one line for why a probe was not made: the next step belongs to it, a whole document does not."""
    told = ProviderError(ErrorKind.UNSUPPORTED, "the client is not installed", fix="Install it.")
    typed = ProviderError(ErrorKind.DENIED, "no right", fix="ACL SETUSER x")
    document = ProviderError(ErrorKind.DENIED, "no right", fix='{"Statement":\n[]}')
    fits = ProviderError(ErrorKind.DENIED, "m" * 59, fix="x" * 99)
    long = ProviderError(ErrorKind.DENIED, "m" * 60, fix="x" * 99)
    failures = (told, typed, document, fits, long)
    assert [one.error.message for one in (not_made("", failure) for failure in failures) if one.error] == [
        "the client is not installed; install it",
        "no right; ACL SETUSER x",
        "no right",
        f"{'m' * 59}; {'x' * 99}",
        "m" * 60,
    ]


def crowded(answer: bytes) -> Callable[[socket.socket], None]:
    """Lets everybody in, but has no room for the made-up login: `answer`, then the end."""

    def behave(channel: socket.socket) -> None:
        while asked := channel.recv(65_536):
            if b"no-such-password" in asked:
                channel.sendall(answer)
                return
            channel.sendall(b"+OK\r\n")

    return behave


@pytest.mark.requirement("R17")
@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", True),
        (b"-ERR max number of clients reached\r\n", None),
        (b"-LOADING Redis is loading the dataset in memory\r\n", None),
        (b"", None),
    ],
    ids=["refused", "limit", "fault", "gone"],
)
def test_only_a_refusal_of_the_made_up_password_shows_that_passwords_are_looked_at(
    raw: MakeRaw, answer: bytes, accepted: bool | None
) -> None:
    """A limit or a lost connection is none: the user may be one whom any password lets in."""
    order = Order(target=raw(crowded(answer)).address, auth="login", encrypted=False)
    shown = KINDS["redis"](order, showing(user="payments"), Patience(SystemClock(), 10))
    assert shown.accepted is accepted
    assert (shown.error is None) is (accepted is True)
