"""Who the store is: its installation, its epoch, its schema revision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, inspect, select, text, update

from nhisync.clock import Clock, Randomness
from nhisync.errors import StoreError
from nhisync.parity.row import epoch
from nhisync.store.schema import HEAD, REVISIONS, meta, metadata

VERSION_TABLE = "alembic_version"
"""Where Alembic keeps the revision; a fresh store is stamped with it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What makes a store this store.

    Attributes:
        installation: random, made with the store; backups and restores keep it.
        epoch: epoch seconds of the store's creation or last restore; numbers of an older epoch are never reused.
    """

    installation: str
    epoch: int


def revision(connection: Connection, shown: str) -> str | None:
    """The schema revision of the store; None = the database is empty.

    Raises:
        StoreError: there is something else in it.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if VERSION_TABLE not in tables or (found := _stamp(connection)) is None:
        raise StoreError(
            f"the database {shown} holds something else, no nhisync store",
            fix="Point `store.url` at a database of its own; nothing was changed.",
        )
    return found


def _stamp(connection: Connection) -> str | None:
    # Alembic owns this table; SQLAlchemy's metadata does not know it.
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def require_current(found: str, shown: str) -> None:
    """Refuse a store that this version cannot work with.

    Raises:
        StoreError: the schema is older, or newer than this version knows.
    """
    if found == HEAD:
        return
    if found in REVISIONS:
        raise StoreError(
            f"the store {shown} has schema {found}; this version works with {HEAD}",
            fix="Run: nhisync store upgrade (it makes a backup first).",
        )
    raise newer(found, shown)


def newer(found: str, shown: str) -> StoreError:
    """The refusal of a schema from the future."""
    return StoreError(
        f"the store {shown} has schema {found}, which a newer nhisync wrote; this version knows up to {HEAD}",
        fix="Run the newer nhisync, or restore a backup made before its upgrade: nhisync store restore FILE.",
    )


def create(connection: Connection, clock: Clock, randomness: Randomness) -> Identity:
    """Make all tables at once and stamp them; the result equals running every migration."""
    metadata.create_all(connection)
    connection.execute(text(f"CREATE TABLE {VERSION_TABLE} ({_STAMP_COLUMN})"))
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:head)"), {"head": HEAD})  # noqa: S608 - a constant
    return introduce(connection, clock, randomness)


_STAMP_COLUMN = f"version_num VARCHAR(32) NOT NULL, CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)"


def introduce(connection: Connection, clock: Clock, randomness: Randomness) -> Identity:
    """Give a store its identity, unless it has one."""
    held = _held(connection)
    if "installation" not in held:
        now = str(epoch(clock.now()))
        held = {"installation": randomness.hex(16), "epoch": now, "created": now}
        connection.execute(insert(meta), [{"name": name, "value": value} for name, value in held.items()])
    return Identity(installation=held["installation"], epoch=int(held["epoch"]))


def identity(connection: Connection) -> Identity:
    """Who the store is."""
    held = _held(connection)
    return Identity(installation=held["installation"], epoch=int(held["epoch"]))


def _held(connection: Connection) -> dict[str, str]:
    return {row.name: row.value for row in connection.execute(select(meta))}


def unmoved(connection: Connection, path: str, places: Mapping[str, str]) -> list[str]:
    """The sources of `path` that lead where they led in the last run, or of which no run told; keeps the new places.

    Args:
        connection: the caller's transaction.
        path: name of the path.
        places: name of a source → digest of where it leads.
    """
    held = _held(connection)
    names = {source: f"source {path}/{source}" for source in places}
    same = [source for source, place in places.items() if held.get(names[source], place) == place]
    for source, place in places.items():
        if names[source] not in held:
            connection.execute(insert(meta).values(name=names[source], value=place))
        elif source not in same:
            connection.execute(update(meta).where(meta.c.name == names[source]).values(value=place))
    return same


def next_epoch(connection: Connection, now: datetime, replaced: int) -> int:
    """Begin a new epoch: later than this store's, than the replaced store's, and not before `now`.

    Counting from the clock keeps the epoch rising even when the replaced store is lost and the same backup comes back
    a second time.
    """
    value = max(epoch(now) or 0, replaced + 1, identity(connection).epoch + 1)
    connection.execute(update(meta).where(meta.c.name == "epoch").values(value=str(value)))
    return value
