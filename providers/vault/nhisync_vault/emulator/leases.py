"""The expiration manager: leases with their ends, renewal, revocation and its failures.

Source: OpenBao ``internal/vault/expiration.go``.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from nhisync_vault.emulator.gotime import rfc3339
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.tokens import SYSTEM_TTL
from nhisync_vault.emulator.wire import LeaseTerms, bad_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One lease.

    Attributes:
        id: ``<path>/<random>``.
        path: request path that made it.
        internal: what the engine needs to revoke it.
        issued: when.
        expires: end.
        max_end: latest end that renewals reach.
        renewable: whether it may be renewed.
        token: who made it; it dies with that token.
        last_renewal: when it was last renewed.
        revoke_error: why the last revocation failed, "".
    """

    id: str
    path: str
    internal: Mapping[str, Any]
    issued: datetime
    expires: datetime
    max_end: datetime
    renewable: bool
    token: str
    last_renewal: datetime | None = None
    revoke_error: str = ""

    def remaining(self, now: datetime) -> int:
        """Seconds left."""
        return max(0, int((self.expires - now).total_seconds()))

    def data(self, now: datetime) -> dict[str, Any]:
        """The ``data`` of ``sys/leases/lookup``."""
        shown: dict[str, Any] = {
            "id": self.id,
            "issue_time": rfc3339(self.issued),
            "expire_time": rfc3339(self.expires),
            "last_renewal": None if self.last_renewal is None else rfc3339(self.last_renewal),
            "ttl": self.remaining(now),
            "path": self.path,
            "renewable": self.renewable,
        }
        if self.revoke_error:
            shown["revoke_error"] = self.revoke_error
        return shown


class LeaseManager:
    """Keeps leases in storage and their ends in a heap; revocation asks the engine through `undo`."""

    def __init__(self, ids: Ids, undo: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._ids = ids
        self._undo = undo
        self._ends: list[tuple[datetime, str]] = []

    def register(
        self, storage: Storage, *, path: str, terms: LeaseTerms, default: timedelta, token: str, now: datetime
    ) -> Lease:
        """Make a lease for what `path` just returned."""
        max_ttl = min(terms.max_ttl or SYSTEM_TTL, SYSTEM_TTL)
        lease = Lease(
            id=f"{path}/{self._ids.base62(24)}",
            path=path,
            internal=terms.internal,
            issued=now,
            expires=now + min(terms.ttl or default or SYSTEM_TTL, max_ttl),
            max_end=now + max_ttl,
            renewable=terms.renewable,
            token=token,
        )
        self._store(storage, lease)
        return lease

    def get(self, storage: Storage, lease_id: str) -> Lease:
        """The lease.

        Raises:
            RefusedError: 400 "invalid lease".
        """
        lease: Lease | None = storage.get(lease_id)
        if lease is None:
            raise bad_request("invalid lease")
        return lease

    def renew(self, storage: Storage, lease_id: str, increment: timedelta, now: datetime) -> Lease:
        """Extend a lease by its own length or `increment`.

        Raises:
            RefusedError: 400 when it is unknown or not renewable.
        """
        lease: Lease | None = storage.get(lease_id)
        if lease is None:
            raise bad_request("lease not found")
        if not lease.renewable:
            raise bad_request("lease is not renewable")
        end = min(now + (increment or lease.expires - lease.issued), lease.max_end)
        renewed = replace(lease, expires=end, last_renewal=now)
        self._store(storage, renewed)
        return renewed

    def revoke(self, storage: Storage, lease_id: str) -> None:
        """Revoke now; when the target refuses, the lease stays with its revoke_error."""
        lease: Lease | None = storage.get(lease_id)
        if lease is None:
            return
        try:
            self._undo(lease.path, lease.internal)
        except RuntimeError as error:
            storage.put(lease_id, replace(lease, revoke_error=str(error)))
            return
        storage.delete(lease_id)

    def revoke_prefix(self, storage: Storage, prefix: str, *, force: bool = False) -> None:
        """Revoke everything below a path; `force` forgets leases whose target refuses."""
        for key in list(storage.walk(prefix)):
            self.revoke(storage, prefix + key)
            if force:
                storage.delete(prefix + key)

    def revoke_of_token(self, storage: Storage, token: str) -> None:
        """Revoke what a token had leased."""
        for lease_id in [key for key in storage.walk("") if storage.get(key).token == token]:
            self.revoke(storage, lease_id)

    def expire(self, storage: Storage, now: datetime) -> None:
        """Revoke all leases past their end."""
        while self._ends and self._ends[0][0] <= now:
            _, lease_id = heapq.heappop(self._ends)
            lease: Lease | None = storage.get(lease_id)
            if lease is not None and lease.expires <= now:
                self.revoke(storage, lease_id)

    def _store(self, storage: Storage, lease: Lease) -> None:
        storage.put(lease.id, lease)
        heapq.heappush(self._ends, (lease.expires, lease.id))
