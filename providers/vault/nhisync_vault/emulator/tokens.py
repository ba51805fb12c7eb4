"""The token store: entries, lookup with expiry and use counts, renewal, revocation of whole trees.

Source: OpenBao ``internal/vault/token_store.go``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from nhisync_vault.emulator.gotime import rfc3339, unix
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import bad_request

SYSTEM_TTL = timedelta(hours=768)
"""Default and maximum lease lifetime of a server without tuning: 32 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """One token.

    Attributes:
        id: the token itself.
        accessor: handle without its power; "" for batch tokens.
        policies: token policies, sorted.
        path: where it was created.
        created: when.
        ttl: lifetime at creation, zero = never expires.
        expires: end, None = never.
        display_name: for the audit log.
        meta: caller's metadata, None when absent.
        num_uses: uses left, 0 = unlimited.
        explicit_max_ttl: hard end of renewals, zero = none.
        period: lifetime after each renewal, zero = not periodic.
        parent: token that made it, "" for orphans.
        role: token role, "".
        type: ``service`` or ``batch``.
        entity_id: identity entity, "".
        bound_cidrs: networks that may use it.
        renewable: whether renew-self works.
        last_renewal: when it was last renewed.
    """

    id: str
    accessor: str
    policies: tuple[str, ...]
    path: str
    created: datetime
    ttl: timedelta
    expires: datetime | None
    display_name: str = "token"
    meta: Mapping[str, str] | None = None
    num_uses: int = 0
    explicit_max_ttl: timedelta = timedelta()
    period: timedelta = timedelta()
    parent: str = ""
    role: str = ""
    type: str = "service"
    entity_id: str = ""
    bound_cidrs: tuple[str, ...] = ()
    renewable: bool = True
    last_renewal: datetime | None = None

    @property
    def root(self) -> bool:
        """Whether it is all-powerful."""
        return self.policies == ("root",)

    def remaining(self, now: datetime) -> int:
        """Seconds left, 0 for tokens that never expire."""
        return 0 if self.expires is None else max(0, int((self.expires - now).total_seconds()))


class TokenStore:
    """Reads and writes token entries in a storage view."""

    def __init__(self, ids: Ids, *, prefix: str, batch_prefix: str) -> None:
        self._ids = ids
        self._prefix = prefix
        self._batch_prefix = batch_prefix

    def create(self, storage: Storage, entry: TokenEntry) -> TokenEntry:
        """Store a new entry; an empty id and accessor are drawn."""
        batch = entry.type == "batch"
        made = replace(
            entry,
            id=entry.id or (self._batch_prefix if batch else self._prefix) + self._ids.base62(24),
            accessor="" if batch else entry.accessor or self._ids.base62(24),
        )
        storage.put(f"id/{made.id}", made)
        if made.accessor:
            storage.put(f"accessor/{made.accessor}", made.id)
        if made.parent:
            storage.put(f"parent/{made.parent}/{made.id}", True)
        return made

    def lookup(self, storage: Storage, token: str, now: datetime) -> TokenEntry | None:
        """The entry, or None when unknown, expired or used up."""
        entry: TokenEntry | None = storage.get(f"id/{token}")
        if entry is None or entry.num_uses < 0 or (entry.expires is not None and entry.expires < now):
            return None
        return entry

    def by_accessor(self, storage: Storage, accessor: str, now: datetime) -> TokenEntry | None:
        """The entry behind an accessor, or None."""
        token = storage.get(f"accessor/{accessor}")
        return None if token is None else self.lookup(storage, token, now)

    def accessors(self, storage: Storage, now: datetime) -> list[str]:
        """All live accessors, in storage order."""
        found = storage.page("accessor/")
        return [accessor for accessor in found if self.by_accessor(storage, accessor, now) is not None]

    def use(self, storage: Storage, entry: TokenEntry) -> TokenEntry:
        """Count one use; the last one leaves a tainted entry (num_uses -1) for the caller to revoke."""
        if entry.num_uses == 0:
            return entry
        used = replace(entry, num_uses=entry.num_uses - 1 or -1)
        storage.put(f"id/{entry.id}", used)
        return used

    def renew(self, storage: Storage, entry: TokenEntry, increment: timedelta, now: datetime) -> TokenEntry:
        """Extend a renewable token.

        Raises:
            RefusedError: 400 when it cannot be renewed.
        """
        if entry.type == "batch":
            raise bad_request("batch tokens cannot be renewed")
        if not entry.renewable or entry.expires is None:
            raise bad_request("lease is not renewable")
        wanted = entry.period or increment or entry.ttl
        cap = entry.created + (entry.explicit_max_ttl or SYSTEM_TTL)
        end = now + wanted
        if not entry.period or entry.explicit_max_ttl:
            end = min(end, cap)
        renewed = replace(entry, expires=end, last_renewal=now)
        storage.put(f"id/{entry.id}", renewed)
        return renewed

    def revoke(self, storage: Storage, token: str, on_revoke: Callable[[str], None], *, orphan: bool = False) -> None:
        """Remove a token, its leases and (unless `orphan`) its children.

        Args:
            storage: the token view.
            token: id of the root of the tree.
            on_revoke: called with each revoked id, to revoke its leases.
            orphan: leave the children alive without a parent.
        """
        entry: TokenEntry | None = storage.get(f"id/{token}")
        if entry is None:
            return
        for child in list(storage.walk(f"parent/{token}/")):
            storage.delete(f"parent/{token}/{child}")
            if orphan:
                storage.put(f"id/{child}", replace(storage.get(f"id/{child}"), parent=""))
            else:
                self.revoke(storage, child, on_revoke)
        on_revoke(token)
        storage.delete(f"id/{token}")
        storage.delete(f"accessor/{entry.accessor}")
        if entry.parent:
            storage.delete(f"parent/{entry.parent}/{token}")

    def expired(self, storage: Storage, now: datetime) -> list[str]:
        """Ids of all tokens past their end."""
        entries = ((key, storage.get(f"id/{key}")) for key in list(storage.walk("id/")))
        return [key for key, entry in entries if entry.expires is not None and entry.expires < now]


def lookup_data(entry: TokenEntry, now: datetime, identity_policies: tuple[str, ...] = ()) -> dict[str, Any]:
    """The ``data`` of token lookups (``handleLookup``)."""
    data: dict[str, Any] = {
        "id": entry.id,
        "accessor": entry.accessor,
        "policies": list(entry.policies),
        "path": entry.path,
        "meta": entry.meta,
        "display_name": entry.display_name,
        "num_uses": entry.num_uses,
        "orphan": not entry.parent,
        "creation_time": unix(entry.created),
        "creation_ttl": int(entry.ttl.total_seconds()),
        "expire_time": None if entry.expires is None else rfc3339(entry.expires),
        "ttl": entry.remaining(now),
        "explicit_max_ttl": int(entry.explicit_max_ttl.total_seconds()),
        "entity_id": entry.entity_id,
        "type": entry.type,
    }
    if entry.role:
        data["role"] = entry.role
    if entry.period:
        data["period"] = int(entry.period.total_seconds())
    if entry.bound_cidrs:
        data["bound_cidrs"] = list(entry.bound_cidrs)
    if entry.expires is not None:
        data["renewable"] = entry.renewable
        data["issue_time"] = rfc3339(entry.created)
    if entry.last_renewal is not None:
        data["last_renewal"] = rfc3339(entry.last_renewal)
        data["last_renewal_time"] = unix(entry.last_renewal)
    if identity_policies:
        data["identity_policies"] = list(identity_policies)
    return data


def auth_block(entry: TokenEntry, now: datetime, identity_policies: tuple[str, ...] = ()) -> dict[str, Any]:
    """The envelope's ``auth`` for a login, a creation or a renewal."""
    return {
        "client_token": entry.id,
        "accessor": entry.accessor,
        "policies": sorted({*entry.policies, *identity_policies}),
        "token_policies": list(entry.policies),
        "identity_policies": list(identity_policies),
        "metadata": entry.meta,
        "lease_duration": entry.remaining(now),
        "renewable": entry.renewable and entry.expires is not None,
        "entity_id": entry.entity_id,
        "token_type": entry.type,
        "orphan": not entry.parent,
        "mfa_requirement": None,
        "num_uses": max(0, entry.num_uses),
    }
