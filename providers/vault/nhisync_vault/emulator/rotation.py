"""Clock-driven rotation of static accounts, shared by the database and LDAP engines.

Source: OpenBao ``internal/builtin/logical/database/rotation.go``: a queue ordered by due time, looked at every five
seconds; a failed rotation leaves a WAL that holds the new password, the next try comes ten seconds later and uses that
same password. The queue is memory of the active node, WALs and roles are storage.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nhisync_vault.emulator.fakedb import Database, RefusedByDatabaseError
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.storage import Storage

TICK = timedelta(seconds=5)
_BACK_OFF = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticAccount:
    """A login whose password the server rotates.

    Attributes:
        username: the login.
        database: name of the connection ("" for LDAP).
        period: time between rotations; zero while `schedule` rules.
        rotated: last successful rotation, None = never.
        password: current password.
        schedule: cron text (Vault only); shown, never run.
        stopped: the queue lost it, so nothing rotates it by itself (hashicorp/vault#7502, #21935).
        extra: further fields that a read shows.
    """

    username: str
    database: str
    period: timedelta
    rotated: datetime | None = None
    password: str = field(default="", repr=False)
    schedule: str = ""
    stopped: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    def due(self, now: datetime) -> datetime:
        """When the next rotation is due; at once without any rotation so far."""
        return now if self.rotated is None else self.rotated + self.period

    def ttl(self, now: datetime) -> int:
        """Seconds until the next rotation, never below zero."""
        return max(0, round((self.due(now) - now).total_seconds()))


class Rotator:
    """Rotates the accounts of one mount.

    Args:
        ids: source of passwords.
        folder: storage folder of the accounts, with a slash.
        target: gives the server behind an account.
    """

    def __init__(self, ids: Ids, folder: str, target: Callable[[StaticAccount], Database]) -> None:
        self._ids = ids
        self._folder = folder
        self._target = target
        self._retry: dict[str, datetime] = {}

    def rotate(self, storage: Storage, name: str, at: datetime) -> None:
        """Rotate now; a failure leaves the WAL and schedules a retry.

        Raises:
            RefusedByDatabaseError: the target refused.
        """
        account: StaticAccount = storage.get(self._folder + name)
        password = storage.get(f"wal/{name}") or f"{self._ids.base62(20)}-Aa1"
        storage.put(f"wal/{name}", password)
        try:
            self._target(account).set_password(account.username, password)
        except RefusedByDatabaseError:
            self._retry[name] = at + _BACK_OFF
            raise
        storage.put(self._folder + name, replace(account, password=password, rotated=at))
        storage.delete(f"wal/{name}")
        self._retry.pop(name, None)

    def discard(self, storage: Storage, name: str) -> None:
        """Forget an account with its WAL and its place in the queue."""
        storage.delete(self._folder + name)
        storage.delete(f"wal/{name}")
        self._retry.pop(name, None)

    def run(self, storage: Storage, now: datetime) -> None:
        """Rotate everything that is due; long jumps of the clock end with the last period's rotation."""
        for name in list(storage.walk(self._folder)):
            account: StaticAccount = storage.get(self._folder + name)
            if account.stopped or account.schedule or account.period <= timedelta():
                continue
            due = self._retry.get(name, account.due(now))
            if now >= due:
                self._catch_up(storage, name, due + (now - due) // account.period * account.period, now)

    def _catch_up(self, storage: Storage, name: str, last: datetime, now: datetime) -> None:
        try:
            self.rotate(storage, name, last)
        except RefusedByDatabaseError:
            self._retry[name] = now + _BACK_OFF
