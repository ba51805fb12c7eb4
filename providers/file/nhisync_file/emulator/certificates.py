"""A root, an intermediate and leaves for files; the TLS emulator has the builder with every fault."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DECADE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and the intermediate that signs leaves."""

    root: Signed
    intermediate: Signed


def make_authority(label: str, now: datetime) -> Authority:
    """A new authority, valid from ten years before to ten years after `now`."""
    root = _sign(f"{label} Root", None, now - _DECADE, now + _DECADE, is_ca=True)
    return Authority(root, _sign(f"{label} Issuing CA", root, now - _DECADE, now + _DECADE, is_ca=True))


def make_leaf(
    authority: Authority,
    names: tuple[str, ...],
    not_before: datetime,
    not_after: datetime,
    key: ec.EllipticCurvePrivateKey | None = None,
    *,
    client: bool = False,
) -> Signed:
    """A server certificate for `names`, on an existing key when one is given; or a client's, called `names[0]`."""
    return _sign(names[0], authority.intermediate, not_before, not_after, names=names, key=key, client=client)


def _sign(
    subject: str,
    issuer: Signed | None,
    not_before: datetime,
    not_after: datetime,
    *,
    names: tuple[str, ...] = (),
    is_ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    client: bool = False,
) -> Signed:
    own = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else own
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(is_ca=is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names and not client:
        hosts = x509.SubjectAlternativeName([x509.DNSName(host) for host in names])
        builder = builder.add_extension(hosts, critical=False)
    return Signed(builder.sign(signer, hashes.SHA256()), own)


def _usage(*, is_ca: bool) -> x509.KeyUsage:
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
