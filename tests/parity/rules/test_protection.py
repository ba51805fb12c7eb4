"""Family 5, guarding: the backup may be weaker in nothing, unknown is no pass, and only tiers that ask are told."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import NOTHING_KEPT, Audited, KeyHolder, Protection, Side, State
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView
from nhisync.parity.rules import BY_CODE
from nhisync.parity.rules.protection import NOT_TOLD
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN, ProtectionLimits

from .builders import Case, backup, facts, primary, unseen, view

STRONG = Protection(
    holder=KeyHolder.CUSTOMER,
    hardware=True,
    rotates=True,
    enabled=True,
    key="KMS key mrk-1",
    audited=Audited.YES,
    audit="trail audit",
)
DIMENSIONS: dict[str, tuple[Any, ...]] = {
    "holder": tuple(KeyHolder),
    "hardware": (False, True),
    "rotates": (False, True),
    "enabled": (False, True),
}
"""Facts about a key, their values from weak to strong."""

PROTECTIONS = st.builds(
    Protection,
    **{name: st.sampled_from([None, *values]) for name, values in DIMENSIONS.items()},
    audited=st.sampled_from([None, *Audited]),
)


ASKING = replace(BUILTIN["high"], protection=ProtectionLimits(key=True, audit=True))


def seen(p: Row | None, b: Row | None, **changes: Any) -> PairView:
    """A view of a tier that asks."""
    return view(p, b, thresholds=thresholds_of(ASKING), **changes)


def sides(here: Protection | None, there: Protection | None) -> PairView:
    """A backup that is guarded so, and a primary."""
    b, p = (facts(protection=one)["detail"] for one in (here, there))
    return seen(primary(detail=p), backup(detail=b))


def judged(code: str, here: Protection | None, there: Protection | None) -> Outcome | None:
    """What the rule says of a backup guarded so and a primary guarded so."""
    return BY_CODE[code].check(sides(here, there))


SOFT = replace(STRONG, hardware=False, audited=Audited.NO, audit="no log")
CASES = [
    Case("NHS511", "as on the primary", sides(STRONG, STRONG), "pass"),
    Case("NHS511", "stronger", sides(STRONG, SOFT), "pass"),
    Case("NHS511", "in software", sides(SOFT, STRONG), "fail", Side.BACKUP, "a key in software"),
    Case("NHS511", "the primary tells nothing, and cannot be stronger", sides(STRONG, None), "pass"),
    Case("NHS511", "the backup tells nothing", sides(None, STRONG), "unknown", Side.BACKUP, NOT_TOLD),
    Case("NHS511", "the backup is not there", seen(primary(), unseen("absent"), present=False), None),
    Case("NHS511", "no value is kept", sides(NOTHING_KEPT, STRONG), None),
    Case("NHS511", "nobody asks", view(primary(), backup()), None),
    Case("NHS512", "as on the primary", sides(STRONG, STRONG), "pass"),
    Case("NHS512", "neither is recorded", sides(SOFT, SOFT), "pass"),
    Case("NHS512", "not recorded", sides(SOFT, STRONG), "fail", Side.BACKUP, "reads are not recorded (no log)"),
    Case("NHS512", "the primary tells nothing", sides(SOFT, None), "unknown", Side.PRIMARY, NOT_TOLD),
    Case("NHS512", "the backup is not there", seen(primary(), unseen("absent"), present=False), None),
    Case("NHS512", "no value is kept", sides(STRONG, NOTHING_KEPT), None),
    Case("NHS512", "nobody asks", view(primary(), backup()), None),
]


@pytest.mark.requirement("R33")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case: Case) -> None:
    """The rule says what the table says."""
    case.hold()


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("weaker", "observed", "expected"),
    [
        ({"holder": KeyHolder.PROVIDER}, "a key that the provider holds", "a key that you hold"),
        ({"holder": KeyHolder.NONE}, "no encryption of its own", "a key that you hold"),
        ({"hardware": False}, "a key in software", "a key in hardware"),
        ({"rotates": False}, "a key that nobody replaces", "a key that is replaced by itself"),
        ({"enabled": False}, "a key that is switched off", "a key in use"),
    ],
)
def test_a_weaker_key_is_named(weaker: dict[str, Any], observed: str, expected: str) -> None:
    """The finding says in what the backup is weaker, by which key, and what the primary has."""
    found = judged("NHS511", replace(STRONG, **weaker), STRONG)
    assert found == Outcome(State.FAIL, Side.BACKUP, f"{observed} (KMS key mrk-1)", f"as on the primary: {expected}")
    assert judged("NHS511", STRONG, replace(STRONG, **weaker)) is PASS


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("here", "there", "observed"),
    [
        (Audited.NO, Audited.YES, "reads are not recorded (no audit device)"),
        (Audited.NO, Audited.PARTLY, "reads are not recorded (no audit device)"),
        (Audited.PARTLY, Audited.YES, "reads are recorded in part (no audit device)"),
        (Audited.NO, Audited.NO, ""),
        (Audited.YES, Audited.NO, ""),
    ],
)
def test_a_missing_record_is_named(here: Audited, there: Audited, observed: str) -> None:
    """Only a record that is worse than the primary's is a finding."""
    found = judged("NHS512", replace(STRONG, audited=here, audit="no audit device"), replace(STRONG, audited=there))
    assert found == PASS if not observed else found is not None
    assert found is not None
    assert found.observed == observed


@pytest.mark.requirement("R33")
def test_what_was_not_told_is_unknown_and_says_why() -> None:
    """A refused read is neither a pass nor a fail; its reason stands in the finding."""
    refused = replace(STRONG, audited=None, audit="audit devices not known: denied (sys/audit)")
    found = judged("NHS512", refused, STRONG)
    assert found is not None
    assert (found.state, found.side) == (State.UNKNOWN, Side.BACKUP)
    assert found.observed == "backup: audit devices not known: denied (sys/audit)"
    for code in ("NHS511", "NHS512"):
        silent = judged(code, None, None)
        assert silent is not None
        assert (silent.state, silent.side) == (State.UNKNOWN, Side.PAIR)
        assert "how the item is guarded was not told" in silent.observed


@pytest.mark.requirement("R33")
@pytest.mark.parametrize("code", ["NHS511", "NHS512"])
def test_kinds_without_a_value_say_nothing(code: str) -> None:
    """A role or a served certificate has nothing to encrypt and nothing to read, on either side."""
    assert judged(code, NOTHING_KEPT, STRONG) is None
    assert judged(code, replace(STRONG, holder=None, audited=None), NOTHING_KEPT) is None
    assert BY_CODE[code].check(seen(primary(), backup(presence="absent"), present=False)) is None


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    "detail", ['{"protection":{"kept":true}}', '{"protection":{"holder":"strong"', '{"protection":{}}']
)
def test_stored_facts_that_cannot_be_read_are_unknown(detail: str) -> None:
    """What is in the store may be older or damaged: it never counts as strong."""
    for code in ("NHS511", "NHS512"):
        found = BY_CODE[code].check(seen(primary(detail=detail), backup(detail=detail)))
        assert found is not None
        assert found.state is State.UNKNOWN


@given(PROTECTIONS, PROTECTIONS)
def test_the_comparison_is_that_of_each_fact(here: Protection, there: Protection) -> None:
    """Fail exactly where a known fact is weaker; pass exactly where none can be; unknown is what is left."""
    weaker = possible = False
    for name, order in DIMENSIONS.items():
        mine, theirs = getattr(here, name), getattr(there, name)
        ours, yours = ((one,) if one is not None else order for one in (mine, theirs))
        worse = [order.index(m) < order.index(t) for m in ours for t in yours]
        weaker |= mine is not None and theirs is not None and all(worse)
        possible |= any(worse)
    found = judged("NHS511", here, there)
    assert found is not None
    assert found.state is (State.FAIL if weaker else State.UNKNOWN if possible else State.PASS)


@given(PROTECTIONS)
def test_a_backup_like_its_primary_never_fails(one: Protection) -> None:
    """Equal is enough; and where something of it is not known, equal is not known either."""
    for code in ("NHS511", "NHS512"):
        found = judged(code, one, one)
        assert found is not None
        assert found.state is not State.FAIL


@pytest.mark.requirement("R33")
def test_only_tiers_that_ask_are_told() -> None:
    """No built-in tier asks; each key asks its own rule."""
    rules = [BY_CODE["NHS511"], BY_CODE["NHS512"]]
    for tier in BUILTIN.values():
        assert [rule.asked_by(tier) for rule in rules] == [False, False]
        assert not tier.protection.asked
    asking = replace(BUILTIN["high"], protection=ProtectionLimits(key=True))
    assert [rule.asked_by(asking) for rule in rules] == [True, False]
    assert asking.protection.asked
