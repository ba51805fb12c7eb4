"""Family 2, second half: each side's own lifecycle runs (R41).

A rotation that should have happened is only missed when it was looked for afterwards: NHS204, NHS205 and NHS305
ask `nhisync.parity.rules.sides.missed`. Between two observations nothing is claimed (NHS901
bounds that time), so an hourly rotation does not flap, and a primary that an outage made silent is not accused of
rotations that nobody could see.
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import ROTATION
from nhisync.parity.rules.facts import rotated_at_latest
from nhisync.parity.rules.lockstep import BOUNDED, GENERATION, at_latest, earliest, generation
from nhisync.parity.rules.sides import answered, either, missed
from nhisync.parity.text import share, span, when

OVERDUE = RuleInfo(
    code="NHS204",
    title="scheduled rotation overdue",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="Where a schedule runs: the last rotation plus its interval plus the overdue share, with the present and "
    "with the time of the observation.",
    hurts="The schedule is on, so everybody believes the credential is rotated; in truth the rotation fails quietly "
    "and the backup drifts away until its credential is refused.",
    false_alarm="The rotation window is wider than the overdue share allows (a weekly window on a daily schedule). "
    "Raise rotation.overdue_share, or narrow the window.",
    remediation={
        "aws": "Read the rotation function's log (aws logs tail /aws/lambda/…) and DescribeSecret; repair it, then: "
        "aws secretsmanager rotate-secret",
        "azure": "A vault rotates keys and certificates only: look at az keyvault certificate pending show and the "
        "policy; for a secret at the job or function that writes it; then rotate it once on that side",
        "gcp": "Secret Manager only sends a message when the time has come: look at the subscriber of the topic, and "
        "let it add a version (gcloud secrets versions list …)",
        "vault": "Check the connection of the role (vault read database/config/…) and the cluster's active node; "
        "then vault write -f database/rotate-role/… on the side that is late",
        "file": "Check that the agent that writes the file still runs and may log in to its issuer",
        "kubernetes": "Look at the Certificate's events and at cert-manager's log: kubectl describe certificate …; "
        "then cmctl renew …",
        "acme": "Read /var/log/letsencrypt/letsencrypt.log on that host, repair what the challenge needs, then: "
        "certbot renew --cert-name …",
        "*": "Find out why the schedule of {app}/{pair} does not rotate, then rotate it once on its own side",
    },
    policy=("rotation.overdue_share",),
    frameworks=ROTATION,
)


def check_overdue(view: PairView) -> Outcome | None:
    """Fail for each side whose running schedule missed its time; None when no schedule runs."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.rotation != 1) and (p is None or p.rotation != 1):
        return None
    late_b, late_p = _overdue(view, b), _overdue(view, p)
    expected = f"rotated within its interval plus {share(view.thresholds.overdue_share)}"
    if late_b is None and late_p is None:
        return either(unknown, _doubtful(view, b), _doubtful(view, p), expected)
    return either(fail, late_b, late_p, expected)


STUCK = RuleInfo(
    code="NHS205",
    title="rotation stuck half way",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="ROTATION_DRIFT",
    compared="How long a begun rotation was still unfinished when the item was last observed.",
    hurts="With a rotation half done the store and the service may disagree about which value is valid; a switch in "
    "that moment can meet either. Nothing rotates until somebody clears it.",
    false_alarm="The new value waits for a person or a change window. Finish it, or raise rotation.max_pending.",
    remediation={
        "aws": "Read the rotation function's log; when it cannot finish, remove AWSPENDING from the dangling version "
        "(aws secretsmanager update-secret-version-stage --remove-from-version-id …), then: aws secretsmanager "
        "rotate-secret. Never cancel-rotate-secret: it turns the schedule off",
        "azure": "az keyvault certificate pending show tells what it waits for; merge the answer of the authority (az "
        "keyvault certificate pending merge) or take it back (az keyvault certificate pending delete), then create it "
        "again",
        "vault": "Check the database connection of the role; repeating vault write -f database/rotate-role/… is safe, "
        "the cluster keeps the new password and retries",
        "file": "Finish or remove the half-written generation beside the file",
        "kubernetes": "Follow it from the Certificate to its CertificateRequest, Order and Challenge: cmctl status "
        "certificate …; repair the issuer, then cmctl renew …",
        "acme": "Read which challenge failed (certbot's log); repair DNS or port 80 of the backup host, then: certbot "
        "renew --cert-name …",
        "*": "Finish the rotation of {app}/{pair} or take it back, then: nhisync diff primary backup --app {app}",
    },
    policy=("rotation.max_pending",),
    frameworks=ROTATION,
)


def check_stuck(view: PairView) -> Outcome | None:
    """Fail for each side with a rotation unfinished for too long; None when neither side has rotation facts."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.pending is None) and (p is None or p.pending is None):
        quiet = (b is None or b.rotation is None) and (p is None or p.rotation is None)
        return None if quiet else PASS
    stuck_b, stuck_p = _stuck(view, b), _stuck(view, p)
    if stuck_b is None and stuck_p is None:
        return PASS
    return either(fail, stuck_b, stuck_p, f"finished within {span(view.thresholds.max_pending)}")


STOPPED = RuleInfo(
    code="NHS206",
    title="rotation schedule switched off",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="Whether a schedule that has an interval is switched on (a provider may keep the rules of a schedule "
    "that was cancelled).",
    hurts="The credential looks scheduled and is not: from now on only one side is rotated, and the distance grows "
    "with every cycle.",
    false_alarm="The schedule is off during a planned migration. Waive it until that ends.",
    remediation={
        "aws": "Turn it on again: aws secretsmanager rotate-secret --rotation-rules … (this rotates at once unless "
        "--no-rotate-immediately is given)",
        "azure": "Key: az keyvault key rotation-policy update --value …; certificate: a policy whose lifetime action "
        "is AutoRenew (az keyvault certificate set-attributes --policy @…)",
        "vault": "Set rotation_period (or rotation_schedule) of the role again, or unpause the rotation",
        "file": "Enable the timer of the agent that writes the file",
        "kubernetes": "Set spec.renewal.policy of the Certificate back to RenewBefore",
        "acme": "Switch the renewal timer of that host on again: systemctl enable --now certbot.timer",
        "*": "Switch the rotation schedule of {app}/{pair} on again",
    },
    frameworks=ROTATION,
)


def check_stopped(view: PairView) -> Outcome | None:
    """Fail for each side with an interval whose schedule is off; None when no side has a schedule."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    backup = None if b is None or b.interval is None else b.rotation
    primary = None if p is None or p.interval is None else p.rotation
    if backup is None and primary is None:
        return None
    return either(
        fail,
        _stopped(b) if backup == 0 else None,
        _stopped(p) if primary == 0 else None,
        "a schedule that runs",
    )


NEVER_ROTATED = RuleInfo(
    code="NHS207",
    title="never rotated since creation",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.EXPOSURE,
    block="ROTATION_DRIFT",
    compared="Creation time plus the greatest age that policy allows, for credentials that were never rotated. "
    "Credentials with a validity window are judged by family 3 instead.",
    hurts="Whoever saw the value once still holds it, and nobody has ever shown that it can be rotated on this "
    "side: in a failover that would be the first try.",
    false_alarm="The provider does not record rotations that are made by hand. Let the rotation go through the "
    "provider, so that it leaves a date.",
    remediation={
        "aws": "Rotate it once: aws secretsmanager rotate-secret, or a second access key; then give it a schedule "
        "(--rotation-rules …), or move to a role without stored keys",
        "azure": "Rotate it once: az keyvault secret set --file …, az keyvault key rotate, az ad app credential reset "
        "--append; then give it a schedule, or move to a managed identity or a federated credential",
        "vault": "Rotate it once: vault write -f database/rotate-role/…, or a new secret-id; then give it a "
        "rotation_period, or move to a dynamic role",
        "file": "Let the owning agent write a new generation, and put it on a timer",
        "kubernetes": "Let the operator that writes the Secret write a new value; give it an interval "
        "(nhisync/rotation-interval), or replace the Secret by a bound token or a Certificate",
        "postgres": "psql's \\password … with a new password, then COMMENT ON ROLE … IS '… nhisync:rotated=…'; give "
        "it a schedule, or use certificates (pg_hba.conf: cert)",
        "*": "Rotate {app}/{pair} once through its own lifecycle, then schedule that",
    },
    policy=("rotation.max_age",),
    frameworks=ROTATION,
)


def check_never_rotated(view: PairView) -> Outcome | None:
    """Fail for each side that was created too long ago and never rotated; None when that can be said of no side."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    backup = None if b is None or b.rotated is not None or _bounded(b) else b.created
    primary = None if p is None or p.rotated is not None or _bounded(p) else p.created
    return _aged(view, backup, primary, "created")


TOO_OLD = RuleInfo(
    code="NHS208",
    title="credential older than policy allows",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.EXPOSURE,
    block="ROTATION_DRIFT",
    compared="The last rotation plus the greatest age that policy allows. Credentials with a validity window are "
    "judged by family 3 instead.",
    hurts="An old value has been seen by more people, logs and images; and a rotation that nobody has done for "
    "months tends to fail when it is needed.",
    false_alarm="The service limits how often the credential may change. Set rotation.max_age for the tier from a "
    "risk analysis, and write that down.",
    remediation={
        "aws": "aws secretsmanager rotate-secret in its own region, or a second access key and then retiring the "
        "first; shorten the interval below rotation.max_age",
        "azure": "az keyvault secret set --file …, az keyvault key rotate, or az ad app credential reset --append and "
        "then retiring the first; shorten the interval below rotation.max_age",
        "vault": "vault write -f database/rotate-role/…, or a new secret-id; shorten rotation_period below "
        "rotation.max_age",
        "file": "Trigger the owning agent so that it writes a new generation",
        "kubernetes": "Let the operator that writes the Secret write a new value, and shorten its interval",
        "postgres": "psql's \\password … with a new password, then COMMENT ON ROLE … IS '… nhisync:rotated=…'; "
        "shorten the job's interval below rotation.max_age",
        "*": "Rotate {app}/{pair} through its own lifecycle, and shorten its interval below rotation.max_age",
    },
    policy=("rotation.max_age",),
    frameworks=ROTATION,
)


def check_too_old(view: PairView) -> Outcome | None:
    """Fail for each side that was rotated too long ago; None when neither was ever rotated."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    # A side with a validity window ends by itself; without a start it has none.
    backup = None if b is None or (b.not_before is not None and _bounded(b)) else b.rotated
    primary = None if p is None or (p.not_before is not None and _bounded(p)) else p.rotated
    outcome = _aged(view, backup, primary, "last rotated")
    if outcome is not PASS or ((b is None or b.detail is None) and (p is None or p.detail is None)):
        return outcome
    doubt_b, doubt_p = _ageless(view, b, backup), _ageless(view, p, primary)
    if doubt_b is None and doubt_p is None:
        return PASS
    return either(unknown, doubt_b, doubt_p, f"rotated within {span(view.thresholds.rotation_max_age)}")


def _ageless(view: PairView, row: Row | None, last: int | None) -> str | None:
    """Why a side that looks young enough may be too old."""
    if row is None or last is None or not rotated_at_latest(row):
        return None
    old = row.created is None or view.passed(row.created + view.thresholds.rotation_max_age)
    return at_latest(last) if old else None


def _doubtful(view: PairView, row: Row | None) -> str | None:
    """Why a side whose schedule seems to have run may have missed it."""
    if row is None or row.rotation != 1 or not row.interval or row.interval <= 0:
        return None
    last, first = generation(row), earliest(row)
    if last is None or first == last:
        return None
    late = first is None or missed(view, row, first + row.interval + int(row.interval * view.thresholds.overdue_share))
    return at_latest(last) if late else None


def _overdue(view: PairView, row: Row | None) -> str | None:
    if row is None or row.rotation != 1 or row.interval is None or row.interval <= 0:
        return None
    last = generation(row)
    deadline = None if last is None else last + row.interval + int(row.interval * view.thresholds.overdue_share)
    if last is None or deadline is None or not missed(view, row, deadline):
        return None
    return f"last rotated {when(last)}, every {span(row.interval)}, due by {when(deadline)}"


def _stuck(view: PairView, row: Row | None) -> str | None:
    if row is None or row.pending is None or not missed(view, row, row.pending + view.thresholds.max_pending):
        return None
    return f"begun {when(row.pending)} and still unfinished"


def _stopped(row: Row | None) -> str | None:
    return None if row is None or row.interval is None else f"every {span(row.interval)} is set, but switched off"


def _bounded(row: Row) -> bool:
    """Whether the credential has a validity window, so that it ends by itself."""
    return row.not_before is not None and row.expires is not None


def _aged(view: PairView, backup: int | None, primary: int | None, verb: str) -> Outcome | None:
    """Fail for each side that is older than policy allows; the older one alone tells whether there is such a side."""
    first, second = (primary, backup) if backup is None else (backup, primary)
    if first is None:
        return None
    limit = view.thresholds.rotation_max_age
    oldest = first if second is None or first < second else second
    if not view.passed(oldest + limit):
        return PASS
    return either(
        fail,
        f"{verb} {when(backup)}" if backup is not None and view.passed(backup + limit) else None,
        f"{verb} {when(primary)}" if primary is not None and view.passed(primary + limit) else None,
        f"rotated within {span(limit)}",
    )


RULES = (
    Rule(OVERDUE, check_overdue, (*BOUNDED, "rotation", "interval")),
    Rule(STUCK, check_stuck, ("pending", "rotation")),
    Rule(STOPPED, check_stopped, ("interval", "rotation")),
    Rule(NEVER_ROTATED, check_never_rotated, GENERATION),
    Rule(TOO_OLD, check_too_old, BOUNDED),
)
