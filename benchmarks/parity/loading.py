"""From records to the rows of a real store, as an adapter's items would arrive."""

from datetime import timedelta
from itertools import islice

from benchmarks.parity.inventories import NOW, Record, inventories
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.model import Coverage, CoverageStatus
from nhisync.parity.row import Row, digest_of, instant
from nhisync.store import Scope, Store

BATCH = 20_000
"""Pairs handed over at once, primary and backup in turn."""


def open_store(url: str, mode: str = "write") -> Store:
    """The store."""
    return Store.open(url, clock=SystemClock(), randomness=SystemRandomness(), mode=mode)  # type: ignore[arg-type]


def load(url: str, size: int, groups: tuple[dict[str, str], dict[str, str]]) -> int:
    """Write both paths through the store's own writer; returns how many rows were written."""
    written = 0
    with open_store(url) as store, store.run("benchmark") as run:
        pairs = inventories(size)
        while some := list(islice(pairs, BATCH)):
            written += run.put_rows("primary", (row_of(primary) for primary, _ in some))
            written += run.put_rows("backup", (row_of(backup) for _, backups in some for backup in backups))
        for path, classes in zip(("primary", "backup"), groups, strict=True):
            run.set_groups(path, classes)
            run.put_coverage(path, [coverage()])
            run.finish_path(path, [Scope("aws", "secret")])
    return written


def coverage() -> Coverage:
    """Everything was seen."""
    return Coverage(
        source="aws",
        kind="secret",
        scope="",
        status=CoverageStatus.COMPLETE,
        as_of=instant(NOW) - timedelta(seconds=1),
        authoritative=True,
    )


def row_of(record: Record) -> Row:
    """The row of one record; its digest is of the judged columns, as for any row."""
    values = (
        record.key,
        f"aws:secret/{record.ref}",
        "present",
        "own",
        "active",
        f"aws/{record.region}",
        str(record.version),
        record.created_at,
        record.rotated_at,
        None,
        record.expires_at,
        *(None,) * 4,
        "platform-oncall",
        None,
        None,
        f"aws/{record.bound_region}" if record.bound_region else None,
        "\n".join(sorted(record.scopes)),
        None if record.auth_ok is None else int(record.auth_ok),
        None,
        "",
        NOW,
    )
    return Row._make((*values, digest_of((*values, 0)), None, None))


def forget(url: str) -> None:
    """Drop what earlier rounds remembered and found, so that the next first run is one."""
    with open_store(url) as store, store.run("forget") as run:
        policy, now = "none", instant(NOW)
        with run.comparison("primary", "backup", policy_digest=policy, now=now):
            pass
