"""Family 5, how items are guarded: the backup's encryption key and the record of its reads, beside the primary's (R33).

Only tiers that ask are told. Each fact is ordered from weak to strong and compared alone: a side that stands at its
end needs no answer of the other one, everything else that is not known leaves the rule unknown. Kinds without a value
have nothing to encrypt and nothing to read, and say nothing.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from nhisync.model import Audited, Consequence, KeyHolder, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import AUDITING, KEYS
from nhisync.parity.rules.facts import UNREADABLE, ProtectionRow, UnreadableError, protection_of
from nhisync.parity.text import clean, listed

NOT_TOLD = "how the item is guarded was not told"

KEY_WEAKER = RuleInfo(
    code="NHS511",
    title="backup's encryption key weaker",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="Where the tier asks (protection.key): who holds the key that encrypts each side (nobody < the provider < "
    "you), whether it stays in hardware, whether it is replaced by itself, and whether it may be used. The backup may "
    "be weaker in none of them.",
    hurts="After a switch the live credentials lie under the weaker key: whoever runs the store can read them, or a "
    "stolen key opens them for years. Security objectives of the normal path do not end in an outage.",
    false_alarm="The weaker key is a decision (a small disaster site without a hardware module). Waive it with the "
    "reason and an end. Unknown: the printed permissions of this rule are optional and not granted, or the provider "
    "does not tell.",
    remediation={
        "aws": "aws secretsmanager update-secret --kms-key-id with a key of your own in the backup's region, and aws "
        "kms enable-key-rotation; then put a new version, because old ones stay under the old key",
        "vault": "Seal the backup's cluster like the primary's (seal stanza: awskms, gcpckms, pkcs11 …), "
        "and switch on rotation of its barrier key: vault write sys/rotate/config enabled=true",
        "gcp": "Set a Cloud KMS key of the same protection level on the secret's replication, with a rotation period; "
        "then add a new version",
        "*": "Give the backup's store of {app}/{pair} a key of the same strength, or let nhisync read what it is "
        "(nhisync permissions), or switch protection.key off",
    },
    policy=("protection.key",),
    frameworks=KEYS,
)

NOT_AUDITED = RuleInfo(
    code="NHS512",
    title="reads of the backup not audited",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="Where the tier asks (protection.audit): whether reads of the item are recorded on each side (no < partly "
    "< yes): a CloudTrail trail of the region, an audit device, audit configs for data reads. What is recorded, and "
    "whether anybody looks, is not compared.",
    hurts="Whoever steals from the backup leaves no trace there, and after a switch nobody can tell who read the live "
    "credentials.",
    false_alarm="Reads are recorded by something nhisync does not see (CloudTrail Lake, a proxy's log). Waive it with "
    "that reason and an end. Unknown: the printed permissions of this rule are optional and not granted.",
    remediation={
        "aws": "aws cloudtrail create-trail --is-multi-region-trail, then start-logging; read events must be among its "
        "management events",
        "vault": "vault audit enable file file_path=… on the backup's cluster (OpenBao: declare it in the server's "
        "configuration), without a filter",
        "gcp": "Add DATA_READ for secretmanager.googleapis.com to the project's audit configs, and exempt nobody",
        "*": "Record the reads of {app}/{pair} on the backup as on the primary, or let nhisync see that they are "
        "(nhisync permissions), or switch protection.audit off",
    },
    policy=("protection.audit",),
    frameworks=AUDITING,
)


class _Scale(NamedTuple):
    """One ordered fact: what is said of its values from weak to strong."""

    fact: str
    words: dict[object, str]


_KEY: Final = (
    _Scale(
        "holder",
        {
            KeyHolder.NONE: "no encryption of its own",
            KeyHolder.PROVIDER: "a key that the provider holds",
            KeyHolder.CUSTOMER: "a key that you hold",
        },
    ),
    _Scale("hardware", {False: "a key in software", True: "a key in hardware"}),
    _Scale("rotates", {False: "a key that nobody replaces", True: "a key that is replaced by itself"}),
    _Scale("enabled", {False: "a key that is switched off", True: "a key in use"}),
)
_AUDIT: Final = (
    _Scale(
        "audited",
        {
            Audited.NO: "reads are not recorded",
            Audited.PARTLY: "reads are recorded in part",
            Audited.YES: "reads are recorded",
        },
    ),
)


class _Weaker(NamedTuple):
    """One fact in which the backup is weaker."""

    backup: str
    primary: str


def check_key_weaker(view: PairView) -> Outcome | None:
    """Fail for a backup under a weaker key; None where nothing is kept, or the tier does not ask."""
    return _compared(view, _KEY, "key") if view.thresholds.guarded_key else None


def check_not_audited(view: PairView) -> Outcome | None:
    """Fail for a backup whose reads are recorded less than the primary's; None where nothing is kept or asked."""
    return _compared(view, _AUDIT, "audit") if view.thresholds.guarded_audit else None


def _compared(view: PairView, scales: tuple[_Scale, ...], clause: str) -> Outcome | None:
    b, p = view.backup, view.primary
    if p is None or b is None or not view.present:
        return None
    try:
        here, there = _told(b), _told(p)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, "how both sides are guarded")
    if not here.kept or not there.kept:
        return None
    weaker = [found for scale in scales for found in _weaker(scale, here, there)]
    if weaker:
        by = getattr(here, clause)
        what = listed([one.backup for one in weaker]) + (f" ({clean(by)})" if by else "")
        return fail(Side.BACKUP, what, f"as on the primary: {listed([one.primary for one in weaker])}")
    lost = {side for scale in scales for side in _lost(scale, here, there)}
    if not lost:
        return PASS
    said = {Side.BACKUP: here, Side.PRIMARY: there}
    why = [f"{side.value}: {clean(getattr(said[side], clause)) or NOT_TOLD}" for side in said if side in lost]
    return unknown(lost.pop() if len(lost) == 1 else Side.PAIR, "; ".join(why), "what tells that it is no weaker")


def _told(row: Row) -> ProtectionRow:
    return protection_of(row) or ProtectionRow()


def _weaker(scale: _Scale, here: ProtectionRow, there: ProtectionRow) -> Iterator[_Weaker]:
    mine, theirs = getattr(here, scale.fact), getattr(there, scale.fact)
    order = [*scale.words]
    if mine is not None and theirs is not None and order.index(mine) < order.index(theirs):
        yield _Weaker(scale.words[mine], scale.words[theirs])


def _lost(scale: _Scale, here: ProtectionRow, there: ProtectionRow) -> Iterator[Side]:
    """The sides whose silence leaves the comparison open: a strongest backup and a weakest primary need no answer."""
    mine, theirs = getattr(here, scale.fact), getattr(there, scale.fact)
    weakest, strongest = next(iter(scale.words)), next(reversed(scale.words))
    if mine is None and theirs != weakest:
        yield Side.BACKUP
    if theirs is None and mine != strongest:
        yield Side.PRIMARY


RULES = (
    Rule(KEY_WEAKER, check_key_weaker, ("detail",), asked="protection.key"),
    Rule(NOT_AUDITED, check_not_audited, ("detail",), asked="protection.audit"),
)
