"""Real X.509 for the PKI engine: keys, CAs, leaves and CRLs through ``cryptography``."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
_CURVES: dict[int, ec.EllipticCurve] = {0: ec.SECP256R1(), 256: ec.SECP256R1(), 384: ec.SECP384R1()}
SKEW = timedelta(seconds=30)
"""Vault's default ``not_before_duration``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate names."""

    common_name: str
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


def new_key(kind: str, bits: int = 0) -> PrivateKey:
    """A key of ``rsa``, ``ec`` or ``ed25519``.

    Raises:
        ValueError: the kind is unknown.
    """
    if kind == "ec":
        return ec.generate_private_key(_CURVES[bits])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits or 2048)
    msg = f"unknown key type: {kind}"
    raise ValueError(msg)


def self_signed(subject: Subject, key: PrivateKey, *, serial: int, start: datetime, end: datetime) -> x509.Certificate:
    """A root CA certificate."""
    return make_ca(subject, _public(key), Issuing(_name(subject), key, None), serial=serial, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Issuing:
    """Name, key and certificate that sign; the certificate is None while a root signs itself."""

    name: x509.Name
    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate | None

    @classmethod
    def of(cls, authority: Authority) -> "Issuing":
        """The signing side of an existing CA."""
        return cls(authority.certificate.subject, authority.key, authority.certificate)


def make_ca(
    subject: Subject, public: PublicKey, issuing: Issuing, *, serial: int, start: datetime, end: datetime
) -> x509.Certificate:
    """A CA certificate signed by `issuing`."""
    builder = _base(subject, public, issuing, serial, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return _sign(builder.add_extension(_usage(ca=True), critical=True), issuing.key)


def make_leaf(
    subject: Subject, public: PublicKey, authority: Authority, *, serial: int, start: datetime, end: datetime
) -> x509.Certificate:
    """A server and client certificate signed by `authority`."""
    builder = _base(subject, public, Issuing.of(authority), serial, start, end)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in subject.dns]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in subject.addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return _sign(builder.add_extension(_usage(ca=False), critical=True), authority.key)


def make_crl(authority: Authority, revoked: dict[int, datetime], *, now: datetime) -> x509.CertificateRevocationList:
    """A CRL valid for 72 hours."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(hours=72))
    )
    for serial, at in revoked.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(authority.key, _hash(authority.key))


def make_csr(subject: Subject, key: PrivateKey) -> x509.CertificateSigningRequest:
    """A signing request for an intermediate CA."""
    return x509.CertificateSigningRequestBuilder().subject_name(_name(subject)).sign(key, _hash(key))


def pem(certificate: x509.Certificate) -> str:
    """PEM without the trailing newline, as the engine prints it."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode().strip()


def key_pem(key: PrivateKey) -> str:
    """The private key, PEM."""
    pkcs8 = isinstance(key, ed25519.Ed25519PrivateKey)
    form = serialization.PrivateFormat.PKCS8 if pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode().strip()


def colon_serial(serial: int) -> str:
    """Colon hex, as the engine prints serials."""
    text = f"{serial:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[i : i + 2] for i in range(0, len(text), 2))


def public_of(key: PrivateKey) -> PublicKey:
    """The public half."""
    return _public(key)


def subject_of_csr(csr: x509.CertificateSigningRequest) -> Subject:
    """Names of a signing request."""
    names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = tuple(san.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        dns = ()
    return Subject(common_name=str(names[0].value) if names else "", dns=dns)


def _public(key: PrivateKey) -> PublicKey:
    return key.public_key()


def _name(subject: Subject) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])


def _base(
    subject: Subject, public: PublicKey, issuing: Issuing, serial: int, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    issuer_public = _public(issuing.key)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuing.name)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, _hash(key))


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
