"""Family 2: the backup's generation follows the primary's, and each side's own lifecycle runs."""

import pytest

from nhisync.model import Side, State

from .builders import (
    DAY,
    FAR,
    HOUR,
    NOW,
    Case,
    ask,
    backup,
    both,
    changes_at,
    primary,
    unseen,
    view,
)

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
LONG_AGO = NOW - 30 * DAY


def certificates(primary_start: int, backup_start: int, lifetime: int = 90 * DAY, **changes: object) -> object:
    """Two certificates with these starts of validity."""
    return both(
        p_not_before=primary_start,
        p_expires=primary_start + lifetime,
        b_not_before=backup_start,
        b_expires=backup_start + lifetime,
        **changes,
    )


LOCKSTEP = [
    Case("NHS201", "equal generations", both(), "pass"),
    Case("NHS201", "lag of exactly max_lag", both(p_rotated=LONG_AGO + DAY, b_rotated=LONG_AGO), "pass"),
    Case(
        "NHS201",
        "a second beyond max_lag",
        both(p_rotated=LONG_AGO + DAY + 1, b_rotated=LONG_AGO),
        "fail",
        BACKUP,
        "2026-10-24T03:12:09Z",
    ),
    Case("NHS201", "backup ahead", both(p_rotated=LONG_AGO, b_rotated=NOW - DAY), "pass"),
    Case("NHS201", "within the grace", both(p_rotated=NOW - DAY + 1, b_rotated=LONG_AGO), "pass"),
    Case("NHS201", "grace over", both(p_rotated=NOW - DAY, b_rotated=LONG_AGO), "fail", BACKUP, "29d"),
    Case("NHS201", "creation counts", both(p_rotated=NOW - 2 * DAY, b_rotated=None), "fail", BACKUP),
    Case("NHS201", "backup has no time", both(b_rotated=None, b_created=None), "unknown", BACKUP),
    Case("NHS201", "primary has no time", both(p_rotated=None, p_created=None), "unknown", PRIMARY),
    Case("NHS201", "no time at all", both(rotated=None, created=None), "unknown", PAIR),
    Case("NHS201", "backup not seen", view(primary(), unseen("denied")), None),
    Case("NHS201", "no row", view(primary(), None, missing_backup="absent"), None),
    Case(
        "NHS201",
        "shared pairs are asked too",
        view(primary(), backup(rotated=LONG_AGO), shared_until=FAR),
        "fail",
        BACKUP,
    ),
    Case("NHS201", "certificate before its renewal point", certificates(NOW - 2 * DAY, NOW - 62 * DAY), "pass"),
    Case("NHS201", "certificate at its renewal point", certificates(NOW - DAY, NOW - 61 * DAY), "pass"),
    Case("NHS201", "certificate beyond it", certificates(NOW - DAY, NOW - 61 * DAY - 1), "fail", BACKUP, "60d"),
    Case("NHS201", "short-lived certificate", certificates(NOW - DAY, NOW - 2 * DAY, lifetime=HOUR), "pass"),
    Case(
        "NHS201",
        "a start of validity alone is no certificate",
        both(p_rotated=NOW - 2 * DAY, b_rotated=LONG_AGO, b_not_before=NOW - 2 * DAY),
        "fail",
        BACKUP,
    ),
    Case("NHS202", "equal generations", both(), "pass"),
    Case("NHS202", "lag of exactly max_lag", both(b_rotated=LONG_AGO + DAY, p_rotated=LONG_AGO), "pass"),
    Case("NHS202", "primary behind", both(b_rotated=LONG_AGO + DAY + 1, p_rotated=LONG_AGO), "fail", PRIMARY),
    Case("NHS202", "within the grace", both(b_rotated=NOW - DAY + 1, p_rotated=LONG_AGO), "pass"),
    Case("NHS202", "backup behind", both(b_rotated=LONG_AGO, p_rotated=NOW - DAY), "pass"),
    Case("NHS202", "no time is NHS201's", both(b_rotated=None, b_created=None), None),
    Case("NHS202", "no row", view(primary(), None, missing_backup="absent"), None),
    Case("NHS202", "primary not seen", view(unseen("unreachable"), backup()), None),
    Case("NHS203", "no interval", both(), None),
    Case("NHS203", "nonsense interval", both(interval=0), None),
    Case("NHS203", "two cycles", both(p_interval=HOUR, p_rotated=NOW, b_rotated=NOW - 3 * HOUR + 1), "pass"),
    Case(
        "NHS203", "three cycles", both(p_interval=HOUR, p_rotated=NOW, b_rotated=NOW - 3 * HOUR), "fail", BACKUP, "3 "
    ),
    Case("NHS203", "the backup's interval counts", both(b_interval=HOUR, p_rotated=NOW), "fail", BACKUP),
    Case("NHS203", "the primary's interval wins", both(p_interval=90 * DAY, b_interval=1, p_rotated=NOW), "pass"),
    Case("NHS203", "backup ahead", both(interval=HOUR, b_rotated=NOW), "pass"),
    Case("NHS203", "no time is NHS201's", both(interval=HOUR, rotated=None, created=None), None),
    Case("NHS203", "backup not seen", view(primary(interval=HOUR), unseen("denied")), None),
]

SCHEDULED = {"rotation": 1, "interval": 10 * DAY}

LIFECYCLE = [
    Case("NHS204", "no schedule", both(), None),
    Case("NHS204", "schedule off", both(rotation=0, interval=DAY), None),
    Case("NHS204", "on time", both(**SCHEDULED), "pass"),
    Case("NHS204", "late within the share", both(**SCHEDULED, rotated=NOW - 11 * DAY + 1, observed=NOW), "pass"),
    Case("NHS204", "overdue", both(**SCHEDULED, b_rotated=NOW - 11 * DAY, b_observed=NOW), "fail", BACKUP, "every 10d"),
    Case("NHS204", "primary overdue", both(**SCHEDULED, p_rotated=NOW - 12 * DAY), "fail", PRIMARY),
    Case("NHS204", "both overdue", both(**SCHEDULED, rotated=NOW - 12 * DAY), "fail", PAIR),
    Case("NHS204", "not looked since", both(**SCHEDULED, rotated=NOW - 11 * DAY, observed=NOW - 1), "pass"),
    Case("NHS204", "never rotated", both(**SCHEDULED, rotated=None), "fail", PAIR),
    Case("NHS204", "time unknown is NHS201's", both(**SCHEDULED, rotated=None, created=None), "pass"),
    Case("NHS204", "nonsense interval", both(rotation=1, interval=0), "pass"),
    Case("NHS204", "schedule without interval", both(rotation=1, rotated=LONG_AGO), "pass"),
    Case("NHS204", "primary silent", view(None, backup(**SCHEDULED, rotated=LONG_AGO)), "fail", BACKUP),
    Case("NHS205", "no rotation facts", both(), None),
    Case("NHS205", "nothing pending", both(rotation=1), "pass"),
    Case("NHS205", "pending within the limit", both(b_pending=NOW - 6 * HOUR + 1, observed=NOW), "pass"),
    Case("NHS205", "stuck", both(b_pending=NOW - 6 * HOUR, observed=NOW), "fail", BACKUP, "unfinished"),
    Case("NHS205", "primary stuck", both(p_pending=LONG_AGO), "fail", PRIMARY),
    Case("NHS205", "both stuck", both(pending=LONG_AGO), "fail", PAIR),
    Case("NHS205", "not looked since", both(b_pending=NOW - 6 * HOUR, observed=NOW - 1), "pass"),
    Case("NHS205", "primary silent", view(unseen("denied"), backup(pending=LONG_AGO)), "fail", BACKUP),
    Case("NHS206", "no schedule", both(), None),
    Case("NHS206", "off without interval", both(rotation=0), None),
    Case("NHS206", "interval, state not known", both(interval=DAY), None),
    Case("NHS206", "only the backup has one", both(b_rotation=0, b_interval=DAY), "fail", BACKUP),
    Case("NHS206", "only the primary has one", both(p_rotation=1, p_interval=DAY), "pass"),
    Case("NHS206", "schedules run", both(rotation=1, interval=DAY), "pass"),
    Case("NHS206", "backup's off", both(interval=DAY, p_rotation=1, b_rotation=0), "fail", BACKUP, "every 24h"),
    Case("NHS206", "primary's off", both(interval=DAY, p_rotation=0, b_rotation=1), "fail", PRIMARY),
    Case("NHS206", "both off", both(interval=DAY, rotation=0), "fail", PAIR),
    Case("NHS207", "rotated", both(), None),
    Case("NHS207", "young", both(rotated=None, created=NOW - 90 * DAY + 1), "pass"),
    Case("NHS207", "old", both(b_rotated=None, b_created=NOW - 90 * DAY), "fail", BACKUP, "created 2026-08-25"),
    Case("NHS207", "primary old", both(p_rotated=None, p_created=NOW - 91 * DAY), "fail", PRIMARY),
    Case("NHS207", "both old", both(rotated=None, created=NOW - 91 * DAY), "fail", PAIR),
    Case("NHS207", "creation not known", both(rotated=None, created=None), None),
    Case("NHS207", "certificates end", both(rotated=None, created=0, not_before=0, expires=NOW + DAY), None),
    Case("NHS207", "an end alone is no certificate", both(rotated=None, created=0, expires=NOW + DAY), "fail", PAIR),
    Case("NHS208", "young", both(rotated=NOW - 90 * DAY + 1), "pass"),
    Case("NHS208", "old", both(b_rotated=NOW - 90 * DAY), "fail", BACKUP, "last rotated 2026-08-25"),
    Case("NHS208", "primary old", both(p_rotated=NOW - 91 * DAY), "fail", PRIMARY),
    Case("NHS208", "both old", both(rotated=NOW - 91 * DAY), "fail", PAIR),
    Case("NHS208", "never rotated", both(rotated=None), None),
    Case("NHS208", "certificates end", both(rotated=0, not_before=0, expires=NOW + DAY), None),
    Case("NHS208", "primary silent", view(None, backup(rotated=0)), "fail", BACKUP),
]

CASES = [*LOCKSTEP, *LIFECYCLE]


@pytest.mark.requirement("R29", "R18", "R25", "R53")
@pytest.mark.parametrize("case", LOCKSTEP, ids=str)
def test_lockstep_rules(case: Case) -> None:
    """NHS201 to NHS203 answer as the table says; a generation without a time is unknown, never in step."""
    case.hold()


@pytest.mark.requirement("R41", "R12")
@pytest.mark.parametrize("case", LIFECYCLE, ids=str)
def test_lifecycle_rules(case: Case) -> None:
    """NHS204 to NHS208 answer as the table says."""
    case.hold()


@pytest.mark.requirement("R29")
@pytest.mark.parametrize(
    ("code", "changes"),
    [("NHS201", {"b_rotated": LONG_AGO}), ("NHS202", {"b_rotated": NOW, "p_rotated": LONG_AGO})],
)
def test_grace_ends_to_the_second(code: str, changes: dict[str, int]) -> None:
    """A lag fails in the very second in which the grace after the leading rotation ends, and `recheck` says so."""
    leading = changes.get("b_rotated", 0) if code == "NHS202" else NOW
    rows = {"p_rotated": NOW, **changes}
    changes_at(code, lambda now: both(now=now, **rows), leading + DAY, before=State.PASS, after=State.FAIL)


@pytest.mark.parametrize("code", ["NHS207", "NHS208"])
def test_age_ends_to_the_second(code: str) -> None:
    """A credential is too old in the very second in which it reaches the greatest age."""
    rows = {"rotated": None, "created": NOW} if code == "NHS207" else {"rotated": NOW}
    changes_at(code, lambda now: both(now=now, **rows), NOW + 90 * DAY, before=State.PASS, after=State.FAIL)


@pytest.mark.requirement("R41")
@pytest.mark.parametrize(
    ("code", "rows", "deadline"),
    [
        ("NHS204", {"rotation": 1, "interval": 10 * DAY, "rotated": NOW}, NOW + 11 * DAY),
        ("NHS205", {"pending": NOW}, NOW + 6 * HOUR),
        ("NHS305", {"next_rotation": NOW}, NOW + 60),
    ],
)
def test_a_missed_deadline_must_have_been_seen(code: str, rows: dict[str, int], deadline: int) -> None:
    """A rotation counts as missed once it was looked for after its deadline; until then the pair is asked every run.

    So neither a rotation between two observations nor a primary that an outage made silent is accused.
    """
    seen = {"observed": deadline, **rows}
    changes_at(code, lambda now: both(now=now, **seen), deadline, before=State.PASS, after=State.FAIL)
    unseen_since = both(now=deadline, observed=deadline - 1, **rows)
    outcome = ask(code, unseen_since)
    assert outcome is not None
    assert outcome.state is State.PASS
    assert unseen_since.recheck == deadline + 1
