"""Certificates with any fault a test may want: one `Shape` in, one `Issued` out.

The builder signs whatever it is told to (an expired intermediate, a leaf without extended key usage, RSA-1024),
because the world outside does too. Extensions follow RFC 5280 unless a field of `Shape` says otherwise.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey

_KEY_KINDS: MappingProxyType[str, Callable[[], PrivateKey]] = MappingProxyType(
    {
        "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ec-p192": lambda: ec.generate_private_key(ec.SECP192R1()),
        "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - the weak key is the point
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
        "dsa-2048": lambda: dsa.generate_private_key(2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
)

_USAGES = MappingProxyType(
    {
        "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
        "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Everything about one certificate that a test may want to choose, or to get wrong.

    Attributes:
        subject: common name.
        not_before: first instant of validity, aware UTC.
        not_after: last instant of validity, aware UTC.
        names: subject alternative names, DNS names or IP addresses; empty = no such extension.
        key: key kind: ``ec-p256``, ``ec-p384``, ``ec-p192``, ``rsa-1024`` … ``rsa-3072``, ``dsa-2048``, ``ed25519``.
        reuse_key: an existing key instead of a new one (the copied key: same SPKI, another serial).
        serial: serial number; None = random.
        is_ca: basicConstraints CA flag.
        path_length: basicConstraints path length; only with `is_ca`.
        usages: extended key usages by word; empty = no such extension.
        key_usage: whether keyUsage is present.
        critical_constraints: whether basicConstraints is critical (private roots often get it wrong).
        authority_key_id: whether authorityKeyIdentifier is present.
    """

    subject: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...] = ()
    key: str = "ec-p256"
    reuse_key: PrivateKey | None = field(default=None, repr=False)
    serial: int | None = None
    is_ca: bool = False
    path_length: int | None = None
    usages: tuple[str, ...] = ()
    key_usage: bool = True
    critical_constraints: bool = True
    authority_key_id: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate together with its private key.

    Attributes:
        certificate: the signed certificate.
        key: its private key; never shown.
    """

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    def key_pem(self) -> bytes:
        """The unencrypted PKCS#8 private key, for the emulator's own listener only."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def pem(*certificates: x509.Certificate) -> bytes:
    """The certificates as one PEM text, in the given order."""
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in certificates)


def issue(
    shape: Shape, issuer: Issued | None = None, *, more: tuple[tuple[x509.ExtensionType, bool], ...] = ()
) -> Issued:
    """Sign one certificate.

    Args:
        shape: what it shall look like.
        issuer: who signs; None = self-signed.
        more: further extensions with their criticality.

    Returns:
        The certificate and its key.

    Raises:
        KeyError: the key kind or a usage word is not known.
    """
    key = shape.reuse_key or _KEY_KINDS[shape.key]()
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(shape.subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(shape.subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number() if shape.serial is None else shape.serial)
        .not_valid_before(shape.not_before)
        .not_valid_after(shape.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in (*_extensions(shape, signer), *more):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(certificate=builder.sign(signer, digest_for(signer)), key=key)


def _name(common_name: str) -> x509.Name:
    """A distinguished name with an organisation, as real authorities have one."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def digest_for(signer: PrivateKey) -> hashes.SHA256 | None:
    """Ed25519 brings its own digest (RFC 8410); everything else signs SHA-256."""
    return None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _extensions(shape: Shape, signer: PrivateKey) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions of `shape` with their criticality, in the order of RFC 5280 §4.2.1."""
    found: list[tuple[x509.ExtensionType, bool]] = []
    if shape.authority_key_id:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        found.append((identifier, False))
    if shape.key_usage:
        found.append((_key_usage(is_ca=shape.is_ca), True))
    if shape.names:
        found.append((x509.SubjectAlternativeName([general_name(name) for name in shape.names]), False))
    length = shape.path_length if shape.is_ca else None
    found.append((x509.BasicConstraints(ca=shape.is_ca, path_length=length), shape.critical_constraints))
    if shape.usages:
        found.append((x509.ExtendedKeyUsage([_USAGES[word] for word in shape.usages]), False))
    return found


def general_name(name: str) -> x509.GeneralName:
    """`name` as an IP address when it is one, else as a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    """Signing for leaves; certificate and CRL signing for authorities (RFC 5280 §4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
