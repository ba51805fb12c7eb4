"""What a vault does by itself when time passes: renew certificates and rotate keys by their policies.

Certificates of the issuers ``Self`` and integrated ones renew at the trigger of an ``AutoRenew`` action; all others
only notify (learn.microsoft.com/azure/key-vault/certificates/overview-renew-certificate). Keys rotate at the trigger
of a ``Rotate`` action (…/keys/how-to-configure-key-rotation).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nhisync_azure.emulator import durations, orders
from nhisync_azure.emulator.cloud import Cloud
from nhisync_azure.emulator.kv_keys import rotated
from nhisync_azure.emulator.vaults import CertificateVersion, KeyVersion, Pending, Vault

_PATIENCE: Final = timedelta(seconds=30)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def run(cloud: Cloud, vault: Vault, now: datetime) -> None:
    """Do what has fallen due since the last look, and note when to look again."""
    if vault.due is not None and now < vault.due:
        return
    due = [_finish(cloud, vault, name, pending, now) for name, pending in list(vault.pending.items())]
    due += [_renew(cloud, vault, name, now) for name in _names(vault, vault.certificates, vault.certificate_policies)]
    due += [_rotate(cloud, vault, name, now) for name in _names(vault, vault.keys, vault.rotation_policies)]
    vault.due = min(due, default=_NEVER)


def renewal_of(policy: Mapping[str, Any], version: CertificateVersion) -> datetime | None:
    """When the vault renews this version by itself; None = never."""
    if orders.issuer_of(policy) == orders.UNKNOWN or version.expires is None:
        return None
    for action in policy.get("lifetime_actions") or ():
        if (action.get("action") or {}).get("action_type") != "AutoRenew":
            continue
        trigger = action.get("trigger") or {}
        if trigger.get("days_before_expiry"):
            return version.expires - timedelta(days=int(trigger["days_before_expiry"]))
        share = int(trigger.get("lifetime_percentage") or 80) / 100
        start = version.not_before or version.created
        return start + (version.expires - start) * share
    return None


def rotation_of(policy: Mapping[str, Any], version: KeyVersion) -> datetime | None:
    """When the vault rotates this key by itself; None = never."""
    for action in policy.get("lifetimeActions") or ():
        if (action.get("action") or {}).get("type") != "Rotate":
            continue
        trigger = action.get("trigger") or {}
        if trigger.get("timeAfterCreate"):
            return durations.parse(trigger["timeAfterCreate"]).after(version.created)
        if trigger.get("timeBeforeExpiry") and version.expires is not None:
            return durations.parse(trigger["timeBeforeExpiry"]).before(version.expires)
    return None


def _finish(cloud: Cloud, vault: Vault, name: str, pending: Pending, now: datetime) -> datetime:
    """An operation comes to its end whether anybody looks at it or not."""
    if pending.status != "inProgress" or pending.issuer == orders.UNKNOWN:
        return _NEVER
    if pending.created + _PATIENCE > now:
        return pending.created + _PATIENCE
    pending.polls = 0
    orders.advance(cloud, vault, name, pending, pending.created + _PATIENCE)
    return _NEVER


def _names(vault: Vault, shelf: Any, policies: Mapping[str, Any]) -> list[str]:
    return [name for name in policies if name not in vault.stuck and shelf.get(name) is not None]


def _renew(cloud: Cloud, vault: Vault, name: str, now: datetime) -> datetime:
    """Every renewal that fell due, at the instant when it did; answers when the next one does."""
    policy = vault.certificate_policies[name]
    entry = vault.certificates.get(name)
    assert entry is not None, "only living certificates are looked at"
    at = renewal_of(policy, entry.newest)
    while at is not None and at <= now:
        if not _may_order(vault, policy):
            return _NEVER
        pending = orders.order(cloud, vault, entry.name, policy, entry.newest.tags, at)
        pending.polls = 0
        orders.advance(cloud, vault, entry.name, pending, at)
        at = _later(at, renewal_of(policy, entry.newest))
    return at or _NEVER


def _may_order(vault: Vault, policy: Mapping[str, Any]) -> bool:
    name = orders.issuer_of(policy)
    issuer = vault.issuers.get(name.lower())
    return name == orders.SELF or (issuer is not None and issuer.enabled and not issuer.failing)


def _rotate(cloud: Cloud, vault: Vault, name: str, now: datetime) -> datetime:
    """Every rotation that fell due, at the instant when it did; answers when the next one does."""
    policy = vault.rotation_policies[name]
    entry = vault.keys.get(name)
    assert entry is not None, "only living keys are looked at"
    at = rotation_of(policy, entry.newest)
    while at is not None and at <= now:
        rotated(vault, name, cloud.ids.version(), cloud.keyring.new(entry.newest.shape), at)
        at = _later(at, rotation_of(policy, entry.newest))
    return at or _NEVER


def _later(at: datetime, following: datetime | None) -> datetime | None:
    """The next instant, if time goes on at all (a policy may ask for a renewal before the version begins)."""
    return following if following is not None and following > at else None
