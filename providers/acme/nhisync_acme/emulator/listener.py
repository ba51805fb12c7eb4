"""HTTPS on loopback with a certificate of its own authority, and trouble on demand."""

import contextlib
import http.server
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.spi import Clock
from nhisync_acme.emulator.authority import Authority, Reply, problem

FAULTS = ("unreachable", "throttled", "refused", "cut", "garbage", "fault", "hang", "bad-nonce", "redirect")
"""What `Listener.trouble` knows."""

_IDLE = 10.0


class Listener:
    """Serves one authority.

    Args:
        authority: what answers.
        folder: private; holds the listener's key and ``ca.pem``.
        clock: for the Date header.
    """

    def __init__(self, authority: Authority, folder: Path, clock: Clock) -> None:
        self._authority, self._clock = authority, clock
        self.trouble = ""
        self.retry_after: int | str = 3600
        self.skew = timedelta(0)
        self.served = 0
        self._port = 0
        self._server: http.server.ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._context = _tls(folder)
        self.ca_file = folder / "ca.pem"
        self.open()

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>``."""
        return f"https://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        if self._server is not None:
            return
        self._server = _Server(("127.0.0.1", self._port), type("Handler", (_Handler,), {"listener": self}))
        self._server.context = self._context
        self._port = int(self._server.server_address[1])
        self._authority.base = self.address
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Stop listening; safe to call twice."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def reply(self, method: str, path: str, body: bytes) -> Reply:
        """The authority's answer, or the trouble's."""
        self.served += 1
        if self.trouble == "throttled":
            return problem(429, "rateLimited", **{"Retry-After": str(self.retry_after)})
        if self.trouble == "refused":
            return problem(403, "unauthorized") if method == "POST" else self._authority.answer(method, path, body)
        if self.trouble == "fault":
            return Reply(status=503, body=b"upstream", kind="text/plain")
        if self.trouble == "garbage":
            return Reply(body=b"<html>log in to the hotel's network</html>", kind="text/html")
        if self.trouble == "redirect":
            return Reply(status=302, headers={"Location": "https://elsewhere.invalid/directory"})
        if self.trouble == "bad-nonce" and method == "POST":
            return problem(400, "badNonce")
        return self._authority.answer(method, path, body)

    def date(self) -> str:
        """The authority's time, `skew` off."""
        return format_datetime(self._clock.now().astimezone(UTC) + self.skew, usegmt=True)


class _Server(http.server.ThreadingHTTPServer):
    """Handshakes in the connection's own thread, so that a silent client blocks nobody."""

    daemon_threads = False
    block_on_close = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """TLS, then HTTP; a client that goes away is not an error."""
        with contextlib.suppress(OSError):
            request.settimeout(_IDLE)
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Be quiet."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request a connection."""

    listener: Listener

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def _answer(self) -> None:
        listener = self.listener
        reply = listener.reply(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if listener.trouble == "hang":
            with contextlib.suppress(OSError):
                self.rfile.read(1)
            return
        payload = reply.payload
        self.send_response_only(reply.status)
        self.send_header("Date", listener.date())
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload[: len(payload) // 2] if listener.trouble == "cut" else payload)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def _tls(folder: Path) -> ssl.SSLContext:
    """A context with a fresh certificate for 127.0.0.1; dates are the machine's, because TLS compares with that."""
    start = datetime.fromtimestamp(folder.stat().st_mtime, UTC) - timedelta(days=1)
    end = start + timedelta(days=3650)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nhisync emulated ACME listener CA")])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey, serial: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(authority, critical=False)
        )

    root = (
        build(root_name, root_key.public_key(), 1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        build(x509.Name([]), key.public_key(), 2)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(one)) for one in ("127.0.0.1", "::1")]),
            critical=True,
        )
        .sign(root_key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(encoding))
    bundle = folder / "listener.pem"
    bundle.touch(mode=0o600)
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    bundle.write_bytes(secret + leaf.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    return context
