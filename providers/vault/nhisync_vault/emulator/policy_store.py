"""Stored policies: HCL text as written, parsed rules, version and expiry.

Source: OpenBao ``internal/vault/policy/policy_store.go`` and ``logical_system.go`` (handlePoliciesSet).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nhisync_vault.emulator.acl import Acl, Rule, parse_policy
from nhisync_vault.emulator.gotime import rfc3339
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import bad_request
from nhisync_vault.hcl import HclError

DEFAULT_POLICY = """\
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
"""
"""What every token may do unless it was made without the default policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEntry:
    """One stored policy.

    Attributes:
        name: lower case.
        text: as written.
        rules: parsed.
        version: counts writes.
        cas_required: writes need the current version.
        modified: last write.
        expiration: after this instant the policy grants nothing, or None.
    """

    name: str
    text: str
    rules: tuple[Rule, ...]
    version: int
    cas_required: bool
    modified: datetime
    expiration: datetime | None = None

    def data(self) -> dict[str, Any]:
        """The ``data`` of a policy read."""
        shown: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "cas_required": self.cas_required,
            "policy": self.text,
            "allow_wildcards_in_identity_templates": False,
            "allow_slashes_in_identity_templates": False,
            "modified": rfc3339(self.modified),
        }
        if self.expiration is not None:
            shown["expiration"] = rfc3339(self.expiration)
        return shown


def put_policy(
    storage: Storage,
    name: str,
    text: str,
    *,
    now: datetime,
    cas: int | None = None,
    cas_required: bool = False,
    expiration: datetime | None = None,
) -> None:
    """Parse and store a policy.

    Raises:
        RefusedError: 400 when the text is no policy, the version does not match, or the end has passed.
    """
    if expiration is not None and expiration <= now:
        raise bad_request("refusing to update policy as expiration time has already elapsed")
    try:
        rules = parse_policy(text)
    except HclError as error:
        raise bad_request(f"failed to parse policy: {error}") from None
    key = name.strip().lower()
    old: PolicyEntry | None = storage.get(key)
    version = 0 if old is None else old.version
    if cas is None and old is not None and old.cas_required:
        raise bad_request("check-and-set parameter required for this call")
    if cas is not None and cas != version and not (cas == -1 and old is None):
        raise bad_request("check-and-set parameter did not match the current version")
    storage.put(
        key,
        PolicyEntry(
            name=key,
            text=text,
            rules=rules,
            version=version + 1,
            cas_required=cas_required,
            modified=now,
            expiration=expiration,
        ),
    )


def build_acl(storage: Storage, names: Iterable[str], now: datetime) -> Acl:
    """The merged ACL of the named policies; unknown and expired ones grant nothing."""
    wanted = set(names)
    if "root" in wanted:
        return Acl((), root=True, now=now)
    rules: list[Rule] = []
    for name in sorted(wanted):
        entry: PolicyEntry | None = storage.get(name)
        if entry is not None and (entry.expiration is None or entry.expiration > now):
            rules.extend(entry.rules)
    return Acl(rules, root=False, now=now)
