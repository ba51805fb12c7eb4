"""`nhisync sync`: one cycle of inventory, diff, verdict, store and publication; `nhisync serve` runs it for ever."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nhisync.app.attest import hear
from nhisync.app.desk import StoreDesk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.inbox import take_in
from nhisync.app.objections import settle
from nhisync.app.publish import instance, load, moment, publish, retract
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress, silent
from nhisync.errors import StoreError, fix_of_write
from nhisync.model import AppReport, CoverageStatus, PathSummary, Report, Verdict
from nhisync.parity.row import instant
from nhisync.spi import Budget
from nhisync.spi.settings import format_duration
from nhisync.statement import Publication, Signal, StatementError, blocked, compose, next_sequence
from nhisync.store import Store

_log = logging.getLogger(__name__)

CYCLE_SHARE = 0.8
"""Part of its period that a cycle may take. Even with a source that never answers, the next publication then comes
well before this one ends: entry_max_age is three periods."""

_LOST = frozenset({CoverageStatus.UNREACHABLE, CoverageStatus.THROTTLED, CoverageStatus.PARTIAL})


class PacedSession(Session):
    """A session whose sources end together with the cycle, however many rounds of questions the cycle has.

    A source's own ``limits.deadline`` still holds when it is shorter. What was not read in time keeps its older
    observation with its true age.
    """

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self._asked = self.timeout
        self._end = 0.0
        self.begin()

    @classmethod
    def of(cls, session: Session) -> "PacedSession":
        """The same session, paced."""
        return cls(
            session.configuration,
            registry=session.registry,
            clock=session.clock,
            randomness=session.randomness,
            timeout=session.timeout,
        )

    @property
    def every(self) -> timedelta:
        """The period: the shortest one that any app's tier asks for."""
        tiers = {app.tier for app in self.configuration.apps}
        return min((self.configuration.tiers[tier].evaluate.every for tier in tiers), default=timedelta(minutes=5))

    def begin(self) -> None:
        """Begin a cycle now."""
        super().begin()
        self._end = self.clock.monotonic() + CYCLE_SHARE * self.every.total_seconds()

    def _new_budget(self, path: str, source: str) -> Budget:
        """A budget that ends with the cycle."""
        left = max(0.0, self._end - self.clock.monotonic())
        self.timeout = left if self._asked is None else min(left, self._asked)
        return super()._new_budget(path, source)


def sync(session: PacedSession, store: Store, progress: Progress = silent) -> Report:
    """Run one cycle and publish what it found.

    Args:
        session: what is judged.
        store: open for writing; rows of sources that give no answer stay in it with their true age.
        progress: told what every source is doing.

    Raises:
        UsageError: no app is configured.
        GuardError: one identity on both paths; nothing was published, what is served ends by itself.
        StoreError: the store or the publication cannot be written; likewise.
    """
    heard = hear(session, store)
    take_in(session, store)
    with store.run("sync", config_digest=session.configuration.digest) as run:
        desk = _Desk(session, store, run)
        options = DiffOptions(primary="primary", backup="backup", command="sync", paced=True)
        report = _with_baselines(diff(session, options, desk, progress), desk, session, run.started)
        for verdict in report.verdicts:
            run.put_verdict(verdict)
    publish_signals(session, compose(session.configuration.apps, report.verdicts, report.generated_at, _ages(session)))
    try:
        settle(heard)  # only now: until then the listener had nothing else to know it by
    except OSError as failure:
        _log.warning("objections are recorded and cannot be removed: %s; they block on", failure.strerror)
    return report


def announce(session: Session) -> None:
    """Publish INIT: every signal is blocked until this sync process has evaluated once.

    Raises:
        StoreError: neither could INIT be written nor the old publication be removed.
    """
    now = session.clock.now()
    try:
        publish_signals(session, blocked(session.configuration.apps, now, _ages(session)))
    except StoreError:
        # A full disk has no room for INIT, but a removal needs none, and means the same to the listener.
        try:
            retract(session.configuration.publish.snapshot)
        except OSError as failure:
            raise _unwritten(session.configuration.publish.snapshot, failure) from None


def publish_signals(session: Session, signals: Sequence[Signal]) -> None:
    """Write the publication with `signals` as its content.

    Raises:
        StoreError: it cannot be written, or a name in it cannot be part of a URL; the old one stands.
    """
    file = session.configuration.publish.snapshot
    listener = session.configuration.listener
    here = moment(session.clock)
    at = max([here.now, *(signal.evaluated_at for signal in signals)])  # the wall clock may have been set back since
    publication = Publication(
        instance=instance(),
        sequence=next_sequence(_last_sequence(file), here.now),
        at=at,
        boot_id=here.boot_id,
        boottime=here.boottime,
        public_profile=listener is None or listener.public_profile,
        signals=tuple(signals),
    )
    try:
        publish(file, publication)
    except StatementError as refusal:
        raise StoreError(f"nothing can be published: {refusal.message}", fix="Shorten or change that name.") from None
    except OSError as failure:
        raise _unwritten(file, failure) from None


def _unwritten(file: Path, failure: OSError) -> StoreError:
    return StoreError(
        f"the publication {file} cannot be written: {failure.strerror}; the old one stands until it ends",
        fix=fix_of_write(failure, "Let nhisync's user write to its folder (publish.files.snapshot)."),
    )


def _last_sequence(file: Path) -> int | None:
    try:
        return load(file).sequence
    except (StatementError, OSError):
        return None


def _ages(session: Session) -> dict[str, timedelta]:
    return {name: tier.evaluate.entry_max_age for name, tier in session.configuration.tiers.items()}


class _Desk(StoreDesk):
    """The store's desk; verdicts wait until they say how old the primary's observations are."""

    def verdict(self, verdict: Verdict) -> None:
        """Not yet."""


def _with_baselines(report: Report, desk: StoreDesk, session: Session, started: datetime) -> Report:
    """`report`, with verdicts that say so where the primary's rows are those of an earlier cycle."""
    lost = {path.name: _lost_sources(path) for path in report.paths}

    def told(app: AppReport) -> AppReport:
        oldest = min(_observed(app, lost[app.primary], desk), default=started) if lost[app.primary] else started
        return (
            app if oldest >= started else _with_baseline(app, oldest, lost[app.primary], session, report.generated_at)
        )

    return replace(report, apps=tuple(told(app) for app in report.apps))


def _with_baseline(
    app: AppReport, oldest: datetime, lost: frozenset[str], session: Session, now: datetime
) -> AppReport:
    limit = session.configuration.tiers[app.tier].evaluate.primary_baseline_max_age
    age = timedelta(seconds=int((now - oldest).total_seconds()))
    text = (
        f"{', '.join(sorted(lost))} on {app.primary} gave no answer: its last observation is {format_duration(age)} "
        f"old and stays the reference for {format_duration(limit)}"
    )
    return replace(app, verdict=replace(app.verdict, primary_baseline=text))


def _observed(app: AppReport, lost: Iterable[str], desk: StoreDesk) -> Iterator[datetime]:
    """When the rows of `app` that came from lost sources were observed."""
    begins = tuple(f"{source}:" for source in lost)
    for row in desk.rows(app.primary):
        if row.key.startswith(f"{app.app}/") and row.locator.startswith(begins) and row.presence == "present":
            yield instant(row.observed)


def _lost_sources(path: PathSummary) -> frozenset[str]:
    failed = {source.name for source in path.sources if source.error is not None}
    return frozenset(failed | {entry.source for entry in path.coverage if entry.status in _LOST})
