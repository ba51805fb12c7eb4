"""The clock of an app is that of its shortest-lived identity, and it knows what it does not know."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.parity.book import PairTerms
from nhisync.parity.lifetimes import NEVER
from nhisync.parity.row import Row
from nhisync.readiness import survival
from nhisync.readiness.blackout import MOST_NAMED
from nhisync.testing.rows import NOW, row

DAY = 86_400


def held(name: str, **changes: object) -> Row:
    """A row of the backup."""
    return row(key=f"payments/{name}", domain="aws/eu-north-1", **{"locator": f"aws:secret/{name}", **changes})


def test_the_first_to_die_is_named() -> None:
    """The earliest end counts, with its pair and cause; others do not hide it."""
    found = survival([held("a", expires=NOW + 9 * DAY), held("b", expires=NOW + 2 * DAY)], {}, NOW, 3 * DAY)
    assert (found.first, found.left, found.unknown) == ("b", 2 * DAY, 0)
    assert found.until == datetime.fromtimestamp(NOW + 2 * DAY, UTC)
    assert (found.pairs, found.endless, found.required) == (2, 0, 3 * DAY)


def test_what_is_not_known_is_told_beside_what_is() -> None:
    """An end that nobody recorded is no "none", and neither is a pair that was not seen at all."""
    rows = [
        held("a", expires=NOW + DAY),
        held("b"),
        held("c", locator="aws:access-key/c"),
        held("d", presence="denied"),
    ]
    found = survival(rows, {}, NOW, None, expected=("payments/a", "payments/z"))
    assert (found.unknown, found.unsure) == (3, ("b", "d", "z"))
    assert (found.first, found.endless, found.pairs) == ("a", 1, 5)


def test_endless_is_only_what_is_known_to_be() -> None:
    """Without any end and any doubt there is no horizon, and that is said by counts."""
    found = survival([held("c", locator="aws:access-key/c")], {}, NOW, None)
    assert (found.until, found.left, found.first, found.unknown) == (None, None, "", 0)
    assert found.endless == found.pairs == 1


def test_what_the_configuration_states_and_exempts_counts() -> None:
    """A stated end is believed where no other is known; an exempt pair does not count while that is in force."""
    pairs = {
        "payments/a": PairTerms(ends=NEVER),
        "payments/b": PairTerms(exempt=True, until=NOW + DAY, owner="x"),
        "payments/c": PairTerms(exempt=True, until=NOW - DAY, owner="x"),
    }
    found = survival([held("a"), held("b"), held("c")], pairs, NOW, None, expected=pairs)
    assert (found.unsure, found.endless, found.pairs) == (("c",), 1, 2)


def test_of_many_only_some_are_named() -> None:
    """The clock of a million pairs is as small as that of twenty; the count is right all the same."""
    found = survival((held(f"p{n:05}") for n in range(3_000)), {}, NOW, None, expected=["payments/z"])
    assert (found.unknown, found.pairs) == (3_001, 3_001)
    assert found.unsure == tuple(f"p{n:05}" for n in range(MOST_NAMED))


@pytest.mark.requirement("R48")
@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(NOW - 9 * DAY, NEVER * 2)), max_size=8))
def test_the_horizon_is_the_minimum_and_never_negative(ends: list[int | None]) -> None:
    """Whatever the ends are: none is passed over, none is invented, and no pair leaves the count."""
    rows = [held(f"p{number}", expires=end) for number, end in enumerate(ends)]
    found = survival(rows, {}, NOW, None)
    known = [max(end, NOW) for end in ends if end is not None]
    assert found.left == (min(known) - NOW if known else None)
    assert found.unknown == ends.count(None)
    assert found.pairs == len(ends)
