"""Logins at servers that misbehave: what is no answer of theirs judges nothing, and holds nobody."""

import socket
from collections.abc import Callable

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Shown
from nhisync.probes.exchange import host_of
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


def alerting(channel: socket.socket) -> None:
    """Answers a handshake with the alert about a bad certificate (RFC 8446 §6.2)."""
    channel.recv(65_536)
    channel.sendall(bytes.fromhex("15030300 02 02 2a"))
    while channel.recv(65_536):
        pass


@pytest.mark.parametrize("kind", ["redis", "vault-token", "vault-approle", "aws-sts", "entra-token"])
def test_a_service_that_wants_a_client_certificate_is_told_as_such(raw: MakeRaw, patience: Patience, kind: str) -> None:
    """These kinds show none; the alert is an answer about the connection, not the end of the process."""
    address = raw(alerting).address
    target = address if kind == "redis" else f"https://{address}/"
    order = Order(target=target, auth="login", region="eu-north-1", scope="s")
    with pytest.raises(ProviderError) as told:
        KINDS[kind](order, showing(user="payments"), patience)
    assert told.value.kind.value == "misconfigured"


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("https://sts.eu-north-1.amazonaws.com/", "sts.eu-north-1.amazonaws.com"),
        ("https://sts.example:8443/", "sts.example:8443"),
        ("https://[2001:db8::1]/", "[2001:db8::1]"),
        ("http://localhost/", "localhost"),
        ("http://localhost:443/", "localhost:443"),
    ],
)
def test_the_host_that_is_sent_is_the_one_that_is_signed(target: str, host: str) -> None:
    """AWS compares it with the signature; a port that the scheme has anyway would be a wrong signature."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    signer = SigV4Auth(ReadOnlyCredentials("a", "b", None), "sts", "eu-north-1")
    assert host_of(target) == host == signer.headers_to_sign(AWSRequest("POST", target))["host"]


@pytest.mark.parametrize("proxied", [False, True])
def test_a_name_that_can_be_no_host_is_told(raw: MakeRaw, patience: Patience, proxied: bool) -> None:
    """An empty label or one of 64 letters: a typed failure, with and without a proxy."""
    proxy = f"http://{raw(web).address}" if proxied else ""
    for host in ("a..example", "a" * 64 + ".example"):
        for scheme in ("http", "https"):
            order = Order(target=f"{scheme}://{host}/", auth="login", proxy=proxy)
            with pytest.raises(ProviderError) as told:
                KINDS["vault-token"](order, showing(), patience)
            assert told.value.kind.value in {"unreachable", "misconfigured"}


def test_a_broker_that_drops_the_line_during_the_login_has_refused_nothing(raw: MakeRaw) -> None:
    """Pika calls that a probable refusal; without the broker's word it is a lost connection."""

    def begin(channel: socket.socket) -> None:
        channel.recv(65_536)
        words = b"\x00\x00\x00\x00" + len(b"PLAIN").to_bytes(4, "big") + b"PLAIN" + (5).to_bytes(4, "big") + b"en_US"
        payload = b"\x00\x0a\x00\x0a\x00\x09" + words  # Connection.Start 0-9 (AMQP 0-9-1 specification §1.4.2.1)
        channel.sendall(b"\x01\x00\x00" + len(payload).to_bytes(4, "big") + payload + b"\xce")
        channel.recv(65_536)

    order = Order(target=raw(begin).address, auth="login", encrypted=False)
    shown = KINDS["amqp"](order, showing(user="payments"), Patience(SystemClock(), 5))
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind == "unreachable"
