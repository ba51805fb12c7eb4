"""Backups and restores of SQLite stores. A PostgreSQL store is backed up with its own tools (``docs/store.md``).

A restored store is an old one. What it said then must not be taken for what is true now: its verdicts become void, what
it remembers of pairs is dropped, and its epoch rises above every epoch that was ever in use.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from nhisync.clock import Clock, Randomness
from nhisync.errors import StoreError
from nhisync.store import address as addresses
from nhisync.store import audit, memory, meta, restrictions, runs, verdicts
from nhisync.store.address import Address
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.copying import connected, copied, poured, require_sound, sha256, stamped
from nhisync.store.failures import translated
from nhisync.store.opening import lock_file, locked
from nhisync.store.restrictions import Restrictions
from nhisync.store.schema import HEAD, REVISIONS
from nhisync.store.schema import audit as audit_table
from nhisync.store.upgrading import migrate

_PURPOSE = restrictions.BY

TAILS = ("-wal", "-shm", "")
"""Endings of the files that make one SQLite database; the main file goes last."""


class Step(StrEnum):
    """How far a restore has come; it is told before the next thing happens."""

    PREPARING = "preparing"
    """The backup is sound and the lock is held; nothing was changed."""
    REPLACING = "replacing"
    """The restored store is prepared beside the one in place, which is changed from here on."""
    POURING = "pouring"
    """The store in place is kept beside it."""
    RESTORED = "restored"
    """The restored store is in place."""


Told = Callable[[Step], None]


def untold(_reached: Step) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What `restore` did.

    Attributes:
        store: how messages call the store.
        installation: whose store it is now.
        foreign: the replaced store was another installation's.
        epoch: the new epoch.
        voided: verdicts that became void.
        replaced: where the store that was there is kept, or None when there was none.
        doubted: words of the backup that permitted and do not count any more, because nobody could read what was said
            since it was made; None = that was read.
    """

    store: str
    installation: str
    foreign: bool
    epoch: int
    voided: int
    replaced: Path | None
    doubted: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """The store that is about to be replaced, as far as it can be read."""

    sound: bool
    installation: str | None = None
    epoch: int = 0
    audit_rows: int = 0
    audit_head: str = ""
    restrictions: Restrictions | None = None

    def told(self) -> Mapping[str, Any] | None:
        """For the audit trail: enough to see later how far the lost trail had come."""
        if self.installation is None:
            return None
        return {
            "installation": self.installation,
            "epoch": self.epoch,
            "audit_rows": self.audit_rows,
            "audit_head": self.audit_head,
        }


@dataclass(frozen=True, slots=True)
class _By:
    """Who restores, with what, for whom: the arguments of `restore`."""

    clock: Clock
    randomness: Randomness
    actor: str
    places: Collection[tuple[str, str]]
    tell: Told


def backup(place: Address, target: Path) -> Path:
    """Copy an SQLite store to the new file `target` while it is in use; returns `target`.

    Raises:
        StoreError: the store is on PostgreSQL, `target` exists or cannot be written, or the store is damaged.
    """
    if place.file is None:
        raise StoreError(
            f"the store {place.shown} is backed up with PostgreSQL's own tools",
            fix="pg_dump --format=custom --file FILE DATABASE",
        )
    return copied(place.file, target.absolute())


def restore(
    url: str,
    file: Path | None,
    *,
    clock: Clock,
    randomness: Randomness,
    actor: str,
    places: Collection[tuple[str, str]] = (),
    tell: Told = untold,
) -> Restored:
    """Put the backup `file` in the place of the store at `url`; the replaced store is kept beside it.

    On PostgreSQL `file` is None: pg_restore brought the tables back, and this makes of them a restored store. What
    `tell` raises ends the restore there. Where nobody can read what was said since the backup, `places` (app, backup
    path) are objected to until a person says otherwise.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: `file` is no sound backup this version can read, or the store cannot be written.
    """
    place, by = addresses.parse(url), _By(clock, randomness, actor, places, tell)
    if place.file is None:
        return _in_place(place, file, by)
    if file is None:
        raise StoreError("an SQLite store is restored from a file", fix="nhisync store restore FILE")
    source = file.absolute()
    _require_backup(source)
    with contextlib.ExitStack() as undo:
        lock_file(place, _PURPOSE, clock, undo)
        tell(Step.PREPARING)
        before = _look(place)
        work = place.file.with_name(f"{place.file.name}.restoring")
        undo.callback(_discard, work)
        _discard(work)
        copied(source, work)
        who, voided, doubted = _renewed(work, before, {"file": source.name, "sha256": sha256(source)}, by)
        tell(Step.REPLACING)
        replaced = _set_aside(place.file, before, clock)
        tell(Step.POURING)
        poured(work, place.file)
        tell(Step.RESTORED)
    return Restored(
        store=place.shown,
        installation=who.installation,
        foreign=before.installation not in {None, who.installation},
        epoch=who.epoch,
        voided=voided,
        replaced=replaced,
        doubted=doubted,
    )


def renew(
    connection: Connection, *, replaced_epoch: int, detail: Mapping[str, Any], clock: Clock, actor: str
) -> tuple[meta.Identity, int]:
    """Turn what the tables hold into a restored store, in the caller's transaction; returns (who, verdicts voided)."""
    now = clock.now()
    voided = verdicts.void_all(connection, now)
    forgotten = memory.forget_all(connection)
    runs.end_interrupted(connection, now)
    epoch = meta.next_epoch(connection, now, replaced_epoch)
    who = meta.identity(connection)
    told = {**detail, "epoch": epoch, "verdicts_voided": voided, "memories_dropped": forgotten}
    audit.append(connection, installation=who.installation, action="restore", actor=actor, detail=told, now=now)
    return who, voided


def _in_place(place: Address, file: Path | None, by: _By) -> Restored:
    if file is not None:
        raise StoreError(
            f"the store {place.shown} is restored with PostgreSQL's own tools",
            fix="pg_restore --clean --if-exists --dbname DATABASE FILE, then: nhisync store restore",
        )
    # pg_restore left nothing to compare with: what was said since the backup is lost.
    with contextlib.ExitStack() as undo:
        _database, writer = locked(place, _PURPOSE, by.clock, undo)
        by.tell(Step.PREPARING)
        with writer.transaction() as connection:
            found = meta.revision(connection, place.shown)
            if found not in REVISIONS:
                raise meta.newer(found, place.shown) if found else StoreError(f"the store {place.shown} is empty")
            migrate(connection)
            meta.introduce(connection, by.clock, by.randomness)
            doubted = restrictions.take_back(connection, by.places, now=by.clock.now())
            detail = {"taken_back": doubted}
            who, voided = renew(connection, replaced_epoch=0, detail=detail, clock=by.clock, actor=by.actor)
            by.tell(Step.REPLACING)
        by.tell(Step.RESTORED)
    return Restored(
        store=place.shown,
        installation=who.installation,
        foreign=False,
        epoch=who.epoch,
        voided=voided,
        replaced=None,
        doubted=doubted,
    )


def _require_backup(source: Path) -> None:
    if not source.is_file():
        raise StoreError(f"there is no backup at {source}", fix="Name a file that `nhisync store backup` wrote.")
    try:
        with translated(str(source), sqlite3.Error), connected(source, read_only=True) as connection:
            require_sound(connection, source)
    except StoreError as failure:
        raise StoreError(
            f"nothing was restored: {failure.message.replace('the store', 'the backup', 1)}",
            fix="Name another file that `nhisync store backup` wrote; the store in place was not touched.",
        ) from None
    database = Database(addresses.of_file(source), writable=False)
    with contextlib.closing(database), database.snapshot() as connection:
        found = meta.revision(connection, str(source))
    if found is None:
        raise StoreError(f"{source} is empty", fix="Name a file that `nhisync store backup` wrote.")
    if found not in REVISIONS:
        raise meta.newer(found, str(source))


def _look(place: Address) -> _Before:
    """What is known of the store in place; a damaged one must not keep anybody from restoring."""
    file = place.file
    if file is None or not file.exists() or not file.stat().st_size:
        return _Before(sound=False)
    try:
        with translated(str(file), sqlite3.Error), connected(file, read_only=True) as connection:
            require_sound(connection, file)
        database = Database(place, writable=False)
        with contextlib.closing(database), database.snapshot() as snapshot:
            revision = meta.revision(snapshot, str(file))
            if revision is None:
                return _Before(sound=False)
            who = meta.identity(snapshot)
            rows, head = _trail(snapshot)
            against = restrictions.held(snapshot) if revision == HEAD else None
    except (StoreError, KeyError):  # the latter: it never got an identity
        return _Before(sound=False)
    return _Before(
        sound=True,
        installation=who.installation,
        epoch=who.epoch,
        audit_rows=rows,
        audit_head=head,
        restrictions=against,
    )


def _trail(connection: Connection) -> tuple[int, str]:
    rows = int(connection.execute(select(func.count()).select_from(audit_table)).scalar_one())
    last = select(audit_table.c.hash).order_by(audit_table.c.number.desc()).limit(1)
    return rows, str(connection.execute(last).scalar() or audit.GENESIS)


def _renewed(
    work: Path, before: _Before, detail: Mapping[str, Any], by: _By
) -> tuple[meta.Identity, int, tuple[str, ...] | None]:
    """Upgrade and renew the working copy, outside anybody's sight; (who, verdicts voided, words taken back)."""
    database = Database(addresses.of_file(work), writable=True)
    with (
        contextlib.closing(database),
        contextlib.closing(WriteConnection(database)) as writer,
        writer.transaction() as connection,
    ):
        migrate(connection)
        meta.introduce(connection, by.clock, by.randomness)
        own = meta.identity(connection).installation == before.installation
        told, doubted, now = {**detail, "replaced": before.told()}, None, by.clock.now()
        if own and before.restrictions is not None:
            told["carried"] = restrictions.carry(connection, before.restrictions, actor=by.actor, now=now)
        else:
            told["taken_back"] = doubted = restrictions.take_back(connection, by.places, now=now)
        who, voided = renew(connection, replaced_epoch=before.epoch, detail=told, clock=by.clock, actor=by.actor)
    with connected(work) as single:
        single.execute("PRAGMA journal_mode=DELETE").close()  # one file, nothing beside it
    return who, voided, doubted


def _discard(work: Path) -> None:
    """Remove a working copy and whatever stands beside it."""
    for tail in TAILS:
        work.with_name(work.name + tail).unlink(missing_ok=True)


def _set_aside(file: Path, before: _Before, clock: Clock) -> Path | None:
    """Keep what is about to be replaced: a sound store as a checked copy, a damaged one byte by byte."""
    if before.sound:
        return copied(file, stamped(file, "replaced", clock))
    if not file.exists() or not file.stat().st_size:
        return None
    kept = stamped(file, "damaged", clock)
    for tail in TAILS:
        part = file.with_name(file.name + tail)
        if part.exists():
            os.replace(part, kept.with_name(kept.name + tail))
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return kept
