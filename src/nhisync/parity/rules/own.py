"""Family 9, nhisync itself: are the credentials fit with which the evidence was read (R32)?

The pairs of the app `nhisync` are judged like any other; the caller of the engine emits this for each app whose
evidence was read with one that is unfit (`nhisync.readiness.own`).
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.rule import Outcome, PairView, Rule, RuleInfo
from nhisync.parity.rules.controls import EVIDENCE, INVENTORY

OWN_UNFIT = RuleInfo(
    code="NHS912",
    title="nhisync's own credential is unfit",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the pairs of the app nhisync, its own credentials on both paths, pass: those that the sources of "
    "this app's backup log in with. Asked of the app, not of a pair.",
    hurts="What nhisync reads the backup with ends, is refused or is the primary's own: in the outage nobody would see "
    "the backup any more, and what was seen last need not be true.",
    false_alarm="The pair in question is used by other sources only. Name those in its authenticates.",
    remediation={
        "*": "Mend the pair of the app nhisync that is named: nhisync diff primary backup --app nhisync tells how",
    },
    frameworks=(*EVIDENCE, *INVENTORY[:3]),
    fails=False,
)


def check_own_unfit(_: PairView) -> Outcome | None:
    """None: it is another app's pairs that are unfit; the caller of the engine emits this for each app they cover."""
    return None


RULES = (Rule(OWN_UNFIT, check_own_unfit),)
