"""The cadence of the sync process: APScheduler 3 as a clock in memory, and a watch that does not trust it.

Nothing here decides about staleness: a cycle that fails, hangs or never starts publishes nothing, so the signals end by
themselves at their ``valid_until``. The watch exists to end that state. APScheduler plans by the wall clock, which may
jump back an hour, and its thread may die; what is believed is only what the boot clock says about events that arrived.
"""

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from enum import StrEnum

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from nhisync.app.listening import certificate_troubles
from nhisync.app.sync import PacedSession, announce, sync
from nhisync.clock import Clock
from nhisync.config.values import Listener
from nhisync.errors import NhisyncError
from nhisync.store import Store

SILENT_PERIODS = 2
"""After so many periods without a single event the scheduler is woken; after as many again it counts as dead."""

SHORTEST_SILENCE = 10.0
"""Seconds of silence that mean nothing, however short the period: a busy machine is no dead scheduler."""

STUCK = timedelta(minutes=15)
"""A cycle that runs longer (and longer than ten periods) hangs in something that has no deadline."""

LOOK_EVERY = 1.0
"""Seconds between two looks of the watch."""

STOP_PATIENCE = 15.0
"""Seconds a running cycle has to end when the process is to end; it is safe to cut it off after that."""

MOST_FAILURES = 5
"""Failed cycles in a row after which the process is replaced: a lost database session comes back only in a new one."""

RETIRE_EVERY = 3600.0
"""Seconds between two removals of old history, and two looks at the end of the listener's certificate."""

JOB = "sync"
_EVENTS = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES

_log = logging.getLogger(__name__)


class Pulse(StrEnum):
    """What the watch says."""

    ALIVE = "alive"
    WOKEN = "woken"  # no event for too long (a clock that jumped back): a cycle was ordered at once
    DEAD = "dead"  # not even that helped: the process must be replaced
    STUCK = "stuck"  # one cycle runs for far too long: the process must be replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What happened so far; instants are seconds on the boot clock.

    Attributes:
        event: the last event of any kind.
        succeeded: the last cycle that published, or None.
        failures: cycles in a row that raised.
        missed: planned cycles that never started.
        skipped: planned cycles that were left out because one was still running.
    """

    event: float
    succeeded: float | None = None
    failures: int = 0
    missed: int = 0
    skipped: int = 0


class SyncScheduler:
    """Runs one cycle at a time, at once and then every period.

    Args:
        cycle: one cycle; what it raises is logged by type and counted, never fatal.
        every: the period.
        clock: whose boot clock the watch believes.
    """

    def __init__(self, cycle: Callable[[], None], every: timedelta, clock: Clock) -> None:
        self._clock = clock
        self._cycle = cycle
        self._every = every
        now = clock.boottime()
        self._heartbeat = Heartbeat(event=now)
        self._begun = now
        self._woken: float | None = None
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._heard, _EVENTS)

    @property
    def heartbeat(self) -> Heartbeat:
        """What happened so far."""
        return self._heartbeat

    def start(self) -> None:
        """Start; the first cycle runs at once."""
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL + 1)  # it logs exceptions with their text
        self._scheduler.add_job(
            self._run, IntervalTrigger(seconds=self._seconds, timezone=UTC), id=JOB, next_run_time=self._clock.now()
        )
        self._scheduler.start()

    def run_now(self, every: timedelta | None = None) -> None:
        """Order a cycle at once, and from then on one every period; `every` changes the period."""
        self._every = every or self._every
        trigger = IntervalTrigger(seconds=self._seconds, timezone=UTC)
        self._scheduler.reschedule_job(JOB, trigger=trigger)
        self._scheduler.modify_job(JOB, next_run_time=self._clock.now())

    def watch(self) -> Pulse:
        """Look at the pulse; call it about once a second from a thread that is not the scheduler's."""
        now, beat, period = self._clock.boottime(), self._heartbeat, self._every.total_seconds()
        if not self._idle.is_set():
            return Pulse.STUCK if now - self._begun > max(STUCK.total_seconds(), 10 * period) else Pulse.ALIVE
        silence = max(SILENT_PERIODS * period, SHORTEST_SILENCE)
        if self._woken is not None and beat.event < self._woken:
            return Pulse.DEAD if now - self._woken > silence else Pulse.WOKEN
        self._woken = None
        if now - beat.event <= silence:
            return Pulse.ALIVE
        _log.warning("no cycle was due for %.0f s: did the clock jump? A cycle is ordered now", now - beat.event)
        self._woken = now
        self.run_now()
        return Pulse.WOKEN

    def stop(self, patience: float) -> bool:
        """Plan nothing more and wait up to `patience` seconds for a running cycle; False when it still runs."""
        self._scheduler.shutdown(wait=False)
        return self._idle.wait(patience)

    @property
    def _seconds(self) -> int:
        return max(1, int(self._every.total_seconds()))

    def _run(self) -> None:
        self._begun = self._clock.boottime()
        self._idle.clear()
        try:
            self._cycle()
        finally:
            self._idle.set()

    def _heard(self, event: JobEvent) -> None:
        with self._lock:  # a cycle's end and a skipped start come from two threads
            self._heartbeat = self._after(event)

    def _after(self, event: JobEvent) -> Heartbeat:
        now = self._clock.boottime()
        beat = replace(self._heartbeat, event=now)
        if event.code == EVENT_JOB_EXECUTED:
            return replace(beat, succeeded=now, failures=0)
        if event.code == EVENT_JOB_ERROR:
            _log.error("cycle failed (%d in a row): %s", beat.failures + 1, _told(event))
            return replace(beat, failures=beat.failures + 1)
        if event.code == EVENT_JOB_MISSED:
            _log.warning("a planned cycle was missed (%d so far)", beat.missed + 1)
            return replace(beat, missed=beat.missed + 1)
        _log.warning("a cycle takes longer than its period; one was left out (%d so far)", beat.skipped + 1)
        return replace(beat, skipped=beat.skipped + 1)


def _told(event: JobEvent) -> str:
    """The failure in our own words: messages of strangers can hold values."""
    failure = getattr(event, "exception", None)
    return str(failure) if isinstance(failure, NhisyncError) else type(failure).__name__


class SyncProcess:
    """The sync process: the one writer of the store, a cycle every period, signals of the operating system.

    Args:
        open_session: reads the configuration; called again on SIGHUP.
        clock: the only time.
        orphaned: tells whether the supervisor that started this process is gone.
    """

    def __init__(
        self, open_session: Callable[[], PacedSession], clock: Clock, *, orphaned: Callable[[], bool] = lambda: False
    ) -> None:
        self._open_session = open_session
        self._clock = clock
        self._orphaned = orphaned
        self._session = open_session()
        self._stop = threading.Event()
        self._hung_up = threading.Event()
        self._retired: float | None = None

    def take_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads the configuration; for the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        signal.signal(signal.SIGHUP, lambda *_: self._hung_up.set())

    def stop(self) -> None:
        """Ask for the end; from any thread."""
        self._stop.set()

    def run(self) -> Pulse:
        """Run until the end is asked for (ALIVE), or until this process must be replaced (DEAD or STUCK).

        Raises:
            GuardError: ``lock``: another process writes to the store.
            StoreError: the store cannot be opened, or the publication neither written nor removed.
        """
        configuration = self._session.configuration
        with Store.open(
            configuration.store_url, clock=self._clock, randomness=self._session.randomness, purpose="serve"
        ) as store:
            announce(self._session)
            scheduler = SyncScheduler(lambda: self._cycle(store), self._session.every, self._clock)
            scheduler.start()
            pulse = self._tend(scheduler)
            if not scheduler.stop(STOP_PATIENCE):
                return Pulse.STUCK
            return pulse

    def _tend(self, scheduler: SyncScheduler) -> Pulse:
        while not self._stop.wait(LOOK_EVERY) and not self._orphaned():
            if self._hung_up.is_set():
                self._hung_up.clear()
                self._reload(scheduler)
            pulse = scheduler.watch()
            if pulse in {Pulse.DEAD, Pulse.STUCK}:
                _log.error("the cadence is %s; this process must be replaced", pulse)
                return pulse
            if scheduler.heartbeat.failures >= MOST_FAILURES:
                _log.error("%d cycles failed in a row; this process must be replaced", MOST_FAILURES)
                return Pulse.DEAD
        return Pulse.ALIVE

    def _cycle(self, store: Store) -> None:
        report = sync(self._session, store)
        words = ", ".join(f"{v.app}/{v.path} {v.word}" for v in report.verdicts)
        _log.info("cycle %s: %s", report.run_id, words)
        now = self._clock.boottime()
        if self._retired is None or now - self._retired > RETIRE_EVERY:
            store.retire()
            self._retired = now
            self._look_at_certificate()

    def _look_at_certificate(self) -> None:
        for trouble in certificate_troubles(self._session.configuration, self._clock.now()):
            _log.warning("%s", trouble)

    def _reload(self, scheduler: SyncScheduler) -> None:
        """Take the new configuration for the next cycle; one that cannot be used changes nothing."""
        try:
            session = self._open_session()
        except NhisyncError as problem:
            _log.error("the configuration was not reloaded: %s", problem)
            return
        old, new = self._session.configuration, session.configuration
        if (old.store_url, old.publish.snapshot) != (new.store_url, new.publish.snapshot):
            _log.error("the configuration was not reloaded: store.url and publish.files.snapshot need a restart")
            return
        if _served(old.listener) != _served(new.listener):
            _log.warning("listener.bind and listener.tls were changed: the listener keeps the old ones until a restart")
        self._session = session
        _log.info("configuration reloaded")
        self._look_at_certificate()
        scheduler.run_now(session.every)


def _served(listener: Listener | None) -> object:
    """What a listener that runs has taken from the configuration for good; the rest comes with each publication."""
    return listener and (listener.bind, listener.tls)
