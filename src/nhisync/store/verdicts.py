"""Every verdict that was reached. After a restore the older ones are void: history, never served again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from nhisync.model import Mode, Verdict, Word
from nhisync.parity.row import epoch, instant
from nhisync.store.schema import verdicts
from nhisync.store.text import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """A stored verdict.

    Attributes:
        verdict: what was decided; instants in whole seconds, rounded down, so that none lives longer than it may.
        number: rises with every verdict of this store.
        run: number of the run that reached it.
        epoch: the store's epoch when it was reached.
        voided_at: when a restore made it void, or None.
    """

    verdict: Verdict
    number: int
    run: int
    epoch: int
    voided_at: datetime | None


def put(connection: Connection, verdict: Verdict, *, run: int, store_epoch: int) -> int:
    """Record a verdict; returns its number."""
    values = {
        "run": run,
        "epoch": store_epoch,
        "app": verdict.app,
        "path": verdict.path,
        "word": verdict.word.value,
        "tier": verdict.tier,
        "mode": verdict.mode.value,
        "evaluated_at": epoch(verdict.evaluated_at),
        "valid_until": epoch(verdict.valid_until),
        "pairs": verdict.pairs,
        "passing": verdict.passing,
        "failing": verdict.failing,
        "unknown": verdict.unknown,
        "reasons": canonical(verdict.reasons),
        "blocks": canonical(verdict.blocks),
        "policy_digest": verdict.policy_digest,
        "primary_baseline": verdict.primary_baseline,
    }
    return int(connection.execute(insert(verdicts).values(values).returning(verdicts.c.number)).scalar_one())


def current(connection: Connection, app: str, path: str) -> Verdict | None:
    """The latest verdict on `app` and `path`, or None when there is none or a restore made it void."""
    c = verdicts.c
    statement = select(verdicts).where(c.app == app, c.path == path).order_by(c.number.desc()).limit(1)
    row = connection.execute(statement).first()
    return None if row is None or row.voided_at is not None else _verdict(row)


def history(connection: Connection, app: str, path: str | None, since: datetime | None) -> Iterator[VerdictRecord]:
    """All stored verdicts on `app`, oldest first, void ones included."""
    c = verdicts.c
    wanted = [c.app == app]
    if path is not None:
        wanted.append(c.path == path)
    if since is not None:
        wanted.append(c.evaluated_at >= epoch(since))
    for row in connection.execute(select(verdicts).where(*wanted).order_by(c.number)):
        yield _record(row)


def void_all(connection: Connection, now: datetime) -> int:
    """Make every verdict void; returns how many were not yet."""
    standing = update(verdicts).where(verdicts.c.voided_at.is_(None)).values(voided_at=epoch(now))
    return int(connection.execute(standing).rowcount)


def _record(row: Any) -> VerdictRecord:
    voided = row.voided_at
    return VerdictRecord(
        verdict=_verdict(row),
        number=row.number,
        run=row.run,
        epoch=row.epoch,
        voided_at=None if voided is None else instant(voided),
    )


def _verdict(row: Any) -> Verdict:
    return Verdict(
        app=row.app,
        path=row.path,
        word=Word(row.word),
        tier=row.tier,
        mode=Mode(row.mode),
        evaluated_at=instant(row.evaluated_at),
        valid_until=instant(row.valid_until),
        pairs=row.pairs,
        passing=row.passing,
        failing=row.failing,
        unknown=row.unknown,
        reasons=tuple(json.loads(row.reasons)),
        blocks=tuple(json.loads(row.blocks)),
        policy_digest=row.policy_digest,
        primary_baseline=row.primary_baseline,
    )
