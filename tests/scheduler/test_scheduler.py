"""The cadence: one cycle at a time, failures counted and survived, and a watch that ends silence."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from nhisync.errors import StoreError
from nhisync.scheduler import STUCK, Pulse, SyncScheduler
from nhisync.testing.clocks import FakeClock

EVERY = timedelta(seconds=30)


def until(condition: Callable[[], bool]) -> None:
    """Poll `condition` for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Cycle:
    """A cycle that counts, and can be told to fail or to hang."""

    def __init__(self) -> None:
        self.runs = 0
        self.failure: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> None:
        """Run once."""
        self.runs += 1
        assert self.free.wait(10)
        if self.failure:
            raise self.failure


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the watch; APScheduler itself runs on the machine's."""
    return FakeClock()


@pytest.fixture
def cycle() -> Cycle:
    """What is run."""
    return Cycle()


@pytest.fixture
def scheduler(cycle: Cycle, clock: FakeClock) -> Iterator[SyncScheduler]:
    """A scheduler that has run its first cycle."""
    scheduler = SyncScheduler(cycle, EVERY, clock)
    scheduler.start()
    until(lambda: scheduler.heartbeat.succeeded is not None)
    yield scheduler
    cycle.free.set()
    assert scheduler.stop(10)


@pytest.mark.requirement("R9")
def test_first_cycle_runs_at_once(scheduler: SyncScheduler, cycle: Cycle, clock: FakeClock) -> None:
    """Nobody waits a period for the first verdict."""
    assert cycle.runs == 1
    assert scheduler.heartbeat.succeeded == clock.boottime()
    assert scheduler.watch() is Pulse.ALIVE


@pytest.mark.requirement("R9")
def test_failing_cycle_is_counted_and_the_next_one_runs(
    scheduler: SyncScheduler, cycle: Cycle, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A cycle that raises does not count as success, does not end the cadence, and tells no text of strangers."""
    before = scheduler.heartbeat.succeeded
    clock.advance(EVERY)
    for number, failure in enumerate((RuntimeError("hunter2"), StoreError("the disk is full")), start=1):
        cycle.failure = failure
        scheduler.run_now()
        until(lambda number=number: scheduler.heartbeat.failures == number)
    assert scheduler.heartbeat.succeeded == before
    assert "RuntimeError" in caplog.text
    assert "the disk is full" in caplog.text
    assert "hunter2" not in caplog.text
    cycle.failure = None
    scheduler.run_now()
    until(lambda: scheduler.heartbeat.failures == 0)
    assert scheduler.heartbeat.succeeded == clock.boottime()


@pytest.mark.requirement("R9")
def test_never_two_cycles_at_once(cycle: Cycle, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """While a cycle runs the next one is left out and counted; it does not queue up behind."""
    scheduler = SyncScheduler(cycle, timedelta(seconds=1), clock)
    cycle.free.clear()
    scheduler.start()
    until(lambda: scheduler.heartbeat.skipped > 0)
    assert cycle.runs == 1
    assert "left out" in caplog.text
    assert scheduler.watch() is Pulse.ALIVE
    cycle.free.set()
    assert scheduler.stop(10)


@pytest.mark.requirement("R9")
def test_silence_is_ended_by_the_boot_clock(scheduler: SyncScheduler, cycle: Cycle, clock: FakeClock) -> None:
    """A wall clock set back an hour would leave an hour without cycles; the watch orders one after two periods."""
    clock.advance(2 * EVERY)
    assert scheduler.watch() is Pulse.ALIVE
    clock.advance(timedelta(seconds=1))
    cycle.free.clear()
    assert scheduler.watch() is Pulse.WOKEN
    until(lambda: cycle.runs == 2)
    clock.advance(10 * EVERY)
    assert scheduler.watch() is Pulse.ALIVE  # it runs: what it waits for has its own deadline
    cycle.free.set()
    until(lambda: scheduler.heartbeat.event == clock.boottime())
    assert scheduler.watch() is Pulse.ALIVE


@pytest.mark.requirement("R9")
def test_dead_scheduler_is_told(scheduler: SyncScheduler, cycle: Cycle, clock: FakeClock) -> None:
    """When not even an ordered cycle starts, the process is of no use and must be replaced."""
    scheduler._scheduler.pause()  # as good as dead: its thread runs nothing any more
    clock.advance(3 * EVERY)
    assert scheduler.watch() is Pulse.WOKEN
    clock.advance(2 * EVERY)
    assert scheduler.watch() is Pulse.WOKEN
    clock.advance(timedelta(seconds=1))
    assert scheduler.watch() is Pulse.DEAD
    assert cycle.runs == 1


@pytest.mark.requirement("R9")
def test_hanging_cycle_is_told_and_stop_does_not_wait_for_ever(
    scheduler: SyncScheduler, cycle: Cycle, clock: FakeClock
) -> None:
    """A cycle that hangs beyond every deadline is STUCK, and a stop comes back without it."""
    cycle.free.clear()
    scheduler.run_now()
    until(lambda: cycle.runs == 2)
    clock.advance(STUCK)
    assert scheduler.watch() is Pulse.ALIVE
    clock.advance(timedelta(seconds=1))
    assert scheduler.watch() is Pulse.STUCK


def test_stop_leaves_a_running_cycle_after_its_patience(cycle: Cycle, clock: FakeClock) -> None:
    """Stopping waits for a running cycle, but only so long."""
    scheduler = SyncScheduler(cycle, EVERY, clock)
    cycle.free.clear()
    scheduler.start()
    until(lambda: cycle.runs == 1)
    assert not scheduler.stop(0.05)
    cycle.free.set()


def test_period_can_be_changed(cycle: Cycle, clock: FakeClock) -> None:
    """After a reload the new cadence holds from the next cycle on."""
    scheduler = SyncScheduler(cycle, timedelta(hours=1), clock)
    scheduler.start()
    until(lambda: cycle.runs == 1)
    scheduler.run_now(timedelta(seconds=1))
    until(lambda: cycle.runs >= 3)
    assert scheduler.stop(10)


def test_library_speaks_of_no_failure_itself(scheduler: SyncScheduler) -> None:
    """APScheduler's own logger, which prints exceptions with their text, is silent."""
    assert not logging.getLogger("apscheduler.executors.default").isEnabledFor(logging.CRITICAL)
