"""The TLS world, seen by clients that share no code with it: OpenSSL's s_client and Python's ssl."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
from nhisync_tls.emulator import TlsWorld
from nhisync_tls.emulator.chains import CHAINS

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")


@pytest.fixture
def source(world: TlsWorld) -> dict[str, str]:
    """The configuration document of the source ``primary``/``edge``."""
    return world.add_source("primary", "edge", region="eu-west-1", options={"client_certificate": True})


def plant(world: TlsWorld, name: str = "api", **options: object) -> tuple[int, str]:
    """Seed one endpoint and return its port and the server name of its locator."""
    fields = {k: options.pop(k) for k in ("expires", "rotated") if k in options}
    locator = world.seed("primary", "edge", Seed(kind="tls", name=name, options=options, **fields))
    place = urlsplit(f"//{locator.removeprefix('tls/')}")
    assert place.port is not None
    return place.port, parse_qs(place.query)["name"][0]


def s_client(port: int, *arguments: str) -> str:
    """Run ``openssl s_client`` against the port and return all it prints."""
    command = [OPENSSL or "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-showcerts", *arguments]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def shown(text: str) -> list[x509.Certificate]:
    """The certificates in ``s_client -showcerts`` output; the leaf is printed again at the end."""
    listing = text.split("Server certificate", 1)[0]
    return x509.load_pem_x509_certificates(listing.encode())


@contextmanager
def python_client(port: int, name: str | None = None, **load: str) -> Iterator[ssl.SSLSocket]:
    """A connected Python client that believes everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "certfile" in load:
        context.load_cert_chain(load["certfile"], load["keyfile"])
    if "alpn" in load:
        context.set_alpn_protocols([load["alpn"]])
    with (
        closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as raw,
        closing(context.wrap_socket(raw, server_hostname=name)) as tls,
    ):
        yield tls


@needs_openssl
@pytest.mark.parametrize("word", sorted(CHAINS))
def test_every_chain_word_is_served_byte_for_byte(world: TlsWorld, source: dict[str, str], word: str) -> None:
    """An independent client must receive leaf and further certificates in exactly the planned order."""
    port, name = plant(world, chain=word)
    received = shown(s_client(port, "-servername", name))
    subjects = [item.subject.rfc4514_string().split("CN=")[1].split(",")[0] for item in received]
    expected = {
        "complete": ["api.example.com", "Demo Issuing CA"],
        "missing_intermediate": ["api.example.com"],
        "with_root": ["api.example.com", "Demo Issuing CA", "Demo Root"],
        "wrong_order": ["api.example.com", "Demo Root", "Demo Issuing CA"],
        "surplus": ["api.example.com", "Demo Issuing CA", "Unrelated Issuing CA"],
        "expired_intermediate": ["api.example.com", "Expired Issuing CA"],
        "expiring_intermediate": ["api.example.com", "Ending Issuing CA"],
        "untrusted": ["api.example.com", "Unknown Issuing CA"],
        "self_signed": ["api.example.com"],
        "issued_by_root": ["api.example.com"],
    }
    assert subjects == expected[word]


@needs_openssl
@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("complete", "Verify return code: 0 (ok)"),
        ("with_root", "Verify return code: 0 (ok)"),
        ("wrong_order", "Verify return code: 0 (ok)"),
        ("surplus", "Verify return code: 0 (ok)"),
        ("issued_by_root", "Verify return code: 0 (ok)"),
        ("missing_intermediate", "Verify return code: 21"),
        ("expired_intermediate", "Verify return code: 10"),
        ("untrusted", "Verify return code: 20"),
        ("self_signed", "Verify return code: 18"),
    ],
)
def test_openssl_judges_the_chain_as_planned(
    world: TlsWorld, source: dict[str, str], clock: FakeClock, word: str, verdict: str
) -> None:
    """OpenSSL, given the source's roots and the world's instant, must agree with what the chain word says."""
    port, name = plant(world, chain=word)
    instant = str(int(clock.now().timestamp()))
    answer = s_client(port, "-servername", name, "-CAfile", source["trust_file"], "-attime", instant)
    assert verdict in answer


@needs_openssl
@pytest.mark.parametrize("protocol", ["smtp", "postgres", "ldap"])
def test_openssl_passes_each_starttls(world: TlsWorld, source: dict[str, str], protocol: str) -> None:
    """OpenSSL's own STARTTLS client must get through to TLS, and must fail when STARTTLS is refused."""
    port, name = plant(world, starttls=protocol)
    assert len(shown(s_client(port, "-servername", name, "-starttls", protocol))) == 2
    world.fault("primary", "edge", "starttls_refused")
    assert "-----BEGIN CERTIFICATE-----" not in s_client(port, "-starttls", protocol)


def test_the_locator_names_server_and_starttls(world: TlsWorld, source: dict[str, str]) -> None:
    """The returned locator must carry all that a client needs to know beyond the address."""
    item = Seed(kind="tls", name="mail.example.net", options={"starttls": "smtp"})
    locator = world.seed("primary", "edge", item)
    assert locator.startswith("tls/127.0.0.1:")
    assert locator.endswith("?name=mail.example.net&starttls=smtp")


def test_sni_selects_the_chain(world: TlsWorld, source: dict[str, str]) -> None:
    """Two seeds on one port must be told apart by SNI; no name and unknown names get the first one."""
    port, _ = plant(world, "one", endpoint="edge")
    second, _ = plant(world, "two", endpoint="edge")
    assert port == second
    received = {}
    for name in ("one.example.com", "two.example.com", "other.example.com", None):
        with python_client(port, name) as tls:
            der = tls.getpeercert(binary_form=True)
            assert der
            tls.sendall(b"x")
            assert tls.recv(100), "an answer proves that the server has recorded its side"
            received[name] = x509.load_der_x509_certificate(der).subject.rfc4514_string().split(",")[0]
    assert received == {
        "one.example.com": "CN=one.example.com",
        "two.example.com": "CN=two.example.com",
        "other.example.com": "CN=one.example.com",
        None: "CN=one.example.com",
    }
    names = [item.server_name for item in world.endpoint("primary", "edge", "edge").handshakes]
    assert names == ["one.example.com", "two.example.com", "other.example.com", None]


def test_alpn_is_agreed(world: TlsWorld, source: dict[str, str]) -> None:
    """An offered protocol must be agreed on and recorded."""
    port, name = plant(world, alpn=("h2", "http/1.1"))
    with python_client(port, name, alpn="http/1.1") as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_demanded_client_certificate(world: TlsWorld, source: dict[str, str], version: str) -> None:
    """Without a certificate 1.2 must fail in the handshake and 1.3 on the first read; with one both must answer."""
    port, name = plant(world, version=version, client_certificate="required")

    def talk(**load: str) -> bytes:
        with python_client(port, name, **load) as tls:
            tls.sendall(b"hello")
            return tls.recv(100)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk()
    certificate = {"certfile": source["client_certificate_file"], "keyfile": source["client_key_file"]}
    assert talk(**certificate).startswith(b"HTTP/1.0 200")


def test_labels_share_a_key_or_a_certificate_across_paths(world: TlsWorld, source: dict[str, str]) -> None:
    """One key label must give the same key under two serials; one certificate label the same certificate."""
    world.add_source("backup", "edge", region="eu-north-1", options={})

    def leaf(path: str, name: str, **options: str) -> x509.Certificate:
        locator = world.seed(path, "edge", Seed(kind="tls", name=name, options=options))
        with python_client(urlsplit(f"//{locator.removeprefix('tls/')}").port or 0) as tls:
            der = tls.getpeercert(binary_form=True)
        assert der
        return x509.load_der_x509_certificate(der)

    one, two = leaf("primary", "a", key_label="k"), leaf("backup", "b", key_label="k")
    assert one.public_key() == two.public_key()
    assert one.serial_number != two.serial_number
    assert leaf("primary", "c", certificate_label="x") == leaf("backup", "d", certificate_label="x")


def test_dates_come_from_the_injected_clock(world: TlsWorld, source: dict[str, str], clock: FakeClock) -> None:
    """A seed's ages and ends must be measured from the world's clock."""
    port, _ = plant(world, expires=timedelta(days=-3), rotated=timedelta(days=40))
    with python_client(port) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der
    leaf = x509.load_der_x509_certificate(der)
    assert leaf.not_valid_after_utc == clock.now() - timedelta(days=3)
    assert leaf.not_valid_before_utc == clock.now() - timedelta(days=40)


def test_refuse_keeps_the_port_and_can_be_switched_off(world: TlsWorld, source: dict[str, str]) -> None:
    """While the fault is on the port must refuse, and afterwards the same port must answer again."""
    port, name = plant(world)
    world.fault("primary", "edge", "refuse", item="api")
    with pytest.raises(ConnectionRefusedError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        pass
    world.fault("primary", "edge", "refuse", off=True)
    with python_client(port, name) as tls:
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("hang", TimeoutError),
        ("close", (ssl.SSLError, ConnectionError)),
        ("plaintext", ssl.SSLError),
    ],
)
def test_handshake_faults(world: TlsWorld, source: dict[str, str], fault: str, expected: type[Exception]) -> None:
    """Each fault must look to a client like what its name says, and must end when switched off."""
    port, name = plant(world)
    world.fault("primary", "edge", fault)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        closing(socket.create_connection(("127.0.0.1", port), timeout=0.3)) as raw,
        closing(context.wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)) as tls,
        pytest.raises(expected),
    ):
        tls.do_handshake()
    world.fault("primary", "edge", fault, off=True)
    with python_client(port, name) as tls:
        assert tls.version()


def test_a_slow_endpoint_answers_late(world: TlsWorld, source: dict[str, str]) -> None:
    """The fault ``slow`` must delay the handshake, not break it."""
    port, name = plant(world)
    world.fault("primary", "edge", "slow", delay=0.05)
    with python_client(port, name) as tls:
        assert tls.version()


def test_unknown_words_are_errors(world: TlsWorld, source: dict[str, str]) -> None:
    """A mistyped kind, option, chain word or fault must fail loudly instead of planting something else."""
    with pytest.raises(ValueError, match="seeds only the kinds tls"):
        world.seed("primary", "edge", Seed(kind="pem", name="x"))
    with pytest.raises(TypeError):
        plant(world, chian="complete")
    with pytest.raises(KeyError):
        plant(world, chain="broken")
    with pytest.raises(ValueError, match="no such fault"):
        world.fault("primary", "edge", "denied")


def test_stop_leaves_nothing_behind(tmp_path: Path, clock: FakeClock) -> None:
    """After `stop`, called twice, no thread of the world may run, even with a client hanging in a handshake."""
    before = threading.active_count()
    part = TlsWorld(clock=clock, directory=tmp_path / "other")
    part.start()
    part.add_source("primary", "edge", region="r", options={})
    port, _ = plant(part)
    part.fault("primary", "edge", "hang")
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as raw:
        raw.sendall(b"\x16")
        part.stop()
        part.stop()
    assert threading.active_count() == before


def test_private_keys_are_readable_by_the_owner_alone(world: TlsWorld, source: dict[str, str], tmp_path: Path) -> None:
    """Every file of the world must be closed to group and others."""
    plant(world)
    modes = {file.stat().st_mode & 0o077 for file in tmp_path.rglob("*.pem")}
    assert modes == {0}
