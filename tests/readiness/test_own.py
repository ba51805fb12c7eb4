"""nhisync's own identities: which apps are closed while one of them is unfit (R32)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import OWN, App, Locator, Mode, Pair
from nhisync.readiness import closed_by, unfit

pytestmark = pytest.mark.requirement("R32")

FAILS = (0, "NHS301", "reader", "EXPIRED")
UNKNOWN = (1, "NHS803", "reader", "UNKNOWN")
WHOLE = (1, "NHS906", "", "UNKNOWN")


def own(*pairs: tuple[str, tuple[str, ...]], mode: Mode = Mode.ENFORCE) -> App:
    """The app, with pairs and what they authenticate."""
    place = Locator("vault", "kv", "x")
    made = [
        Pair(app=OWN, name=name, kind="token", primary=place, backup=place, authenticates=sources)
        for name, sources in pairs
    ]
    return App(name=OWN, tier="standard", mode=mode, pairs=tuple(made))


def test_what_keeps_it_from_ready_is_unfit() -> None:
    """A fail as well as an unknown, each pair once; where the app only observes, nothing is closed."""
    assert unfit(own(), [UNKNOWN, FAILS, WHOLE]) == {"": ("NHS906",), "reader": ("NHS301", "NHS803")}
    assert unfit(own(), []) == {}
    assert unfit(own(mode=Mode.OBSERVE), [FAILS]) == {}


@pytest.mark.parametrize(("pairs", "blockers", "sources", "says"), [
    ([("reader", ())], [FAILS], {"aws"}, ("nhisync/reader is unfit (NHS301)",)),
    ([("reader", ())], [FAILS], set(), ("nhisync/reader is unfit (NHS301)",)),
    ([("reader", ("aws",))], [FAILS], {"aws", "edge"}, ("nhisync/reader is unfit (NHS301)",)),
    ([("reader", ("aws",))], [FAILS], {"edge"}, ()),
    ([("reader", ("aws",))], [], {"aws"}, ()),
    ([("other", ("aws",))], [FAILS], {"edge"}, ("nhisync/reader is unfit (NHS301)",)),
    ([("reader", ("aws",))], [WHOLE], {"edge"}, ("nhisync is unfit (NHS906)",)),
])  # fmt: skip
def test_the_covered_apps_are_closed(
    pairs: list[tuple[str, tuple[str, ...]]], blockers: list[tuple[int, str, str, str]], sources: set[str], says: object
) -> None:
    """Those that rest on a source which the pair opens; what a pair without a list, or no known pair, opens is all."""
    app = own(*pairs)
    assert closed_by(app, unfit(app, blockers), sources) == says


names = st.sampled_from(["aws", "edge", "vault"])


@given(st.frozensets(names), st.frozensets(names), st.booleans())
def test_an_unfit_credential_closes_exactly_what_it_opens(
    opened: frozenset[str], used: frozenset[str], fit: bool
) -> None:
    """Whatever else is configured: no app stays open that rests on it, and a fit one closes nothing."""
    app = own(("reader", tuple(sorted(opened))))
    closed = bool(closed_by(app, unfit(app, [] if fit else [FAILS]), used))
    assert closed == (not fit and (not opened or bool(opened & used)))
