"""The listener as a process: what it imports, its deadline, TLS, its child form, and how it ends."""

import contextlib
import datetime as dt
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.app.publish import publish
from nhisync.clock import SystemClock
from nhisync.errors import UsageError
from nhisync.server.__main__ import wire
from nhisync.server.listener import Listener, ListenerSettings
from nhisync.server.protocol import PollerProtocol
from nhisync.server.serving import TlsFiles, bind, check_tls

BACKUP = b"GET /v1/ready/payments/backup HTTP/1.1\r\nHost: signals.test\r\n\r\n"

FOREIGN = (
    "boto3",
    "botocore",
    "grpc",
    "hvac",
    "requests",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "ruamel",
    "typer",
    "rich",
)


def test_listener_process_imports_no_sdk_and_no_store() -> None:
    """All that the listener's process loads is the standard library, uvicorn, h11 and small parts of the core."""
    code = f"import sys, nhisync.server.__main__; print([m for m in {FOREIGN!r} if m in sys.modules])"
    code += "; print(sorted(m for m in sys.modules if m.startswith('nhisync_')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n[]\n"


CLOUD = """
version: 1
paths:
  primary: {sources: {aws: {provider: aws, region: eu-west-1, auth: {method: default}}}}
  backup: {sources: {aws: {provider: aws, region: eu-north-1, auth: {method: default}}}}
apps:
  payments: {tier: critical, match: [{kind: secret, primary: "aws:secret/{name}", backup: "aws:secret/{name}"}]}
listener: {bind: "256.0.0.1:1"}
"""

CALLS = """
import sys
from nhisync.cli import main
codes = [main(["serve", "--listener-only"]), main(["ready", "payments", "backup"])]
print(codes, [name for name in sys.argv[1:] if name in sys.modules])
"""


def test_listener_only_imports_no_sdk_and_no_store(tmp_path: Path) -> None:
    """`serve --listener-only` and `ready` read the configuration of any provider, and load neither SDK nor store."""
    (tmp_path / "nhisync.yaml").write_text(CLOUD, encoding="utf-8")
    command = [sys.executable, "-c", CALLS, "boto3", "botocore", "hvac", "requests", "sqlalchemy", "alembic"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "unknown\n[2, 3] []\n", done.stderr


class Hasty(PollerProtocol):
    """The deadline of production, shortened."""

    seconds = 0.3


def test_clients_that_never_finish_are_cut_off(serve: Callable[..., Any]) -> None:
    """Silence, an unfinished request and dripping bytes end at the deadline; others are served meanwhile."""
    served = serve(protocol=Hasty)
    with contextlib.ExitStack() as stack:
        silent, unfinished, dripping = (stack.enter_context(served.connect()) for _ in range(3))
        unfinished.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n")
        assert served.get("/livez")[0] == 200
        started, end = time.monotonic(), time.monotonic() + 10
        with contextlib.suppress(ConnectionError):
            while not select.select([dripping], [], [], 0.02)[0] and time.monotonic() < end:
                dripping.sendall(b"G")
        assert time.monotonic() - started < 5
        for connection in (silent, unfinished):
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
    served.until(lambda: not served.listener.server.server_state.connections)


def test_hundreds_of_idle_connections_do_not_stop_the_answers(serve: Callable[..., Any]) -> None:
    """With 300 connections open and silent a poller is still answered at once."""
    served = serve()
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(served.connect())
        assert served.get("/livez")[0] == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_listener_that_follows_nothing_any_more_ends(serve: Callable[..., Any]) -> None:
    """When the watching thread dies of a bug the listener ends, to be replaced, instead of turning stale for ever."""
    served = serve()

    class Broken:
        """A place where looking fails in an unforeseen way."""

        def __fspath__(self) -> str:
            raise RuntimeError("unforeseen")

    served.listener.watcher._file = Broken()
    served.until(lambda: served.listener.server.should_exit)


def test_address_that_is_taken_or_malformed_is_a_usage_error() -> None:
    """A taken port, a missing port and an unknown host say what is wrong and which key to change."""
    (taken,) = bind("127.0.0.1:0")
    with taken:
        port = taken.getsockname()[1]
        for address in (f"127.0.0.1:{port}", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", "256.0.0.1:1"):
            with pytest.raises(UsageError, match=r"cannot listen on .*: [\s\S]*listener\.bind"):
                bind(address)


def test_binds_ipv6() -> None:
    """An address in brackets is IPv6."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        (sock,) = bind("[::1]:0")
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
    with sock:
        assert sock.family is socket.AF_INET6


class Authority:
    """A small certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key, ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files of a new leaf for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, ca=False)
        cert, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        cert.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        secret.write_bytes(key.private_bytes(*form))
        return cert, secret

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("signals.test")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority both sides trust."""
    return Authority(tmp_path, "authority")


def ask_tls(port: int, authority: Authority, client: tuple[Path, Path] | None = None) -> tuple[bytes, str]:
    """The answer over verified TLS, and the common name of the server's certificate."""
    context = ssl.create_default_context(cafile=authority.file)
    if client:
        context.load_cert_chain(*client)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="signals.test") as secured,
    ):
        leaf = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        secured.sendall(BACKUP)
        answer = b""
        while part := secured.recv(4096):
            answer += part
    if not answer:  # TLS 1.3 refuses a client's certificate only after the client's own handshake is done
        raise ConnectionError("refused")
    return answer, str(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_tls_serves_the_same_bytes(
    served: Any, serve: Callable[..., Any], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Over TLS the answer is the same; plain HTTP on the TLS port gets nothing, and nothing is logged."""
    cert, key = authority.issue("server")
    secured = serve(file=served.file, tls=TlsFiles(cert=cert, key=key))
    answer, name = ask_tls(secured.port, authority)
    assert name == "server"
    assert answer.partition(b"\r\n\r\n")[2] == served.ask(BACKUP).partition(b"\r\n\r\n")[2]
    assert b"200" not in secured.ask(BACKUP)
    assert not caplog.records


def test_certificate_is_reloaded_and_a_bad_one_is_not(
    serve: Callable[..., Any], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewed certificate is served after a reload without a restart; a broken file leaves the old one in use."""
    cert, key = authority.issue("first")
    served = serve(tls=TlsFiles(cert=cert, key=key))
    renewed, renewed_key = authority.issue("second")
    renewed.replace(cert)
    renewed_key.replace(key)
    served.listener.reload_certificate()
    assert ask_tls(served.port, authority)[1] == "second"
    cert.write_text("no certificate")
    served.listener.reload_certificate()
    assert f"cert {cert} with key {key}: no usable PEM; the earlier certificate stays in use" in caplog.text
    assert ask_tls(served.port, authority)[1] == "second"


@pytest.mark.parametrize("half", ["cert", "key", "pipe", "encrypted"])
def test_half_a_renewal_leaves_the_old_pair_in_use(
    serve: Callable[..., Any], authority: Authority, caplog: pytest.LogCaptureFixture, half: str
) -> None:
    """A reload between the writing of certificate and key, or of a key that would wait, breaks no connection."""
    cert, key = authority.issue("first")
    served = serve(tls=TlsFiles(cert=cert, key=key))
    renewed, renewed_key = authority.issue("second")
    if half == "cert":
        renewed.replace(cert)
    elif half == "key":
        renewed_key.replace(key)
    elif half == "pipe":
        key.unlink()
        os.mkfifo(key)
    else:
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        key.write_bytes(secret.private_bytes(*form, serialization.BestAvailableEncryption(b"canary-passphrase")))
    served.listener.reload_certificate()
    assert "the earlier certificate stays in use" in caplog.text
    assert ask_tls(served.port, authority)[1] == "first"


def test_client_certificate_is_demanded_when_a_client_ca_is_named(
    serve: Callable[..., Any], authority: Authority, tmp_path: Path
) -> None:
    """With client_ca only clients of that authority are answered."""
    cert, key = authority.issue("server")
    served = serve(tls=TlsFiles(cert=cert, key=key, client_ca=authority.file))
    assert ask_tls(served.port, authority, authority.issue("poller"))[0].startswith(b"HTTP/1.1 503 ")
    stranger = Authority(tmp_path, "stranger").issue("stranger-leaf")
    for client in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask_tls(served.port, authority, client)


def test_unusable_tls_files_are_a_usage_error(tmp_path: Path) -> None:
    """A missing or broken certificate is told before anything is served, with the file and the key to look at."""
    tls = TlsFiles(cert=tmp_path / "missing.crt", key=tmp_path / "missing.key")
    listener = Listener(ListenerSettings(file=tmp_path / "p", instance="i", places={}, tls=tls), SystemClock())
    with pytest.raises(UsageError, match=r"TLS files cannot be used: cert .*missing\.crt[\s\S]*listener\.tls"):
        listener.run([])


def test_each_unusable_tls_file_is_named(authority: Authority, tmp_path: Path) -> None:
    """The key that is a pipe, the pair that does not fit and the authorities that are none are told apart."""
    cert, key = authority.issue("server")
    _, other = authority.issue("other")
    pipe, junk = tmp_path / "pipe.key", tmp_path / "junk.pem"
    os.mkfifo(pipe)
    junk.write_text("no certificate", encoding="utf-8")
    check_tls(TlsFiles(cert=cert, key=key, client_ca=authority.file))
    for files, said in (
        (TlsFiles(cert=cert, key=pipe), r"key .*pipe\.key: it is no regular file"),
        (TlsFiles(cert=cert, key=other), r"cert .* with key .*: "),
        (TlsFiles(cert=cert, key=key, client_ca=junk), r"client_ca .*junk\.pem: "),
    ):
        with pytest.raises(UsageError, match=said):
            check_tls(files)


class Child:
    """A listener process as `nhisync serve` starts it."""

    def __init__(self, file: Path) -> None:
        (sock,) = bind("127.0.0.1:0")
        self.port = sock.getsockname()[1]
        places = {"payments": ("primary", "backup", "eu-west", "eu-north")}
        settings = ListenerSettings(file=file, instance="nhisync-a", places=places)
        with sock:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nhisync.server"],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[sock.fileno()],
            )
            assert self.process.stdin is not None
            self.process.stdin.write(wire(settings, [sock.fileno()]))
            self.process.stdin.flush()

    def status(self) -> int:
        """HTTP status of the backup's signal."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(BACKUP)
            return int(connection.recv(12).split(b" ")[1])


@pytest.fixture
def child(publication: Callable[..., Any], tmp_path: Path) -> Iterator[Child]:
    """A child that serves a publication of this very second."""
    publish(tmp_path / "publication.json", publication())
    started = Child(tmp_path / "publication.json")
    with started.process:
        yield started
        started.process.kill()


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Any:
    """The machine's clock for tests with processes, the fake one otherwise."""
    from nhisync.testing.clocks import FakeClock

    return SystemClock() if "child" in request.fixturenames else FakeClock()


def test_child_serves_and_leaves_cleanly_on_sigterm(child: Child) -> None:
    """The child answers on the inherited socket; SIGTERM ends it with exit code 0 and without a word."""
    assert child.status() == 200
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(timeout=20) == 0
    assert child.process.stderr is not None
    assert child.process.stderr.read() == b""


def test_child_leaves_when_its_parent_is_gone(child: Child) -> None:
    """When the parent's end of the pipe closes, the listener ends and frees the port."""
    assert child.status() == 200
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.process.wait(timeout=20) == 0
    with pytest.raises(ConnectionRefusedError):
        child.status()
