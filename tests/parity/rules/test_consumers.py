"""Family 8, consumers: has the running workload loaded what its store shows as current?"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Side, State
from nhisync.parity.holding import Held, Holding, Tenure, text_of
from nhisync.parity.rules import BY_CODE
from nhisync.parity.rules.consumers import RULES
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN

from .builders import HOUR, NOW, Case, backup, both, changes_at, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
AGE, GRACE = 4 * HOUR, HOUR
ROTATED = NOW - 3 * HOUR
OLD, CURRENT = "6", "7"
SINCE = ROTATED + 60


def seen(version: str = CURRENT, age: int = 60, name: str = "checkout", **changes: Any) -> Holding:
    """A consumer that was seen with `version` so many seconds ago."""
    return Holding(name, NOW - age, version, "probe")._replace(**changes)


def text(*holdings: Holding, tenures: tuple[Tenure, ...] | None = None) -> str:
    """What a row carries: two generations, the second one current for three hours."""
    known = (Tenure(OLD, NOW - 90 * HOUR), Tenure(CURRENT, SINCE)) if tenures is None else tenures
    return text_of(Held(known, holdings))


def asking(
    b: str | None = None,
    p: str | None = None,
    *,
    ask: str = "named",
    named: tuple[str, ...] | None = ("checkout",),
    here: tuple[str, ...] | None = ("checkout",),
    now: int = NOW,
    **changes: Any,
) -> Any:
    """A view of a tier that asks; `b` and `p` are what both rows carry, `changes` go to both."""
    tier = BUILTIN["critical"]
    limits = replace(tier.consumers, ask=ask, max_age=AGE * _SECOND, grace=GRACE * _SECOND)
    common = {"version": CURRENT, "rotated": ROTATED, **changes}
    made = view(primary(consumers=p, **common), backup(consumers=b, **common), now=now)
    made.thresholds = thresholds_of(replace(tier, consumers=limits))
    made.consumers_backup, made.consumers_primary = named, here
    return made


_SECOND = BUILTIN["critical"].evaluate.every / 30
LATE = text(seen(OLD))
TWO = ("batch", "checkout")
BACK = {"rotated": NOW - HOUR - 30}
BROUGHT_BACK = (Tenure(CURRENT, NOW - 90 * HOUR), Tenure(OLD, NOW - HOUR - 45), Tenure(CURRENT, NOW - HOUR - 30))
TOUCHED = asking(text(seen(OLD)))
TOUCHED.backup = unseen("absent", consumers=LATE)
TOUCHED.present = False

CASES = [
    Case("NHS814", "no consumers", asking(named=None, here=None), None),
    Case("NHS814", "nobody has looked", asking(), None),
    Case("NHS814", "current", asking(text(seen())), "pass"),
    Case("NHS814", "old", asking(LATE), "fail", BACKUP, "checkout holds 6; 7 is current since"),
    Case("NHS814", "one of two is old", asking(text(seen(), seen(OLD, name="batch")), named=TWO), "fail", BACKUP),
    Case("NHS814", "old, and the other is unknown", asking(LATE, named=TWO), "fail", BACKUP, "checkout holds 6"),
    Case("NHS814", "old within the grace", asking(text(seen(OLD), tenures=(Tenure(OLD, 1), Tenure(CURRENT, NOW - 60))),
         rotated=NOW - 60), "pass"),
    Case("NHS814", "seen within the grace, which is over", asking(text(seen(OLD, 2 * HOUR + 60))), None),
    Case("NHS814", "the provider does not say when it was rotated", asking(LATE, rotated=None), "fail", BACKUP),
    Case("NHS814", "old, too long ago", asking(text(seen(OLD, AGE))), None),
    Case("NHS814", "a strange generation", asking(text(seen("5"))), None),
    Case("NHS814", "the store has moved on", asking(LATE, version="8"), None),
    Case("NHS814", "the store names no generation", asking(LATE, version=None), None),
    Case("NHS814", "the primary lags", asking(text(seen()), LATE), "fail", PRIMARY, "checkout holds 6"),
    Case("NHS814", "both lag", asking(LATE, LATE), "fail", PAIR, "backup: checkout holds 6"),
    Case("NHS814", "somebody whom the pair does not name", asking(text(seen(), seen(OLD, name="gone"))), "pass"),
    Case("NHS814", "unreadable", asking("{"), None),
    Case("NHS814", "no backup", TOUCHED, None),
    Case("NHS815", "no consumers", asking(named=None), None),
    Case("NHS815", "no consumers, and all must be named", asking(named=None, ask="all"), "unknown", BACKUP, "who uses"),
    Case("NHS815", "there are none", asking(named=(), ask="all"), "pass"),
    Case("NHS815", "nobody has looked", asking(), "unknown", BACKUP, "checkout: nobody has looked"),
    Case("NHS815", "silent", asking(text(Holding("checkout", trouble="no answer"))), "unknown", BACKUP, "no answer"),
    Case("NHS815", "current", asking(text(seen())), "pass"),
    Case("NHS815", "old is known", asking(LATE), "pass"),
    Case("NHS815", "old, too long ago", asking(text(seen(OLD, AGE))), "unknown", BACKUP, "last seen"),
    Case("NHS815", "current, too long ago", asking(text(seen(age=AGE))), "unknown", BACKUP, "last seen"),
    Case("NHS815", "a strange generation", asking(text(seen("5"))), "unknown", BACKUP, "never showed as current"),
    Case("NHS815", "dated ahead", asking(text(seen(age=-31))), "unknown", BACKUP, "compare the clocks"),
    Case("NHS815", "seen within the grace, which is over", asking(text(seen(OLD, 2 * HOUR + 60))), "unknown", BACKUP,
         "before it had to be current"),
    Case("NHS815", "brought back, and not seen since", asking(text(seen(age=HOUR + 60), tenures=BROUGHT_BACK), **BACK),
         "unknown", BACKUP, "before it had to be current"),
    Case("NHS815", "brought back, and seen since", asking(text(seen(age=60), tenures=BROUGHT_BACK), **BACK), "pass"),
    Case("NHS815", "loaded before the store was looked at", asking(text(seen(age=3 * HOUR)), rotated=SINCE), "pass"),
    Case("NHS815", "the store has moved on", asking(text(seen()), version="8"), "unknown", BACKUP, "has looked since"),
    Case("NHS815", "the store names no generation", asking(text(seen()), version=None), "unknown", BACKUP),
    Case("NHS815", "unreadable", asking("{"), "unknown", BACKUP, "nobody has looked"),
    Case("NHS815", "the primary's are not asked", asking(text(seen()), None), "pass"),
    Case("NHS815", "no backup", TOUCHED, None),
]  # fmt: skip


@pytest.mark.requirement("R18", "R25")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_table(case: Case) -> None:
    """Each rule answers as the line says."""
    case.hold()


def test_built_in_tiers_ask_nothing() -> None:
    """Nobody's app becomes unknown because this version knows of consumers; a tier that asks has both rules."""
    for tier in BUILTIN.values():
        assert not any(rule.asked_by(tier) for rule in RULES)
        for ask in ("named", "all"):
            assert all(rule.asked_by(replace(tier, consumers=replace(tier.consumers, ask=ask))) for rule in RULES)
    assert both().consumers_backup is None


def test_answers_change_at_their_instant() -> None:
    """The end of the grace and of a look are announced, so that no remembered result outlives them."""
    young = (Tenure(OLD, 1), Tenure(CURRENT, NOW))

    def late(now: int) -> Any:
        return asking(text(seen(OLD, -GRACE), tenures=young), now=now, rotated=NOW)

    early, then = late(NOW + GRACE - 1), late(NOW + GRACE)
    assert BY_CODE["NHS814"].check(early) is None or BY_CODE["NHS814"].check(early).state is State.PASS  # type: ignore[union-attr]
    assert early.recheck <= NOW + GRACE
    assert BY_CODE["NHS814"].check(then).state is State.FAIL  # type: ignore[union-attr]
    end = NOW - 60 + AGE
    changes_at("NHS815", lambda now: asking(text(seen()), now=now), end, before=State.PASS, after=State.UNKNOWN)


looks = st.lists(
    st.builds(
        Holding,
        name=st.sampled_from(["checkout", "batch"]),
        at=st.integers(min_value=NOW - 2 * AGE, max_value=NOW + 2 * HOUR) | st.just(0),
        version=st.sampled_from([OLD, CURRENT, "", "9"]),
    ),
    max_size=2,
    unique_by=lambda one: one.name,
)


@pytest.mark.requirement("R25")
@given(looks, st.sampled_from([ROTATED, NOW - 60, None]), st.sampled_from([CURRENT, "8", None]))
def test_a_backup_passes_only_when_each_consumer_is_known_to_be_current_or_in_time(
    found: list[Holding], rotated: int | None, version: str | None
) -> None:
    """Whatever was seen when: both rules pass together only with a fresh look at everybody, at a known generation."""
    asked = asking(text(*found), named=TWO, here=None, rotated=rotated, version=version)
    states = [outcome and outcome.state for outcome in (rule.check(asked) for rule in RULES)]
    by_name = {one.name: one for one in found}
    began = SINCE if rotated is None else min(SINCE, rotated)
    in_time = began + GRACE > NOW
    fresh = [by_name[name] for name in TWO if name in by_name and NOW - AGE < by_name[name].at <= NOW + 30]
    good = version == CURRENT and len(fresh) == 2
    good = good and all(one.version == CURRENT or (one.version == OLD and in_time) for one in fresh)
    assert (states == [State.PASS, State.PASS]) == good
    assert good or State.FAIL in states or State.UNKNOWN in states
