"""The reference: a table made for these nine questions, two ordered cursors, and a merge in plain Python."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.parity.inventories import COUNTERS, DAY, NOW, Record, inventories

_COLUMNS = ", ".join(Record._fields)
_ASKED = "key, rotated_at, expires_at, fp, scopes, bound_region, region, auth_ok"


def build(file: Path, size: int) -> None:
    """Write both inventories into their own tables, keyed and ready to be merged."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        for table in ("p", "b"):
            connection.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, {_COLUMNS[5:]}) WITHOUT ROWID")
        pairs = inventories(size)
        while some := [pair for _, pair in zip(range(5_000), pairs, strict=False)]:
            _insert(connection, "p", (primary for primary, _ in some))
            _insert(connection, "b", chain.from_iterable(backups for _, backups in some))
        connection.execute("CREATE INDEX p_fp ON p(fp)")
        connection.commit()


def _insert(connection: sqlite3.Connection, table: str, records: Iterator[Record]) -> None:
    marks = ", ".join("?" * len(Record._fields))
    rows = (record._replace(scopes=" ".join(sorted(record.scopes))) for record in records)  # type: ignore[arg-type]
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def classes(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """(primary, backup): key → id of the value's class, for values that stand on both paths."""
    both = "SELECT p.key, b.key, p.fp FROM b JOIN p ON p.fp = b.fp"
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(both).fetchall()
    ids = {fp: f"g{number:06x}" for number, fp in enumerate(sorted({fp for _, _, fp in found}))}
    return {p: ids[fp] for p, _, fp in found}, {b: ids[fp] for _, b, fp in found}


def counts(file: Path) -> dict[str, int]:
    """The nine counts."""
    with closing(sqlite3.connect(file)) as connection:
        found = dict.fromkeys(COUNTERS, 0)
        _merge(connection, found)
        reused = "SELECT count(*) FROM b WHERE EXISTS (SELECT 1 FROM p WHERE p.fp = b.fp)"
        found["reuse"] = connection.execute(reused).fetchone()[0]
    return found


def _merge(connection: sqlite3.Connection, found: dict[str, int]) -> None:  # noqa: C901 - calls would slow it
    left = connection.execute(f"SELECT {_ASKED} FROM p ORDER BY key")
    right = connection.execute(f"SELECT {_ASKED} FROM b ORDER BY key")
    p: Any = left.fetchone()
    b: Any = right.fetchone()
    while p or b:
        if b is None or (p and p[0] < b[0]):
            found["missing"] += 1
            p = left.fetchone()
            continue
        if NOW - b[1] > 90 * DAY:
            found["stale"] += 1
        if b[2] is not None and b[2] < NOW + 30 * DAY:
            found["expiring"] += 1
        if b[7] != 1:
            found["auth"] += 1
        if p is None or b[0] < p[0]:
            found["extra"] += 1
            b = right.fetchone()
            continue
        if abs(p[1] - b[1]) > DAY:
            found["lockstep"] += 1
        if p[4] != b[4]:
            found["authz"] += 1
        if b[5] is not None and b[5] == p[6]:
            found["region"] += 1
        p, b = left.fetchone(), right.fetchone()
