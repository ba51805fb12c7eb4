"""Family 3, expiry horizon: what stands on the backup outlives the failover.

Each side has one grade, the worst that applies, so that one credential gives one of NHS301 to NHS304. Shares of the
lifetime are used instead of fixed days, because lifetimes keep shrinking (CA/Browser Forum Baseline Requirements: 200
days from 2026, 47 from 2029). An end counts as reached in its own second.
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import EXPIRY, ROTATION
from nhisync.parity.rules.facts import rotated_at_latest
from nhisync.parity.rules.lockstep import BOUNDED
from nhisync.parity.rules.sides import answered, either, missed
from nhisync.parity.text import share, span, when
from nhisync.parity.thresholds import Thresholds

_FINE, _WARN, _UNDATED, _BLOCK, _WINDOW, _EXPIRED = range(6)
"""Grades of one side, worse is higher; `_UNDATED` = the end is far enough away, the lifetime is not known."""

_DEACTIVATED = "deactivated"

_TICK = 60
"""Seconds a provider's own scheduler may be late without having failed (OpenBao's rotation queue looks every 5 s)."""

EXPIRED = RuleInfo(
    code="NHS301",
    title="credential has expired",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="The end of validity of each side's credential with the present.",
    hurts="An expired key, token or certificate is refused by everything that checks it: the switch would turn a "
    "partial outage into a whole one.",
    false_alarm="None: an expired credential does not work. If nothing uses it any more, retire the pair.",
    remediation={
        "aws": "Secret: aws secretsmanager rotate-secret in its own region; access key: create a second one, then "
        "retire the first; imported certificate: aws acm import-certificate with the same ARN and a new key",
        "azure": "Secret or key: a new version with a later end (az keyvault secret set --expires …, az keyvault key "
        "rotate); certificate: az keyvault certificate create with its policy; application: az ad app credential "
        "reset --append",
        "vault": "Issue again in that side's own cluster: vault write -f auth/approle/role/…/secret-id, vault write "
        "pki/issue/…",
        "tls": "Renew the certificate of {pair} and reload the listener",
        "file": "Let the owning agent renew the file of {pair}",
        "kubernetes": "Find out why cert-manager did not renew (kubectl describe certificate …), then cmctl renew …",
        "postgres": "psql's \\password … with a new password on that side's own server, then ALTER ROLE … VALID UNTIL "
        "'…'; never the end alone: the old password would live on",
        "acme": "On that side's own host and account: certbot renew --cert-name … --force-renewal, then reload the "
        "listener",
        "*": "Renew {app}/{pair} through that side's own lifecycle, then: nhisync diff primary backup --app {app}",
    },
    frameworks=EXPIRY,
)


def check_expired(view: PairView) -> Outcome | None:
    """Fail for each side whose credential has ended; None when neither side's ends."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.expires is None) and (p is None or p.expires is None):
        return None
    return _graded(view, b, p, _EXPIRED)


IN_WINDOW = RuleInfo(
    code="NHS302",
    title="expires inside the failover window",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="The end of validity with the present plus the failover window (the longest outage policy expects). A "
    "credential that lives shorter than the window passes when its own schedule runs: it is renewed, not kept.",
    hurts="The backup would take the traffic and then lose its credential while the primary, and perhaps the issuer, "
    "are still gone.",
    false_alarm="The renewal is due within hours and has never failed. Let it run now rather than wait for it.",
    remediation={
        "aws": "Rotate now, before a failover has to rely on it: aws secretsmanager rotate-secret, or a new key; for "
        "ACM check RenewalStatus and that the validation record resolves from the backup's zone",
        "azure": "A new version now, with an end well after expiry.failover_window: az keyvault secret set --expires "
        "…, az keyvault certificate create, az ad app credential reset --append --end-date …",
        "vault": "Issue again now (vault write -f auth/approle/role/…/secret-id, vault write pki/issue/…), and give "
        "the role a ttl well above expiry.failover_window",
        "tls": "Renew the certificate of {pair} now and reload the listener",
        "file": "Let the owning agent renew the file of {pair} now",
        "kubernetes": "cmctl renew … now, and raise renewBefore above expiry.failover_window",
        "postgres": "psql's \\password … with a new password now, then ALTER ROLE … VALID UNTIL '…', well after "
        "expiry.failover_window",
        "acme": "On the backup host, with its own account: certbot renew --cert-name … --force-renewal now; issuing "
        "needs DNS and port 80, which a failover may take away",
        "*": "Renew {app}/{pair} now, before a failover has to rely on it, then: nhisync diff primary backup --app "
        "{app}",
    },
    policy=("expiry.failover_window",),
    frameworks=EXPIRY,
)


def check_in_window(view: PairView) -> Outcome | None:
    """Fail for each side that ends inside the failover window; None when neither ends, or all that end have ended."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.expires is None) and (p is None or p.expires is None):
        return None
    return _graded(view, b, p, _WINDOW)


NEARLY_SPENT = RuleInfo(
    code="NHS303",
    title="lifetime nearly used up",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="How much of the lifetime (from the start of validity, else the last rotation, else creation) is left.",
    hurts="A renewal that should have happened at a third of the lifetime has not: it fails quietly, and the backup "
    "is where nobody notices.",
    false_alarm="The credential is used to its end on purpose, with its successor in place. Then rotate to the "
    "successor.",
    remediation={
        "aws": "Find out why the renewal fails (ACM: RenewalStatus; secrets: the rotation function's log), then "
        "renew once by hand: aws secretsmanager rotate-secret, aws acm import-certificate",
        "azure": "Find out why it was not renewed (az keyvault certificate pending show; for a secret the job that "
        "writes it), then make a new version once by hand",
        "vault": "Issue again (vault write -f auth/approle/role/…/secret-id, vault write pki/issue/…), and let the "
        "renewal begin at a third of the lifetime",
        "tls": "Read the log of the ACME client or of the certificate agent on the backup; renew by hand once",
        "file": "Read the log of the agent that writes the file; trigger it once",
        "kubernetes": "cmctl status certificate … tells what the renewal waits for; repair that, then cmctl renew …",
        "postgres": "Read the log of the job that changes the password; then once by hand: psql's \\password …, ALTER "
        "ROLE … VALID UNTIL '…'",
        "acme": "Read /var/log/letsencrypt/letsencrypt.log on that host, try certbot renew --dry-run --cert-name …, "
        "then renew once by hand",
        "*": "Renew {app}/{pair}, and find out why its renewal did not run",
    },
    policy=("expiry.block_fraction",),
    frameworks=EXPIRY,
)


def check_nearly_spent(view: PairView) -> Outcome | None:
    """Fail for each side with little of its lifetime left; unknown when a lifetime has an end and no beginning."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.expires is None) and (p is None or p.expires is None):
        return None
    graded = _graded(view, b, p, _BLOCK)
    if graded is not None and graded is not PASS:
        return graded
    text = "ends, but its beginning is not known"
    undated_b, undated_p = (text if _grade(view, row) == _UNDATED else None for row in (b, p))
    if undated_b is None and undated_p is None:
        return graded
    return either(unknown, undated_b, undated_p, "beginning and end of validity")


GETTING_LATE = RuleInfo(
    code="NHS304",
    title="renewal due soon",
    severity=Severity.WARNING,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="How much of the lifetime is left, against the share at which a renewal should have begun.",
    hurts="Nothing yet. Renewals begin at about a third of the lifetime; one that has not begun is the earliest sign "
    "of one that fails.",
    false_alarm="The issuer renews later than the policy warns. Set expiry.warn_fraction to the issuer's habit.",
    remediation={
        "aws": "Watch the next renewal, or do it now: aws secretsmanager rotate-secret, aws acm import-certificate",
        "azure": "Watch the next renewal, or do it now: az keyvault certificate create with its policy, az keyvault "
        "key rotate, az keyvault secret set --expires …",
        "vault": "Watch the next renewal, or do it now: vault write -f auth/approle/role/…/secret-id, vault write "
        "pki/issue/…",
        "tls": "Check that the ACME client or certificate agent of the backup still runs",
        "file": "Check that the agent that writes the file still runs",
        "kubernetes": "Watch the next renewal: kubectl get certificate … -o wide, or cmctl renew … now",
        "postgres": "See that the job that changes the password runs before VALID UNTIL, or run it now",
        "acme": "See that the renewal timer runs (systemctl list-timers certbot.timer), or now: certbot renew "
        "--cert-name …",
        "*": "See that the renewal of {app}/{pair} is scheduled before the end",
    },
    policy=("expiry.warn_fraction",),
    frameworks=EXPIRY,
)


def check_getting_late(view: PairView) -> Outcome | None:
    """Fail for each side whose renewal should have begun; None when a worse grade or no lifetime speaks for each."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    if (b is None or b.expires is None) and (p is None or p.expires is None):
        return None
    return _graded(view, b, p, _WARN)


ROTATION_MISSED = RuleInfo(
    code="NHS305",
    title="announced rotation did not happen",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="The next rotation that the provider itself announces, plus a minute, with the time of the observation.",
    hurts="The provider says that it should have rotated and has not: its rotation is failing, even if the schedule "
    "is on and the credential still works.",
    false_alarm="The provider announces the beginning of a long rotation window. Wait for the window to close.",
    remediation={
        "aws": "A NextRotationDate in the past means that rotation fails: read the rotation function's log (aws logs "
        "tail /aws/lambda/…), repair it, then: aws secretsmanager rotate-secret",
        "azure": "The policy announced a renewal and no version came: az keyvault certificate pending show, and the "
        "issuer's account (az keyvault certificate issuer show); repair it, then create the certificate again",
        "gcp": "The schedule's message went out and no version came: look at the subscriber of the topic, then: gcloud "
        "secrets versions add",
        "vault": "Last rotation plus period lies in the past: check the active node and the connection of the role "
        "(vault read database/config/…), then: vault write -f database/rotate-role/…",
        "kubernetes": "renewalTime lies in the past: see that cert-manager runs and looks at this namespace, then "
        "cmctl renew …",
        "acme": "The authority's renewal window (RFC 9773) has passed: read certbot's log on that host, then: certbot "
        "renew --cert-name … --force-renewal",
        "*": "Find out why the announced rotation of {app}/{pair} failed, then rotate it once on its own side",
    },
    frameworks=ROTATION,
)


def check_rotation_missed(view: PairView) -> Outcome | None:
    """Fail for each side whose announced rotation was seen not to have happened; None when none is announced."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    backup = None if b is None or b.rotation == 0 else b.next_rotation
    primary = None if p is None or p.rotation == 0 else p.next_rotation
    if backup is None and primary is None:
        return None
    late_b = b is not None and backup is not None and missed(view, b, backup + _TICK)
    late_p = p is not None and primary is not None and missed(view, p, primary + _TICK)
    if not late_b and not late_p:
        return PASS
    return either(
        fail,
        _announced(backup) if late_b else None,
        _announced(primary) if late_p else None,
        "rotated when announced",
    )


NOT_YET_VALID = RuleInfo(
    code="NHS306",
    title="credential not yet valid",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="The start of validity with the present, and whether the provider calls the current version "
    "pre-activation.",
    hurts="A credential that is not valid yet is refused like an expired one; after a switch nothing would "
    "authenticate until its start.",
    false_alarm="The clock of this host, or of the issuer, is wrong: nhisync doctor shows the skew.",
    remediation={
        "aws": "Make the version in force current again (aws secretsmanager update-secret-version-stage), or wait for "
        "the start",
        "azure": "Keep the version in force in use, or set the start back: az keyvault secret set-attributes "
        "--not-before …",
        "vault": "Issue the certificate again with a not_before in the past (pki: not_before_duration)",
        "tls": "Serve the certificate in force until the new one's start",
        "file": "Keep the generation in force until the new one's start",
        "acme": "Check the clock of that host; keep the certificate in force until the new one's start",
        "*": "Check the clocks (nhisync doctor); keep the credential of {app}/{pair} that is in force until the start",
    },
    frameworks=EXPIRY,
)


def check_not_yet_valid(view: PairView) -> Outcome | None:
    """Fail for each side whose validity has not begun; None when neither side has a beginning or a state."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    quiet_b = b is None or (b.not_before is None and b.state is None)
    if quiet_b and (p is None or (p.not_before is None and p.state is None)):
        return None
    return either(fail, _early(view, b), _early(view, p), "in force")


def _grade(view: PairView, row: Row | None) -> int:
    """The worst grade of one side; `_FINE` also for one that does not end, or that NHS104 calls out of force.

    The grades follow one another in time, so that a healthy side is compared with the first of their instants only.
    """
    if row is None or row.expires is None:
        return _FINE
    end, limits = row.expires, view.thresholds
    if row.state == _DEACTIVATED:
        return _EXPIRED if view.passed(end) else _FINE
    lifetime, window, spent = _lifetime(row, end), limits.failover_window, 0
    if lifetime is not None:
        spent = int(lifetime * limits.first_fraction)
        if lifetime <= window and row.rotation == 1:  # it is renewed in time by itself
            window = 0
    if not view.passed(end - (spent if spent > window else window)):  # noqa: FURB136 - max() takes three times as long
        return _UNDATED if lifetime is None else _FINE
    return _late(view, end, window, lifetime)


def _late(view: PairView, end: int, window: int, lifetime: int | None) -> int:
    """The worst grade of a side that has reached one of them."""
    limits = view.thresholds
    if view.passed(end):
        return _EXPIRED
    if view.passed(end - window):
        return _WINDOW
    if lifetime is None:
        return _UNDATED
    if view.passed(end - int(lifetime * limits.block_fraction)):
        return _BLOCK
    return _WARN if view.passed(end - int(lifetime * limits.warn_fraction)) else _FINE


def _lifetime(row: Row, end: int) -> int | None:
    """Seconds from the start of validity (else the last rotation, else creation) to the end; None = not known."""
    start = row.not_before
    if start is None and (row.detail is None or not rotated_at_latest(row)):
        start = row.rotated
    if start is None:
        start = row.created
    return None if start is None or end <= start else end - start


def _graded(view: PairView, b: Row | None, p: Row | None, grade: int) -> Outcome | None:
    """Fail for sides of exactly this grade, pass for better ones; None when each side that ends is worse."""
    grade_b, grade_p = _grade(view, b), _grade(view, p)
    if grade in (grade_b, grade_p):
        late_b, late_p = _ends(b) if grade_b == grade else None, _ends(p) if grade_p == grade else None
        return either(fail, late_b, late_p, _wanted(view.thresholds, grade))
    better_b = grade_b < grade and b is not None and b.expires is not None
    better_p = grade_p < grade and p is not None and p.expires is not None
    return PASS if better_b or better_p else None


def _wanted(limits: Thresholds, grade: int) -> str:
    """What policy wants instead of this grade."""
    if grade == _EXPIRED:
        return "in force"
    if grade == _WINDOW:
        return f"valid for {span(limits.failover_window)} and longer"
    fraction = limits.block_fraction if grade == _BLOCK else limits.warn_fraction
    return f"more than {share(fraction)} of its lifetime left"


def _ends(row: Row | None) -> str | None:
    if row is None or row.expires is None:
        return None
    lifetime = _lifetime(row, row.expires)
    return f"ends {when(row.expires)}" + (f" after a lifetime of {span(lifetime)}" if lifetime else "")


def _announced(instant: int | None) -> str | None:
    return None if instant is None else f"announced for {when(instant)}, not seen since"


def _early(view: PairView, row: Row | None) -> str | None:
    if row is None:
        return None
    if row.not_before is not None and not view.passed(row.not_before):
        return f"begins {when(row.not_before)}"
    return "the current version is pre-activation" if row.state == "pre-activation" else None


_GRADED = (*BOUNDED, "state", "rotation")
"""Columns that `_grade` reads."""

RULES = (
    Rule(EXPIRED, check_expired, _GRADED),
    Rule(IN_WINDOW, check_in_window, _GRADED),
    Rule(NEARLY_SPENT, check_nearly_spent, _GRADED),
    Rule(GETTING_LATE, check_getting_late, _GRADED),
    Rule(ROTATION_MISSED, check_rotation_missed, ("rotation", "next_rotation")),
    Rule(NOT_YET_VALID, check_not_yet_valid, ("not_before", "state")),
)
