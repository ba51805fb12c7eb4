"""Family 8, live authentication and transaction: does the service that judges the credential let it in (R17, R22)?

A result is about one generation of one credential, at one instant (`nhisync.parity.proof`). Depth and age are asked of
the backup: in an outage the primary's service answers nobody, and that is no reason to keep traffic out. A refusal is
believed on either side. What nobody judged is unknown, never refused.
"""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.proof import AUTH, LADDER, TLS, TXN, Proof, current, proof_of, settled_at
from nhisync.parity.row import Row
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import AUTHENTICATION, EVIDENCE, REUSE
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, when

_DENIED = "denied"
"""Error word of a service that knows who asks and does not let it do that (`nhisync.spi.ErrorKind`)."""

REFUSED = RuleInfo(
    code="NHS801",
    title="credential refused by its service",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="AUTH_FAILED",
    compared="Whether the service that judges the credential lets it in: a probe presents the stored value and looks "
    "at the answer. A refusal on the primary is told, and keeps no traffic from the backup.",
    hurts="The credential is there, current and unexpired, and the first request after the switch is answered with "
    "401.",
    false_alarm="The probe presents it in another way than the application does. Correct the pair's probe; an endpoint "
    "that refuses everybody else too is no fault of this credential.",
    remediation={
        "aws": "Let the secret's rotation set the value again (aws secretsmanager rotate-secret in its region), or "
        "issue a new one at the service; then: nhisync diff --live --app {app}",
        "vault": "Issue the value anew through its engine (vault write -f database/rotate-role/…), or at the service "
        "and write it to the backup's KV; then: nhisync diff --live --app {app}",
        "*": "Issue a new credential for {app}/{pair} at the service and store it on that path, with a value of its "
        "own; then: nhisync diff --live --app {app}",
    },
    frameworks=AUTHENTICATION,
)


def check_refused(view: PairView) -> Outcome | None:
    """Fail for each side whose service refuses it; pass when the backup was let in; None when nobody judged it."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if _untried(b) and _untried(p):
        return None
    outcome = either(fail, _refusal(view, b, _age(view)), _refusal(view, p, _baseline(view)), "accepted by its service")
    if outcome is not PASS:
        return outcome
    return PASS if _accepted(view, b, _age(view)) is not None else None


SHALLOW = RuleInfo(
    code="NHS802",
    title="proven less deep than asked",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="AUTH_FAILED",
    compared="How deep the probe of the backup proved (port, handshake, accepted credential, transaction) with what "
    "the tier asks. An open port alone is never enough, whatever a tier asks.",
    hurts="A listener without an application behind it, or an application that refuses the credential, looks just as "
    "healthy from outside until traffic arrives.",
    false_alarm="The service offers no deeper probe. Lower live.min_depth in the tier knowingly, or waive this pair.",
    remediation={
        "*": "Give {app}/{pair} a probe that presents its credential (type http with auth, or postgres), or let its "
        "depth reach what live.min_depth asks",
    },
    policy=("live.min_depth",),
    frameworks=AUTHENTICATION,
)


def check_shallow(view: PairView) -> Outcome | None:
    """Fail when the backup was proven less deep than asked; None when it was not proven at all."""
    b = view.backup
    if _untried(b):
        return None
    proof = _accepted(view, b, _age(view), least=0)
    if proof is None:
        return None
    asked = max(TLS, min(view.thresholds.live_depth, AUTH))
    if proof.rung >= asked:
        return PASS
    return fail(Side.BACKUP, f"proven to {LADDER[proof.rung]} only", f"at least {LADDER[asked]}")


UNPROVEN = RuleInfo(
    code="NHS803",
    title="live authentication not made",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the backup's credential was presented to its service at all, and whether anybody judged it. An "
    "endpoint that lets everybody in, that fails or that cannot be reached has judged nothing.",
    hurts="Nobody knows whether the backup's credential works, and the failover is the first one to try.",
    false_alarm="None: what nobody tried is not known. A tier that does not need it sets live.min_depth to none.",
    remediation={
        "*": "Give {app}/{pair} a probe in nhisync.yaml, or repair what kept it from being made; then: nhisync diff "
        "--live --app {app}",
    },
    policy=("live.min_depth",),
    frameworks=EVIDENCE,
    fails=False,
)


def check_unproven(view: PairView) -> Outcome | None:
    """Unknown when the backup was not judged although the tier asks, or somebody tried; None when nobody asks."""
    b = view.backup
    if _untried(b):
        asked = view.thresholds.live_depth and b is not None and b.presence == PRESENT
        return unknown(Side.BACKUP, "nobody has tried it", _asked(view)) if asked else None
    proof = proof_of(b)
    if proof is None or proof.accepted is not None:
        return PASS
    why = clean(proof.message) or "nobody judged it"
    return unknown(Side.BACKUP, f"tried {when(proof.at)}: {why}", _asked(view))


OLD = RuleInfo(
    code="NHS804",
    title="live authentication too old",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="STALE",
    compared="The age of the backup's last live authentication with live.max_age, and the generation it was made with "
    "the one that is stored now.",
    hurts="A login that worked once may be gone: revoked, rotated on one end only, or locked after too many attempts.",
    false_alarm="The service is asked rarely on purpose. Raise live.max_age in the tier.",
    remediation={
        "*": "Run nhisync sync (or serve) as often as the tier says, and look why the last probe of {app}/{pair} could "
        "not be made",
    },
    policy=("live.max_age",),
    frameworks=EVIDENCE,
    fails=False,
)


def check_old(view: PairView) -> Outcome | None:
    """Unknown when the tier asks and the backup's answer proves nothing any more; None without one."""
    b = view.backup
    if _untried(b) or not view.thresholds.live_depth:
        return None
    proof = proof_of(b)
    if b is None or proof is None or proof.accepted is None:
        return None
    why = _doubt(view, b, proof, _age(view))
    if not why:
        return PASS
    later = f"; since then: {clean(proof.message)}" if proof.message and proof.accepted else ""
    return unknown(Side.BACKUP, f"{why}{later}", "a result of this generation within live.max_age")


ONE_LOGIN = RuleInfo(
    code="NHS805",
    title="one login on both paths",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.EXPOSURE,
    block="REUSED",
    compared="Whom the services say they saw when the primary's and the backup's credentials were presented.",
    hurts="Two values open one account: locking or deleting it in an incident on the primary takes the backup down "
    "too.",
    false_alarm="One account is unavoidable at this service. Declare the pair shared, with owner and end.",
    remediation={
        "*": "Create an account of its own for the backup of {app}/{pair} at the service, and store its credential "
        "on the backup path",
    },
    frameworks=REUSE,
)


def check_one_login(view: PairView) -> Outcome | None:
    """Fail when both paths are seen as one identity; None when either service does not say."""
    b, p = view.backup, view.primary
    if not view.present or _untried(b) or _untried(p):
        return None
    there, here = _accepted(view, b, _age(view)), _accepted(view, p, _baseline(view))
    if there is None or here is None or not there.seen_as or not here.seen_as:
        return None
    if view.shared or there.seen_as != here.seen_as:
        return PASS
    return fail(Side.PAIR, f"both are seen as {clean(there.seen_as)}", "an account of its own on each path")


PROPAGATING = RuleInfo(
    code="NHS806",
    title="rotation still propagating",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether a refused credential of the backup was rotated so recently that its service may not know it yet "
    "(live.grace).",
    hurts="Within this time nobody can tell a slow directory from a rotation that failed.",
    false_alarm="None: after live.grace it is tried again, and is accepted or refused.",
    remediation={
        "*": "Wait until live.grace is over; nhisync tries {app}/{pair} again. If that happens after every rotation, "
        "raise live.grace to what the service needs",
    },
    policy=("live.grace",),
    frameworks=EVIDENCE,
    fails=False,
)


def check_propagating(view: PairView) -> Outcome | None:
    """Unknown when the backup's refusal may be propagation; pass when it was judged otherwise."""
    b = view.backup
    if _untried(b):
        return None
    proof = proof_of(b)
    if b is None or proof is None or proof.accepted is None or _doubt(view, b, proof, _age(view)):
        return None
    settled = settled_at(b, view.thresholds.live_grace)
    if proof.accepted or settled is None or proof.at >= settled:
        return PASS
    return unknown(Side.BACKUP, f"refused {when(proof.at)}, may propagate until {when(settled)}", "accepted since")


NO_TRANSACTION = RuleInfo(
    code="NHS807",
    title="transaction not proven",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="AUTH_FAILED",
    compared="Whether the backup's login carried a real transaction, where the tier asks for one (live.min_depth: txn) "
    "or the pair's probe makes one.",
    hurts="A login that is let in may still meet a read-only replica or missing data, and the first order fails.",
    false_alarm="The service is only ever read. Then a tier that asks for auth fits its app better.",
    remediation={
        "*": "Set depth: txn in the probe of {app}/{pair} (postgres begins a writing transaction and undoes it; http "
        "asks a URL that takes one)",
    },
    policy=("live.min_depth",),
    frameworks=AUTHENTICATION,
)


def check_no_transaction(view: PairView) -> Outcome | None:
    """Fail when a transaction is asked for and the backup's login carried none; None when nobody asks or it failed."""
    b = view.backup
    if _untried(b):
        return None
    proof = _accepted(view, b, _age(view))
    if proof is None:
        return None
    if proof.rung >= TXN:
        return PASS
    if view.thresholds.live_depth < TXN:
        return None
    return fail(Side.BACKUP, f"proven to {LADDER[proof.rung]} only", "a transaction")


def _untried(row: Row | None) -> bool:
    """Whether nobody presented this credential; most rows of most apps, so it is asked first."""
    return row is None or row.probe is None or row.presence != PRESENT


def _age(view: PairView) -> int:
    return view.thresholds.live_max_age


def _baseline(view: PairView) -> int:
    """The primary cannot be asked in an outage; its last results count as long as its inventory does."""
    return max(view.thresholds.live_max_age, view.thresholds.primary_baseline_max_age)


def _asked(view: PairView) -> str:
    return f"proven to {LADDER[view.thresholds.live_depth or AUTH]}"


def _doubt(view: PairView, row: Row, proof: Proof, age: int) -> str:
    """Why a result proves nothing about the credential as it is now; "" when it does."""
    if not current(proof, row):
        return f"tried {when(proof.at)} with an earlier generation"
    if proof.at > view.now + FUTURE_TOLERANCE:
        view.passed(proof.at - FUTURE_TOLERANCE)
        return f"tried in the future, {when(proof.at)}: compare the clocks"
    if view.passed(proof.at + age):
        return f"last answered {when(proof.at)}"
    return ""


def _accepted(view: PairView, row: Row | None, age: int, *, least: int = AUTH) -> Proof | None:
    """The proof that this credential was let in, or None."""
    proof = proof_of(row)
    if row is None or proof is None or not proof.accepted or proof.rung < least or _doubt(view, row, proof, age):
        return None
    return proof


def let_in(view: PairView) -> Proof | None:
    """The proof that the backup's credential, as it is now, was let in; None without one."""
    return None if _untried(view.backup) else _accepted(view, view.backup, _age(view))


def denied(view: PairView) -> str | None:
    """What the backup's service said when it knew the credential and denied what was asked; None when it did not."""
    b = view.backup
    proof = None if _untried(b) else proof_of(b)
    if b is None or proof is None or proof.accepted is None or proof.error != _DENIED:
        return None
    if not proof.accepted:
        return _refusal(view, b, _age(view))
    return None if _doubt(view, b, proof, _age(view)) else f"{clean(proof.message)} ({when(proof.at)})"


def _refusal(view: PairView, row: Row | None, age: int) -> str | None:
    """What the service said no to; None while that may be propagation."""
    proof = proof_of(row)
    if row is None or proof is None or proof.accepted is not False or _doubt(view, row, proof, age):
        return None
    settled = settled_at(row, view.thresholds.live_grace)
    if settled is not None and proof.at < settled:
        return None
    return f"{clean(proof.message) or 'refused'} ({when(proof.at)})"


_TRIED = ("probe", "presence", "version", "rotated", "created")

RULES = (
    Rule(REFUSED, check_refused, _TRIED),
    Rule(SHALLOW, check_shallow, _TRIED),
    Rule(UNPROVEN, check_unproven, ("backup.probe", "presence")),
    Rule(OLD, check_old, ("backup.probe", "presence", "version", "rotated")),
    Rule(ONE_LOGIN, check_one_login, _TRIED),
    Rule(PROPAGATING, check_propagating, _TRIED),
    Rule(NO_TRANSACTION, check_no_transaction, _TRIED),
)
