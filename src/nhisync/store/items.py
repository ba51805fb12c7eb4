"""Rows of items: written in batches by one run, read in key order by anybody."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, case, delete, func, or_, select, true, update
from sqlalchemy.sql import ColumnElement, Select

from nhisync.model import Presence
from nhisync.parity.row import Row, digest_of, epoch, instant, unanswered
from nhisync.parity.stream import Stream, ordered
from nhisync.store.connection import Batch, Database, WriteConnection
from nhisync.store.schema import ADDED, comparisons, evaluations, items
from nhisync.store.text import batches, canonical, storable, storable_rows
from nhisync.store.upsert import upsert

BATCH = 2_000
"""Rows of one transaction: enough that a commit's fsync is not what a million rows wait for."""

KEYS = 500
"""Keys named in one statement."""

SCOPES = 100
"""Scopes named in one statement."""

CLAIMANTS = "claimants"
"""Name in the `detail` of an AMBIGUOUS row: the locators that claim its key, sorted."""

Claim = tuple[str, str]
"""(logical key, locator): one item standing for one pair side."""

_AMBIGUOUS = Presence.AMBIGUOUS.value
_ANSWERS = frozenset({Presence.PRESENT.value, Presence.ABSENT.value})
_VALUES = tuple(name for name in Row._fields if name != "key")
_OWN = len(Row._fields) - len(ADDED)
_SWEPT = Row._fields[:_OWN]
_COLUMNS = tuple(items.c[name] for name in Row._fields)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sweep saw completely: all items of a kind, or those whose name begins with `prefix`.

    Attributes:
        source: name of the source inside the path.
        kind: the provider's kind word.
        prefix: literal beginning of the names; "" = the whole source.
    """

    source: str
    kind: str
    prefix: str = ""

    @property
    def locators(self) -> str:
        """How the locators of its items begin."""
        return storable(f"{self.source}:{self.kind}/{self.prefix}")


class ItemWriter:
    """What one run writes about items.

    Args:
        database: the store.
        writer: its write connection.
        run: number of the run.
    """

    def __init__(self, database: Database, writer: WriteConnection, run: int) -> None:
        self._writer = writer
        self._run = run
        self._upsert = Batch(database, _upsert(database.engine.dialect.name), ("path", *_SWEPT, "run", *ADDED))
        self._touch = Batch(database, _touched(), ("in_path", "in_key", "in_locator", "seen", "in_run"))
        self._claim = Batch(database, _claimed(), ("in_path", "in_key", "in_run"))
        self._group = Batch(database, _grouped(), ("in_path", "in_key", "class"))
        self._probe = Batch(database, _probed(), ("in_path", "in_key", "in_locator", "judged", "proof"))
        self._hold = Batch(database, _loaded(), ("in_path", "in_key", "in_locator", "held"))

    def put(self, path: str, rows: Iterable[Row]) -> int:
        """Insert or replace; each batch is durable before the next one is taken. Returns how many rows were taken."""
        taken = 0
        for given in batches(rows, BATCH):
            batch = storable_rows(given)
            with self._writer.transaction() as connection:
                self._put(connection, path, batch)
            taken += len(batch)
        return taken

    def _put(self, connection: Connection, path: str, batch: list[Row]) -> None:
        run = self._run
        # In the order of the table, which the statement then takes as it is: a million rows can tell.
        changed = self._upsert.run(connection, [(path, *row[:_OWN], run, *row[_OWN:]) for row in batch])
        if changed < len(batch):
            self._contest(connection, path, [(row.key, row.locator, row.observed) for row in batch])

    def keep(self, path: str, rows: Iterable[Row]) -> int:
        """Store rows that only state ignorance, unless an answer about the same item is held: that one stays, aged.

        Returns how many older answers stayed.
        """
        kept = 0
        for given in batches(rows, BATCH):
            batch = storable_rows(given)
            with self._writer.transaction() as connection:
                held = _answered(connection, path, [row.key for row in batch])
                stay = [row for row in batch if held.get(row.key) == row.locator]
                self._claim.run(connection, [(path, row.key, self._run) for row in stay])
                self._put(connection, path, [row for row in batch if held.get(row.key) != row.locator])
            kept += len(stay)
        return kept

    def touch(self, path: str, claims: Iterable[Claim], observed: datetime) -> tuple[str, ...]:
        """Say of stored rows that they still hold at `observed`; their value groups belong to an older run and go.

        Returns the keys for which no such row is stored: those items must be read in full.
        """
        seen = epoch(observed)
        lost: list[str] = []
        for given in batches(claims, BATCH):
            batch = [(storable(key), storable(locator)) for key, locator in given]
            with self._writer.transaction() as connection:
                tuples = [(path, key, locator, seen, self._run) for key, locator in batch]
                if self._touch.run(connection, tuples) < len(batch):
                    self._contest(connection, path, [(key, locator, seen or 0) for key, locator in batch])
                    lost.extend(_not_claimed(connection, path, batch, self._run))
        return tuple(lost)

    def finish(self, path: str, complete: Iterable[Scope]) -> int:
        """Delete rows of completely seen scopes that this run did not see; all others stay with their true age.

        Returns how many rows were deleted.
        """
        deleted = 0
        with self._writer.transaction() as connection:
            for prefixes in batches(sorted({scope.locators for scope in complete}), SCOPES):
                inside = [func.substr(items.c.locator, 1, len(prefix)) == prefix for prefix in prefixes]
                deleted += _delete(connection, path, and_(items.c.run != self._run, or_(*inside)))
        return deleted

    def forget_sources(self, path: str, configured: Collection[str]) -> int:
        """Delete the rows of sources that are not `configured` (any more); returns how many there were."""
        foreign = [func.substr(items.c.locator, 1, len(name) + 1) != f"{name}:" for name in configured]
        with self._writer.transaction() as connection:
            return _delete(connection, path, and_(true(), *foreign))

    def forget(self, path: str, keys: Iterable[str]) -> int:
        """Delete the rows of pairs that the configuration no longer names; returns how many there were."""
        with self._writer.transaction() as connection:
            found = batches(sorted({storable(key) for key in keys}), KEYS)
            return sum(_delete(connection, path, items.c.key.in_(chunk)) for chunk in found)

    def forget_markers(self, path: str) -> int:
        """Forget by what the items of `path` would be known again; returns how many had a marker."""
        marked = update(items).where(items.c.path == path, items.c.marker != "").values(marker="")
        with self._writer.transaction() as connection:
            return int(connection.execute(marked).rowcount)

    def group(self, path: str, groups: Mapping[str, str]) -> None:
        """Replace all equality classes of `path`: key → random group id of this run."""
        old = update(items).where(items.c.path == path, items.c.group.is_not(None)).values(group=None)
        with self._writer.transaction() as connection:
            connection.execute(old)
            for batch in batches(groups.items(), BATCH):
                self._group.run(connection, [(path, storable(key), group) for key, group in batch])

    def probe(self, path: str, proofs: Iterable[tuple[str, str, int | None, str | None]]) -> None:
        """Say what live authentication showed: (key, locator, `auth`, `probe`); it stays until it is said anew.

        None as `probe` takes back what was said.
        """
        for batch in batches(proofs, BATCH):
            tuples = [
                (path, storable(key), storable(at), judged, None if text is None else storable(text))
                for key, at, judged, text in batch
            ]
            with self._writer.transaction() as connection:
                self._probe.run(connection, tuples)

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Say what consumers have loaded: (key, locator, `consumers`); it stays until it is said anew."""
        for batch in batches(held, BATCH):
            with self._writer.transaction() as connection:
                self._hold.run(connection, [(path, storable(key), storable(at), text) for key, at, text in batch])

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace all rights of `path`: key → document; digests follow, because rows are judged by them."""
        with self._writer.transaction() as connection:
            holding = select(items.c.key).where(items.c.path == path, items.c.grants.is_not(None))
            before = {key for (key,) in connection.execute(holding)}
            wanted = {storable(key): storable(document) for key, document in rights.items()}
            for chunk in batches(sorted(before | wanted.keys()), KEYS):
                found = select(*_COLUMNS).where(items.c.path == path, items.c.key.in_(chunk))
                for row in [Row._make(cells) for cells in connection.execute(found)]:
                    if row.grants != wanted.get(row.key):
                        made = row._replace(grants=wanted.get(row.key))
                        connection.execute(_replaced(path, made._replace(digest=digest_of(made))))

    def _contest(self, connection: Connection, path: str, claims: Collection[tuple[str, str, int]]) -> None:
        """Make every key AMBIGUOUS that two locators claimed in this run; which one is meant is never guessed."""
        rivals: dict[str, set[str]] = {}
        ages: dict[str, int] = {}
        for key, locator, observed in claims:
            rivals.setdefault(key, set()).add(locator)
            ages[key] = min(observed, ages.get(key, observed))
        for stored in _stored(connection, path, list(rivals), self._run):
            claimants = rivals[stored.key] | _claimants(stored)
            if len(claimants) > 1:
                row = _ambiguous(stored.key, claimants, min(stored.observed, ages[stored.key]))
                connection.execute(_replaced(path, row))


class ItemReader:
    """What anybody may ask about items, as of one snapshot.

    Args:
        database: the store.
        connection: an open snapshot.
    """

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection

    def cursor(self, path: str, low: str | None = None, high: str | None = None) -> Iterator[Row]:
        """Rows of `path` with ``low <= key < high`` in bytewise key order, streamed in constant memory."""
        statement = select(*_COLUMNS).where(*_within(path, low, high)).order_by(items.c.key)
        # tuple.__new__ in C for each row: Row._make is a Python frame, which a million rows can tell.
        return map(tuple.__new__, repeat(Row), self._database.rows(self._connection, statement))

    def stream(self, path: str, columns: Collection[str], low: str | None = None, high: str | None = None) -> Stream:
        """Rows of `path` with ``low <= key < high`` in bytewise key order, read as far as `columns`."""
        names = ordered(columns)
        here = _within(path, low, high)
        cells = select(*(items.c[name] for name in names)).where(*here).order_by(items.c.key)
        whole = select(*_COLUMNS).where(*here, items.c.key >= bindparam("at")).order_by(items.c.key)
        ask = self._database.asking(self._connection, whole.limit(bindparam("most", type_=Integer())))
        return Stream(
            self._database.rows(self._connection, cells),
            names,
            lambda key, most: map(Row._make, ask(at=key, most=most)),
        )

    def consumed(self, path: str) -> list[Row]:
        """The rows of `path` that say what consumers have loaded."""
        found = select(*_COLUMNS).where(items.c.path == path, items.c.consumers.is_not(None))
        return [Row._make(cells) for cells in self._connection.execute(found)]

    def counts(self, path: str, low: str | None = None, high: str | None = None) -> dict[str, int]:
        """Word of `Presence` → rows of `path` with ``low <= key < high``."""
        statement = select(items.c.presence, func.count()).where(*_within(path, low, high)).group_by(items.c.presence)
        return {row[0]: row[1] for row in self._connection.execute(statement)}

    def known_markers(self, path: str, claims: Iterable[Claim]) -> dict[str, str]:
        """Locator → stored marker, for items of which every claim is stored, PRESENT and carries the same marker."""
        found: dict[str, set[str]] = {}
        for batch in batches(claims, KEYS):
            asked = [(storable(key), locator) for key, locator in batch]
            stored = self._markers(path, [key for key, _ in asked])
            for key, locator in asked:
                found.setdefault(locator, set()).add(stored.get((key, storable(locator)), ""))
        return {locator: min(markers) for locator, markers in found.items() if len(markers) == 1 and "" not in markers}

    def _markers(self, path: str, keys: list[str]) -> dict[tuple[str, str], str]:
        statement = select(items.c.key, items.c.locator, items.c.marker).where(
            items.c.path == path, items.c.key.in_(keys), items.c.presence == Presence.PRESENT.value
        )
        return {(key, locator): marker for key, locator, marker in self._connection.execute(statement)}

    def unclaimed(self, path: str, run: int) -> Iterator[Claim]:
        """(key, locator) of rows that `run` neither saw nor asked for, in key order."""
        statement = select(items.c.key, items.c.locator).where(items.c.path == path, items.c.run != run)
        return self._database.rows(self._connection, statement.order_by(items.c.key))


def _within(path: str, low: str | None, high: str | None) -> list[ColumnElement[bool]]:
    bounds = [items.c.path == path]
    if low is not None:
        bounds.append(items.c.key >= storable(low))
    if high is not None:
        bounds.append(items.c.key < storable(high))
    return bounds


def _upsert(dialect: str) -> Any:
    """A row of an earlier run is replaced; within one run only the same locator may speak again.

    What live authentication and consumers showed of the same item stays: a sweep does not ask for it.
    """
    return upsert(
        dialect,
        items,
        changed=lambda new: {name: _kept(new, name) for name in ("auth", *ADDED)},
        where=lambda new: or_(
            items.c.run != new.run, and_(items.c.locator == new.locator, items.c.presence != _AMBIGUOUS)
        ),
    )


def _kept(new: Any, name: str) -> ColumnElement[Any]:
    same = items.c.locator == new.locator
    return case((same, func.coalesce(new[name], items.c[name])), else_=new[name])


def _touched() -> Any:
    return (
        update(items)
        .where(
            items.c.path == bindparam("in_path"),
            items.c.key == bindparam("in_key"),
            items.c.locator == bindparam("in_locator"),
            items.c.presence != _AMBIGUOUS,
        )
        .values(observed=bindparam("seen"), run=bindparam("in_run"), group=None)
    )


def _claimed() -> Any:
    here = and_(items.c.path == bindparam("in_path"), items.c.key == bindparam("in_key"))
    return update(items).where(here).values(run=bindparam("in_run"))


def _grouped() -> Any:
    here = and_(items.c.path == bindparam("in_path"), items.c.key == bindparam("in_key"))
    return update(items).where(here).values(group=bindparam("class"))


def _probed() -> Any:
    here = and_(items.c.path == bindparam("in_path"), items.c.key == bindparam("in_key"))
    same = items.c.locator == bindparam("in_locator")
    return update(items).where(here, same).values(auth=bindparam("judged"), probe=bindparam("proof"))


def _loaded() -> Any:
    here = and_(items.c.path == bindparam("in_path"), items.c.key == bindparam("in_key"))
    same = items.c.locator == bindparam("in_locator")
    return update(items).where(here, same).values(consumers=bindparam("held"))


def _answered(connection: Connection, path: str, keys: list[str]) -> dict[str, str]:
    """Key → locator of rows that hold an answer."""
    found: dict[str, str] = {}
    for chunk in batches(keys, KEYS):
        statement = select(items.c.key, items.c.locator).where(
            items.c.path == path, items.c.key.in_(chunk), items.c.presence.in_(_ANSWERS)
        )
        found.update((key, locator) for key, locator in connection.execute(statement))
    return found


def _stored(connection: Connection, path: str, keys: list[str], run: int) -> Iterator[Row]:
    """Rows of these keys that `run` wrote."""
    for chunk in batches(keys, KEYS):
        statement: Select[Any] = select(*_COLUMNS).where(
            items.c.path == path, items.c.key.in_(chunk), items.c.run == run
        )
        yield from [Row._make(row) for row in connection.execute(statement)]


def _not_claimed(connection: Connection, path: str, claims: list[Claim], run: int) -> list[str]:
    """Keys of claims that no row of this run answers."""
    held = {row.key: row for row in _stored(connection, path, [key for key, _ in claims], run)}
    return [key for key, locator in claims if key not in held or locator not in _claimants(held[key])]


def _claimants(row: Row) -> set[str]:
    """The locators that claim a stored row's key."""
    if row.presence != _AMBIGUOUS or not row.detail:
        return {row.locator}
    return {row.locator, *json.loads(row.detail).get(CLAIMANTS, ())}


def _ambiguous(key: str, claimants: set[str], observed: int) -> Row:
    row = unanswered(key, min(claimants), Presence.AMBIGUOUS, None, instant(observed))
    row = row._replace(detail=canonical({CLAIMANTS: sorted(claimants)}))
    return row._replace(digest=digest_of(row))


def _replaced(path: str, row: Row) -> Any:
    values = {name: getattr(row, name) for name in _VALUES}
    return update(items).where(items.c.path == path, items.c.key == row.key).values(values)


def _delete(connection: Connection, path: str, which: ColumnElement[bool]) -> int:
    """Delete rows of `path`, and first what is remembered of their pairs: a memory never outlives its rows."""
    keys = select(items.c.key).where(items.c.path == path, which)
    of_path = select(comparisons.c.number).where(
        or_(comparisons.c.primary_path == path, comparisons.c.backup_path == path)
    )
    connection.execute(delete(evaluations).where(evaluations.c.comparison.in_(of_path), evaluations.c.key.in_(keys)))
    return int(connection.execute(delete(items).where(items.c.path == path, which)).rowcount)
