"""What each run saw of a path, and how much the last complete sweep held."""

import json
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from nhisync.model import Coverage, CoverageStatus, ErrorFact
from nhisync.parity.row import epoch, instant
from nhisync.store.connection import Batch, Database, WriteConnection
from nhisync.store.schema import coverage
from nhisync.store.text import canonical, storable
from nhisync.store.upsert import upsert

_COLUMNS = tuple(column.name for column in coverage.columns)


class CoverageWriter:
    """What one run writes about coverage.

    Args:
        database: the store.
        writer: its write connection.
        run: number of the run.
    """

    def __init__(self, database: Database, writer: WriteConnection, run: int) -> None:
        self._writer = writer
        self._run = run
        self._upsert = Batch(database, _upsert(database.engine.dialect.name), _COLUMNS)

    def put(self, path: str, entries: Iterable[Coverage]) -> None:
        """Insert or replace; a sweep that is not COMPLETE leaves the last complete one's count as it was."""
        with self._writer.transaction() as connection:
            self._upsert.run(connection, [_values(path, entry, self._run) for entry in entries])

    def forget_sources(self, path: str, configured: Collection[str]) -> None:
        """Delete the entries of sources that are not `configured` (any more)."""
        c = coverage.c
        with self._writer.transaction() as connection:
            connection.execute(delete(coverage).where(c.path == path, c.source.not_in(sorted(configured))))


def accept(connection: Connection, path: str, entry: Coverage) -> bool:
    """Believe a sweep that shrank: its count is what the next one is compared with.

    False when the stored entry is not SHRUNK with exactly the items of `entry` (any more). What the sweep lost stays
    stored until the next complete one.
    """
    c = coverage.c
    place = (c.path == path, c.source == entry.source, c.kind == entry.kind, c.scope == storable(entry.scope))
    held = update(coverage).where(*place, c.status == CoverageStatus.SHRUNK.value, c["items"] == entry.items)
    complete = CoverageStatus.COMPLETE.value
    made = held.values(status=complete, error=None, believed_items=c["items"], believed_at=c.as_of)
    return int(connection.execute(made).rowcount) == 1


def coverage_of(connection: Connection, path: str, run: int | None) -> tuple[Coverage, ...]:
    """The latest entries of `path`, or those that `run` wrote; by source, kind and scope."""
    statement = select(coverage).where(coverage.c.path == path)
    if run is not None:
        statement = statement.where(coverage.c.run == run)
    rows = connection.execute(statement.order_by(coverage.c.source, coverage.c.kind, coverage.c.scope))
    return tuple(_entry(row) for row in rows)


def believed_counts(connection: Connection, path: str) -> dict[tuple[str, str, str], int]:
    """(source, kind, scope) → items of the last COMPLETE sweep, for the shrink guard."""
    c = coverage.c
    statement = select(c.source, c.kind, c.scope, c.believed_items).where(c.path == path, c.believed_items.is_not(None))
    return {(source, kind, scope): count for source, kind, scope, count in connection.execute(statement)}


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
        }
    )


def _error(text: str) -> ErrorFact:
    fact: dict[str, Any] = json.loads(text)
    wait = fact.pop("retry_after")
    return ErrorFact(**fact, retry_after=None if wait is None else timedelta(seconds=wait))
