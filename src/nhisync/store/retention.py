"""How long history is kept. What is current, what is audited and what people recorded is never deleted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, union

from nhisync.parity.row import epoch
from nhisync.store.coverage import forget_peaks
from nhisync.store.schema import comparisons, coverage, finding_history, findings, items, runs, verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages after which history goes.

    Attributes:
        runs: log entries of ended runs that nothing refers to any more, and how much their sweeps held.
        findings: ended states of findings.
        verdicts: verdicts, except the latest of every app and path.
    """

    runs: timedelta = timedelta(days=90)
    findings: timedelta = timedelta(days=400)
    verdicts: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """How much went."""

    runs: int
    findings: int
    verdicts: int


def retire(connection: Connection, retention: Retention, now: datetime) -> Retired:
    """Delete history that is older than `retention`, in the caller's transaction."""
    old_verdicts = _retire_verdicts(connection, epoch(now - retention.verdicts) or 0)
    ended = finding_history.c.ended < (epoch(now - retention.findings) or 0)
    old_findings = connection.execute(delete(finding_history).where(ended)).rowcount
    forget_peaks(connection, now - retention.runs)
    old_runs = _retire_runs(connection, epoch(now - retention.runs) or 0)
    return Retired(runs=old_runs, findings=int(old_findings), verdicts=old_verdicts)


def _retire_verdicts(connection: Connection, before: int) -> int:
    c = verdicts.c
    latest = select(func.max(c.number)).group_by(c.app, c.path)
    return int(connection.execute(delete(verdicts).where(c.evaluated_at < before, c.number.not_in(latest))).rowcount)


def _retire_runs(connection: Connection, before: int) -> int:
    """Runs that a row, a coverage entry, a finding or a verdict still refers to stay with it."""
    referring = (items, coverage, comparisons, findings, verdicts)
    needed = union(*(select(table.c.run) for table in referring)).subquery()
    old = delete(runs).where(runs.c.finished < before, runs.c.number.not_in(select(needed.c.run)))
    return int(connection.execute(old).rowcount)
