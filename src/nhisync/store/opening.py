"""Opening: lock, file, schema and identity, in the order in which each may refuse."""

import contextlib
import os
from dataclasses import dataclass

from sqlalchemy import Connection

from nhisync.clock import Clock, Randomness
from nhisync.errors import StoreError, fix_of_write
from nhisync.store import meta, runs
from nhisync.store.address import Address
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.lock import FileLock, SessionLock


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What an open store holds.

    Attributes:
        database: engine and rules.
        writer: the one connection that writes; None in a store opened for reading.
        identity: who the store is.
        at_close: lets go of everything, last taken first.
    """

    database: Database
    writer: WriteConnection | None
    identity: meta.Identity
    at_close: contextlib.ExitStack


def for_reading(place: Address) -> Opened:
    """Open without changing anything; a writer may write meanwhile.

    Raises:
        StoreError: there is no store of this version's schema.
    """
    if place.file is not None and not place.file.exists():
        raise StoreError(f"there is no store at {place.shown}", fix="Run `nhisync sync` once, or check `store.url`.")
    with contextlib.ExitStack() as undo:
        database = Database(place, writable=False)
        undo.callback(database.close)
        with database.snapshot() as connection:
            found = meta.revision(connection, place.shown)
            if found is None:
                raise StoreError(f"the store {place.shown} is empty", fix="Run `nhisync sync` once.")
            meta.require_current(found, place.shown)
            who = meta.identity(connection)
        return Opened(database=database, writer=None, identity=who, at_close=undo.pop_all())


def for_writing(place: Address, *, purpose: str, clock: Clock, randomness: Randomness, durable: bool = True) -> Opened:
    """Take the lock; make the tables of an empty store; close the runs that killed writers left open.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: it cannot be written, or is no store of this version's schema.
    """
    with contextlib.ExitStack() as undo:
        database, writer = locked(place, purpose, clock, undo, durable=durable)
        with writer.transaction() as connection:
            who = _identity(connection, place, clock, randomness)
            runs.end_interrupted(connection, clock.now())
        return Opened(database=database, writer=writer, identity=who, at_close=undo.pop_all())


def _identity(connection: Connection, place: Address, clock: Clock, randomness: Randomness) -> meta.Identity:
    found = meta.revision(connection, place.shown)
    if found is None:
        return meta.create(connection, clock, randomness)
    meta.require_current(found, place.shown)
    return meta.identity(connection)


def locked(
    place: Address, purpose: str, clock: Clock, undo: contextlib.ExitStack, *, durable: bool = True
) -> tuple[Database, WriteConnection]:
    """Take the store's lock and connect; `undo` lets go. The schema is not looked at.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: it cannot be reached or written.
    """
    lock_file(place, purpose, clock, undo)
    database = Database(place, writable=True, durable=durable)
    undo.callback(database.close)
    writer = WriteConnection(database)
    undo.callback(writer.close)
    if not database.sqlite:
        with database.translated():
            _require_utf8(writer.connection, place.shown)
            SessionLock(writer.connection, place.shown).acquire(purpose)
    return database, writer


def lock_file(place: Address, purpose: str, clock: Clock, undo: contextlib.ExitStack) -> None:
    """Take the lock of an SQLite store and make its file, readable by its owner only; `undo` lets go.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: the folder cannot be written.
    """
    if place.file is None:
        return
    lock = FileLock(place.file)
    try:
        lock.acquire(purpose, clock)
        undo.callback(lock.release)
        os.close(os.open(place.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as failure:
        raise StoreError(
            f"the store {place.shown} cannot be written: {failure.strerror}",
            fix=fix_of_write(
                failure, "Check that its folder exists and that the user that runs nhisync may write there."
            ),
        ) from None


def _require_utf8(connection: Connection, shown: str) -> None:
    """Refuse a PostgreSQL database of another encoding: keys would not sort like ours.

    Raises:
        StoreError: the encoding is not UTF8.
    """
    with connection.begin():
        found = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if found != "UTF8":
        raise StoreError(
            f"the database {shown} has encoding {found}; a store needs UTF8",
            fix="Create one: createdb --template template0 --encoding UTF8 --locale C NAME.",
        )
