"""Family 2, first half, lockstep: the backup's generation follows the primary's.

Generations are compared by their times, never by version ids (those mean nothing across providers). Stale evidence is
another matter: family 9. A credential with a validity window (a certificate) was generated when the window opened, and
it is renewed at the pace of its own CA: it may lag until its own renewal point, the moment at which policy begins to
warn about the rest of its lifetime (NHS304).
"""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import ROTATION
from nhisync.parity.rules.facts import KEY_SET_MARK, rotated_at_latest
from nhisync.parity.rules.trust import is_bundle
from nhisync.parity.text import span, when

BACKUP_LAGS = RuleInfo(
    code="NHS201",
    title="backup generation lags the primary",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="The time of the backup's current generation with the primary's; it may be max_lag older, and it has the "
    "grace after each rotation of the primary. Certificates may lag until their own renewal point.",
    hurts="The primary was rotated for a reason (a leak, a leaver, a changed contract) and the backup was not: after "
    "a switch the application presents a credential that its services may have retired.",
    false_alarm="The backup's credential was issued independently and its service still accepts it (a live login "
    "passed recently). Then the schedules are out of step: align them, or raise lockstep.max_lag for the tier.",
    remediation={
        "aws": "Rotate the backup: aws secretsmanager rotate-secret in the backup's region, or a second access key "
        "and then retiring the first",
        "azure": "Rotate the backup in its own vault: az keyvault secret set --file …, az keyvault key rotate, az "
        "keyvault certificate create with its policy, or az ad app credential reset --append and then retiring the "
        "first",
        "vault": "Rotate the backup in its own cluster: vault write -f database/rotate-role/…, or a new secret-id",
        "tls": "Renew the backup's certificate through its own CA or ACME account, and reload the listener",
        "file": "Trigger the backup host's own agent so that it writes a new generation and dates it (nhisync_rotated)",
        "kubernetes": "Trigger the backup cluster's own renewal: cmctl renew …, or let the operator that writes the "
        "Secret write it anew",
        "postgres": "On the backup's server: psql's \\password … with a new password of its own, then COMMENT ON ROLE "
        "… IS '… nhisync:rotated=…' with the instant, or the change is not seen",
        "acme": "On the backup host, with its own account: certbot renew --cert-name …, and a deploy hook that "
        "reloads the listener",
        "*": "Rotate the backup's half of {app}/{pair} through its own lifecycle, never by copying the primary's value",
    },
    policy=("lockstep.max_lag", "lockstep.grace", "expiry.warn_fraction"),
    frameworks=ROTATION,
)


GENERATION = ("not_before", "expires", "rotated", "created")
"""Columns that `generation` reads."""

BOUNDED = (*GENERATION, "detail")
"""Columns that tell it and whether it is only an upper bound."""


def generation(row: Row) -> int | None:
    """Epoch seconds of the current generation: the validity window's start, else the last rotation, else creation.

    Rules that are asked of every pair look at the common case, a rotation without a window, before they call.
    """
    begun = row.not_before
    if begun is not None and row.expires is not None:
        return begun
    rotated = row.rotated
    return row.created if rotated is None else rotated


def earliest(row: Row) -> int | None:
    """`generation`, but where that is only an upper bound the creation, before which it cannot be; None = no limit."""
    if row.not_before is not None and row.expires is not None:
        return row.not_before
    return row.created if rotated_at_latest(row) else generation(row)


def check_backup_lags(view: PairView) -> Outcome | None:
    """Fail when the backup's generation is too old beside the primary's; unknown when either has no time."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    newer = p.rotated if p.not_before is None and p.rotated is not None else generation(p)
    older = b.rotated if b.not_before is None and b.rotated is not None else generation(b)
    if newer is None or older is None:
        return _undated(p, newer, older)
    latest = max(older, newer)
    if latest > view.now + FUTURE_TOLERANCE and _not_begun(view, latest):
        return None
    if newer - older <= view.thresholds.max_lag and (b.detail is None or not rotated_at_latest(b)):
        return PASS
    return _lag(view, Side.BACKUP, (p, b), newer, older)


def _undated(p: Row, newer: int | None, older: int | None) -> Outcome | None:
    """Unknown, but for key sets: what a set publishes has no time, and NHS808 compares it key by key."""
    if p.detail is not None and KEY_SET_MARK in p.detail:
        return None
    side = Side.BACKUP if newer is not None else Side.PRIMARY if older is not None else Side.PAIR
    return unknown(side, "neither rotation nor creation time is known", "the time of each generation")


PRIMARY_LAGS = RuleInfo(
    code="NHS202",
    title="primary generation lags the backup",
    severity=Severity.WARNING,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="The time of the primary's current generation with the backup's, with the same lag and grace as NHS201.",
    hurts="Nothing yet: the backup is ahead. After the failback the application would return to the older "
    "credential, perhaps one that was replaced because it leaked.",
    false_alarm="The backup was rotated first on purpose (as in an emergency rotation) and the primary follows by its "
    "own schedule.",
    remediation={
        "aws": "Rotate the primary's half by its own schedule or by hand: aws secretsmanager rotate-secret",
        "azure": "Rotate the primary's half in its own vault: az keyvault secret set --file …, az keyvault key rotate",
        "vault": "Rotate the primary's half in its own cluster: vault write -f database/rotate-role/…",
        "tls": "Renew the primary's certificate and reload the listener",
        "file": "Trigger the primary host's own agent",
        "postgres": "On the primary's server: psql's \\password … with a new password, then COMMENT ON ROLE … IS '… "
        "nhisync:rotated=…'",
        "acme": "On the primary host, with its own account: certbot renew --cert-name …",
        "*": "Rotate the primary's half of {app}/{pair} through its own lifecycle before a failback",
    },
    policy=("lockstep.max_lag", "lockstep.grace", "expiry.warn_fraction"),
    frameworks=ROTATION,
)


def check_primary_lags(view: PairView) -> Outcome | None:
    """Fail when the primary's generation is too old beside the backup's; None when a time is unknown (NHS201)."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    newer = b.rotated if b.not_before is None and b.rotated is not None else generation(b)
    older = p.rotated if p.not_before is None and p.rotated is not None else generation(p)
    if newer is None or older is None:
        return None
    latest = max(older, newer)
    if latest > view.now + FUTURE_TOLERANCE and _not_begun(view, latest):
        return None
    if newer - older <= view.thresholds.max_lag and (p.detail is None or not rotated_at_latest(p)):
        return PASS
    return _lag(view, Side.PRIMARY, (b, p), newer, older)


CYCLES_MISSED = RuleInfo(
    code="NHS203",
    title="backup missed rotation cycles",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="ROTATION_DRIFT",
    compared="How many rotations of the primary (by the primary's interval, else the backup's) lie between the two "
    "generations.",
    hurts="Short intervals hide behind a lag limit of hours: a credential rotated every hour is several generations "
    "old long before max_lag ends, and services that keep two generations no longer accept it.",
    false_alarm="The primary's interval was shortened recently, so that the distance is counted in cycles that never "
    "took place. It goes away with the backup's next rotation.",
    remediation={
        "aws": "Give the backup's secret the primary's schedule: aws secretsmanager rotate-secret --rotation-rules … "
        "(rotates at once, too)",
        "azure": "Give the backup the primary's interval: az keyvault key rotation-policy update --value …, the "
        "lifetime action of the certificate's policy, or the job that writes the secret; then rotate the backup once",
        "vault": "Give the backup's static role the primary's rotation_period, then: vault write -f "
        "database/rotate-role/…",
        "file": "Give the backup host's agent the primary's interval, and trigger it once",
        "postgres": "Run the job that changes the role's password on the backup's server too, at the primary's "
        "interval; let it write nhisync:rotated into the role's comment",
        "acme": "Switch on the renewal timer of the backup host (systemctl enable --now certbot.timer), then: certbot "
        "renew --cert-name …",
        "*": "Give {app}/{pair} the same rotation interval on both paths, then rotate the backup once",
    },
    policy=("lockstep.max_cycles",),
    frameworks=ROTATION,
)


def check_cycles_missed(view: PairView) -> Outcome | None:
    """Fail when more rotations than allowed lie between the generations; None without an interval."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    interval = p.interval or b.interval
    newer, older = generation(p), generation(b)
    if interval is None or interval <= 0 or newer is None or older is None:
        return None
    latest = max(older, newer)
    if latest > view.now + FUTURE_TOLERANCE and _not_begun(view, latest):
        return None
    missed = (newer - older) // interval
    allowed = view.thresholds.max_cycles
    if missed <= allowed:
        first = earliest(b)
        proven = first is not None and (newer - first) // interval <= allowed
        return PASS if proven else unknown(Side.BACKUP, at_latest(older), f"at most {allowed} rotations missed")
    observed = f"{missed} rotations of {span(interval)} missed since {when(older)}"
    return fail(Side.BACKUP, observed, f"at most {allowed} rotations missed")


def _not_begun(view: PairView, begins: int) -> bool:
    """Whether a window of validity has not begun (NHS306): it is newer than every other one, and proves nothing."""
    return not view.passed(begins - FUTURE_TOLERANCE)


def _lag(view: PairView, side: Side, rows: tuple[Row, Row], newer: int, older: int) -> Outcome | None:
    """Of the leading and the lagging row, which have these generations; None for trust bundles (NHS615)."""
    limits = view.thresholds
    leading, lagging = rows
    if is_bundle(leading) and is_bundle(lagging):
        return None
    allowed = max(limits.max_lag, _renewal_point(lagging, limits.warn_fraction))
    first = earliest(lagging)
    if first is not None and newer - first <= allowed:
        return PASS
    expected = f"at most {span(allowed)} behind, {span(limits.grace)} after the other side rotated"
    if not view.passed(newer + limits.grace):
        # A leading side that is touched again and again would never leave the grace.
        touched = rotated_at_latest(leading) and earliest(leading) != newer
        late = touched and (first is None or view.passed(first + allowed + limits.grace + 1))
        return unknown(side, at_latest(newer), expected) if late else PASS
    if newer - older <= allowed:
        return unknown(side, at_latest(older), expected)
    observed = f"generation of {when(older)}, {span(newer - older)} behind that of {when(newer)}"
    return fail(side, observed, expected)


def at_latest(instant: int) -> str:
    """How an upper bound is told."""
    return f"written {when(instant)}, but the generation may be older: only its last write has a date"


def _renewal_point(row: Row, warn_fraction: float) -> int:
    """Seconds after its start at which a credential with a validity window should have been renewed; 0 without one."""
    if row.not_before is None or row.expires is None:
        return 0
    lifetime = row.expires - row.not_before
    return lifetime - int(lifetime * warn_fraction)


RULES = (
    Rule(BACKUP_LAGS, check_backup_lags, BOUNDED),
    Rule(PRIMARY_LAGS, check_primary_lags, BOUNDED),
    Rule(CYCLES_MISSED, check_cycles_missed, (*BOUNDED, "interval")),
)
