"""What consumers hold: what is kept of it, when it is known, and which old generations nobody needs any more."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.parity.holding import (
    HISTORY,
    Held,
    Holding,
    Retirable,
    Tenure,
    doubt,
    held_of,
    retirable,
    succeeded,
    text_of,
)
from nhisync.parity.rule import FUTURE_TOLERANCE
from nhisync.testing.rows import NOW, row

HOUR = 3_600
THREE = (Tenure("1", NOW - 9 * HOUR), Tenure("2", NOW - 5 * HOUR), Tenure("3", NOW - 2 * HOUR))


def held(*holdings: Holding, tenures: tuple[Tenure, ...] = THREE) -> Held:
    """Three generations, and what consumers were seen with."""
    return Held(tenures, holdings)


def gate(found: Held, named: tuple[str, ...] | None, current: str | None = "3", max_age: int = 24 * HOUR) -> Retirable:
    """What may be retired now."""
    return retirable(found, named, current, now=NOW, max_age=max_age)


def test_generations_follow_one_another() -> None:
    """One that is seen again stays where it is, one that comes back is current again, and the oldest are forgotten."""
    one = succeeded((), "1", 100)
    assert succeeded(one, "1", 200) == one == (Tenure("1", 100),)
    assert succeeded(one, None, 200) == one
    back = succeeded(succeeded(one, "2", 200), "1", 300)
    assert [tenure.version for tenure in back] == ["1", "2", "1"]
    assert succeeded(one, "2", 50)[-1] == Tenure("2", 100), "a clock that came back does not turn the order round"
    many = ()
    for number in range(HISTORY + 5):
        many = succeeded(many, str(number), number)
    assert (len(many), many[-1].version) == (HISTORY, str(HISTORY + 4))


def test_what_a_row_carries_is_read_back() -> None:
    """And what cannot be read proves nothing, whatever it is."""
    full = held(Holding("checkout", NOW, "3", "probe", "abc", ""), Holding("batch", trouble="gone"))
    assert held_of(row(consumers=text_of(full))) == full
    assert held_of(row()) is None
    assert held_of(None) is None
    broken = ["", "{", "[]", "null", '{"tenures":[]}', '{"tenures":[["1"]],"holdings":[]}', "[" * 50_000]
    broken += [
        json.dumps({"tenures": [["1", True]], "holdings": []}),
        json.dumps({"tenures": [[1, 1]], "holdings": []}),
    ]
    for text in broken:
        assert held_of(row(consumers=text)) == Held(), text[:40]


@pytest.mark.parametrize(("holding", "why"), [
    (Holding("a"), "nobody has looked"),
    (Holding("a", trouble="it cannot be reached"), "it cannot be reached"),
    (Holding("a", NOW + FUTURE_TOLERANCE + 1, "3"), "compare the clocks"),
    (Holding("a", NOW - HOUR, "3"), "last seen"),
    (Holding("a", NOW - HOUR, "3", trouble="silent"), "since then: silent"),
    (Holding("a", NOW - 1, ""), "never showed as current"),
    (Holding("a", NOW - 1, "9"), "never showed as current"),
    (Holding("a", NOW - 1, "1"), ""),
    (Holding("a", NOW + FUTURE_TOLERANCE, "3"), ""),
])  # fmt: skip
def test_what_is_not_known_is_said(holding: Holding, why: str) -> None:
    """A look that is missing, old, dated ahead, or that brought a strange generation tells nothing."""
    told = doubt(held(holding), holding, lambda instant: instant <= NOW, NOW, HOUR)
    assert bool(told) == bool(why)
    assert why in told


@pytest.mark.requirement("R25")
@pytest.mark.parametrize(("found", "named", "free", "says"), [
    (held(), None, (), "nobody says who uses it"),
    (held(), (), ("1", "2"), ""),
    (held(), ("a",), (), "a: nobody has looked"),
    (held(Holding("a", NOW, "3")), ("a",), ("1", "2"), ""),
    (held(Holding("a", NOW, "2")), ("a",), ("1",), "a may hold 2"),
    (held(Holding("a", NOW, "1")), ("a",), ("2",), "a may hold 1"),
    (held(Holding("a", NOW - 3 * HOUR, "1")), ("a",), (), "a may hold 1, 2"),
    (held(Holding("a", NOW - 25 * HOUR, "3")), ("a",), (), "last seen"),
    (held(Holding("a", NOW, "")), ("a",), (), "never showed"),
    (held(Holding("a", NOW, "3"), Holding("b", NOW, "2")), ("a", "b"), ("1",), "b may hold 2"),
    (held(Holding("a", NOW, "3")), ("a", "b"), (), "b: nobody has looked"),
    (held(tenures=()), (), (), "the current generation was not looked at"),
])  # fmt: skip
def test_the_gate(found: Held, named: tuple[str, ...] | None, free: tuple[str, ...], says: str) -> None:
    """A generation is free when everybody is known to have left it; why another one is not is told."""
    answer = gate(found, named)
    assert answer.versions == free
    assert bool(answer.held) == bool(says)
    assert says in "; ".join(answer.held)


@pytest.mark.parametrize("current", [None, "2", "4"])
def test_nothing_is_free_when_the_store_has_moved_on(current: str | None) -> None:
    """What was looked at must be what the store shows now."""
    assert gate(held(Holding("a", NOW, "3")), ("a",), current).versions == ()


times = st.integers(min_value=NOW - 9 * HOUR, max_value=NOW)


@st.composite
def histories(draw: st.DrawFn) -> tuple[tuple[Tenure, ...], list[int], int]:
    """Generations (some come back), instants at which a consumer loads what is current, and one at which it is seen."""
    count = draw(st.integers(min_value=1, max_value=6))
    starts = sorted(draw(st.lists(times, min_size=count, max_size=count, unique=True)))
    names = draw(st.lists(st.sampled_from("123"), min_size=count, max_size=count))
    tenures: tuple[Tenure, ...] = ()
    for name, start in zip(names, starts, strict=True):
        tenures = succeeded(tenures, name, start)
    loads = [starts[0], *draw(st.lists(times.filter(lambda at: at >= starts[0]), max_size=6))]
    seen = draw(times.filter(lambda at: at >= starts[0]))
    return tenures, sorted(loads), seen


def loaded(tenures: tuple[Tenure, ...], loads: list[int], at: int) -> str:
    """What a consumer that loads at these instants holds at `at`."""
    last = max(load for load in loads if load <= at)
    return max((tenure for tenure in tenures if tenure.since <= last), key=lambda tenure: tenure.since).version


@pytest.mark.requirement("R25")
@given(histories())
def test_what_a_consumer_holds_is_never_retired(history: tuple[tuple[Tenure, ...], list[int], int]) -> None:
    """However often it loaded since it was last seen, and whichever generations came back."""
    tenures, loads, seen = history
    found = Held(tenures, (Holding("a", seen, loaded(tenures, loads, seen)),))
    answer = gate(found, ("a",), tenures[-1].version)
    assert loaded(tenures, loads, NOW) not in answer.versions
    assert tenures[-1].version not in answer.versions
    assert set(answer.versions) <= found.versions


@given(histories(), st.sampled_from(["", "9"]) | st.none())
def test_one_consumer_of_whom_nothing_is_known_keeps_everything(
    history: tuple[tuple[Tenure, ...], list[int], int], version: str | None
) -> None:
    """Whatever the others are seen with."""
    tenures, loads, seen = history
    known = Holding("a", seen, loaded(tenures, loads, seen))
    stranger = Holding("b") if version is None else Holding("b", NOW, version)
    assert gate(Held(tenures, (known, stranger)), ("a", "b"), tenures[-1].version).versions == ()


@given(histories())
def test_when_all_have_loaded_the_current_one_every_other_is_free(
    history: tuple[tuple[Tenure, ...], list[int], int],
) -> None:
    """The gate opens at last: it would be useless if it never did."""
    tenures, _, _ = history
    late = tenures[-1].since + FUTURE_TOLERANCE
    answer = retirable(
        Held(tenures, (Holding("a", late, tenures[-1].version),)), ("a",), tenures[-1].version, now=late, max_age=HOUR
    )
    assert set(answer.versions) == {tenure.version for tenure in tenures} - {tenures[-1].version}
    assert all(before.since <= after.since for before, after in pairwise(tenures))
