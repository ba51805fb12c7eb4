"""What a certificate says, read defensively: a served certificate is a stranger's input."""

import contextlib
import hashlib
import threading
import warnings
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import SignatureAlgorithmOID

from nhisync.model import CertificateFacts, PublicId
from nhisync.spi.x509.der import subject_public_key_info
from nhisync.spi.x509.pem import blocks

PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,
)
"""Everything `cryptography` raises for odd certificates; the warning only where a caller made warnings errors."""

_TEXT_LIMIT = 512
_NAMES_LIMIT = 1_000
_FILTERS = threading.RLock()

_SIGNATURES = MappingProxyType(
    {
        oid.dotted_string: word.lower().replace("_", "-")
        for word, oid in vars(SignatureAlgorithmOID).items()
        if isinstance(oid, x509.ObjectIdentifier)
    }
)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class MalformedError(Exception):
    """These bytes are no certificate that can be read; the message never quotes them."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the library's warnings about encodings that it only tolerates for now.

    Warning filters belong to the whole process until Python 3.14; the lock keeps our own threads apart.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def decode(der: bytes) -> x509.Certificate:
    """Parse one DER certificate completely, so that nothing lazy fails later.

    Raises:
        MalformedError: the library refuses it.
    """
    with quiet():
        try:
            certificate = x509.load_der_x509_certificate(der)
            _touch(certificate)
        except PARSE_ERRORS:
            raise MalformedError("not a certificate that can be parsed") from None
        return certificate


def decode_pem(content: bytes) -> list[x509.Certificate]:
    """Parse every CERTIFICATE block of a PEM text, in order; other blocks are not looked at.

    Raises:
        MalformedError: one of the blocks cannot be read.
    """
    found: list[x509.Certificate] = []
    for block in blocks(content, b"CERTIFICATE"):
        with quiet():
            try:
                certificate = x509.load_pem_x509_certificate(block.whole)
                _touch(certificate)
            except PARSE_ERRORS:
                raise MalformedError(f"PEM block {len(found) + 1} is no certificate that can be parsed") from None
        found.append(certificate)
    return found


def _touch(certificate: x509.Certificate) -> None:
    """Read the lazy parts whose absence makes a certificate useless as a fact."""
    _ = (certificate.version, certificate.serial_number, certificate.subject, certificate.issuer)
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)


@quiet()
def certificate_facts(certificate: x509.Certificate) -> CertificateFacts:
    """The public facts of one certificate (RFC 5280 §4.1 and §4.2); unreadable extensions count as absent."""
    key_type, key_bits = key_facts(certificate)
    constraints = extension(certificate, x509.BasicConstraints)
    usages = extension(certificate, x509.ExtendedKeyUsage)
    return CertificateFacts(
        subject=text(certificate.subject.rfc4514_string()),
        issuer=text(certificate.issuer.rfc4514_string()),
        serial=format(certificate.serial_number, "x"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        spki_sha256=spki_sha256(certificate),
        key_type=key_type,
        key_bits=key_bits,
        signature=signature_word(certificate),
        names=tuple(sorted(subject_names(certificate)))[:_NAMES_LIMIT],
        is_ca=constraints is not None and constraints.ca,
        extended_key_usage=tuple(sorted(oid.dotted_string for oid in usages or ())),
        self_issued=certificate.subject == certificate.issuer,
    )


@quiet()
def public_ids(certificate: x509.Certificate) -> tuple[PublicId, ...]:
    """Equal on both paths: ``spki-sha256`` = the same key pair, ``issuer-serial`` = the very same certificate."""
    issuer = text(certificate.issuer.rfc4514_string())
    return (
        PublicId("issuer-serial", f"{issuer}/{certificate.serial_number:x}"),
        PublicId("spki-sha256", spki_sha256(certificate)),
    )


def spki_sha256(certificate: x509.Certificate) -> str:
    """Hex SHA-256 over the SubjectPublicKeyInfo exactly as it stands in the certificate (RFC 7469 §2.4)."""
    return hashlib.sha256(subject_public_key_info(certificate.public_bytes(Encoding.DER))).hexdigest()


@quiet()
def root_id(root: x509.Certificate) -> str:
    """64 bits of SHA-256 over name and key, which is what a trust anchor is (RFC 5914 §2), whoever signed it when."""
    der = root.public_bytes(Encoding.DER)
    return hashlib.sha256(root.subject.public_bytes() + subject_public_key_info(der)).hexdigest()[:16]


def signature_word(certificate: x509.Certificate) -> str:
    """``ecdsa-with-sha256`` and the like; the dotted identifier for algorithms without a name here."""
    oid = certificate.signature_algorithm_oid.dotted_string
    return _SIGNATURES.get(oid, oid)


def key_facts(certificate: x509.Certificate) -> tuple[str, int]:
    """Key type and size in bits: modulus for RSA and DSA, curve for elliptic keys; (``unknown``, 0) otherwise."""
    try:
        key = certificate.public_key()
    except PARSE_ERRORS:
        return "unknown", 0
    match key:
        case rsa.RSAPublicKey():
            return "rsa", key.key_size
        case ec.EllipticCurvePublicKey():
            return "ec", key.key_size
        case dsa.DSAPublicKey():
            return "dsa", key.key_size
        case ed25519.Ed25519PublicKey():
            return "ed25519", 256
        case ed448.Ed448PublicKey():
            return "ed448", 448
        case _:
            return "unknown", 0


def extensions_readable(certificate: x509.Certificate) -> bool:
    """Whether the extensions can be parsed at all (duplicates, bad encodings and unknown name types cannot)."""
    try:
        _ = certificate.extensions
    except PARSE_ERRORS:
        return False
    return True


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """The extension of this type, or None when it is absent or unreadable."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return None


def subject_names(certificate: x509.Certificate) -> Iterable[str]:
    """DNS names (lower case) and IP addresses of the SAN; other name types do not name servers (RFC 9525 §6)."""
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    hosts = (text(name).lower() for name in names.get_values_for_type(x509.DNSName))
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return {*hosts, *addresses}


def text(raw: str) -> str:
    """`raw` fit for a terminal: no control or bidirectional characters, no endless names."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in raw)
    return shown if len(shown) <= _TEXT_LIMIT else shown[: _TEXT_LIMIT - 1] + "…"
