"""What each run saw of a path, and how much its complete sweeps held."""

import json
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, select, update

from nhisync.model import Coverage, CoverageStatus, ErrorFact
from nhisync.parity.row import epoch, instant
from nhisync.store.connection import Batch, Database, WriteConnection
from nhisync.store.schema import coverage, coverage_peaks
from nhisync.store.text import canonical, storable
from nhisync.store.upsert import upsert

_COLUMNS = tuple(column.name for column in coverage.columns)
_PEAK = tuple(column.name for column in coverage_peaks.columns)
_DAY = 86_400


class CoverageWriter:
    """What one run writes about coverage.

    Args:
        database: the store.
        writer: its write connection.
        run: number of the run.
        started: when it began.
    """

    def __init__(self, database: Database, writer: WriteConnection, run: int, started: datetime) -> None:
        self._writer = writer
        self._run, self._day = run, _day(started)
        self._upsert = Batch(database, _upsert(database.engine.dialect.name), _COLUMNS)
        self._peak = Batch(database, _upsert_peak(database.engine.dialect.name), _PEAK)

    def put(self, path: str, entries: Iterable[Coverage]) -> None:
        """Insert or replace; a sweep that is not COMPLETE leaves the complete ones' counts as they were."""
        seen = list(entries)
        complete = [entry for entry in seen if entry.status is CoverageStatus.COMPLETE]
        with self._writer.transaction() as connection:
            self._upsert.run(connection, [_values(path, entry, self._run) for entry in seen])
            self._peak.run(connection, [_peak(path, entry, self._day) for entry in complete])

    def forget_sources(self, path: str, configured: Collection[str]) -> None:
        """Delete the entries of sources that are not `configured` (any more)."""
        with self._writer.transaction() as connection:
            for table in (coverage, coverage_peaks):
                gone = table.c.path == path, table.c.source.not_in(sorted(configured))
                connection.execute(delete(table).where(*gone))


def accept(connection: Connection, path: str, entry: Coverage, now: datetime) -> bool:
    """Believe a sweep that shrank: its count, and no larger one before it, is what the next ones are compared with.

    False when the stored entry is not SHRUNK with exactly the items of `entry` (any more). What the sweep lost stays
    stored until the next complete one.
    """
    c = coverage.c
    place = (c.path == path, c.source == entry.source, c.kind == entry.kind, c.scope == storable(entry.scope))
    held = update(coverage).where(*place, c.status == CoverageStatus.SHRUNK.value, c["items"] == entry.items)
    complete = CoverageStatus.COMPLETE.value
    made = held.values(status=complete, error=None, believed_items=c["items"], believed_at=c.as_of)
    if int(connection.execute(made).rowcount) != 1:
        return False
    p = coverage_peaks.c
    older = (p.path == path, p.source == entry.source, p.kind == entry.kind, p.scope == storable(entry.scope))
    connection.execute(delete(coverage_peaks).where(*older))
    connection.execute(coverage_peaks.insert().values(_peak(path, entry, _day(now))))
    return True


def coverage_of(connection: Connection, path: str, run: int | None) -> tuple[Coverage, ...]:
    """The latest entries of `path`, or those that `run` wrote; by source, kind and scope."""
    statement = select(coverage).where(coverage.c.path == path)
    if run is not None:
        statement = statement.where(coverage.c.run == run)
    rows = connection.execute(statement.order_by(coverage.c.source, coverage.c.kind, coverage.c.scope))
    return tuple(_entry(row) for row in rows)


def believed_counts(connection: Connection, path: str) -> dict[tuple[str, str, str], int]:
    """(source, kind, scope) → items of the last COMPLETE sweep."""
    c = coverage.c
    statement = select(c.source, c.kind, c.scope, c.believed_items).where(c.path == path, c.believed_items.is_not(None))
    return {(source, kind, scope): count for source, kind, scope, count in connection.execute(statement)}


def largest_counts(connection: Connection, path: str, since: datetime) -> dict[tuple[str, str, str], int]:
    """(source, kind, scope) → items of the largest COMPLETE sweep from the day of `since` on, the last one included."""
    p = coverage_peaks.c
    statement = select(p.source, p.kind, p.scope, func.max(p["items"])).where(p.path == path, p.day >= _day(since))
    found = believed_counts(connection, path)
    for source, kind, scope, count in connection.execute(statement.group_by(p.source, p.kind, p.scope)):
        found[source, kind, scope] = max(count, found.get((source, kind, scope), 0))
    return found


def forget_peaks(connection: Connection, before: datetime) -> None:
    """Delete the counts of days before that of `before`."""
    connection.execute(delete(coverage_peaks).where(coverage_peaks.c.day < _day(before)))


def _day(instant: datetime) -> int:
    """The first second of the day (UTC)."""
    seconds = int(instant.timestamp())
    return seconds - seconds % _DAY


def _peak(path: str, entry: Coverage, day: int) -> tuple[Any, ...]:
    return path, entry.source, entry.kind, storable(entry.scope), day, entry.items


def _upsert_peak(dialect: str) -> Any:
    held = coverage_peaks.c["items"]
    return upsert(
        dialect,
        coverage_peaks,
        changed=lambda new: {"items": case((new["items"] > held, new["items"]), else_=held)},
    )


def _upsert(dialect: str) -> Any:
    return upsert(
        dialect,
        coverage,
        changed=lambda new: {
            "believed_items": func.coalesce(new.believed_items, coverage.c.believed_items),
            "believed_at": func.coalesce(new.believed_at, coverage.c.believed_at),
        },
    )


def _values(path: str, entry: Coverage, run: int) -> tuple[Any, ...]:
    complete = entry.status is CoverageStatus.COMPLETE
    as_of = epoch(entry.as_of)
    return (
        path,
        entry.source,
        entry.kind,
        storable(entry.scope),
        entry.status.value,
        entry.items,
        int(entry.authoritative),
        as_of,
        None if entry.error is None else _error_text(entry.error),
        entry.items if complete else None,
        as_of if complete else None,
        run,
    )


def _entry(row: Any) -> Coverage:
    return Coverage(
        source=row.source,
        kind=row.kind,
        scope=row.scope,
        status=CoverageStatus(row.status),
        as_of=instant(row.as_of),
        items=row.items,
        authoritative=bool(row.authoritative),
        error=None if row.error is None else _error(row.error),
    )


def _error_text(error: ErrorFact) -> str:
    wait = error.retry_after
    return canonical(
        {
            "kind": error.kind,
            "message": error.message,
            "action": error.action,
            "resource": error.resource,
            "principal": error.principal,
            "reason": error.reason,
            "request_id": error.request_id,
            "retry_after": None if wait is None else wait.total_seconds(),
            "fix": error.fix,
        }
    )


def _error(text: str) -> ErrorFact:
    fact: dict[str, Any] = json.loads(text)
    wait = fact.pop("retry_after")
    return ErrorFact(**fact, retry_after=None if wait is None else timedelta(seconds=wait))
