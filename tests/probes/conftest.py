"""Services that judge credentials, over real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.clock import SystemClock
from nhisync.probes import Order, Presented
from nhisync.probes.order import Patience
from nhisync.spi import SecretBytes
from nhisync.testing.judge import Account, Judge

CANARY = "canary-live-value-51c0de"


@pytest.fixture
def patience() -> Patience:
    """Time enough."""
    return Patience(SystemClock(), 10)


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """The judging service with one account."""
    service = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    service.accounts["/account"] = Account("payments-north", CANARY)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def order(judge: Judge) -> Callable[..., Order]:
    """An order to log in to the judge."""

    def make(resource: str = "/account", **changes: object) -> Order:
        values = {
            "target": f"https://{judge.address}{resource}",
            "auth": "bearer",
            "ca_file": judge.authority,
            "seen_as": "account.id",
            **changes,
        }
        return Order(**values)  # type: ignore[arg-type]

    return make


def showing(value: str = CANARY, user: str = "") -> Presented:
    """A credential."""
    return Presented(user, SecretBytes(value.encode()))


class Raw:
    """A port that does to each connection what it is told; over TLS with `context`.

    Args:
        behave: what to do with one connection.
        context: of TLS, None = plain.
    """

    def __init__(
        self, behave: Callable[[socket.socket], None], context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._behave, self._context = behave, context
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family)
        self.port = self._socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(channel,), daemon=True).start()

    def _one(self, channel: socket.socket) -> None:
        channel.settimeout(10)
        try:
            if self._context is not None:
                channel = self._context.wrap_socket(channel, server_side=True)
            with channel:
                self._behave(channel)
        except OSError:
            channel.close()

    def close(self) -> None:
        """End it."""
        self._socket.close()


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """Makes ports with a behaviour."""
    made: list[Raw] = []

    def make(behave: Callable[[socket.socket], None], context: ssl.SSLContext | None = None, **where: str) -> Raw:
        made.append(Raw(behave, context, **where))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Authority:
    """An authority that issues certificates for 127.0.0.1 and for clients."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self.file.write_bytes(self._signed(self._name, self._key, ca=True))

    def issued(self, name: str, password: bytes = b"") -> bytes:
        """Chain and key in PEM."""
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        return self._signed(subject, key, ca=False) + private

    def server(self, *, clients: "Authority | None", version: ssl.TLSVersion) -> ssl.SSLContext:
        """A server's context that demands certificates of `clients`."""
        file = self._folder / "server.pem"
        file.write_bytes(self.issued("127.0.0.1"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(file)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.file)
        return context

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        import ipaddress

        now = SystemClock().now()
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        )
        if ca:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(identifier, False).add_extension(usage, critical=True)
        else:
            found = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
            builder = builder.add_extension(found, False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
