"""Family 8, what a rotation replaced: does the service refuse it now (R17)?

It is presented by the pair's own probe, once per generation until it is refused, and only while the current credential
is let in (`nhisync.parity.proof.previous_due`). Where the probe presents nothing stored there is nothing to refuse.
"""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.proof import ACCEPTED, NOTHING, REFUSED, UNJUDGED, Proof, current, proof_of
from nhisync.parity.row import Row
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import AUTHENTICATION, EVIDENCE
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, when

STILL_GOOD = RuleInfo(
    code="NHS816",
    title="previous credential still accepted",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.EXPOSURE,
    block="ROTATION_DRIFT",
    compared="Whether the service refuses what the last rotation replaced, once live.overlap is over, where the tier "
    "asks (live.previous_refused). The pair's own probe presents the store's previous version. What the primary's "
    "service accepts is told, and keeps no traffic from the backup.",
    hurts="The rotation has not ended: whoever holds the old value still gets in, which is what it was rotated "
    "against, and nobody will think of it during an outage.",
    false_alarm="Both are meant to be good for longer. Set live.overlap to what the rotation declares.",
    remediation={
        "aws": "Retire the old one at its service (an access key: aws iam update-access-key --status Inactive), or let "
        "the rotation function do so; then: nhisync diff --live --app {app}",
        "vault": "Revoke what the previous version of {pair} holds at its service, which deleting the version does not "
        "do; then: nhisync diff --live --app {app}",
        "*": "Revoke the previous credential of {app}/{pair} at the service that accepts it; then: nhisync diff "
        "--live --app {app}",
    },
    policy=("live.overlap", "live.previous_refused"),
    frameworks=AUTHENTICATION,
)


def check_still_good(view: PairView) -> Outcome | None:
    """Fail for each side whose service still accepts the previous credential; None when nobody asks or judged it."""
    if not view.thresholds.previous_refused:
        return None
    b, p = (view.backup, view.primary) if view.present else answered(view)
    outcome = either(fail, _opened(view, b), _opened(view, p), "refused by its service")
    if outcome is not PASS:
        return outcome
    proof = _replaced(view, b)
    return PASS if proof is not None and proof.old == REFUSED else None


UNKNOWN_PREVIOUS = RuleInfo(
    code="NHS817",
    title="previous credential not judged",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.EXPOSURE,
    block="UNKNOWN",
    compared="Whether what the backup's last rotation replaced was presented, and whether anybody judged it, where the "
    "tier asks (live.previous_refused). It is presented only while the current one is let in: a service that refuses "
    "everybody has judged nothing.",
    hurts="Nobody knows whether the old credential is dead: a leak that was answered by rotating may be open.",
    false_alarm="The store keeps no previous version (a file, or one that was destroyed). Waive the pair, or switch "
    "live.previous_refused off in its tier.",
    remediation={
        "*": "Repair what kept the previous credential of {app}/{pair} from being judged; then: nhisync diff --live "
        "--app {app}",
    },
    policy=("live.overlap", "live.previous_refused"),
    frameworks=EVIDENCE,
    fails=False,
)


def check_unknown_previous(view: PairView) -> Outcome | None:
    """Unknown when the backup's previous credential was not judged although the tier asks; None when nobody does."""
    if not view.thresholds.previous_refused:
        return None
    proof = _replaced(view, view.backup)
    if proof is None or not proof.accepted:  # the family's other rules tell that
        return None
    if proof.old in {REFUSED, ACCEPTED}:
        return PASS
    why = clean(proof.old_message) or "nobody has presented it"
    told = f"tried {when(proof.old_at)}: {why}" if proof.old else why
    return unknown(Side.BACKUP, told, "refused by its service")


def _replaced(view: PairView, row: Row | None) -> Proof | None:
    """What is known of the credential that was replaced; None where there is none, or while both may be good."""
    proof = None if row is None or row.presence != PRESENT else proof_of(row)
    if row is None or proof is None or row.rotated is None or proof.old == NOTHING:
        return None
    end = row.rotated + view.thresholds.overlap
    if not view.passed(end):
        return None
    if not current(proof, row) or not view.passed(proof.old_at - FUTURE_TOLERANCE):
        return proof._replace(old="", old_message="")
    if proof.old == ACCEPTED and proof.old_at < end:  # a longer overlap was agreed since, and nobody has asked again
        return proof._replace(old=UNJUDGED, old_message="it was accepted while both might be good")
    return proof


def _opened(view: PairView, row: Row | None) -> str | None:
    """That the service let the previous credential in, once both were no more to be good."""
    proof = _replaced(view, row)
    if proof is None or proof.old != ACCEPTED:
        return None
    return f"accepted {when(proof.old_at)}"


RULES = (
    Rule(STILL_GOOD, check_still_good, ("probe", "presence", "version", "rotated")),
    Rule(UNKNOWN_PREVIOUS, check_unknown_previous, ("backup.probe", "presence", "version", "rotated")),
)
