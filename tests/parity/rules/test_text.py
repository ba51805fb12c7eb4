"""Human text of findings: one line, exact, independent of the present."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.parity.text import clean, listed, share, span, when

from .builders import DAY, HOUR, NOW


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (90, "1m 30s"),
        (HOUR, "1h"),
        (DAY, "24h"),
        (2 * DAY - 1, "47h 59m"),
        (2 * DAY, "2d"),
        (72 * DAY + 4 * HOUR + 5, "72d 4h"),
        (3 * DAY + 5, "3d"),
        (-HOUR, "-1h"),
    ],
)
def test_spans_are_told_in_two_units(seconds: int, text: str) -> None:
    """Spans use their two largest units, and hours below two days, as policies write them."""
    assert span(seconds) == text


def test_instants_are_rfc_3339() -> None:
    """Instants are told to the second in UTC; what no calendar holds is told as a number, never raised."""
    assert when(NOW) == "2026-11-23T03:12:09Z"
    assert when(0) == "1970-01-01T00:00:00Z"
    assert when(1 << 62) == f"@{1 << 62}"
    assert when(-(1 << 62)) == f"@-{1 << 62}"


@given(st.text(), st.integers(2, 50))
def test_cleaned_text_fits_one_line(text: str, limit: int) -> None:
    """Whatever a provider wrote comes out printable and within the limit."""
    assert clean(text, limit).isprintable()
    assert len(clean(text, limit)) <= limit


def test_lists_say_how_many_more() -> None:
    """A long list is cut, and says by how much."""
    assert listed([]) == ""
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_shares_are_percentages() -> None:
    """A share is told as a percentage without trailing zeros."""
    assert [share(1 / 6), share(0.25), share(1.0), share(0.0)] == ["16.7 %", "25 %", "100 %", "0 %"]
