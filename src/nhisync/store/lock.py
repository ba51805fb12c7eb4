"""Exactly one writer: an OS lock on a file beside an SQLite store, a session lock on a PostgreSQL database.

Both end with their holder, however it ends: nothing has to be deleted after a crash. The session lock lives on the very
connection that writes, so a holder that lost it cannot write any more either.
"""

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from nhisync.clock import Clock
from nhisync.errors import GuardError

_CLASS = 0x6E686973
"""First half of the advisory lock's key: ``nhis``."""

_FIX = "Wait until that process ends, or stop it, then run this again. Never delete the lock file."


class FileLock:
    """flock(2) on ``<database>.lock``; the file's text says who holds it.

    Args:
        database: the store's file, links resolved.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self.file = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self, purpose: str, clock: Clock) -> None:
        """Take the lock or refuse at once.

        Raises:
            GuardError: ``lock``, naming the holder.
            OSError: the lock file cannot be made.
        """
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(descriptor, 1024, 0))
            os.close(descriptor)
            raise GuardError("lock", f"{holder} is writing to {self._database}", fix=_FIX) from None
        note = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": _now(clock)}
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(note).encode(), 0)
        except OSError:  # a full disk: whoever cannot say that it holds the lock does not keep it
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; the empty file stays, because removing it would let two processes lock two files."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None


class SessionLock:
    """A PostgreSQL session-level advisory lock, one per database and schema.

    See https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS.

    Args:
        connection: the connection that will write; it holds the lock until it is closed.
        shown: how messages call the store.
    """

    def __init__(self, connection: Connection, shown: str) -> None:
        self._connection = connection
        self._shown = shown

    def acquire(self, purpose: str) -> None:
        """Take the lock or refuse at once.

        Raises:
            GuardError: ``lock``, naming the holder.
        """
        key = {"class": _CLASS}
        with self._connection.begin():
            name = {"name": f"nhisync {os.getpid()} {purpose}"[:63]}
            self._connection.execute(text("SELECT set_config('application_name', :name, false)"), name)
            taken = self._connection.execute(
                text("SELECT pg_try_advisory_lock(:class, hashtext(current_schema()))"), key
            ).scalar_one()
            holder = None if taken else self._connection.execute(text(_HOLDER), key).first()
        if not taken:
            raise GuardError("lock", f"{_session(holder)} is writing to {self._shown}", fix=_FIX)


_HOLDER = """
SELECT a.application_name, a.client_addr::text, a.backend_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :class
  AND l.objid::bigint = hashtext(current_schema())::bigint & 4294967295
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def _now(clock: Clock) -> str:
    return clock.now().isoformat(timespec="seconds")


def _holder(note: bytes) -> str:
    """Who wrote `note` into the lock file; the text is ours, but a stranger may have put anything there."""
    try:
        found: dict[str, Any] = json.loads(note)
        pid, host = int(found["pid"]), str(found["host"])
        purpose, since = str(found["purpose"]), str(found["since"])
    except (ValueError, KeyError, TypeError):
        return "another process"
    return f"process {pid} on {host} ({purpose}, since {since})"


def _session(holder: Any) -> str:
    if holder is None:
        return "another session"
    name, address, since = holder
    return f"session `{name}` from {address or 'the server itself'} (since {since:%Y-%m-%dT%H:%M:%S%z})"
