"""A rotation time that is only an upper bound never makes a credential look fresh (ADR 28)."""

import pytest

from nhisync.model import Item, Locator, Moment, Precision, Side
from nhisync.parity.row import instant, row_of
from nhisync.testing.rows import row

from .builders import DAY, HOUR, NOW, PRIMARY_DOMAIN, Case, both, facts

BACKUP, PRIMARY = Side.BACKUP, Side.PRIMARY
WRITTEN = facts(rotated=Moment(instant(NOW), Precision.UPPER_BOUND))["detail"]
EARLIEST = facts(rotated=Moment(instant(NOW), Precision.LOWER_BOUND))["detail"]
OLD, NEW = NOW - 300 * DAY, NOW - 2 * DAY

CASES = [
    Case(
        "NHS201",
        "backup written after the primary's rotation",
        both(p_rotated=NEW, b_created=OLD, b_rotated=NOW - DAY, b_detail=WRITTEN),
        "unknown",
        BACKUP,
        "may be older",
    ),
    Case(
        "NHS201",
        "no creation time either",
        both(p_rotated=NEW, b_created=None, b_rotated=NOW, b_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS201",
        "created within the lag",
        both(p_rotated=NEW, b_created=NEW - DAY, b_rotated=NOW, b_detail=WRITTEN),
        "pass",
    ),
    Case(
        "NHS201",
        "created a second before the lag",
        both(p_rotated=NEW, b_created=NEW - DAY - 1, b_rotated=NOW, b_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS201",
        "within the grace nothing is asked",
        both(p_rotated=NOW - HOUR, b_created=OLD, b_rotated=NOW, b_detail=WRITTEN),
        "pass",
    ),
    Case(
        "NHS201",
        "even the bound lags",
        both(p_rotated=NEW, b_created=OLD, b_rotated=OLD + DAY, b_detail=WRITTEN),
        "fail",
        BACKUP,
    ),
    Case(
        "NHS201",
        "a lower bound is the safe side",
        both(p_rotated=NEW, b_created=OLD, b_rotated=NOW - DAY, b_detail=EARLIEST),
        "pass",
    ),
    Case(
        "NHS201",
        "a primary that is touched all the time has no endless grace",
        both(b_rotated=NOW - 200 * DAY, p_created=OLD, p_rotated=NOW - 60, p_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS201",
        "a primary in its grace whenever it was rotated",
        both(b_rotated=NOW - 12 * HOUR, p_created=OLD, p_rotated=NOW - 60 + DAY, p_detail=WRITTEN, now=NOW + DAY),
        "pass",
    ),
    Case(
        "NHS202",
        "primary written after the backup's rotation",
        both(b_rotated=NEW, p_created=OLD, p_rotated=NOW - DAY, p_detail=WRITTEN),
        "unknown",
        PRIMARY,
    ),
    Case(
        "NHS203",
        "cycles since creation",
        both(interval=HOUR, p_rotated=NEW, b_created=NEW - 9 * HOUR, b_rotated=NEW, b_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS203",
        "created in the same cycle",
        both(interval=HOUR, p_rotated=NEW, b_created=NEW - 60, b_rotated=NEW, b_detail=WRITTEN),
        "pass",
    ),
    Case(
        "NHS204",
        "a write is no rotation of the schedule",
        both(rotation=1, interval=DAY, rotated=NOW - HOUR, b_created=OLD, b_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS204",
        "created within the interval",
        both(rotation=1, interval=DAY, rotated=NOW - HOUR, b_created=NOW - 2 * HOUR, b_detail=WRITTEN),
        "pass",
    ),
    Case(
        "NHS208",
        "written lately, created long ago",
        both(rotated=NEW, b_created=OLD, b_detail=WRITTEN),
        "unknown",
        BACKUP,
    ),
    Case("NHS208", "created lately", both(rotated=NEW, b_created=NEW - DAY, b_detail=WRITTEN), "pass"),
    Case(
        "NHS208",
        "a fail of the other side stays",
        both(p_created=OLD, p_rotated=OLD, b_rotated=NEW, b_created=OLD, b_detail=WRITTEN),
        "fail",
        PRIMARY,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_upper_bound_is_never_fresh(case: Case) -> None:
    """Where only the last write is known, a pass needs the creation to prove it; otherwise the answer is unknown."""
    case.hold()


def test_a_lifetime_is_not_measured_from_a_mere_write() -> None:
    """A key that ends in ten days and was touched an hour ago is not at the beginning of a lifetime of ten days."""
    ends = NOW + 10 * DAY
    touched = both(b_not_before=None, b_rotated=NOW - HOUR, b_created=NOW - 355 * DAY, b_expires=ends, b_detail=WRITTEN)
    Case("NHS303", "touched", touched, "fail", BACKUP).hold()


def test_the_row_carries_the_bound() -> None:
    """The row of an upper bound differs from that of an exact time, in its digest as well: findings follow it."""
    where = Locator.parse("k:secret/a/b")
    made = [
        row_of(
            Item(locator=where, observed_at=instant(NOW), rotated=Moment(instant(NEW), precision)),
            key="a/b",
            domain=PRIMARY_DOMAIN,
        )
        for precision in Precision
    ]
    assert len({one.digest for one in made}) == 2
    assert row().detail is None


def test_no_attribute_poses_as_the_bound() -> None:
    """A provider's display text cannot contain what marks a bound."""
    posing = facts(attributes=(("rotated_at_latest", "true"), ("x", '"rotated_at_latest":true')))["detail"]
    view = both(p_rotated=NEW, b_created=OLD, b_rotated=NOW - DAY, b_detail=posing)
    Case("NHS201", "posing", view, "pass").hold()
