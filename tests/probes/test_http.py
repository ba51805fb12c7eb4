"""HTTP probes: accepted, refused and not judged are three different things, and a credential goes nowhere else."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from nhisync.clock import SystemClock
from nhisync.config.probe_documents import ProbeDocument
from nhisync.probes import KINDS, Order, Presented
from nhisync.probes.http import probe
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Account, Judge

from .conftest import CANARY, Raw, showing

MakeOrder = Callable[..., Order]
MakeRaw = Callable[..., Raw]


def answering(text: bytes) -> Callable[[socket.socket], None]:
    """A server that answers every request with `text`."""

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(text)

    return behave


@pytest.mark.requirement("R17")
def test_the_current_value_is_let_in(order: MakeOrder, judge: Judge, patience: Patience) -> None:
    """Accepted, seen as somebody at this service; the endpoint was also asked without it and with a made-up one."""
    shown = probe(order(), showing(), patience)
    assert (shown.depth, shown.accepted, shown.error) == ("auth", True, None)
    assert shown.seen_as == f"payments-north at {judge.address}"
    assert judge.requests == 3


@pytest.mark.requirement("R17")
def test_a_stale_value_is_refused(order: MakeOrder, patience: Patience) -> None:
    """401 is a refusal, and the handshake below it stands."""
    shown = probe(order(), showing("canary-of-yesterday"), patience)
    assert (shown.depth, shown.accepted) == ("tls", False)
    assert shown.error is not None
    assert (shown.error.kind, shown.error.message) == ("auth_failed", "the service answers 401")


def test_an_endpoint_that_answers_everybody_judges_nobody(order: MakeOrder, judge: Judge, patience: Patience) -> None:
    """200 without the credential as well is no acceptance of it."""
    judge.accounts["/open"] = Account("anybody", "", open=True)
    shown = probe(order("/open"), showing(), patience)
    assert (shown.depth, shown.accepted) == ("tls", None)
    assert shown.error is not None
    assert shown.error.kind == "unsupported"


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("auth", ["bearer", "header", "basic"])
def test_an_endpoint_that_wants_any_credential_judges_none(raw: MakeRaw, patience: Patience, auth: str) -> None:
    """A gateway that looks whether the header is there lets a made-up one in as well."""

    def behave(channel: socket.socket) -> None:
        asked = channel.recv(65_536).lower()
        there = b"authorization:" in asked or b"x-api-key:" in asked
        channel.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % (b"200 OK" if there else b"401 No"))

    order = Order(target=f"http://{raw(behave).address}/", auth=auth, header="X-Api-Key")
    shown = probe(order, showing(user="robot"), patience)
    assert (shown.depth, shown.accepted) == ("tcp", None)
    assert shown.error is not None
    assert shown.error.message == "the service answers the same with a made-up credential: it judges none"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, "misconfigured"), (404, "misconfigured"), (429, "throttled"), (500, "unreachable"), (503, "unreachable")],
)
def test_other_answers_say_nothing_about_the_credential(
    order: MakeOrder, judge: Judge, patience: Patience, status: int, kind: str
) -> None:
    """Redirects are not followed; faults, limits and surprises are not refusals."""
    judge.accounts["/odd"] = Account("somebody", CANARY, status=status)
    shown = probe(order("/odd"), showing(), patience)
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind == kind
    assert judge.requests == 1


def test_forbidden_is_a_refusal(order: MakeOrder, judge: Judge, patience: Patience) -> None:
    """403: known and not let in."""
    judge.accounts["/forbidden"] = Account("somebody", CANARY, status=403)
    shown = probe(order("/forbidden"), showing(), patience)
    assert shown.accepted is False
    assert shown.error is not None
    assert shown.error.kind == "denied"


@pytest.mark.parametrize(("auth", "header", "sent"), [
    ("bearer", "", f"Authorization: Bearer {CANARY}"),
    ("header", "X-Api-Key", f"X-Api-Key: {CANARY}"),
    ("basic", "", "Authorization: Basic cm9ib3Q6Y2FuYXJ5LWxpdmUtdmFsdWUtNTFjMGRl"),
])  # fmt: skip
def test_how_a_credential_is_presented(raw: MakeRaw, patience: Patience, auth: str, header: str, sent: str) -> None:
    """Bearer (RFC 6750 §2.1), an api key's own header, Basic (RFC 7617 §2); then nothing, then a made-up one."""
    seen: list[str] = []

    def behave(channel: socket.socket) -> None:
        seen.append(channel.recv(65_536).decode())
        status = b"200 OK" if sent in seen[-1] else b"401 Unauthorized"
        channel.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    port = raw(behave)
    order = Order(target=f"http://{port.address}/v1?scope=all", auth=auth, header=header)
    shown = probe(order, showing(user="robot"), patience)
    assert shown.accepted is True
    assert seen[0].startswith("GET /v1?scope=all HTTP/1.1\r\n")
    assert sent in seen[0].split("\r\n")
    assert [sent in one for one in seen] == [True, False, False]
    assert [("uthorization" in one or "Api-Key" in one) for one in seen] == [True, False, True]
    assert "cm9ib3Q6" not in seen[2], "a made-up password under a real name could lock it"


def test_over_ipv6(raw: MakeRaw, patience: Patience) -> None:
    """An address in brackets is an address (RFC 3986 §3.2.2), in the request's Host as well."""
    seen: list[str] = []

    def behave(channel: socket.socket) -> None:
        seen.append(channel.recv(65_536).decode())
        channel.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % (b"200 OK" if len(seen) == 1 else b"401 No"))

    port = raw(behave, host="::1")
    assert probe(Order(target=f"http://{port.address}/", auth="bearer"), showing(), patience).accepted is True
    assert f"Host: {port.address}" in seen[0].split("\r\n")


@pytest.mark.parametrize(
    "text", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", b"\x00" * 200_000]
)
def test_what_is_no_http_judges_nothing(raw: MakeRaw, patience: Patience, text: bytes) -> None:
    """Cut and foreign answers are typed, and nothing of them is passed on."""
    order = Order(target=f"http://{raw(answering(text)).address}/", auth="bearer")
    with pytest.raises(ProviderError) as told:
        probe(order, showing(), patience)
    assert told.value.kind.value == "unreachable"
    assert "SSH" not in told.value.message


def test_a_dripping_service_is_cut_off(raw: MakeRaw) -> None:
    """One byte at a time does not hold the probe beyond its time."""

    def behave(channel: socket.socket) -> None:
        while True:
            channel.sendall(b"H")
            channel.recv(1)

    clock = SystemClock()
    order, began = Order(target=f"http://{raw(behave).address}/", auth="bearer"), clock.monotonic()
    with pytest.raises(ProviderError):
        probe(order, showing(), Patience(clock, 1))
    assert clock.monotonic() - began < 5


def test_an_untrusted_service_is_shown_nothing(order: MakeOrder, judge: Judge, patience: Patience) -> None:
    """Without the judge's authority, or under another name, the credential is never sent."""
    for wrong in (replace(order(), ca_file=None), replace(order(), server_name="other.example")):
        with pytest.raises(ProviderError) as told:
            probe(wrong, showing(), patience)
        assert "not trusted" in told.value.message
    assert judge.requests == 0


def test_nobody_listens(patience: Patience) -> None:
    """A closed port and a name without an address are unreachable, not refusals."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for target in (f"http://127.0.0.1:{port}/", "http://nowhere.invalid/"):
        with pytest.raises(ProviderError) as told:
            probe(Order(target=target, auth="bearer"), showing(), patience)
        assert told.value.kind.value == "unreachable"


@pytest.mark.parametrize("value", ["canary-with-a-break\n", "canary\r\nX-Evil: 1", "canary-ü\x00"])
def test_a_value_that_no_header_can_carry(order: MakeOrder, patience: Patience, value: str) -> None:
    """It is not sent, and not quoted in the error."""
    with pytest.raises(ProviderError) as told:
        probe(order(), showing(value), patience)
    assert told.value.kind.value == "misconfigured"
    assert "canary" not in f"{told.value!r} {told.value.__cause__!r} {told.value.fact!r}"


def test_through_a_proxy(order: MakeOrder, judge: Judge, raw: MakeRaw, patience: Patience) -> None:
    """The proxy sees where we go and nothing of what we present (CONNECT, RFC 9110 §9.3.6)."""
    heard: list[bytes] = []

    def behave(channel: socket.socket) -> None:
        asked = channel.recv(65_536)
        heard.append(asked)
        with socket.create_connection(tuple(judge.address.split(":"))) as there:  # type: ignore[arg-type]
            channel.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(channel, there, heard)

    shown = probe(replace(order(), proxy=f"http://{raw(behave).address}"), showing(), patience)
    assert shown.accepted is True
    assert heard[0].startswith(f"CONNECT {judge.address} ".encode())
    assert CANARY.encode() not in b"".join(heard)


def test_a_proxy_that_refuses_is_no_service(order: MakeOrder, raw: MakeRaw, patience: Patience) -> None:
    """407 of a proxy says nothing about the credential."""
    port = raw(answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(ProviderError) as told:
        probe(replace(order(), proxy=f"http://{port.address}"), showing(), patience)
    assert "proxy" in told.value.message


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"account": {"id": true}}', b'{"account": 1}', b'{"a": {}}'])
def test_an_answer_that_names_nobody(raw: MakeRaw, patience: Patience, body: bytes) -> None:
    """A missing member is no identity, and no error either."""
    seen = [0]

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        seen[0] += 1
        status = b"200 OK" if seen[0] == 1 else b"401 No"
        channel.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

    order = Order(target=f"http://{raw(behave).address}/", auth="bearer", seen_as="account.id")
    shown = probe(order, showing(), patience)
    assert (shown.accepted, shown.seen_as) == (True, "")


def test_nothing_to_present(order: MakeOrder, patience: Patience) -> None:
    """A missing value is the configuration's fault, not the service's."""
    with pytest.raises(ProviderError) as told:
        probe(order(), Presented(), patience)
    assert told.value.kind.value == "misconfigured"


def test_no_repr_shows_a_value_or_an_address(order: MakeOrder) -> None:
    """An order's query may hold a capability, a presented value is a secret."""
    made = order("/account?key=canary-in-the-query", proxy="http://user.example")
    assert "canary" not in repr(made)
    assert CANARY not in repr(showing())
    assert CANARY not in repr(SecretBytes(CANARY.encode()))


def test_every_kind_but_the_providers_own_is_made_here() -> None:
    """What a configuration may name has somebody who makes it."""
    words = get_args(ProbeDocument.model_fields["type"].annotation)
    assert {*KINDS, "provider"} == {*words, "generation"}


def test_a_broken_ca_file_is_named(order: MakeOrder, tmp_path: Path, patience: Patience) -> None:
    """Trust is never dropped because a file is missing or holds something else."""
    (tmp_path / "no.pem").write_text("nothing")
    for file in (tmp_path / "no.pem", tmp_path / "missing.pem"):
        with pytest.raises(ProviderError) as told:
            probe(replace(order(), ca_file=file), showing(), patience)
        assert told.value.kind.value == "misconfigured"


def _pump(one: socket.socket, other: socket.socket, heard: list[bytes]) -> None:
    """Copy both ways until either side ends."""
    import select

    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = ready.recv(65_536)
            if not data:
                return
            heard.append(data)
            (other if ready is one else one).sendall(data)
