"""How a certificate comes about: the operation, its issuer, the new version and its twin key and secret."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509

from nhisync_azure.emulator import issuing
from nhisync_azure.emulator.cloud import Cloud
from nhisync_azure.emulator.kv_keys import new_version
from nhisync_azure.emulator.kv_secrets import PKCS12_TYPE
from nhisync_azure.emulator.vaults import CertificateVersion, Pending, SecretVersion, Vault

SELF: Final = "Self"
UNKNOWN: Final = "Unknown"
_TEN_YEARS: Final = timedelta(days=3650)


def issuer_of(policy: Mapping[str, Any]) -> str:
    """The policy's issuer; a policy that names none leaves signing to others."""
    return str((policy.get("issuer") or {}).get("name") or UNKNOWN)


def content_type_of(policy: Mapping[str, Any]) -> str:
    """How the twin secret is encoded."""
    return str((policy.get("secret_props") or {}).get("contentType") or PKCS12_TYPE)


def order(
    cloud: Cloud, vault: Vault, name: str, policy: Mapping[str, Any], tags: Mapping[str, str], at: datetime
) -> Pending:
    """Begin an operation at `at`; a policy that reuses its key takes the current one."""
    current = vault.certificates.get(name)
    reuse = bool((policy.get("key_props") or {}).get("reuse_key")) and current is not None
    key = current.newest.key if reuse and current else cloud.keyring.new(issuing.shape_of(policy))
    made = Pending(
        issuer=issuer_of(policy),
        csr=issuing.request(policy, key),
        key=key,
        request_id=cloud.ids.version(),
        created=at,
        tags=dict(tags),
    )
    vault.pending[name.lower()] = made
    return made


def advance(cloud: Cloud, vault: Vault, name: str, pending: Pending, at: datetime) -> None:
    """One look at an operation under way: integrated and self issuers finish after a few of them."""
    if pending.status != "inProgress" or pending.issuer == UNKNOWN:
        return
    if pending.polls > 0:
        pending.polls -= 1
        return
    issuer = vault.issuers.get(pending.issuer.lower())
    if pending.issuer != SELF and (issuer is None or issuer.failing or not issuer.enabled):
        pending.status = "failed"
        pending.error = ("IssuerRequestFailed", "The certification authority refused the request.")
        return
    ca = None if pending.issuer == SELF else authority(cloud, issuer.provider if issuer else "")
    policy = vault.certificate_policies[name.lower()]
    certificate = issuing.sign(cloud.ids, policy, pending.key, ca, at)
    complete(cloud, vault, name, pending, at, certificate, (ca.certificate,) if ca else ())


def complete(
    cloud: Cloud,
    vault: Vault,
    name: str,
    pending: Pending,
    at: datetime,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...] = (),
) -> CertificateVersion:
    """End an operation well."""
    pending.status = "completed"
    version = CertificateVersion(
        id=cloud.ids.version(),
        created=at,
        updated=at,
        enabled=pending.enabled,
        tags=dict(pending.tags),
        certificate=certificate,
        key=pending.key,
        chain=chain,
    )
    add(vault, name, version)
    return version


def add(vault: Vault, name: str, version: CertificateVersion) -> None:
    """A new version of the certificate, and of the key and the secret of the same name."""
    before = vault.certificates.get(name)
    policy = vault.certificate_policies[name.lower()]
    version.not_before = version.certificate.not_valid_before_utc
    version.expires = version.certificate.not_valid_after_utc
    version.previous = before.newest.id if before else None
    key = new_version(version.id, version.created, issuing.shape_of(policy), version.key)
    key.exportable = bool((policy.get("key_props") or {}).get("exportable", True))
    secret = SecretVersion(
        id=version.id,
        created=version.created,
        updated=version.updated,
        value="",
        content_type=content_type_of(policy),
        certificate=version,
    )
    for twin in (key, secret):
        twin.managed, twin.previous = True, version.previous
    mirror(version, key)
    mirror(version, secret)
    vault.certificates.add(name, version)
    vault.keys.add(name, key)
    vault.secrets.add(name, secret)


def mirror(version: CertificateVersion, twin: Any) -> None:
    """Give a twin the certificate's attributes."""
    twin.enabled, twin.not_before, twin.expires = version.enabled, version.not_before, version.expires
    twin.tags = dict(version.tags)


def authority(cloud: Cloud, provider: str) -> issuing.Ca:
    """The CA of a provider; one for the whole cloud, as a public one is."""
    if provider not in cloud.authorities:
        now = cloud.clock.now()
        name = f"{provider} emulated root"
        cloud.authorities[provider] = issuing.new_ca(cloud.ids, name, now - _TEN_YEARS, now + _TEN_YEARS)
    return cloud.authorities[provider]
