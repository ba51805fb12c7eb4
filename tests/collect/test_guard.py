"""A sweep that lost too much is not believed: a cut listing looks exactly like a deletion."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.collect.absence import presence_of
from nhisync.collect.guard import believed
from nhisync.model import Coverage, CoverageStatus, Locator, Presence

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

AT = datetime(2026, 11, 23, tzinfo=UTC)
KEY = ("vault", "kv", "secret/")


def sweep(items: int, status: CoverageStatus = CoverageStatus.COMPLETE) -> Coverage:
    """A sweep of one mount."""
    return Coverage(
        source="vault", kind="kv", scope="secret/", status=status, as_of=AT, items=items, authoritative=True
    )


@pytest.mark.parametrize(
    ("before", "now", "share", "kept"),
    [
        (100, 100, 0.2, True),
        (100, 80, 0.2, True),
        (100, 79, 0.2, False),
        (100, 0, 0.2, False),
        (100, 0, 1.0, True),
        (100, 99, 0.0, False),
        (1, 0, 0.5, False),
        (0, 0, 0.2, True),
        (100, 5000, 0.2, True),
    ],
)
@pytest.mark.requirement("R6")
def test_the_share_decides(before: int, now: int, share: float, kept: bool) -> None:
    """A loss up to the tier's share is believed, one more item is not; growth always is."""
    found = believed(sweep(now), {KEY: before}, share)
    assert (found.status is CoverageStatus.COMPLETE) is kept


@pytest.mark.requirement("R6")
def test_a_shrunk_sweep_proves_nothing_and_says_why() -> None:
    """It keeps its count and age, loses its authority, and tells both numbers and the policy."""
    found = believed(sweep(10), {KEY: 100}, 0.2)
    assert (found.items, found.as_of, found.authoritative) == (10, AT, False)
    assert found.error is not None
    assert found.error.message == (
        "the sweep held 10 items, an earlier complete one 100; policy believes a loss of 20% within 30 days"
    )
    assert presence_of(Locator("vault", "kv", "secret/a"), [found]) is Presence.UNKNOWN


def test_a_first_sweep_is_believed() -> None:
    """Nothing is remembered of this mount; what is remembered of others does not matter."""
    assert believed(sweep(0), {("vault", "kv", "team/"): 100, ("bao", *KEY[1:]): 100}, 0.2) == sweep(0)


@pytest.mark.parametrize("status", [status for status in CoverageStatus if status is not CoverageStatus.COMPLETE])
def test_what_is_not_complete_keeps_its_own_reason(status: CoverageStatus) -> None:
    """A denied or partial sweep is not called shrunk: its reason is the better one."""
    assert believed(sweep(0, status), {KEY: 100}, 0.2) == sweep(0, status)


@calm
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_a_stricter_policy_never_believes_more(before: int, now: int, one: float, other: float) -> None:
    """Monotone in the share, and a sweep that did not shrink is believed under any."""
    strict, lax = sorted((one, other))
    kept = [believed(sweep(now), {KEY: before}, share).status is CoverageStatus.COMPLETE for share in (strict, lax)]
    assert kept[0] <= kept[1]
    assert now < before or all(kept)
