"""Family 5, what can be read from the item itself: who besides its owner can read it. Rights are compared elsewhere."""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.rule import Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import EXPOSURE
from nhisync.parity.rules.facts import EXPOSURE_MARK, UNREADABLE, UnreadableError, exposure_of
from nhisync.parity.rules.sides import answered, either
from nhisync.parity.text import clean

EXPOSED = RuleInfo(
    code="NHS510",
    title="readable beyond its owner",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="Who can read the item besides the identity it belongs to: file mode and owner, a public or cross-account "
    "resource policy, an export that was left open.",
    hurts="The less watched path is the easier one to steal from; a switch makes its credentials the ones that guard "
    "live traffic.",
    false_alarm="The readers are meant (a group of one sidecar). Narrow the group to it, or waive with the reason.",
    remediation={
        "aws": "Remove the foreign principal from the resource policy of {pair}: aws secretsmanager "
        "put-resource-policy --block-public-policy",
        "vault": "Take the path of {pair} out of the policies that should not have it; check with vault policy read",
        "file": "chmod 600 the file of {pair}, chown it to the service's user, and then let its agent write a new "
        "generation: whoever could read the old one may have",
        "kubernetes": "Keep keystore passwords in a Secret of their own (passwordSecretRef) instead of in the "
        "Certificate",
        "*": "Close the access to {app}/{pair}, then rotate it on its own side: whoever could read it may have",
    },
    frameworks=EXPOSURE,
)


def check_exposed(view: PairView) -> Outcome | None:
    """Fail for each side that others can read; None when no reader besides the owner is known."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    here, there = None if b is None else b.detail, None if p is None else p.detail
    if (here is None or EXPOSURE_MARK not in here) and (there is None or EXPOSURE_MARK not in there):
        return None
    try:
        backup, primary = exposure_of(b), exposure_of(p)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, "who can read it")
    if not backup and not primary:
        return None
    return either(fail, _told(backup), _told(primary), "readable by its owner only")


def _told(exposure: str) -> str | None:
    return (clean(exposure) or "readable by others") if exposure else None


RULES = (Rule(EXPOSED, check_exposed, ("detail",)),)
