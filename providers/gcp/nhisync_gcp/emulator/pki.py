"""Certificates: for the listeners, and for what Certificate Manager and CA pools show."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(certificate: x509.Certificate) -> str:
    """PEM of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Key) -> bytes:
    """PKCS #8 PEM of a private key."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A certificate authority.

    Attributes:
        certificate: its certificate.
        key: its key.
        above: certificates between it and its root, root included; () = it is a root.
    """

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, name: str, start: datetime, end: datetime) -> Self:
        """A self-signed authority."""
        key = new_key()
        subject = _name(name)
        built = _authority(subject, subject, key, key, start, end)
        return cls(certificate=built, key=key)

    def below(self, name: str, start: datetime, end: datetime) -> "Issuer":
        """A subordinate authority."""
        key = new_key()
        built = _authority(_name(name), self.certificate.subject, key, self.key, start, end)
        return Issuer(certificate=built, key=key, above=(self.certificate, *self.above))

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """From this authority up to the root."""
        return (self.certificate, *self.above)

    def leaf(
        self,
        names: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        key: Key,
        common_name: str = "",
        client: bool = False,
    ) -> x509.Certificate:
        """A certificate for DNS names and IP addresses."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        public = key.public_key()
        return (
            x509.CertificateBuilder(
                self.certificate.subject, _name(common_name or names[0]), public, x509.random_serial_number()
            )
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _authority(
    subject: x509.Name, issuer: x509.Name, key: Key, issuer_key: Key, start: datetime, end: datetime
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
