"""Services that lie, stall or echo: none of them makes a credential accepted, keeps a probe or tells of it."""

import base64
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, http, tls
from nhisync.probes.order import Patience, login_of, name_of
from nhisync.spi import ProviderError
from nhisync.testing.judge import Account, Judge

from .conftest import CANARY, Authority, Raw, showing

MakeOrder = Callable[..., Order]
MakeRaw = Callable[..., Raw]


def in_turn(*statuses: int) -> Callable[[socket.socket], None]:
    """A server that answers its first, second, … connection with these codes."""
    left = list(statuses)

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(b"HTTP/1.1 %d Told\r\nContent-Length: 0\r\n\r\n" % left.pop(0))

    return behave


@pytest.mark.parametrize("second", [429, 500, 502, 503, 504])
def test_a_service_that_fails_without_the_credential_has_judged_none(
    raw: MakeRaw, patience: Patience, second: int
) -> None:
    """An overloaded or limiting service that let the first request in proves nothing with its second answer."""
    order = Order(target=f"http://{raw(in_turn(200, second)).address}/", auth="bearer")
    shown = http.probe(order, showing(), patience)
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind in {"throttled", "unreachable"}


@pytest.mark.parametrize("second", [302, 400, 401, 403, 404])
def test_a_service_that_turns_everybody_else_away_has_judged(raw: MakeRaw, patience: Patience, second: int) -> None:
    """A refusal, a way to the login page, or "nothing here" for strangers: the credential made the difference."""
    order = Order(target=f"http://{raw(in_turn(200, second, second)).address}/", auth="bearer")
    assert http.probe(order, showing(), patience).accepted is True


def test_a_handshake_that_fails_the_second_time_judges_no_token(
    raw: MakeRaw, patience: Patience, tmp_path: Path
) -> None:
    """A bearer token is not shown in a handshake: one that is broken off says nothing about it."""
    server = Authority(tmp_path, "server-ca")
    good = server.server(clients=None, version=ssl.TLSVersion.TLSv1_2)
    demanding = server.server(clients=server, version=ssl.TLSVersion.TLSv1_2)
    contexts = [good, demanding]

    def behave(channel: socket.socket) -> None:
        with contexts.pop(0).wrap_socket(channel, server_side=True) as inside:
            inside.recv(65_536)
            inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    order = Order(target=f"https://{raw(behave).address}/", auth="bearer", ca_file=server.file)
    with pytest.raises(ProviderError) as told:
        http.probe(order, showing(), patience)
    assert told.value.kind.value in {"unreachable", "misconfigured"}


def test_an_endpoint_that_hangs_up_by_chance_has_judged_nobody(
    raw: MakeRaw, patience: Patience, tmp_path: Path
) -> None:
    """It answers the first connection and hangs up on all others, whoever comes: a limit, and no judgement."""
    server = Authority(tmp_path, "server-ca")
    clients = Authority(tmp_path, "client-ca")
    context = server.server(clients=None, version=ssl.TLSVersion.TLSv1_3)
    answered: list[bytes] = []

    def behave(channel: socket.socket) -> None:
        said = channel.recv(100)
        if not answered:
            answered.append(said)
            channel.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    order = Order(target=raw(behave, context).address, auth="client-certificate", ca_file=server.file)
    credential = showing(clients.issued("robot").decode())
    assert tls.probe(order, credential, patience).accepted is None


ECHOES = (
    CANARY,
    f"Bearer {CANARY}",
    f"robot:{CANARY}",
    base64.b64encode(CANARY.encode()).decode(),
    base64.b64encode(f"robot:{CANARY}".encode()).decode(),
    CANARY[::-1],
    CANARY[:12],
    CANARY.upper(),
    CANARY.encode().hex(),
    "x" * 190 + CANARY,
    "".join(f"%{byte:02x}" for byte in CANARY.encode()),
    "".join(f"&#{byte};" for byte in CANARY.encode()),
    " ".join(CANARY),
    "\u200b".join(CANARY),
    CANARY.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    base64.b64encode(f"Bearer {CANARY}".encode()).decode(),
    base64.b64encode(f"?{CANARY}".encode()).decode(),
    base64.b32encode(CANARY.encode()).decode(),
)
"""Ways in which a service may tell back what it was shown."""


@pytest.mark.parametrize("echo", ECHOES)
def test_a_service_that_echoes_the_credential_is_not_quoted(
    judge: Judge, order: MakeOrder, patience: Patience, echo: str
) -> None:
    """What it calls the identity goes into the store and into reports, so it may hold nothing of what was presented."""
    judge.accounts["/echo"] = Account(echo, CANARY)
    shown = http.probe(order("/echo"), showing(user="robot"), patience)
    assert shown.accepted is True
    assert shown.seen_as == ""


def test_a_dripping_handshake_is_cut_off(raw: MakeRaw, tmp_path: Path) -> None:
    """One byte of a TLS record at a time does not hold the probe beyond its time."""
    stop = threading.Event()

    def behave(channel: socket.socket) -> None:
        for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"\x00" * 1000:
            channel.sendall(bytes([byte]))
            stop.wait(0.2)

    clock = SystemClock()
    server = Authority(tmp_path, "server-ca")
    order = Order(target=f"https://{raw(behave).address}/", auth="bearer", ca_file=server.file)
    began = clock.monotonic()
    with pytest.raises(ProviderError) as told:
        http.probe(order, showing(), Patience(clock, 1))
    stop.set()
    assert told.value.kind.value == "unreachable"
    assert clock.monotonic() - began < 5


def test_a_pipe_in_place_of_the_authorities_is_no_file(patience: Patience, tmp_path: Path) -> None:
    """An ordinary open of a named pipe waits for a writer for ever; the setting is named instead."""
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    for kind in ("http", "tls", "postgres"):
        target = "https://127.0.0.1:9/" if kind == "http" else "127.0.0.1:9"
        order = Order(target=target, auth="none" if kind == "tls" else "bearer", ca_file=pipe)
        with pytest.raises(ProviderError) as told:
            KINDS[kind](order, showing(user="robot"), patience)
        assert told.value.kind.value == "misconfigured"
        assert "ca_file" in told.value.message


def test_a_dripping_proxy_is_cut_off(raw: MakeRaw) -> None:
    """Nor does a proxy that never ends its answer."""
    stop = threading.Event()

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(b"HTTP/1.1 200 ")
        while not stop.wait(0.2):
            channel.sendall(b"x")

    clock = SystemClock()
    order = Order(target="https://127.0.0.1:9/", auth="bearer", proxy=f"http://{raw(behave).address}")
    began = clock.monotonic()
    with pytest.raises(ProviderError) as told:
        http.probe(order, showing(), Patience(clock, 1))
    stop.set()
    assert told.value.kind.value == "unreachable"
    assert clock.monotonic() - began < 5


def test_a_short_value_is_not_quoted_either() -> None:
    """Half of a short value tells too much; a name that only shares a word with a long one stays."""
    assert name_of("account-77", showing("7731")) == ""
    assert name_of("live-value", showing(CANARY)) == "live-value"
    assert name_of("payments-north", showing(CANARY)) == "payments-north"


@given(st.text(min_size=8, max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_no_name_holds_the_value(value: str, before: str, behind: str) -> None:
    """Whatever stands around it."""
    assert name_of(before + value + behind, showing(value)) == ""


@pytest.mark.parametrize("value", ["aB3+dE5/fG7+hI9/kL1=", "p@ss w:rd & more!"])
def test_a_value_is_known_again_however_a_url_writes_it(value: str) -> None:
    """Signs that an encoding changes are left out of the look on both sides."""
    shown = showing(value)
    for told in (quote(value, safe=""), quote_plus(value), f"https://x.example/?token={quote(value, safe='')}"):
        assert name_of(told, shown) == ""
    assert name_of("payments-north at 127.0.0.1:8443", shown) == "payments-north at 127.0.0.1:8443"


def test_a_login_name_that_is_the_value_is_not_told() -> None:
    """`guest` with the password `guest`, or a user field that names the secret by mistake."""
    assert login_of(showing("guest", "guest")) == ""
    assert login_of(showing(CANARY, CANARY)) == ""
    assert login_of(showing(CANARY, "payments")) == "payments"


def test_a_login_whose_token_is_none_is_still_told(raw: MakeRaw, patience: Patience) -> None:
    """What a service puts in place of a token keeps no result from being told, and no other probe from being made."""
    body = b'{"auth": {"client_token": "\\ud800", "metadata": {"role_name": "payments"}}}'

    def behave(channel: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"}"):
            asked += channel.recv(65_536)
        refusal = b"400 No", b'{"errors": ["invalid secret id"]}'
        status, told = (b"200 OK", body) if CANARY.encode() in asked else refusal
        channel.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(told), told))

    order = Order(target=f"http://{raw(behave).address}", auth="login")
    shown = KINDS["vault-approle"](order, showing(user="role"), patience)
    assert shown.accepted
    assert shown.seen_as.startswith("payments at ")


@given(
    value=st.text(min_size=24, max_size=60),
    at=st.integers(0, 12),
    filler=st.text("0123456789", min_size=150, max_size=180),
)
def test_a_long_name_hides_nothing_either(value: str, at: int, filler: str) -> None:
    """Long names are looked through another way than short ones, with the same result."""
    assert name_of(filler + value[at : at + 12], showing(value)) == ""


@pytest.mark.requirement("R17")
@pytest.mark.parametrize(("third", "accepted"), [(401, True), (200, None), (429, None), (503, None)])
def test_a_made_up_credential_must_be_turned_away_as_well(
    raw: MakeRaw, patience: Patience, third: int, accepted: bool | None
) -> None:
    """Strangers without one are turned away; what becomes of a wrong one is asked next, and a limit is no answer."""
    order = Order(target=f"http://{raw(in_turn(200, 401, third)).address}/", auth="bearer")
    assert http.probe(order, showing(), patience).accepted is accepted
