"""Budgets: one for all passes of a cycle, and what is left of it can be handed on."""

import pytest

from nhisync.spi import Budget, ErrorKind, ProviderError, Rate
from nhisync.testing.clocks import FakeClock

SLOW = {"read": Rate(per_second=1.0, burst=2.0)}


def spend(budget: Budget, times: int) -> None:
    """So many calls of the family `read`."""
    for _ in range(times):
        budget.spend("read")


def test_a_second_adapter_does_not_fill_the_buckets_again() -> None:
    """The same rates named once more keep their tokens; another rate begins full."""
    clock = FakeClock()
    budget = Budget(clock, seconds=60)
    budget.set_rates(SLOW)
    spend(budget, 2)
    budget.set_rates(dict(SLOW))
    spend(budget, 1)
    assert sum(clock.slept) == pytest.approx(1.0)
    budget.set_rates({"read": Rate(per_second=5.0, burst=5.0)})
    spend(budget, 5)
    assert sum(clock.slept) == pytest.approx(1.0)


def test_another_process_goes_on_with_what_is_left() -> None:
    """Time, calls and tokens of the rest are those of the budget it was taken from, not fresh ones."""
    clock = FakeClock()
    first = Budget(clock, seconds=60, calls=10, rates=SLOW)
    spend(first, 2)
    clock.sleep(0.5)
    rest = first.remainder
    assert (rest.seconds, rest.calls) == (pytest.approx(59.5), 8)
    second = Budget(clock, seconds=rest.seconds, calls=rest.calls, tokens=rest.tokens)
    second.set_rates(SLOW)
    before = sum(clock.slept)
    spend(second, 1)
    assert sum(clock.slept) - before == pytest.approx(0.5)
    with pytest.raises(ProviderError, match="budget of 8 calls") as caught:
        spend(second, 8)
    assert caught.value.kind is ErrorKind.THROTTLED


def test_a_cancelled_budget_leaves_nothing() -> None:
    """Who goes on with it has no time."""
    budget = Budget(FakeClock(), seconds=60)
    budget.cancel()
    assert budget.cancelled
    assert budget.remainder.seconds == 0.0
