"""Family 3: what stands on the backup outlives the failover."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Side, State

from .builders import DAY, HOUR, NOW, Case, ask, backup, both, changes_at, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
GRADES = ("NHS301", "NHS302", "NHS303", "NHS304")
LIFETIME = 60 * DAY


def ending(left: int, **changes: object) -> dict[str, object]:
    """Columns of a backup with `left` seconds of a 60-day lifetime to go."""
    return {"b_expires": NOW + left, "b_not_before": NOW + left - LIFETIME, **changes}


SHORT = {"b_expires": NOW + HOUR, "b_not_before": NOW - HOUR, "b_rotation": 1}

CASES = [
    Case("NHS301", "does not end", both(), None),
    Case("NHS301", "in force", both(**ending(1)), "pass"),
    Case("NHS301", "ended", both(**ending(0)), "fail", BACKUP, "ends 2026-11-23T03:12:09Z"),
    Case("NHS301", "primary ended", both(p_expires=NOW - DAY), "fail", PRIMARY),
    Case("NHS301", "both ended", both(expires=NOW - DAY), "fail", PAIR),
    Case("NHS301", "primary silent", view(None, backup(expires=NOW)), "fail", BACKUP),
    Case("NHS301", "denied rows do not end", view(primary(), unseen("denied", expires=NOW)), None),
    Case("NHS302", "does not end", both(), None),
    Case("NHS302", "outlives the window", both(**ending(2 * DAY + 1)), "pass"),
    Case("NHS302", "ends inside", both(**ending(2 * DAY)), "fail", BACKUP),
    Case("NHS302", "primary ends inside", both(p_expires=NOW + DAY), "fail", PRIMARY),
    Case("NHS302", "both end inside", both(expires=NOW + DAY), "fail", PAIR),
    Case("NHS302", "ended is NHS301's", both(**ending(0)), None),
    Case("NHS302", "one ended, one fine", both(**ending(0), p_expires=NOW + 90 * DAY), "pass"),
    Case("NHS302", "short-lived and renewed", both(**SHORT), "pass"),
    Case("NHS302", "short-lived, schedule off", both(**{**SHORT, "b_rotation": 0}), "fail", BACKUP),
    Case("NHS302", "short-lived, schedule not known", both(**{**SHORT, "b_rotation": None}), "fail", BACKUP),
    Case("NHS303", "does not end", both(), None),
    Case("NHS303", "planned deletion is NHS104's", both(**ending(5 * DAY), b_state="deactivated"), "pass"),
    Case("NHS303", "more than a sixth left", both(**ending(10 * DAY + 1)), "pass"),
    Case("NHS303", "a sixth left", both(**ending(10 * DAY)), "fail", BACKUP, "lifetime of 60d"),
    Case("NHS303", "primary's a sixth", both(p_expires=NOW + 10 * DAY, p_not_before=NOW - 50 * DAY), "fail", PRIMARY),
    Case("NHS303", "inside the window is NHS302's", both(**ending(2 * DAY)), None),
    Case("NHS303", "ended is NHS301's", both(**ending(0)), None),
    Case(
        "NHS303", "lifetime from the rotation", both(b_expires=NOW + 10 * DAY, b_rotated=NOW - 50 * DAY), "fail", BACKUP
    ),
    Case(
        "NHS303",
        "lifetime from creation",
        both(b_expires=NOW + 10 * DAY, b_rotated=None, b_created=NOW - 50 * DAY),
        "fail",
        BACKUP,
    ),
    Case("NHS303", "no beginning", both(b_expires=NOW + 9 * DAY, b_rotated=None, b_created=None), "unknown", BACKUP),
    Case("NHS303", "ends before it begins", both(b_expires=NOW + 9 * DAY, b_rotated=NOW + 10 * DAY), "unknown", BACKUP),
    Case("NHS303", "short-lived and renewed", both(**SHORT), "pass"),
    Case("NHS304", "does not end", both(), None),
    Case("NHS304", "more than a third left", both(**ending(20 * DAY + 1)), "pass"),
    Case("NHS304", "a third left", both(**ending(20 * DAY)), "fail", BACKUP),
    Case("NHS304", "primary's a third", both(p_expires=NOW + 20 * DAY, p_not_before=NOW - 40 * DAY), "fail", PRIMARY),
    Case("NHS304", "a sixth is NHS303's", both(**ending(10 * DAY)), None),
    Case("NHS304", "no beginning is NHS303's", both(b_expires=NOW + 9 * DAY, b_rotated=None, b_created=None), None),
    Case("NHS305", "nothing announced", both(), None),
    Case("NHS305", "to come", both(next_rotation=NOW + 1), "pass"),
    Case("NHS305", "within the tick", both(next_rotation=NOW - 59, observed=NOW), "pass"),
    Case("NHS305", "missed", both(b_next_rotation=NOW - 60, observed=NOW), "fail", BACKUP, "announced for"),
    Case("NHS305", "primary missed", both(p_next_rotation=NOW - DAY), "fail", PRIMARY),
    Case("NHS305", "both missed", both(next_rotation=NOW - DAY), "fail", PAIR),
    Case("NHS305", "schedule off is NHS206's", both(next_rotation=NOW - DAY, rotation=0), None),
    Case("NHS305", "not looked since", both(next_rotation=NOW - 60, observed=NOW - 1), "pass"),
    Case("NHS306", "no beginning, no states", both(state=None), None),
    Case("NHS306", "begun", both(b_not_before=NOW), "pass"),
    Case("NHS306", "to come", both(b_not_before=NOW + 1), "fail", BACKUP, "begins 2026-11-23T03:12:10Z"),
    Case("NHS306", "primary to come", both(p_not_before=NOW + 1), "fail", PRIMARY),
    Case("NHS306", "both to come", both(not_before=NOW + 1), "fail", PAIR),
    Case("NHS306", "provider says pre-activation", both(b_state="pre-activation"), "fail", BACKUP, "pre-activation"),
    Case("NHS306", "active without beginning", both(), "pass"),
    Case("NHS306", "only the backup knows states", both(p_state=None), "pass"),
    Case("NHS306", "only the primary knows states", both(b_state=None), "pass"),
]


@pytest.mark.requirement("R18", "R13", "R48")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_expiry_rules(case: Case) -> None:
    """NHS301 to NHS306 answer as the table says; short-lived credentials are judged by their renewal."""
    case.hold()


@pytest.mark.parametrize(
    ("code", "instant", "before"),
    [
        ("NHS301", NOW + LIFETIME, State.PASS),
        ("NHS302", NOW + LIFETIME - 2 * DAY, State.PASS),
        ("NHS303", NOW + LIFETIME - 10 * DAY, State.PASS),
        ("NHS304", NOW + LIFETIME - 20 * DAY, State.PASS),
    ],
)
def test_grades_change_to_the_second(code: str, instant: int, before: State) -> None:
    """Each grade begins in its own second; the earliest coming change is the one that `recheck` announces."""
    rows = {"b_not_before": NOW, "b_expires": NOW + LIFETIME}
    changes_at(code, lambda now: both(now=now, **rows), instant, before=before, after=State.FAIL)


@pytest.mark.parametrize(
    ("code", "left", "expected"),
    [
        ("NHS301", 0, "in force"),
        ("NHS302", DAY, "valid for 2d and longer"),
        ("NHS303", 9 * DAY, "more than 16.7 % of its lifetime left"),
        ("NHS304", 19 * DAY, "more than 33.3 % of its lifetime left"),
    ],
)
def test_grades_say_what_policy_wants(code: str, left: int, expected: str) -> None:
    """Each grade names its own limit."""
    told = ask(code, both(**ending(left)))
    assert told is not None
    assert told.expected == expected


def test_validity_begins_to_the_second() -> None:
    """A credential is valid from the very second in which its validity begins."""
    changes_at("NHS306", lambda now: both(now=now, b_not_before=NOW), NOW, before=State.FAIL, after=State.PASS)


@pytest.mark.requirement("R18")
@given(
    st.integers(-90 * DAY, 90 * DAY),
    st.one_of(st.none(), st.integers(-90 * DAY, 90 * DAY)),
    st.one_of(st.none(), st.integers(-90 * DAY, 90 * DAY)),
    st.sampled_from([None, 0, 1]),
    st.sampled_from(["p_", "b_"]),
)
def test_one_grade_per_side(end: int, start: int | None, rotated: int | None, rotation: int | None, side: str) -> None:
    """A credential that ends has at most one of NHS301 to NHS304, the worst; after its end it is NHS301."""
    rows = {"expires": NOW + end, "rotation": rotation, "created": None}
    rows["not_before"] = None if start is None else NOW + start
    rows["rotated"] = None if rotated is None else NOW + rotated
    asked = both(**{side + name: value for name, value in rows.items()})
    failing = [code for code in GRADES if (o := ask(code, asked)) is not None and o.state is State.FAIL]
    assert len(failing) <= 1
    if end <= 0:
        assert failing == ["NHS301"]
    elif end <= 2 * DAY and rotation != 1:
        assert failing == ["NHS302"]
