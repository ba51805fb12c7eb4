"""The PKI engine's records: issuers, roles, issued certificates, revocations.

Certificates are stored under their serial with hyphens and shown with colons; lists page by the stored form (a trap
of OpenBao ``internal/builtin/logical/pki/path_fetch.go`` that is kept).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from nhisync_vault.emulator.gotime import rfc3339, unix
from nhisync_vault.emulator.pki_x509 import Authority, PrivateKey, colon_serial, pem
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import internal


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer of a mount.

    Attributes:
        id: issuer id.
        name: issuer name, "".
        key_id: id of its key, "" when the key is elsewhere.
        certificate: the CA certificate.
        key: its private key, None when the key is elsewhere.
        chain: ids of the issuers above it, nearest first.
        revoked: when it was revoked, None.
    """

    id: str
    name: str
    key_id: str
    certificate: x509.Certificate
    key: PrivateKey | None = field(default=None, repr=False)
    chain: tuple[str, ...] = ()
    revoked: datetime | None = None

    def authority(self) -> Authority:
        """Its signing side.

        Raises:
            RefusedError: 500, the key is not here.
        """
        if self.key is None:
            raise internal(
                f"unable to fetch corresponding key for issuer {self.id}; unable to use this issuer for signing"
            )
        return Authority(certificate=self.certificate, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiRole:
    """One role, as far as issuing uses it."""

    ttl: timedelta = timedelta()
    max_ttl: timedelta = timedelta()
    allowed_domains: tuple[str, ...] = ()
    allow_subdomains: bool = False
    allow_bare_domains: bool = False
    allow_any_name: bool = False
    key_type: str = "rsa"
    key_bits: int = 0
    no_store: bool = False
    generate_lease: bool = False
    issuer_ref: str = "default"

    def data(self) -> dict[str, Any]:
        """The ``data`` of a role read."""
        return {
            "ttl": int(self.ttl.total_seconds()),
            "max_ttl": int(self.max_ttl.total_seconds()),
            "allowed_domains": list(self.allowed_domains),
            "allow_subdomains": self.allow_subdomains,
            "allow_bare_domains": self.allow_bare_domains,
            "allow_any_name": self.allow_any_name,
            "key_type": self.key_type,
            "key_bits": self.key_bits,
            "no_store": self.no_store,
            "generate_lease": self.generate_lease,
            "issuer_ref": self.issuer_ref,
            "server_flag": True,
            "client_flag": True,
            "require_cn": True,
            "not_before_duration": 30,
        }

    def permits(self, name: str) -> bool:
        """Whether the role may issue for `name`."""
        if self.allow_any_name:
            return True
        bare = self.allow_bare_domains and name in self.allowed_domains
        return bare or (self.allow_subdomains and any(name.endswith(f".{domain}") for domain in self.allowed_domains))


def stored_serial(serial: int | str) -> str:
    """The serial as a storage key: lower-case hex with hyphens."""
    text = colon_serial(serial) if isinstance(serial, int) else serial
    return text.replace(":", "-").lower()


def shown_serial(stored: str) -> str:
    """The serial as it is printed: hex with colons."""
    return stored.replace("-", ":")


def issuer_of(storage: Storage, reference: str) -> Issuer | None:
    """An issuer by id, by name, or ``default``."""
    wanted = storage.get("default") if reference == "default" else reference
    found: Issuer | None = storage.get(f"issuer/{wanted}")
    if found is not None:
        return found
    issuers = (storage.get(f"issuer/{key}") for key in storage.walk("issuer/"))
    return next((issuer for issuer in issuers if issuer.name and issuer.name == wanted), None)


def chain_of(storage: Storage, issuer: Issuer) -> list[str]:
    """PEM of an issuer and everything above it that the mount knows."""
    above = [storage.get(f"issuer/{key}") for key in issuer.chain]
    return [pem(each.certificate) for each in (issuer, *above) if each is not None]


def issuer_data(storage: Storage, issuer: Issuer) -> dict[str, Any]:
    """The ``data`` of an issuer read."""
    shown: dict[str, Any] = {
        "issuer_id": issuer.id,
        "issuer_name": issuer.name,
        "key_id": issuer.key_id,
        "certificate": pem(issuer.certificate) + "\n",
        "manual_chain": None,
        "ca_chain": [text + "\n" for text in chain_of(storage, issuer)],
        "leaf_not_after_behavior": "err",
        "usage": "read-only,issuing-certificates,crl-signing,ocsp-signing",
        "revocation_signature_algorithm": "",
        "revoked": issuer.revoked is not None,
        "issuing_certificates": [],
        "crl_distribution_points": [],
        "ocsp_servers": [],
    }
    if issuer.revoked is not None:
        shown["revocation_time"] = unix(issuer.revoked)
        shown["revocation_time_rfc3339"] = rfc3339(issuer.revoked)
    return shown


def detailed(certificate: x509.Certificate) -> dict[str, Any]:
    """One entry of ``certs/detailed``."""
    kind, bits = _key_facts(certificate)
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = san.get_values_for_type(x509.DNSName)[:5]
    except x509.ExtensionNotFound:
        dns = []
    return {
        "common_name": str(names[0].value) if names else "",
        "issuer": certificate.issuer.rfc4514_string(),
        "key_type": kind,
        "key_bits": bits,
        "not_before": rfc3339(certificate.not_valid_before_utc),
        "not_after": rfc3339(certificate.not_valid_after_utc),
        "dns_names": dns or None,
    }


def _key_facts(certificate: x509.Certificate) -> tuple[str, int]:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return "rsa", public.key_size
    if isinstance(public, ec.EllipticCurvePublicKey):
        return "ec", public.curve.key_size
    return ("ed25519", 256) if isinstance(public, ed25519.Ed25519PublicKey) else ("unknown", 0)
