"""X.509 for the vaults: requests and certificates as a certificate policy describes them.

The policy is the REST document: ``key_props``, ``x509_props``, ``issuer``
(learn.microsoft.com/rest/api/keyvault/certificates/create-certificate).
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync_azure.emulator import durations
from nhisync_azure.emulator.ids import Ids
from nhisync_azure.emulator.material import KeyShape, PrivateKey
from nhisync_azure.emulator.wire import RefusedError

_SERVER_AND_CLIENT: Final = ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2")
_EARLIER: Final = timedelta(minutes=10)
"""Key Vault's self-signed certificates are valid from ten minutes before they are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ca:
    """A certification authority that vaults may order from."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def new_ca(ids: Ids, name: str, start: datetime, end: datetime) -> Ca:
    """A root that signs leaves itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), key, ids.serial()).not_valid_before(start)
    builder = builder.not_valid_after(end).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(_usage(ca=True), critical=True).sign(key, hashes.SHA256())
    return Ca(certificate=certificate, key=key)


def shape_of(policy: Mapping[str, Any]) -> KeyShape:
    """The key that the policy asks for."""
    wanted = policy.get("key_props") or {}
    kty = str(wanted.get("kty") or "RSA")
    return KeyShape(kty=kty, curve=str(wanted.get("crv") or "P-256"), bits=int(wanted.get("key_size") or 2048))


def subject_of(policy: Mapping[str, Any]) -> x509.Name:
    """The policy's subject.

    Raises:
        RefusedError: it is no distinguished name.
    """
    text = str((policy.get("x509_props") or {}).get("subject") or "")
    try:
        return x509.Name.from_rfc4514_string(text)
    except ValueError:
        raise RefusedError(400, "BadParameter", f"Property policy has invalid value: subject {text!r}") from None


def months_of(policy: Mapping[str, Any]) -> int:
    """The wanted lifetime in months, 12 when the policy says nothing."""
    return int((policy.get("x509_props") or {}).get("validity_months") or 12)


def request(policy: Mapping[str, Any], key: PrivateKey) -> x509.CertificateSigningRequest:
    """A signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_of(policy))
    for extension, critical in _extensions(policy):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def sign(
    ids: Ids, policy: Mapping[str, Any], key: PrivateKey, ca: Ca | None, now: datetime, end: datetime | None = None
) -> x509.Certificate:
    """A leaf by the policy, signed by `ca`, or by its own key when there is none."""
    subject = subject_of(policy)
    issuer = ca.certificate.subject if ca else subject
    signer: PrivateKey = ca.key if ca else key
    builder = (
        _builder(subject, issuer, key.public_key(), signer, ids.serial())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(end or durations.add_months(now, months_of(policy)))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    for extension, critical in _extensions(policy):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: Any, signer: PrivateKey, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _extensions(policy: Mapping[str, Any]) -> list[tuple[x509.ExtensionType, bool]]:
    wanted = policy.get("x509_props") or {}
    found: list[tuple[x509.ExtensionType, bool]] = [(_usage(ca=False), True)]
    usages = [x509.ObjectIdentifier(text) for text in wanted.get("ekus") or _SERVER_AND_CLIENT]
    found.append((x509.ExtendedKeyUsage(usages), False))
    sans = wanted.get("sans") or {}
    names: list[x509.GeneralName] = [x509.DNSName(text) for text in sans.get("dns_names") or ()]
    names += [x509.RFC822Name(text) for text in sans.get("emails") or ()]
    names += [x509.UniformResourceIdentifier(text) for text in sans.get("uris") or ()]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in sans.get("ipAddresses") or ()]
    if names:
        found.append((x509.SubjectAlternativeName(names), False))
    return found


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
