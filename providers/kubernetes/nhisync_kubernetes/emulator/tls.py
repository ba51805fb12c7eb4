"""A certificate authority per world: for the listeners, for clients, and for the emulated cert-manager."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nhisync.spi import Randomness

_LIFETIME = timedelta(days=3650)

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate names.

    Attributes:
        name: common name.
        groups: organisations.
        dns: DNS names.
        addresses: IP addresses.
        client: it is a client's, not a server's.
    """

    name: str
    groups: Sequence[str] = ()
    dns: Sequence[str] = ()
    addresses: Sequence[str] = ()
    client: bool = False


@dataclass(frozen=True, slots=True)
class Authority:
    """A root with its key."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    randomness: Randomness

    @classmethod
    def make(cls, name: str, randomness: Randomness, start: datetime, lifetime: timedelta = _LIFETIME) -> "Authority":
        """A new root."""
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, key.public_key(), randomness, (start, start + lifetime))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key, randomness)

    def issue(self, subject: Subject, public: ec.EllipticCurvePublicKey, span: tuple[datetime, datetime]) -> bytes:
        """A leaf, as PEM."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
        name = x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])
        builder = _builder(name, self.certificate.subject, public, self.randomness, span)
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in subject.dns]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in subject.addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if subject.client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=False), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = builder.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        """The root's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


class ListenerAuthority:
    """Issues the listeners' and the clients' certificates; its own is the ``ca_file`` of the sources.

    Dates come from the machine's clock (`now` at construction), because the TLS library compares with that one.
    """

    def __init__(self, randomness: Randomness, directory: Path, now: datetime) -> None:
        self._directory, self._now = directory, now
        self._authority = Authority.make("nhisync emulated cluster CA", randomness, now - timedelta(days=1))
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(self._authority.pem)

    @property
    def pem(self) -> bytes:
        """The root's certificate."""
        return self._authority.pem

    def server_context(self, names: Sequence[str] = ()) -> ssl.SSLContext:
        """A context with a fresh certificate for loopback and `names`, which asks for client certificates.

        Args:
            names: DNS names instead of loopback's; empty = loopback.
        """
        subject = Subject(
            name="kube-apiserver",
            dns=names or ("localhost", "kubernetes.default.svc"),
            addresses=() if names else ("127.0.0.1", "::1"),
        )
        certificate, key = self.pair(subject)
        file = secret_file(self._directory / f"listener-{len(list(self._directory.iterdir()))}.pem", key + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(file)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def pair(self, subject: Subject) -> tuple[bytes, bytes]:
        """Certificate and key, as PEM."""
        key = new_key()
        span = (self._now - timedelta(days=1), self._now + _LIFETIME)
        return self._authority.issue(subject, key.public_key(), span), key_pem(key)


def new_key() -> Key:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """PKCS #8, without passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def secret_file(file: Path, content: bytes) -> Path:
    """Write a file that only its owner can read."""
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    randomness: Randomness,
    span: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(int.from_bytes(randomness.bytes(19), "big") | 1)
        .not_valid_before(span[0])
        .not_valid_after(span[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
