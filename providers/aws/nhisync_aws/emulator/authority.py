"""The world's own certificate authorities: one that its sources trust, one that nobody does, and an older one above."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LONG = timedelta(days=365 * 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """An authority: its certificate and the key that signs for it.

    Attributes:
        certificate: its own certificate.
        key: its private key; never shown.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a certificate is to say.

    Attributes:
        subject: its common name.
        start: begin of validity.
        end: end of validity.
        names: DNS names; () = it is an authority.
    """

    subject: str
    start: datetime
    end: datetime
    names: tuple[str, ...] = ()


class Authorities:
    """Roots of one world, valid for decades around `now`."""

    def __init__(self, now: datetime) -> None:
        self._start, self._end = now - _LONG, now + _LONG
        self.root = self._root("nhisync emulated AWS root")
        self.stranger = self._root("nhisync root that nobody trusts")

    @property
    def older_form(self) -> x509.Certificate:
        """The trusted root as an older root signed it, the form that AWS hands out behind its intermediates."""
        older = self._root("nhisync older root")
        wish = Wish(subject=common_name(self.root.certificate), start=self._start, end=self._end)
        return signed(wish, self.root.key.public_key(), older)

    def issuing(self, wish: Wish, *, trusted: bool) -> Signer:
        """An authority below a root."""
        key = ec.generate_private_key(ec.SECP256R1())
        above = self.root if trusted else self.stranger
        return Signer(certificate=signed(wish, key.public_key(), above), key=key)

    def _root(self, name: str) -> Signer:
        key = ec.generate_private_key(ec.SECP256R1())
        wish = Wish(subject=name, start=self._start, end=self._end)
        return Signer(certificate=signed(wish, key.public_key(), None, key), key=key)


def signed(
    wish: Wish, public_key: Any, issuer: Signer | None, own_key: ec.EllipticCurvePrivateKey | None = None
) -> x509.Certificate:
    """A certificate with the extensions of public authorities; without `issuer` it signs itself with `own_key`."""
    signer = issuer.key if issuer else own_key
    assert signer is not None
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(wish.start)
        .not_valid_after(wish.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=not wish.names, path_length=None), critical=True)
        .add_extension(_usage(authority=not wish.names), critical=True)
    )
    if wish.names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in wish.names])
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(san, critical=False).add_extension(server, critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    """The certificates as one text."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
