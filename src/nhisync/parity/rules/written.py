"""Family 8, what a probe's own script wrote: is it undone (R22)?

A probe never changes anything it does not undo. Where that failed, the thing lies at the service until somebody saw it
gone: no rotation ends the finding, the next probe's undo does.
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.proof import UNDONE, left_of, proof_of
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import AUTHENTICATION, EVIDENCE
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, when

LEFT_BEHIND = RuleInfo(
    code="NHS818",
    title="probe's change not undone",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.INCONSISTENCY,
    block="AUTH_FAILED",
    compared="Whether what the script of a probe changed at the service is undone: after the undo the script looks "
    "(`undone`), and the service says that the change is there still.",
    hurts="Something that no customer ordered stays among the data of that side, and the backup can write what it "
    "cannot take back.",
    false_alarm="The service deletes later than it says. Let `undone` expect what it answers right after the undo.",
    remediation={
        "*": "Take back what the finding names at the service (its log has the run in the header X-Nhisync-Run), or "
        "repair what refuses the undo; the next probe tries it first: nhisync diff --live --app {app}. An edited "
        "probe of {app}/{pair} begins anew and forgets it",
    },
    frameworks=AUTHENTICATION,
)


def check_left_behind(view: PairView) -> Outcome | None:
    """Fail for each side where a change is known to be there still; None when no script was run on the backup."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    outcome = either(fail, _left(b, sure=True), _left(p, sure=True), "undone")
    return outcome if outcome is not PASS else _clean(b)


LOST = RuleInfo(
    code="NHS819",
    title="probe's undo not seen",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.INCONSISTENCY,
    block="UNKNOWN",
    compared="Whether somebody saw that what the script of a probe changed is undone. The service did not answer, or "
    "the process that runs the script was ended between the change and its undo.",
    hurts="Something that no customer ordered may lie among the data of that side, and nobody would look for it.",
    false_alarm="It is gone and nothing told so. Where its undo needs the run's id alone, the next probe sees that.",
    remediation={
        "*": "Let the next probe undo and look: nhisync diff --live --app {app}. If its undo needs what only an answer "
        "told, look for the run in the service's log (header X-Nhisync-Run), take the change back by hand, and edit "
        "the probe of {app}/{pair} so that the run's id finds it",
    },
    frameworks=EVIDENCE,
    fails=False,
)


def check_lost(view: PairView) -> Outcome | None:
    """Unknown for each side where nobody knows whether a change is undone; None when no script was run."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    outcome = either(unknown, _left(b, sure=False), _left(p, sure=False), "seen undone")
    return outcome if outcome is not PASS else _clean(b)


def _left(row: Row | None, *, sure: bool) -> str | None:
    left = left_of(proof_of(row)) if row is not None and row.presence == PRESENT else None
    if left is None or left.sure is not sure:
        return None
    return f"{clean(left.told, 300)} ({when(left.at)})"


def _clean(row: Row | None) -> Outcome | None:
    """PASS where a script was run and all is undone."""
    proof = proof_of(row)
    return PASS if proof is not None and proof.left == UNDONE else None


RULES = (
    Rule(LEFT_BEHIND, check_left_behind, ("probe", "presence")),
    Rule(LOST, check_lost, ("probe", "presence")),
)
