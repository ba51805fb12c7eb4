"""Family 1: what must stand on the backup before a failover does."""

import pytest

from nhisync.model import Side

from .builders import NOW, Case, ask, backup, both, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
FIELDS = facts(fields=("api_key", "account"))
NO_FIELDS = facts(fields=())

CASES = [
    Case("NHS101", "both present", both(), "pass"),
    Case("NHS101", "backup absent", view(primary(), unseen("absent")), "fail", BACKUP, "aws:secret/payments"),
    Case("NHS101", "absent by coverage", view(primary(), None, missing_backup="absent"), "fail", BACKUP),
    Case("NHS101", "absent, primary silent", view(unseen("unreachable"), unseen("absent")), "fail", BACKUP),
    Case("NHS101", "exists nowhere", view(unseen("absent"), unseen("absent")), "fail", PAIR, "neither"),
    Case("NHS101", "exists nowhere by coverage", view(None, unseen("absent"), missing_primary="absent"), "fail", PAIR),
    Case("NHS101", "orphan is present", view(unseen("absent"), backup()), "pass"),
    Case("NHS101", "backup denied", view(primary(), unseen("denied")), None),
    Case("NHS101", "backup not looked at", view(primary(), None, missing_backup="unknown"), None),
    Case("NHS102", "both present", both(), "pass"),
    Case("NHS102", "primary absent", view(unseen("absent"), backup()), "fail", BACKUP),
    Case("NHS102", "absent by coverage", view(None, backup(), missing_primary="absent"), "fail", BACKUP),
    Case("NHS102", "primary unreachable", view(unseen("unreachable"), backup()), None),
    Case("NHS102", "primary not looked at", view(None, backup(), missing_primary="unknown"), None),
    Case("NHS102", "both absent", view(unseen("absent"), unseen("absent")), None),
    Case("NHS103", "both owned", both(), "pass"),
    Case("NHS103", "backup unowned", both(b_owner=""), "fail", BACKUP),
    Case("NHS103", "primary unowned", both(p_owner=""), "fail", PRIMARY),
    Case("NHS103", "both unowned", both(owner=""), "fail", PAIR, "backup: "),
    Case("NHS103", "only one kind carries owners", both(p_owner=None), "pass"),
    Case("NHS103", "kinds carry none", both(owner=None), None),
    Case("NHS103", "orphan unowned", view(unseen("absent"), backup(owner="")), "fail", BACKUP),
    Case("NHS103", "owner of a denied row says nothing", view(primary(owner=None), unseen("denied", owner="")), None),
    Case("NHS104", "both active", both(), "pass"),
    Case("NHS104", "backup suspended", both(b_state="suspended"), "fail", BACKUP, "suspended"),
    Case("NHS104", "backup deactivated", both(b_state="deactivated"), "fail", BACKUP),
    Case("NHS104", "backup compromised", both(b_state="compromised"), "fail", BACKUP),
    Case("NHS104", "primary destroyed", both(p_state="destroyed"), "fail", PRIMARY),
    Case("NHS104", "both destroyed", both(state="destroyed"), "fail", PAIR),
    Case("NHS104", "primary silent, backup disabled", view(None, backup(state="suspended")), "fail", BACKUP),
    Case("NHS104", "not begun is NHS306's", both(b_state="pre-activation"), "pass"),
    Case("NHS104", "ended is NHS301's", both(b_state="deactivated", b_expires=NOW), "pass"),
    Case("NHS104", "deactivated before its end", both(b_state="deactivated", b_expires=NOW + 1), "fail", BACKUP),
    Case("NHS104", "providers know no states", both(state=None), None),
    Case("NHS105", "no field named", both(**FIELDS), None),
    Case("NHS105", "fields not known", view(primary(), backup(), field_backup="api_key"), None),
    Case("NHS105", "field there", view(primary(), backup(**FIELDS), field_backup="api_key"), "pass"),
    Case("NHS105", "field missing", view(primary(), backup(**FIELDS), field_backup="token"), "fail", BACKUP, "token"),
    Case("NHS105", "empty value", view(primary(), backup(**NO_FIELDS), field_backup="token"), "fail", BACKUP),
    Case("NHS105", "primary lacks it", view(primary(**FIELDS), backup(), field_primary="k"), "fail", PRIMARY),
    Case(
        "NHS105",
        "both lack it",
        view(primary(**FIELDS), backup(**FIELDS), field_primary="k", field_backup="k"),
        "fail",
        PAIR,
    ),
    Case(
        "NHS105",
        "facts unreadable",
        view(primary(), backup(detail='{"fields":3}'), field_backup="k"),
        "unknown",
        PAIR,
    ),
]


@pytest.mark.requirement("R11", "R7", "R45")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_presence_rules(case: Case) -> None:
    """NHS101 to NHS105 answer as the table says; what was not read is never called missing."""
    case.hold()


def test_field_names_of_the_value_are_not_listed() -> None:
    """NHS105 names the wanted field only; the other names belong to the value."""
    told = ask("NHS105", view(primary(), backup(**FIELDS), field_backup="token"))
    assert told is not None
    assert "account" not in told.observed + told.expected
