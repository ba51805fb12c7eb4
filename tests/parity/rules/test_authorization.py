"""Family 5: the backup's identity may do what the primary's may, and no more."""

from dataclasses import replace
from typing import Any

import pytest

from nhisync.model import BOUNDARY, HELD, TRUST, TTL, Effect, Limit, Right, Side, State, Syntax
from nhisync.parity.rights import Rights, render, unread
from nhisync.parity.rule import PairView
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN
from nhisync.policy.tier import Authorization

from .builders import HOUR, NOW, Case, ask, backup, both, changes_at, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
ASKING = thresholds_of(
    replace(
        BUILTIN["critical"],
        authorization=Authorization(compare=True, max_age=BUILTIN["critical"].evidence.inventory_max_age),
    )
)


def allow(actions: str, resource: str = "*", *, layer: str = HELD, **more: Any) -> Right:
    """One statement that allows; actions are words."""
    return Right(Effect.ALLOW, tuple(actions.split()), (resource,), layer=layer, **more)


def deny(actions: str, resource: str = "*") -> Right:
    """One statement that denies."""
    return Right(Effect.DENY, tuple(actions.split()), (resource,))


def doc(*rights: Right, **more: Any) -> str:
    """A document of these rights, read just now."""
    base = Rights(at=NOW - 10, scheme="aws", syntax=Syntax.GLOB, rights=rights)
    return render(base._replace(**more))


def asked(p: str | None, b: str | None, now: int = NOW) -> PairView:
    """A pair with these rights, in a tier that compares them."""
    return view(primary(grants=p), backup(grants=b), now=now, thresholds=ASKING)


GET = allow("s3:GetObject", "arn:aws:s3:::pay/*")
WEST = (("bucket", "pay-west"),)
NORTH = (("bucket", "pay-north"),)
NONE = unread(NOW - 10, "unsupported", "the kind kv holds no rights")
DENIED = unread(NOW - 10, "denied", "may not read policies")

CASES = [
    Case("NHS501", "not asked", both(grants=doc(GET)), None),
    Case("NHS501", "equal", asked(doc(GET), doc(GET)), "pass"),
    Case("NHS501", "none", asked(doc(GET), doc()), "fail", BACKUP, "lacks s3:GetObject on arn:aws:s3:::pay/*"),
    Case("NHS501", "covered by a wildcard", asked(doc(GET), doc(allow("s3:*"))), "pass"),
    Case("NHS501", "part", asked(doc(allow("s3:*")), doc(GET)), "fail", BACKUP, "lacks part of s3:* on *"),
    Case("NHS501", "denied", asked(doc(GET), doc(GET, deny("s3:Get*"))), "fail", BACKUP, "(denied there)"),
    Case(
        "NHS501",
        "boundary",
        asked(doc(GET), doc(GET, allow("sqs:*", layer=BOUNDARY))),
        "fail",
        BACKUP,
        "(outside its boundary)",
    ),
    Case(
        "NHS501",
        "substituted",
        asked(
            doc(allow("s3:GetObject", "arn:aws:s3:::pay-west/*"), names=WEST),
            doc(allow("s3:GetObject", "arn:aws:s3:::pay-north/*"), names=NORTH),
        ),
        "pass",
    ),
    Case(
        "NHS501",
        "the primary's bucket on the backup",
        asked(
            doc(allow("s3:GetObject", "arn:aws:s3:::pay-west/*"), names=WEST),
            doc(allow("s3:GetObject", "arn:aws:s3:::pay-west/*"), names=NORTH),
        ),
        "fail",
        BACKUP,
        "arn:aws:s3:::pay-west/*",
    ),
    Case("NHS501", "trust", asked(doc(allow("sts:AssumeRole", "svc", layer=TRUST)), doc()), "fail", BACKUP, "by svc"),
    Case("NHS501", "not seen", view(primary(grants=doc(GET)), unseen("denied"), thresholds=ASKING), None),
    Case("NHS502", "not asked", both(grants=doc(GET)), None),
    Case("NHS502", "equal", asked(doc(GET), doc(GET)), "pass"),
    Case("NHS502", "more", asked(doc(GET), doc(allow("s3:*"))), "fail", BACKUP, "may also part of s3:* on *"),
    Case(
        "NHS502",
        "all but",
        asked(doc(allow("*", but_actions=("iam:*",))), doc(allow("*", but_actions=("iam:Get*",)))),
        "fail",
        BACKUP,
        "part of * on *",
    ),
    Case("NHS502", "rights unknown", asked(doc(GET), DENIED), None),
    Case("NHS503", "not asked", both(grants=doc(GET)), None),
    Case("NHS503", "equal", asked(doc(GET), doc(GET)), "pass"),
    Case(
        "NHS503",
        "a condition less",
        asked(doc(replace(GET, conditions=("Bool aws:MultiFactorAuthPresent=true",))), doc(GET)),
        "fail",
        PAIR,
        "primary Bool aws:MultiFactorAuthPresent=true, backup always",
    ),
    Case(
        "NHS503",
        "a longer session",
        asked(doc(GET, limits=(Limit(TTL, "3600"),)), doc(GET, limits=(Limit(TTL, "43200"),))),
        "fail",
        PAIR,
        "ttl: primary 3600, backup 43200",
    ),
    Case(
        "NHS503",
        "endless",
        asked(doc(GET, limits=(Limit(TTL, "3600"),)), doc(GET, limits=(Limit(TTL, "0"),))),
        "fail",
        PAIR,
        "backup 0",
    ),
    Case(
        "NHS503",
        "a shorter session",
        asked(doc(GET, limits=(Limit(TTL, "43200"),)), doc(GET, limits=(Limit(TTL, "3600"),))),
        "pass",
    ),
    Case("NHS503", "a network", asked(doc(GET, limits=(Limit("network", "10/8"),)), doc(GET)), "fail", PAIR, "none"),
    Case("NHS504", "not asked", both(grants=DENIED), None),
    Case("NHS504", "known", asked(doc(GET), doc(allow("s3:*"))), "pass"),
    Case("NHS504", "both hold none", asked(NONE, NONE), None),
    Case("NHS504", "one holds none", asked(doc(GET), NONE), "unknown", BACKUP, "the other side's are known"),
    Case("NHS504", "not read", asked(doc(GET), None), "unknown", BACKUP, "were not read"),
    Case("NHS504", "denied", asked(DENIED, doc(GET)), "unknown", PRIMARY, "may not read policies"),
    Case("NHS504", "incomplete", asked(doc(GET, gaps=("policy x",)), doc(GET)), "unknown", PRIMARY, "policy x"),
    Case("NHS504", "other words", asked(doc(GET), doc(GET, scheme="vault")), "unknown", PAIR, "cannot be compared"),
    Case("NHS504", "dated ahead", asked(doc(GET, at=NOW + 60), doc(GET)), "unknown", PRIMARY, "compare the clocks"),
    Case("NHS504", "unreadable", asked(doc(GET), "[]"), "unknown", PAIR, "cannot be read"),
    Case(
        "NHS504",
        "a variable",
        asked(doc(allow("s3:*", "home/${aws:username}")), doc(allow("s3:*", "home/svc"))),
        "unknown",
        PAIR,
        "known to the provider alone",
    ),
    Case(
        "NHS504",
        "too many",
        asked(doc(*(allow(f"a:{i}", "x") for i in range(2001))), doc()),
        "unknown",
        PRIMARY,
        "too many",
    ),
]


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case: Case) -> None:
    """Each line of the table holds."""
    case.hold()


@pytest.mark.requirement("R5")
@pytest.mark.parametrize(("late", "age"), [("b", 90), ("p", 12 * HOUR)])
def test_rights_age_to_the_second(late: str, age: int) -> None:
    """What is known of the rights ends in the very second in which it is too old, and `recheck` announces that."""
    fresh = NOW + 30 * 24 * HOUR
    ages = {"p": fresh, "b": fresh, late: NOW}

    def made(now: int) -> PairView:
        return asked(doc(GET, at=min(ages["p"], now)), doc(GET, at=min(ages["b"], now)), now)

    changes_at("NHS504", made, NOW + age, before=State.PASS, after=State.UNKNOWN)


def test_the_fix_is_in_the_backups_words() -> None:
    """What is expected names the backup's own bucket."""
    outcome = ask(
        "NHS501",
        asked(
            doc(allow("s3:GetObject", "arn:aws:s3:::pay-west/*"), names=WEST),
            doc(names=NORTH),
        ),
    )
    assert outcome is not None
    assert outcome.expected == "allows s3:GetObject on arn:aws:s3:::pay-north/*"
