"""Time and randomness: the only file that may read them (law 1, enforced by ruff TID251).

Everything else receives a `Clock` or a `Randomness`, so that a test can step time and replay a run.
"""

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where instants and durations come from."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps, for durations and deadlines within one process."""
        ...

    def boottime(self) -> float:
        """Seconds since boot on a clock that keeps counting in suspend (CLOCK_BOOTTIME), for staleness."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Randomness(Protocol):
    """Where run ids and per-run keys come from."""

    def hex(self, size: int) -> str:
        """`size` random bytes as lower-case hex."""
        ...

    def bytes(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def boottime(self) -> float:
        """Seconds since boot including suspend; the monotonic clock where the platform has no such clock."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; negative waits do not wait."""
        time.sleep(max(0.0, seconds))


class SystemRandomness:
    """The operating system's generator."""

    def hex(self, size: int) -> str:
        """`size` random bytes as lower-case hex."""
        return secrets.token_hex(size)

    def bytes(self, size: int) -> bytes:
        """`size` random bytes."""
        return secrets.token_bytes(size)
