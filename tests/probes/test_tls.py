"""TLS probes: a finished handshake is no accepted client, and only a client that is judged counts."""

import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from nhisync.probes import Order, Presented, tcp
from nhisync.probes.order import Patience
from nhisync.probes.tls import probe
from nhisync.spi import ProviderError, SecretBytes
from nhisync.spi.x509.facts import spki_sha256
from nhisync.testing.judge import Judge

from .conftest import Authority, Raw

MakeRaw = Callable[..., Raw]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def answering(channel: socket.socket) -> None:
    """Answer whatever is said."""
    channel.recv(4096)
    channel.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


@pytest.fixture
def roots(tmp_path: Path) -> Authority:
    """The servers' authority."""
    return Authority(tmp_path, "roots")


@pytest.fixture
def clients(tmp_path: Path) -> Authority:
    """The clients' authority."""
    return Authority(tmp_path, "clients")


def shown_as(pem: bytes) -> Presented:
    """Chain and key out of one field."""
    return Presented("", SecretBytes(pem))


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_client_is_judged_by_a_round_trip(
    raw: MakeRaw, roots: Authority, clients: Authority, patience: Patience, version: ssl.TLSVersion
) -> None:
    """A certificate of the right authority is let in, one of another is refused, also where TLS 1.3 refuses late."""
    port = raw(answering, roots.server(clients=clients, version=version))
    order = Order(target=port.address, auth="client-certificate", ca_file=roots.file)
    good = probe(order, shown_as(clients.issued("robot")), patience)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    bad = probe(order, shown_as(roots.issued("robot")), patience)
    assert (bad.depth, bad.accepted) == ("tls", False)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_an_endpoint_that_asks_for_no_certificate_judges_none(
    raw: MakeRaw, roots: Authority, clients: Authority, patience: Patience, version: ssl.TLSVersion
) -> None:
    """Whoever is let in without one proves nothing with one."""
    port = raw(answering, roots.server(clients=None, version=version))
    order = Order(target=port.address, auth="client-certificate", ca_file=roots.file)
    shown = probe(order, shown_as(clients.issued("robot")), patience)
    assert (shown.depth, shown.accepted) == ("tls", None)


def test_an_endpoint_that_hangs_up_on_everybody_judges_nobody(
    raw: MakeRaw, roots: Authority, clients: Authority, patience: Patience
) -> None:
    """Silence with and without the certificate is not an acceptance."""
    port = raw(lambda channel: None, roots.server(clients=None, version=ssl.TLSVersion.TLSv1_3))
    order = Order(target=port.address, auth="client-certificate", ca_file=roots.file)
    assert probe(order, shown_as(clients.issued("robot")), patience).accepted is None


def test_no_key_lies_in_a_file(
    raw: MakeRaw, roots: Authority, clients: Authority, patience: Patience, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The key is presented from memory: nothing is written to any folder, and no handle stays open."""
    port = raw(answering, roots.server(clients=clients, version=ssl.TLSVersion.TLSv1_3))
    pem = clients.issued("robot")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    names = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd.isdigit() and _open(fd)}
    assert probe(Order(target=port.address, auth="client-certificate", ca_file=roots.file), shown_as(pem), patience)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
    now = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd.isdigit() and _open(fd)}
    assert not {name for name in now - names if "nhisync" in name and "memfd" in name}


def _open(handle: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{handle}")


@pytest.mark.parametrize(
    "pem", [b"", b"canary-no-pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_not_presented(judge: Judge, patience: Patience, pem: bytes) -> None:
    """The fields are wrong, not the service; nothing of them is quoted."""
    order = Order(target=judge.address, auth="client-certificate", ca_file=judge.authority)
    with pytest.raises(ProviderError) as told:
        probe(order, shown_as(pem), patience)
    assert told.value.kind.value == "misconfigured"
    assert "canary" not in repr(told.value)


def test_an_encrypted_key_asks_nobody(judge: Judge, clients: Authority, patience: Patience) -> None:
    """OpenSSL would ask for a password on the terminal; a probe has none."""
    pem = clients.issued("robot", password=b"unknown")
    with pytest.raises(ProviderError) as told:
        probe(Order(target=judge.address, auth="client-certificate", ca_file=judge.authority), shown_as(pem), patience)
    assert told.value.kind.value == "misconfigured"


@pytest.mark.requirement("R22")
def test_a_served_certificate_is_proven_by_its_own_key(judge: Judge, tmp_path: Path, patience: Patience) -> None:
    """The verified handshake is the authentication of the item that is served; another key proves nothing of it."""
    served = load_pem_x509_certificate((tmp_path / "judge" / "judge.pem").read_bytes())
    order = Order(target=judge.address, auth="none", ca_file=judge.authority, keys=frozenset({spki_sha256(served)}))
    assert probe(order, Presented(), patience).depth == "auth"
    other = Order(target=judge.address, auth="none", ca_file=judge.authority, keys=frozenset({"00"}))
    shown = probe(other, Presented(), patience)
    assert (shown.depth, shown.accepted) == ("tls", None)
    plain = probe(Order(target=judge.address, auth="none", ca_file=judge.authority), Presented(), patience)
    assert (plain.depth, plain.accepted) == ("tls", True)


def test_an_untrusted_server_proves_nothing(judge: Judge, patience: Patience) -> None:
    """Verification stays on."""
    with pytest.raises(ProviderError) as told:
        probe(Order(target=judge.address, auth="none"), Presented(), patience)
    assert told.value.kind.value == "unreachable"


@pytest.mark.requirement("R17")
def test_a_port_is_a_port(judge: Judge, patience: Patience) -> None:
    """The lowest rung sends nothing."""
    shown = tcp.probe(Order(target=judge.address), Presented(), patience)
    assert (shown.depth, shown.accepted) == ("tcp", True)
    assert judge.requests == 0
