"""Family 9, second half, what nhisync is told: capacity, patch level, data lag, restores.

An attestation speaks about an app, so no row can tell; the caller of the engine emits these for every kind that the
tier asks for (`nhisync.readiness.attested`). They are declared here for `nhisync explain`, severities and frameworks.
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.rule import Outcome, PairView, Rule, RuleInfo
from nhisync.parity.rules.controls import EVIDENCE

NOT_ATTESTED = RuleInfo(
    code="NHS910",
    title="attestation missing or too old",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="ATTESTATION",
    compared="The age of the last attestation of every kind that the tier asks for (capacity test, patch level, data "
    "lag, restore of a backup …), counted from the moment somebody looked. Asked of the app, not of a pair.",
    hurts="Credentials that work are not enough: a backup that was never load-tested, runs an old release or lags in "
    "data fails under the very traffic that is led there.",
    false_alarm="The test was made and nobody recorded it: nhisync attest with --observed-at of that day.",
    remediation={
        "*": "Look, then say so: nhisync attest {app} KIND --result pass --by WHO --evidence URL; or take the kind out "
        "of the tier's attestations",
    },
    policy=("attestations",),
    frameworks=EVIDENCE,
    fails=False,
)


def check_not_attested(_: PairView) -> Outcome | None:
    """None: an attestation speaks about an app; the caller of the engine emits this for each kind that is missing."""
    return None


ATTESTED_UNFIT = RuleInfo(
    code="NHS911",
    title="attested as not fit",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="ATTESTATION",
    compared="What the last attestation of every kind that the tier asks for says. A bad one counts until a later one "
    "says otherwise; it does not grow old. The kind on-call counts so in every tier. Asked of the app, not of a pair.",
    hurts="Somebody looked and found the backup unfit. Whoever fails over now does it against better knowledge.",
    false_alarm="What was found has been repaired: look again, and attest that.",
    remediation={
        "*": "Repair what was found, look again, then: nhisync attest {app} KIND --result pass --by WHO --evidence URL",
    },
    policy=("attestations",),
    frameworks=EVIDENCE,
)


def check_attested_unfit(_: PairView) -> Outcome | None:
    """None: an attestation speaks about an app; the caller of the engine emits this for each one that does not hold."""
    return None


RULES = (
    Rule(NOT_ATTESTED, check_not_attested),
    Rule(ATTESTED_UNFIT, check_attested_unfit),
)
