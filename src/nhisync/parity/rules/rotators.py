"""Family 7, what rotates and issues: the part of it that no provider tells, and what both paths have in common.

The credential that a rotation logs in with (master secret) stands inside of a value or a function's environment, which
nhisync does not read: the pair says where it is (``depends_on``), and that is judged here. What providers tell is
judged by `nhisync.parity.rules.region`; both kinds are compared across the paths.
"""

from typing import Final

from nhisync.model import Consequence, Layer, Lifecycle, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail
from nhisync.parity.rules.controls import SEPARATION
from nhisync.parity.rules.facts import dependencies_of
from nhisync.parity.text import clean, listed

ROTATORS: Final = frozenset({"master-secret", "queue", "rotation-function", "rotation-topic"})
"""Kinds of dependencies that make new generations, each of which is one object with one name."""

REPLICA: Final = Lifecycle.REPLICA.value

_MARKS: Final = tuple(f'"{kind}"' for kind in sorted(ROTATORS))

NEED_BOUND = RuleInfo(
    code="NHS707",
    title="declared dependency bound to primary",
    severity=Severity.ERROR,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.OUTAGE,
    block="REGION_BOUND",
    compared="The fault domains of what the pair says that its backup needs (depends_on: master secret, queue, "
    "rotation function, issuer, identity provider) with the fault domains of the primary path.",
    hurts="The backup's credential works until it must be changed or issued anew: what would do that is gone with the "
    "primary's region, and a leak during the outage cannot be answered by a rotation.",
    false_alarm="It stands in several fault domains. Say fault_domain: everywhere in depends_on.",
    remediation={
        "aws": "Give the rotation a master secret of the backup's region (superuser or masterarn of the secret), a "
        "function and a queue there; then correct depends_on of {app}/{pair}",
        "gcp": "Let a topic and a function of the backup's project and region rotate the secret; then correct "
        "depends_on of {app}/{pair}",
        "*": "Let something in the backup's own fault domain rotate and issue {app}/{pair}; then correct depends_on",
    },
    frameworks=SEPARATION,
)


def check_need_bound(view: PairView) -> Outcome | None:
    """Fail when the backup needs something that fails with the primary; None when the pair does not say what it needs.

    What the configuration says is true whether or not the item was seen.
    """
    mine = [need for need in view.needs if need.side is Side.BACKUP]
    if not mine or not view.primary_domains:
        return None
    found = [f"{_told(n.kind, n.name)} in {clean(n.domain, 40)}" for n in mine if n.domain in view.primary_domains]
    return fail(Side.BACKUP, f"needs {listed(found)}", "dependencies in its own fault domain") if found else PASS


ONE_ROTATOR = RuleInfo(
    code="NHS708",
    title="one rotator for both paths",
    severity=Severity.WARNING,
    layer=Layer.DEPENDENCIES,
    consequence=Consequence.INCONSISTENCY,
    block="REGION_BOUND",
    compared="Whether one and the same master secret, queue, topic or function rotates the primary's credential and "
    "the backup's, by what the providers tell and what the pair says (depends_on).",
    hurts="Whoever loses or leaks it, or locks its account, stops the rotation of both paths at once; a failed run can "
    "break both credentials in one go.",
    false_alarm="One database serves both paths, and one account of it makes their logins. Declare the pair shared, "
    "with owner and end, or lower the rule in the tier.",
    remediation={
        "aws": "Give the backup's secret a rotation function and a master secret of its own: aws secretsmanager "
        "rotate-secret --rotation-lambda-arn …",
        "gcp": "Name a topic of the backup's own project: gcloud secrets update … --add-topics …",
        "vault": "Give the backup's connection a login of its own at its database: vault write database/config/… "
        "username=…, then vault write -f database/rotate-root/…",
        "*": "Let something of the backup's own rotate the backup's half of {app}/{pair}",
    },
    frameworks=SEPARATION,
)


def check_one_rotator(view: PairView) -> Outcome | None:
    """Fail when one thing rotates both sides; None when nothing is known to rotate one of them.

    A replica has no rotator of its own in the first place (NHS403).
    """
    p, b = view.primary, view.backup
    if not view.present or p is None or b is None or REPLICA in (p.lifecycle, b.lifecycle):
        return None
    there = _rotators(view, b, Side.BACKUP)
    here = _rotators(view, p, Side.PRIMARY) if there else frozenset()
    if not here:
        return None
    common = sorted(_told(kind, name) for kind, name in here & there)
    if view.shared or not common:
        return PASS
    return fail(Side.PAIR, f"both are rotated by {listed(common)}", "a rotator of its own on each path")


def _rotators(view: PairView, row: Row, side: Side) -> frozenset[tuple[str, str]]:
    """Kind and name of what makes new generations of one side."""
    said = {(need.kind, need.name) for need in view.needs if need.side is side and need.kind in ROTATORS}
    if row.detail is None or not any(map(row.detail.__contains__, _MARKS)):
        return frozenset(said)
    return frozenset(said | {(one.kind, one.id) for one in dependencies_of(row) if one.kind in ROTATORS and one.id})


def _told(kind: str, name: str) -> str:
    return clean(f"{kind} {name}", 120)


RULES = (Rule(NEED_BOUND, check_need_bound), Rule(ONE_ROTATOR, check_one_rotator, ("detail", "lifecycle")))
