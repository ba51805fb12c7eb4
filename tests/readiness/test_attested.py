"""What a tier wants to be told: missing, old and dated ahead are unknown, a bad word counts until a later one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.model import ON_CALL, Attestation, State
from nhisync.readiness import SKEW, attested

pytestmark = [pytest.mark.requirement("R2"), pytest.mark.requirement("R23"), pytest.mark.requirement("R24")]

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WANTED = {"capacity-test": 90 * DAY}


def said(age: timedelta, *, holds: bool = True, kind: str = "capacity-test", app: str = "pay") -> Attestation:
    """Somebody's word, so old."""
    return Attestation(app=app, path="backup", kind=kind, holds=holds, observed_at=NOW - age, attested_by="load-team")


@pytest.mark.parametrize(
    ("claims", "state", "told"),
    [
        ([], State.UNKNOWN, "never attested"),
        ([said(DAY)], State.PASS, "attested 2026-11-27T02:00:00Z by load-team"),
        ([said(90 * DAY - timedelta(seconds=1))], State.PASS, "attested"),
        ([said(90 * DAY)], State.UNKNOWN, "attested 2026-08-30T02:00:00Z by load-team"),
        ([said(DAY, holds=False)], State.FAIL, "does not hold"),
        ([said(200 * DAY, holds=False)], State.FAIL, "does not hold"),
        ([said(2 * DAY, holds=False), said(DAY)], State.PASS, "attested 2026-11-27"),
        ([said(DAY), said(2 * DAY, holds=False)], State.PASS, "attested 2026-11-27"),
        ([said(DAY), said(DAY, holds=False)], State.FAIL, "does not hold"),
        ([said(-SKEW)], State.PASS, "attested"),
        ([said(-SKEW - timedelta(seconds=1))], State.UNKNOWN, "which is still to come"),
        ([said(DAY, kind="patch-level")], State.UNKNOWN, "never attested"),
        ([said(DAY, app="other")], State.UNKNOWN, "never attested"),
    ],
)
def test_what_was_said_counts_for_its_time(claims: list[Attestation], state: State, told: str) -> None:
    """The last observation counts, for as long as the tier says; ignorance is never a pass."""
    (found,) = attested(WANTED, claims, app="pay", path="backup", now=NOW)
    assert (found.kind, found.state) == ("capacity-test", state)
    assert told in found.told
    assert (found.expires is not None) == (state is State.PASS)


def test_a_time_beyond_the_calendar_ends_with_it() -> None:
    """A policy may let a word count for longer than there are dates; that ends no run."""
    (found,) = attested({"capacity-test": timedelta.max}, [said(DAY)], app="pay", path="backup", now=NOW)
    assert (found.state, found.expires) == (State.PASS, datetime(9999, 12, 31, tzinfo=UTC))


def test_nobody_who_does_not_ask_is_told() -> None:
    """A tier without attestations says nothing, whatever was attested."""
    assert attested({}, [said(DAY, holds=False)], app="pay", path="backup", now=NOW) == ()


@pytest.mark.parametrize(
    ("claims", "state"),
    [
        ([], None),
        ([said(DAY, kind=ON_CALL)], None),
        ([said(900 * DAY, kind=ON_CALL, holds=False)], State.FAIL),
        ([said(2 * DAY, kind=ON_CALL, holds=False), said(DAY, kind=ON_CALL)], None),
        ([said(2 * DAY, kind=ON_CALL), said(DAY, kind=ON_CALL, holds=False)], State.FAIL),
        ([said(-DAY, kind=ON_CALL)], State.UNKNOWN),
        ([said(DAY, kind=ON_CALL, holds=False, app="other")], None),
    ],
)
def test_the_word_of_somebody_on_call_counts_in_every_tier(claims: list[Attestation], state: State | None) -> None:
    """Bad, it counts until a later one, however old; good, it adds nothing that nobody asked for."""
    found = attested({}, claims, app="pay", path="backup", now=NOW)
    assert [(one.kind, one.state, one.max_age) for one in found] == ([] if state is None else [(ON_CALL, state, None)])
    kinds = [one.kind for one in attested(WANTED, claims, app="pay", path="backup", now=NOW)]
    assert kinds == ["capacity-test"] + ([] if state is None else [ON_CALL])
    (asked,) = attested({ON_CALL: DAY / 2}, claims, app="pay", path="backup", now=NOW)
    assert (asked.max_age, asked.state is State.PASS) == (DAY / 2, False)


ages = st.integers(-120, 200 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


@settings(deadline=None)
@given(st.lists(st.builds(said, ages, holds=st.booleans()), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_what_was_said_does_not_matter(claims: list[Attestation], random: object) -> None:
    """Recording an old observation late changes nothing; a pass rests on one that holds, is over and is young."""
    (found,) = attested(WANTED, claims, app="pay", path="backup", now=NOW)
    random.shuffle(claims)  # type: ignore[attr-defined]
    assert attested(WANTED, claims, app="pay", path="backup", now=NOW) == (found,)
    if found.state is State.PASS:
        assert any(c.holds and c.observed_at + 90 * DAY == found.expires for c in claims)
        assert NOW < (found.expires or NOW) <= NOW + SKEW + 90 * DAY
