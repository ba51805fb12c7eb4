"""A small service that judges credentials: HTTPS on loopback with an authority of its own, and a bare port.

It lets the current value of an account in, refuses every other one with 401, and says whom it saw. What it was shown is
kept in no log.
"""

import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.clock import Clock

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a resource lets in.

    Attributes:
        name: how the service calls it.
        value: the bearer token it accepts now.
        open: everybody is let in, with or without a token.
        status: what those who are let in are answered.
        generation: what a workload that has loaded a credential says of it, "" = it is no workload.
        also: other tokens that it accepts still.
        undo: what becomes of a DELETE below ``<resource>/things/``: ``done``, ``refused`` (500, it stays), or
            ``silent`` (it stays, and nobody is answered any more).
    """

    name: str
    value: str
    open: bool = False
    status: int = 200
    generation: str = ""
    also: frozenset[str] = frozenset()
    undo: str = "done"


class Judge:
    """The service; `accounts` may grow while it runs.

    Args:
        clock: for the certificates.
        directory: where its authority's certificate lies, for probes to trust.
    """

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self.accounts: dict[str, Account] = {}
        self.things: dict[str, dict[str, Any]] = {}
        self.marks: list[str] = []
        self.requests = 0
        self._clock, self._directory = clock, directory
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def authority(self) -> Path:
        """The certificate of its authority."""
        return self._directory / "judge-ca.pem"

    @property
    def address(self) -> str:
        """``127.0.0.1:<port>``."""
        if self._server is None:
            raise RuntimeError("the judge was not started")
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def words(self) -> Mapping[str, str]:
        """What stands for it in a scenario: ``{judge}`` is its address, ``{judge_ca}`` its authority."""
        return {"{judge}": self.address, "{judge_ca}": str(self.authority)}

    def start(self) -> None:
        """Listen."""
        self._directory.mkdir(parents=True, exist_ok=True)
        key_file = _certificates(self.authority, self._directory, self._clock)
        server = _Server(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server = server
        threading.Thread(target=server.serve_forever, name="nhisync-judge", daemon=True).start()

    def stop(self) -> None:
        """Close it; safe to call twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(
        self, resource: str, authorization: str, method: str = "GET", body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and body for one request; status 0 = none at all."""
        self.requests += 1
        name, _, thing = resource.partition("/things/")
        account = self.accounts.get(name)
        if account is None:
            return 404, {}
        tokens = {f"Bearer {value}" for value in (account.value, *account.also)}
        if account.open or authorization in tokens:
            if thing:
                return self._thing(account, resource, method, body or {})
            loaded = {"loaded": {"generation": account.generation}} if account.generation else {}
            return account.status, {"account": {"id": account.name}, **loaded}
        return 401, {}

    def _thing(self, account: Account, resource: str, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What an application keeps: PUT writes, PATCH changes, DELETE removes."""
        held = self.things.get(resource)
        if method == "PUT":
            self.things[resource] = body
            return (200 if held else 201), body
        if held is None:
            return 404, {}
        if method == "PATCH":
            held.update(body)
        if method == "DELETE":
            if account.undo == "done":
                del self.things[resource]
                return 204, {}
            held["undo"] = account.undo
            return (500 if account.undo == "refused" else 0), {}
        return (0 if held.get("undo") == "silent" else 200), held


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or does not trust us is nobody's news."""


def _handler(judge: Judge) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if (mark := self.headers.get("X-Nhisync-Run")) is not None:
                judge.marks.append(f"{self.command} {mark}")
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            document = json.loads(sent) if sent else None
            status, body = judge.answer(self.path, self.headers.get("Authorization", ""), self.command, document)
            if not status:
                return
            raw = json.dumps(body).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server has

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server has
            """Nothing is logged."""

    return Handler


def _certificates(authority: Path, directory: Path, clock: Clock) -> Path:
    """Write the authority's certificate; returns a file with the server's chain and key."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "judge CA")]), clock.now()
    dates = {"not_valid_before": now - _DAY, "not_valid_after": now + 30 * _DAY}

    def made(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(root_name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(dates["not_valid_before"]).not_valid_after(dates["not_valid_after"])
        return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)

    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    root = made(root_name, root_key.public_key(), ca=True).add_extension(identifier, critical=False)
    root = root.add_extension(_usage(), critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = made(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "judge")]), key.public_key(), ca=False)
    leaf = leaf.add_extension(names, critical=False).add_extension(issuer, critical=False)
    pem = serialization.Encoding.PEM
    authority.write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = directory / "judge.pem"
    file.touch(mode=0o600)
    file.write_bytes(leaf.sign(root_key, hashes.SHA256()).public_bytes(pem) + private)
    return file


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
