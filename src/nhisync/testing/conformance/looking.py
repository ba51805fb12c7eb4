"""One run of an adapter, and what it brought."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.clock import Clock
from nhisync.spi import (
    Budget,
    Coverage,
    Item,
    Locator,
    Moment,
    Observation,
    Precision,
    Presence,
    ProviderError,
    Unchanged,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS = frozenset({Precision.UPPER_BOUND, Precision.LOWER_BOUND})


@dataclass(slots=True)
class Seen:
    """What one inventory yielded, sorted into its parts.

    Attributes:
        items: locator → item.
        unchanged: locators whose stored detail still holds.
        coverage: in the order yielded.
        observations: everything, in the order yielded.
        error: what ended the run, None = it ended by itself.
        calls: spent of the budget.
        twice: locators that were answered more than once.
    """

    items: dict[Locator, Item] = field(default_factory=dict)
    unchanged: set[Locator] = field(default_factory=set)
    coverage: list[Coverage] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    error: ProviderError | None = None
    calls: int = 0
    twice: list[Locator] = field(default_factory=list)

    def drain(self, stream: Iterable[Observation], budget: Budget) -> "Seen":
        """Take everything out of `stream`; a `ProviderError` is kept, any other exception is a bug and is raised."""
        try:
            for one in stream:
                self.take(one)
        except ProviderError as failure:
            self.error = failure
        self.calls = budget.spent
        return self

    def take(self, one: Observation) -> None:
        """Sort one observation in."""
        self.observations.append(one)
        if isinstance(one, Coverage):
            self.coverage.append(one)
            return
        if one.locator in self.items or one.locator in self.unchanged:
            self.twice.append(one.locator)
        if isinstance(one, Unchanged):
            self.unchanged.add(one.locator)
        else:
            self.items[one.locator] = one

    def presence(self, locator: Locator) -> Presence | None:
        """What was said of one item; None = nothing."""
        if locator in self.unchanged:
            return Presence.PRESENT
        found = self.items.get(locator)
        return found.presence if found is not None else None

    def present(self) -> set[Locator]:
        """Items that are there."""
        return {one.locator for one in self.items.values() if one.presence is Presence.PRESENT} | self.unchanged

    def absent(self) -> set[Locator]:
        """Items of which the adapter claims that they are not there."""
        return {one.locator for one in self.items.values() if one.presence is Presence.ABSENT}

    def covered(self, kind: str) -> list[Coverage]:
        """Coverage entries of one kind."""
        return [entry for entry in self.coverage if entry.kind == kind]

    def markers(self) -> dict[Locator, str]:
        """What a store would send back as known."""
        return {item.locator: item.marker for item in self.items.values() if item.marker}

    def timeless(self) -> dict[Locator, Item]:
        """The items without what two looks at the same world may differ in: instants of looking and request ids.

        Bounds count as instants of looking: "at the latest now", "at the earliest an hour ago".
        """
        return {locator: _unbounded(timeless(item)) for locator, item in self.items.items()}


def _unbounded(item: Item) -> Item:
    bounds: dict[str, Any] = {
        name: None
        for name in ("created", "rotated", "not_before", "expires", "last_used", "next_rotation")
        if isinstance(moment := getattr(item, name), Moment) and moment.precision in _BOUNDS
    }
    return replace(item, **bounds)


def timeless(item: Item) -> Item:
    """`item` without the instants of looking and without request ids."""
    error = None if item.error is None else replace(item.error, request_id="", retry_after=None)
    age = None if item.source_as_of is None else _EPOCH
    return replace(item, observed_at=_EPOCH, source_as_of=age, error=error)


class TickingBudget(Budget):
    """A budget whose every call takes one second, so that a deadline passes without anybody waiting.

    Args:
        clock: the stand's clock; it is not moved.
        seconds: length of the cycle = calls it has room for.
    """

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        self._ticks = _Ticks(clock)
        super().__init__(self._ticks, seconds=seconds)

    def spend(self, family: str = "") -> None:
        """Account for one request, and let a second pass."""
        super().spend(family)
        self._ticks.passed += timedelta(seconds=1)


class _Ticks:
    """A clock ahead of another one by the seconds that were ticked and slept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.passed = timedelta()

    def now(self) -> datetime:
        """The current instant."""
        return self._clock.now() + self.passed

    def monotonic(self) -> float:
        """Seconds for durations."""
        return self._clock.monotonic() + self.passed.total_seconds()

    def boottime(self) -> float:
        """Seconds since boot."""
        return self._clock.boottime() + self.passed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Pass without waiting."""
        self.passed += timedelta(seconds=max(0.0, seconds))


def words(locators: Iterable[Locator]) -> str:
    """Locators for an assertion's message."""
    return ", ".join(sorted(map(str, locators))) or "none"
