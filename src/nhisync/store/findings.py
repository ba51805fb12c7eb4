"""Findings as rows: what does not pass now, and what it was before."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from nhisync.model import Consequence, EvidenceRef, Finding, Layer, Severity, Side, State
from nhisync.parity.row import epoch, instant
from nhisync.store.connection import Database
from nhisync.store.memory import number_of
from nhisync.store.schema import finding_history, findings
from nhisync.store.text import canonical, storable

COLUMNS = tuple(column.name for column in findings.columns)
"""Columns in the order of `values_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFinding:
    """One ended state of a finding.

    Attributes:
        key: ``app/pair``, or the app alone.
        code: rule code.
        side: role it spoke about.
        path: path it spoke about, or "".
        app: the app.
        state: fail, unknown or waived.
        severity: severity at its end.
        first_seen: start of the streak of not passing.
        since: start of this state.
        last_seen: last run that saw it.
        ended: when a run saw it no more in this state.
        became: the state that followed; `State.PASS` = resolved.
    """

    key: str
    code: str
    side: Side
    path: str
    app: str
    state: State
    severity: Severity
    first_seen: datetime
    since: datetime
    last_seen: datetime
    ended: datetime
    became: State


def values_of(comparison: int, finding: Finding, *, now: int, turn: int, run: int) -> tuple[Any, ...]:
    """A finding's row, in the order of `COLUMNS`."""
    return (
        comparison,
        storable(finding.key),
        finding.code,
        finding.side.value,
        finding.path,
        finding.app,
        storable(finding.pair),
        finding.state.value,
        finding.severity.value,
        finding.title,
        finding.layer.value,
        finding.consequence.value,
        storable(finding.observed),
        storable(finding.expected),
        storable(finding.primary),
        storable(finding.backup),
        canonical([[e.kind, e.source, epoch(e.evidence_at), epoch(e.expires_at)] for e in finding.evidence]),
        canonical(finding.next),
        canonical(finding.frameworks),
        storable(finding.waiver),
        finding.line,
        now,
        now,
        now,
        turn,
        run,
    )


def finding_of(row: Any) -> Finding:
    """The finding of a stored row (a tuple in the order of `COLUMNS`)."""
    stored = dict(zip(COLUMNS, row, strict=True))
    evidence = (
        EvidenceRef(kind=kind, source=source, evidence_at=instant(at), expires_at=instant(until))
        for kind, source, at, until in json.loads(stored["evidence"])
    )
    return Finding(
        code=stored["code"],
        state=State(stored["state"]),
        severity=Severity(stored["severity"]),
        app=stored["app"],
        pair=stored["pair"],
        title=stored["title"],
        side=Side(stored["side"]),
        path=stored["path"],
        layer=Layer(stored["layer"]),
        consequence=Consequence(stored["consequence"]),
        observed=stored["observed"],
        expected=stored["expected"],
        primary=stored["primary_shown"],
        backup=stored["backup_shown"],
        evidence=tuple(evidence),
        next=tuple(json.loads(stored["next"])),
        frameworks=_frameworks(stored["frameworks"]),
        waiver=stored["waiver"],
        since=instant(stored["since"]),
        line=stored["line"],
    )


@lru_cache(maxsize=128)
def _frameworks(text: str) -> tuple[str, ...]:
    """The control ids of a rule, decoded once for its many findings."""
    return tuple(json.loads(text))


def current(
    database: Database, connection: Connection, primary: str, backup: str, app: str | None = None
) -> Iterator[Finding]:
    """What does not pass now between two paths, in bytewise order of key, then code; streamed."""
    return (finding_of(row) for row in _rows(database, connection, primary, backup, app))


def _rows(
    database: Database, connection: Connection, primary: str, backup: str, app: str | None
) -> Iterator[tuple[Any, ...]]:
    number = number_of(connection, primary, backup)
    c = findings.c
    statement = select(findings).where(c.comparison == number).order_by(c.key, c.code, c.side, c.path)
    return database.rows(connection, statement if app is None else statement.where(c.app == app))


class Stored:
    """The stored findings of one pair after the other; keys are asked in bytewise order, as the engine goes.

    Args:
        findings: all findings of a comparison in order of key.
    """

    def __init__(self, findings: Iterator[Finding]) -> None:
        self._findings = groupby(findings, key=attrgetter("key"))
        self._key: str | None
        self._key, self._group = next(self._findings, _NONE)

    def __call__(self, key: str) -> Sequence[Finding]:
        """The findings of `key`; keys asked before it are gone."""
        while self._key is not None and self._key < key:
            self._key, self._group = next(self._findings, _NONE)
        return tuple(self._group) if self._key == key else ()


_NONE: tuple[str | None, Iterator[Finding]] = (None, iter(()))
"""Behind the last finding."""


def history(connection: Connection, key: str | None, since: datetime | None) -> Iterator[PastFinding]:
    """Ended states, oldest end first.

    Args:
        connection: a snapshot.
        key: only those of this pair or app; None = all.
        since: only those that ended then or later.
    """
    c = finding_history.c
    statement = select(finding_history).order_by(c.ended, c.number)
    if key is not None:
        statement = statement.where(c.key == storable(key))
    if since is not None:
        statement = statement.where(c.ended >= epoch(since))
    for row in connection.execute(statement):
        yield PastFinding(
            key=row.key,
            code=row.code,
            side=Side(row.side),
            path=row.path,
            app=row.app,
            state=State(row.state),
            severity=Severity(row.severity),
            first_seen=instant(row.first_seen),
            since=instant(row.since),
            last_seen=instant(row.last_seen),
            ended=instant(row.ended),
            became=State(row.became),
        )
