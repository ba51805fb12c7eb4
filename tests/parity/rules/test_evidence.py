"""Family 9: what is not known is said, blocks, and is never called missing."""

import pytest

from nhisync.model import Presence, Side, State
from nhisync.parity.findings import step_of_reason
from nhisync.parity.rules import BY_CODE, RULES

from .builders import DAY, HOUR, NOW, Case, ask, backup, both, changes_at, error, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
REFUSED = facts(
    error=error(
        action="secretsmanager:DescribeSecret",
        resource="arn:aws:secretsmanager:eu-north-1:111122223333:secret:payments/fx-feed",
        principal="nhisync-backup",
        reason="no identity-based policy allows it",
    )
)
REASON = {
    "NHS902": "denied",
    "NHS903": "unreachable",
    "NHS904": "ambiguous",
    "NHS908": "throttled",
}


def silent(word: str, code: str) -> list[Case]:
    """The cases that the rules about one word of presence share."""
    return [
        Case(code, "both present", both(), None),
        Case(code, "backup", view(primary(), unseen(word)), "unknown", BACKUP),
        Case(code, "primary", view(unseen(word), backup()), "unknown", PRIMARY),
        Case(code, "both", view(unseen(word), unseen(word)), "unknown", PAIR, "primary: "),
        Case(code, "no row", view(primary(), None, missing_backup=word), "unknown", BACKUP),
        Case(code, "absent is an answer", view(primary(), unseen("absent")), None),
        Case(code, "another word", view(primary(), unseen("unsupported")), None),
        Case(
            code, "with a reason", view(primary(), unseen(word, **facts(error=error()))), "unknown", BACKUP, "1 secret"
        ),
        Case(code, "reason unreadable", view(primary(), unseen(word, detail='{"error":[]x')), "unknown", BACKUP),
    ]


CASES = [
    Case("NHS901", "fresh", both(), "pass"),
    Case("NHS901", "backup within its age", both(b_observed=NOW - 89), "pass"),
    Case("NHS901", "backup too old", both(b_observed=NOW - 90), "unknown", BACKUP, "observed 2026-11-23T03:10:39Z"),
    Case("NHS901", "primary's snapshot is the reference", both(p_observed=NOW - 12 * HOUR + 1), "pass"),
    Case("NHS901", "primary too old", both(p_observed=NOW - 12 * HOUR), "unknown", PRIMARY, "12h"),
    Case("NHS901", "both too old", both(observed=NOW - DAY), "unknown", PAIR),
    Case("NHS901", "an old absence", view(primary(), unseen("absent", observed=NOW - DAY)), "unknown", BACKUP),
    Case("NHS901", "a fresh absence", view(primary(), unseen("absent")), "pass"),
    Case("NHS901", "an old refusal is NHS902's", view(primary(), unseen("denied", observed=0)), "pass"),
    Case("NHS901", "nobody answered", view(unseen("denied"), unseen("denied")), None),
    Case("NHS901", "no row", view(None, None, missing_primary="unknown"), None),
    *silent("denied", "NHS902"),
    *silent("unreachable", "NHS903"),
    *silent("ambiguous", "NHS904"),
    *silent("throttled", "NHS908"),
    Case(
        "NHS902",
        "who lacks what",
        view(primary(), unseen("denied", **REFUSED)),
        "unknown",
        BACKUP,
        "DescribeSecret on arn",
    ),
    Case("NHS905", "both present", both(), None),
    Case("NHS905", "not covered", view(primary(), unseen("unknown")), "unknown", BACKUP),
    Case("NHS905", "unsupported", view(primary(), unseen("unsupported")), "unknown", BACKUP, "cannot answer"),
    Case("NHS905", "a word nobody knows", view(primary(), unseen("vanished")), "unknown", BACKUP),
    Case("NHS905", "no row and no word", view(primary(), None), "unknown", BACKUP),
    Case("NHS905", "no row though present", view(primary(), None, missing_backup="present"), "unknown", BACKUP),
    Case("NHS905", "primary not covered", view(None, backup(), missing_primary="unknown"), "unknown", PRIMARY),
    Case("NHS905", "neither", view(unseen("unknown"), unseen("unsupported")), "unknown", PAIR),
    Case("NHS905", "denied is NHS902's", view(primary(), unseen("denied")), None),
    Case("NHS905", "absent is NHS101's", view(primary(), unseen("absent")), None),
    Case("NHS909", "times that have passed", both(), None),
    Case("NHS909", "backup ahead", view(primary(), backup(), ahead_backup=NOW + DAY), "unknown", BACKUP, "to come"),
    Case("NHS909", "primary ahead", view(primary(), backup(), ahead_primary=NOW + DAY), "unknown", PRIMARY),
    Case("NHS909", "both ahead", view(primary(), backup(), ahead_primary=NOW + DAY, ahead_backup=NOW + 31), "unknown"),
    Case("NHS909", "not both there", view(primary(), unseen("absent"), ahead_primary=NOW + DAY), None),
    Case("NHS906", "a pair says nothing about pairs", both(), None),
    Case("NHS907", "a pair says nothing about sweeps", both(), None),
    Case("NHS910", "a pair says nothing about attestations", both(), None),
    Case("NHS911", "a pair says nothing about attestations", both(), None),
    Case("NHS912", "a pair says nothing about nhisync's own", both(), None),
]


@pytest.mark.requirement("R4", "R5", "R6", "R34")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_evidence_rules(case: Case) -> None:
    """NHS901 to NHS909 answer as the table says: unknown, by cause, never fail."""
    case.hold()


@pytest.mark.requirement("R5")
@pytest.mark.parametrize(("side", "age"), [("b_observed", 90), ("p_observed", 12 * HOUR)])
def test_evidence_ages_to_the_second(side: str, age: int) -> None:
    """Evidence is too old in the very second in which it reaches its age, and `recheck` announces that."""
    rows = {"observed": NOW + 100 * DAY, side: NOW}
    changes_at("NHS901", lambda now: both(now=now, **rows), NOW + age, before=State.PASS, after=State.UNKNOWN)


@pytest.mark.requirement("R34", "R6")
@pytest.mark.parametrize("here", [*Presence, "vanished", ""], ids=str)
@pytest.mark.parametrize("there", [*Presence, "vanished", ""], ids=str)
def test_what_is_not_known_never_passes(here: str, there: str) -> None:
    """A pair passes only when both sides are present; each silent side is named, exactly once."""
    p = primary() if here == Presence.PRESENT else unseen(here)
    b = backup() if there == Presence.PRESENT else unseen(there)
    outcomes = [(rule.info.code, rule.check(view(p, b))) for rule in RULES]
    bad = {code: o for code, o in outcomes if o is not None and o.state is not State.PASS}
    if here == there == Presence.PRESENT:
        assert not bad
        return
    assert bad
    answers = {Presence.PRESENT.value, Presence.ABSENT.value}
    for word, side in ((here, PRIMARY), (there, BACKUP)):
        named = [code for code, o in bad.items() if code >= "NHS9" and o.side in {side, PAIR}]
        assert len(named) == (word not in answers), named
    assert all(o.state is State.UNKNOWN for code, o in bad.items() if code >= "NHS9")


@pytest.mark.requirement("R53")
def test_stale_and_inconsistent_are_different_findings() -> None:
    """Old evidence is NHS901 and says nothing of rotation; a backup left behind is NHS201 on fresh evidence."""
    stale, behind = both(b_observed=0), both(p_rotated=NOW - 2 * DAY, b_rotated=NOW - 30 * DAY)
    states = {code: (ask(code, stale), ask(code, behind)) for code in ("NHS201", "NHS901")}
    assert [o and o.state for o in states["NHS901"]] == [State.UNKNOWN, State.PASS]
    assert [o and o.state for o in states["NHS201"]] == [State.PASS, State.FAIL]
    assert "NHS901" in BY_CODE
    assert BY_CODE["NHS901"].info.block == "STALE"


def test_refusals_name_right_resource_and_principal() -> None:
    """NHS902 tells which right was missing, on what, as whom and why: all that a grant needs."""
    told = ask("NHS902", view(primary(), unseen("denied", **REFUSED)))
    assert told is not None
    assert told.observed == (
        "denied: secretsmanager:DescribeSecret on "
        "arn:aws:secretsmanager:eu-north-1:111122223333:secret:payments/fx-feed as nhisync-backup: "
        "no identity-based policy allows it"
    )


def test_a_credential_of_our_own_that_is_refused_needs_no_grant() -> None:
    """NHS902 says what is wrong: a permission document mends no token that ended; a missing right it does."""
    rule = BY_CODE["NHS902"]
    ended = unseen("denied", **facts(error=error(kind="auth_failed")))
    assert "renew what auth of the source names" in step_of_reason(rule, (backup(), ended))
    assert step_of_reason(rule, (backup(), unseen("denied", **REFUSED))) == ""
