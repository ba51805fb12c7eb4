"""The log of runs: who asked for what, under which policy, and how it ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from nhisync import __version__
from nhisync.parity.row import epoch, instant
from nhisync.store.schema import runs

INTERRUPTED = "interrupted"
"""Outcome of a run whose process ended before the run did; written by the next writer."""

FAILED = "failed"
"""Outcome of a run that an error ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        number: rises with every run of this store.
        id: random, for people and reports.
        command: what was asked for.
        started: when.
        finished: when it ended; None = it still runs, or its process was killed and no writer came since.
        outcome: how it ended; None as long as `finished` is.
        policy_digest: of the policies it ran under, or "".
        config_digest: of the configuration, or "".
        tool_version: nhisync's version.
    """

    number: int
    id: str
    command: str
    started: datetime
    finished: datetime | None = None
    outcome: str | None = None
    policy_digest: str = ""
    config_digest: str = ""
    tool_version: str = __version__


def begin(connection: Connection, *, id: str, command: str, now: datetime, policy: str, config: str) -> Run:  # noqa: A002
    """Record the start of a run."""
    started = instant(epoch(now) or 0)
    values = {
        "id": id,
        "command": command,
        "started": epoch(now),
        "policy_digest": policy,
        "config_digest": config,
        "tool_version": __version__,
    }
    number = connection.execute(insert(runs).values(values).returning(runs.c.number)).scalar_one()
    return Run(number=number, id=id, command=command, started=started, policy_digest=policy, config_digest=config)


def end(connection: Connection, number: int, outcome: str, now: datetime) -> None:
    """Record how a run ended; only the first end counts."""
    open_run = update(runs).where(runs.c.number == number, runs.c.finished.is_(None))
    connection.execute(open_run.values(finished=epoch(now), outcome=outcome))


def end_interrupted(connection: Connection, now: datetime) -> int:
    """Close the runs of writers that were killed; the caller holds the lock, so none of them lives."""
    left = update(runs).where(runs.c.finished.is_(None)).values(finished=epoch(now), outcome=INTERRUPTED)
    return int(connection.execute(left).rowcount)


def latest(connection: Connection, limit: int) -> Iterator[Run]:
    """The latest runs, newest first."""
    for row in connection.execute(select(runs).order_by(runs.c.number.desc()).limit(limit)):
        yield _run(row)


def _run(row: Any) -> Run:
    values = row._asdict()
    finished = values["finished"]
    values |= {"started": instant(values["started"]), "finished": None if finished is None else instant(finished)}
    return Run(**values)
