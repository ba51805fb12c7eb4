"""Deadlines, rates and call budgets: every cycle of every source ends, and ends honestly."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from nhisync.clock import Clock
from nhisync.spi.errors import ErrorKind, ProviderError


class TokenBucket:
    """A thread-safe token bucket (`rate` tokens a second, at most `burst` saved up); waits through the clock.

    It begins full, or with `tokens` (negative = so many are promised already).
    """

    def __init__(self, clock: Clock, *, rate: float, burst: float, tokens: float | None = None) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a token bucket needs a positive rate and a burst of at least one")
        self._clock, self._rate, self._burst = clock, rate, burst
        self._tokens = burst if tokens is None else min(burst, tokens)
        self._at = clock.monotonic()
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """What is saved up now; negative = promised already."""
        with self._lock:
            return min(self._burst, self._tokens + (self._clock.monotonic() - self._at) * self._rate)

    def delay(self) -> float:
        """Take one token and return the seconds to wait before using it (0.0 = now)."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return 0.0 if self._tokens >= 0 else -self._tokens / self._rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Calls a second and burst of one API family."""

    per_second: float
    burst: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What is left of a budget, for another process that goes on with the same cycle.

    Attributes:
        seconds: until the end of the cycle.
        calls: requests that may still be made.
        tokens: API family → what its bucket holds.
    """

    seconds: float
    calls: int
    tokens: Mapping[str, float] = field(default_factory=dict)


class Budget:
    """What one source may spend in one cycle: a deadline, a number of calls, a rate per API family.

    Thread safe. `spend` is called before every request; it waits for the rate and raises THROTTLED when the cycle is
    over, so that a cycle without budget publishes what it has, with its true age. All passes of a cycle over one
    source share one budget.

    Args:
        clock: for waiting and the deadline.
        seconds: length of the cycle.
        calls: most requests of the cycle.
        rates: rate by API family; families not named share ``""``; without ``""`` they are not limited.
        tokens: family → what its bucket holds at the beginning; others begin full.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seconds: float,
        calls: int = 1_000_000,
        rates: Mapping[str, Rate] | None = None,
        tokens: Mapping[str, float] | None = None,
    ) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._calls = calls
        self._spent = 0
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._begun_with = dict(tokens or {})
        self._buckets: dict[str, tuple[Rate, TokenBucket]] = {}
        self.set_rates(rates or {})

    @property
    def spent(self) -> int:
        """Requests made so far."""
        return self._spent

    @property
    def remaining(self) -> float:
        """Seconds left; 0.0 when the cycle is over or cancelled. Use it as the timeout of a single call."""
        if self._cancelled.is_set():
            return 0.0
        return max(0.0, self._deadline - self._clock.monotonic())

    @property
    def remainder(self) -> Remainder:
        """What is left now."""
        tokens = {family: bucket.tokens for family, (_, bucket) in self._buckets.items()}
        return Remainder(seconds=self.remaining, calls=max(0, self._calls - self._spent), tokens=tokens)

    @property
    def cancelled(self) -> bool:
        """Whether the cycle was ended from outside."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End the cycle from another thread; the next `spend` or `check` raises."""
        self._cancelled.set()

    def set_rates(self, rates: Mapping[str, Rate]) -> None:
        """Replace the rates by the adapter's configured or default numbers; a rate that stays keeps its bucket.

        Every pass of a cycle has an adapter of its own and says this anew: none of them begins with a full bucket.
        """
        with self._lock:
            kept = {family: held for family, held in self._buckets.items() if rates.get(family) == held[0]}
            self._buckets = {
                family: kept.get(family) or (rate, self._bucket(family, rate)) for family, rate in rates.items()
            }

    def _bucket(self, family: str, rate: Rate) -> TokenBucket:
        tokens = self._begun_with.get(family)
        return TokenBucket(self._clock, rate=rate.per_second, burst=rate.burst, tokens=tokens)

    def check(self) -> None:
        """Raise when the cycle is over.

        Raises:
            ProviderError: THROTTLED.
        """
        if self.remaining <= 0:
            raise ProviderError(
                ErrorKind.THROTTLED,
                "the cycle's time ran out before this was read",
                fix="Raise the source's deadline, or narrow what is swept.",
            )

    def spend(self, family: str = "") -> None:
        """Account for one request of `family`, waiting for its rate.

        Raises:
            ProviderError: THROTTLED when the deadline, the call budget or the wait for the rate ends the cycle.
        """
        self.check()
        with self._lock:
            if self._spent >= self._calls:
                raise ProviderError(
                    ErrorKind.THROTTLED,
                    f"the cycle's budget of {self._calls} calls is used up",
                    fix="Raise the source's call budget, or narrow what is swept.",
                )
            self._spent += 1
        held = self._buckets.get(family) or self._buckets.get("")
        wait = held[1].delay() if held else 0.0
        if wait > self.remaining:
            raise ProviderError(ErrorKind.THROTTLED, "the wait for this API family's rate is longer than the cycle")
        if wait:
            self._clock.sleep(wait)
