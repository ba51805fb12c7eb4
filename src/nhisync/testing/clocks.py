"""A clock that a test steps by hand, and one that is wrong."""

import threading
from datetime import UTC, datetime, timedelta

from nhisync.clock import Clock


class FakeClock:
    """A clock that only moves when told to; `sleep` moves it, so no test ever waits.

    Thread safe. `monotonic` and `boottime` move with `now` unless a test makes them disagree.
    """

    def __init__(self, start: datetime = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1_000.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        with self._lock:
            return self._monotonic

    def boottime(self) -> float:
        """Seconds since boot."""
        return self.monotonic()

    def sleep(self, seconds: float) -> None:
        """Record the wait and move time by it."""
        self.slept.append(seconds)
        self.advance(timedelta(seconds=max(0.0, seconds)))

    def advance(self, step: timedelta) -> None:
        """Move all clocks forward."""
        with self._lock:
            self._now += step
            self._monotonic += step.total_seconds()

    def jump(self, step: timedelta) -> None:
        """Move only the wall clock, as an NTP correction or a bad battery does."""
        with self._lock:
            self._now += step


class WrongClock:
    """Another clock whose wall time is off; durations are true.

    Args:
        true: the other clock.
        off: how far ahead of it this one's wall time is.
    """

    def __init__(self, true: Clock, off: timedelta) -> None:
        self._true, self._off = true, off

    def now(self) -> datetime:
        """The wrong instant, aware, UTC."""
        return self._true.now() + self._off

    def monotonic(self) -> float:
        """Seconds on the true monotonic clock."""
        return self._true.monotonic()

    def boottime(self) -> float:
        """Seconds since boot."""
        return self._true.boottime()

    def sleep(self, seconds: float) -> None:
        """Wait, as the true clock does."""
        self._true.sleep(seconds)


class CountingRandomness:
    """Deterministic and never repeating: run ids of tests are readable and runs replay."""

    def __init__(self) -> None:
        self._next = 0

    def bytes(self, size: int) -> bytes:
        """`size` bytes that differ from all earlier ones."""
        self._next += 1
        return self._next.to_bytes(size, "big")

    def hex(self, size: int) -> str:
        """The same, as hex."""
        return self.bytes(size).hex()
