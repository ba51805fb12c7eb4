"""Writing one comparison of two paths: findings, their history and memories, all in one transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, case, delete, insert, literal, select, update
from sqlalchemy.sql import ColumnElement

from nhisync.model import Finding, State
from nhisync.parity.engine import Remembered
from nhisync.parity.row import epoch
from nhisync.store import memory
from nhisync.store.connection import Batch, Database
from nhisync.store.findings import COLUMNS, values_of
from nhisync.store.schema import evaluations, finding_history, findings
from nhisync.store.text import storable
from nhisync.store.upsert import upsert

BATCH = 500
"""Findings or memories written at once; also what a comparison holds in memory."""

_IDENTITY = ("comparison", "key", "code", "side", "path")
_KEPT = (*_IDENTITY, "app", "state", "severity", "first_seen", "since", "last_seen")
_HISTORY = (*_KEPT, "ended", "became")


class Comparison:
    """The findings and memories of one primary path against one backup path, written as they stream by.

    Every finding that stands is given, those of unchanged pairs too (`Reader.stored` has them): what was stored before
    and is not given again is resolved at the end. Passes are not stored.

    Args:
        database: the store.
        connection: the writing transaction; nothing is visible to others before it ends.
        number: the comparison's number.
        turn: which time these paths are compared.
        run: number of the run.
        now: the instant of the assessment.
        apps: the apps that were judged; findings of others are left alone. None = all.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        *,
        number: int,
        turn: int,
        run: int,
        now: datetime,
        apps: Collection[str] | None,
    ) -> None:
        self._connection = connection
        self._number = number
        self._turn = turn
        self._run = run
        self._now = epoch(now) or 0
        self._apps = apps
        self._findings: list[Finding] = []
        self._standing: list[Finding] = []
        self._memories: list[tuple[Any, ...]] = []
        dialect = database.engine.dialect.name
        self._keep = Batch(database, upsert(dialect, findings, changed=_streak), COLUMNS)
        self._close = Batch(database, _changed_state(self._now), _identity_names())
        self._seen = Batch(database, _seen(self._now, self._turn, run), _identity_names())
        self._remember = Batch(database, upsert(dialect, evaluations), memory.COLUMNS)

    def finding(self, finding: Finding) -> None:
        """Take one finding that stands; one that came from the store (it has a `since`) is only marked as seen."""
        if finding.state is State.PASS:
            return
        waiting = self._findings if finding.since is None else self._standing
        waiting.append(finding)
        if len(waiting) >= BATCH:
            self._flush()

    def remember(self, result: Remembered) -> None:
        """Take the memory of one judged pair; pairs taken over unchanged need not be remembered again."""
        key, primary, backup, recheck = result
        self._memories.append((self._number, storable(key), primary, backup, recheck))
        if len(self._memories) >= BATCH:
            self._flush()

    def finish(self) -> int:
        """Write what is left and resolve what was not given again; returns how many findings were resolved."""
        self._flush()
        gone: list[ColumnElement[bool]] = [findings.c.comparison == self._number, findings.c.turn != self._turn]
        if self._apps is not None:
            gone.append(findings.c.app.in_(sorted(self._apps)))
        passed = (literal(self._now, BigInteger()), literal(State.PASS.value))
        ended = select(*(findings.c[name] for name in _KEPT), *passed).where(*gone)
        self._connection.execute(insert(finding_history).from_select(_HISTORY, ended))
        return int(self._connection.execute(delete(findings).where(*gone)).rowcount)

    def _flush(self) -> None:
        standing = [self._identity(finding) for finding in self._standing]
        if self._seen.run(self._connection, standing) < len(standing):
            self._findings.extend(self._standing)  # not what is stored any more: written like a new one
        self._close.run(self._connection, [self._identity(finding) for finding in self._findings])
        how = {"now": self._now, "turn": self._turn, "run": self._run}
        self._keep.run(self._connection, [values_of(self._number, finding, **how) for finding in self._findings])
        self._remember.run(self._connection, self._memories)
        self._findings, self._standing, self._memories = [], [], []

    def _identity(self, finding: Finding) -> tuple[int, str, str, str, str, str]:
        """What makes it this finding, and its state; in the order of `_identity_names`."""
        key, state = storable(finding.key), finding.state.value
        return self._number, key, finding.code, finding.side.value, finding.path, state


def _identity_names() -> tuple[str, ...]:
    return tuple(f"in_{name}" for name in (*_IDENTITY, "state"))


def _seen(now: int, turn: int, run: int) -> Any:
    """Mark a stored finding as seen in this turn, if it is stored in the same state."""
    here = (findings.c[name] == bindparam(f"in_{name}") for name in (*_IDENTITY, "state"))
    return update(findings).where(*here).values(last_seen=now, turn=turn, run=run)


def _streak(new: Any) -> dict[str, Any]:
    """A finding seen again keeps its streak; `since` moves only when its state changed."""
    held = findings.c
    return {"first_seen": held.first_seen, "since": case((held.state == new.state, held.since), else_=new.since)}


def _changed_state(now: int) -> Any:
    """Write the ended state of a stored finding into history when the new state differs."""
    state: Any = bindparam("in_state", type_=findings.c.state.type)
    ended = select(*(findings.c[name] for name in _KEPT), literal(now, BigInteger()), state).where(
        *(findings.c[name] == bindparam(f"in_{name}") for name in _IDENTITY), findings.c.state != state
    )
    return insert(finding_history).from_select(_HISTORY, ended)
