"""Family 8, second part, sessions: a token that one path signed is accepted by the other, or is declared lost (R38).

Key sets (RFC 7517) are compared key by key, as a verifier chooses: by the token's kid and alg. What a set holds may
sign, so all of it must be accepted. Keys that are one value on both paths by design (a pair of kind ``signing-key``
and class shared) are compared as values, where the tier has values compared. An app may declare its sessions lost.
"""

from collections.abc import Iterable, Iterator

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import AUTHENTICATION, EVIDENCE, EXPOSURE, OWNERSHIP
from nhisync.parity.rules.facts import KEY_SET_MARK, UNREADABLE, KeyRow, KeySetRow, UnreadableError, key_set_of
from nhisync.parity.rules.sides import answered, either
from nhisync.parity.text import clean, listed

VALUES_DIFFER = "the values of both paths differ"

BACKUP_REFUSES = RuleInfo(
    code="NHS808",
    title="backup refuses primary's tokens",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="AUTH_FAILED",
    compared="Every signature key that the primary's key set publishes with the backup's set: the key that a verifier "
    "picks there by the token's kid and alg must be the same one (RFC 7638). Of a shared pair of kind signing-key, "
    "where values are compared, whether both values are one.",
    hurts="After the switch every session and token that the primary issued is refused: all users are logged out and "
    "all services lose their tokens in the same second, and the login service meets them at once.",
    false_alarm="Nobody brings old tokens to the backup. Declare the app's sessions lost, with owner, end and reason.",
    remediation={
        "aws": "Write the value that the pair declares shared into the backup's region, too (aws secretsmanager "
        "put-secret-value --secret-string file://…), from the place that makes it",
        "vault": "Write the value that the pair declares shared into the backup's cluster, too (vault kv put … @file), "
        "from the place that makes it",
        "tls": "Publish the primary's public keys in the backup's key set too, under the same kid and alg, before they "
        "sign; never copy a private key to do so",
        "file": "Write the primary's public keys into the backup's key set too, under the same kid and alg, and reload "
        "what reads it",
        "*": "Let the backup of {app}/{pair} accept what the primary signs with: publish its public keys, or hold the "
        "shared value; or declare the sessions of {app} lost",
    },
    policy=("evidence.compare_values",),
    frameworks=AUTHENTICATION,
)


def check_backup_refuses(view: PairView) -> Outcome | None:
    """Fail for what the primary may sign and the backup refuses; None when nothing is said of sessions."""
    b, p = view.backup, view.primary
    if p is None or b is None or not view.present:
        return None
    there, here = b.detail, p.detail
    if (there is None or KEY_SET_MARK not in there) and (here is None or KEY_SET_MARK not in here):
        return _valued(view, p, b) if view.signing else None
    if _lost(view):
        return None
    if _is_set(p) and _is_set(b):
        return _carried(p, b, Side.BACKUP)
    bare = Side.BACKUP if _is_set(p) else Side.PRIMARY
    return unknown(bare, "only the other side is a key set", "a key set on both sides")


PRIMARY_REFUSES = RuleInfo(
    code="NHS809",
    title="primary refuses backup's tokens",
    severity=Severity.WARNING,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="AUTH_FAILED",
    compared="The same as NHS808 the other way round: every signature key of the backup's set with the primary's set.",
    hurts="Nothing yet. After the failback everyone who logged in during the outage is logged out, and the second "
    "switch costs as much as the first.",
    false_alarm="The failback waits until the tokens of the backup have ended. Waive it with that reason.",
    remediation={
        "tls": "Publish the backup's public keys in the primary's key set too, under the same kid and alg",
        "file": "Write the backup's public keys into the primary's key set too, under the same kid and alg",
        "*": "Let the primary of {app}/{pair} accept what the backup signs with, before a failback",
    },
    frameworks=AUTHENTICATION,
)


def check_primary_refuses(view: PairView) -> Outcome | None:
    """Fail for what the backup may sign and the primary refuses; None unless both sides are key sets."""
    b, p = view.backup, view.primary
    if p is None or b is None or b.detail is None or KEY_SET_MARK not in b.detail or not view.present:
        return None
    return _carried(b, p, Side.PRIMARY) if _is_set(p) and not _lost(view) else None


PUBLISHED = RuleInfo(
    code="NHS810",
    title="key set publishes private keys",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="Whether a key of either key set carries a private or symmetric member (d, k, p, q …). Such members are "
    "counted and dropped: they are neither kept nor compared.",
    hurts="Whoever fetches the set can sign tokens for any user, on every path that accepts the key.",
    false_alarm="None for a set that is served. A file that only the signing service reads is no published set: name "
    "it with the kind json or yaml.",
    remediation={
        "tls": "Take the private members out of what is served, replace these keys on every path, and end all sessions "
        "they signed: treat them as stolen",
        "file": "Publish the public members only; replace these keys on every path if anybody else could read the file",
        "*": "Take the private members out of the key set of {app}/{pair}, and replace the keys: treat them as stolen",
    },
    frameworks=EXPOSURE,
)


def check_published(view: PairView) -> Outcome | None:
    """Fail for each side that publishes private members; None without a key set."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    there, here = None if b is None else b.detail, None if p is None else p.detail
    if (there is None or KEY_SET_MARK not in there) and (here is None or KEY_SET_MARK not in here):
        return None
    try:
        backup, primary = key_set_of(b), key_set_of(p)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, "what the key set publishes")
    return either(fail, _leaks(backup), _leaks(primary), "public members only")


NOT_SHOWN = RuleInfo(
    code="NHS811",
    title="survival of sessions not shown",
    severity=Severity.ERROR,
    layer=Layer.TRANSACTION,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Where the tier asks (sessions.ask): whether a pair of the app shows that tokens of the primary verify on "
    "the backup. Key sets of both paths show it, and a shared value of kind signing-key that was compared. For an app "
    "without such a pair the attestation session-state answers, where the tier asks for that one.",
    hurts="Nobody knows whether the users are still logged in after the switch, and whether the login service can "
    "carry all of them at once.",
    false_alarm="The app keeps no sessions, or may lose them. Declare that: sessions of the app, with owner, end and "
    "reason.",
    remediation={
        "*": "Pair the key sets of both paths (kind jwks of a source tls or file), or the shared value (kind: "
        "signing-key, class: shared, and evidence.compare_values); or ask for the attestation session-state; or "
        "declare the sessions of {app} lost",
    },
    policy=("sessions.ask", "evidence.compare_values", "attestations"),
    frameworks=EVIDENCE,
    fails=False,
)


def check_not_shown(view: PairView) -> Outcome | None:
    """Unknown for a signing key of which nothing shows whether it is accepted; None for every other pair.

    An app without any such pair is told by the caller of the engine.
    """
    b, p = view.backup, view.primary
    if p is None or b is None or not view.present or not view.signing or _lost(view):
        return None
    if _is_set(b) or _is_set(p):
        return PASS
    if not view.shared:
        return unknown(Side.PAIR, "each path has a key of its own, and no key set of both is paired", _SHOWN)
    if _one_value(p, b) or view.thresholds.compare_values:
        return PASS
    return unknown(Side.PAIR, "the tier does not compare values", _SHOWN)


LOST = RuleInfo(
    code="NHS812",
    title="sessions declared lost",
    severity=Severity.INFO,
    layer=Layer.TRANSACTION,
    consequence=Consequence.INCONSISTENCY,
    block="AUTH_FAILED",
    compared="Whether the configuration declares that the app's sessions end with a switch, by whom and until when. "
    "Asked of the app, not of a pair. Through that day NHS808, NHS809 and NHS811 are not asked.",
    hurts="All users log in again after a switch, at the same time. Whoever switches has to know that beforehand.",
    false_alarm="It is no alarm, but the record of a decision. When the day has passed, decide anew.",
    remediation={
        "*": "Nothing, if that is still meant and its day is still to come; else a new until, or pair the signing keys "
        "of {app} and take the declaration out",
    },
    frameworks=OWNERSHIP,
)


def check_lost(_: PairView) -> Outcome | None:
    """None: a declaration speaks about an app; the caller of the engine emits this."""
    return None


_SHOWN = "key sets on both sides, or one compared value"


def refusals(signers: Iterable[KeyRow], verifier: KeySetRow) -> Iterator[str]:
    """The keys among `signers` whose tokens `verifier` need not accept, each with the reason."""
    for key in signers:
        if why := _refusal(key, verifier.keys):
            yield f"{_named(key)} ({why})"


def _refusal(key: KeyRow, accepted: tuple[KeyRow, ...]) -> str:
    """Why a token of `key` may be refused, or "".

    A token names its key by kid (RFC 7515 §4.1.4); one without a kid leaves the choice to the verifier, which is right
    for certain only where a single key can be meant (OpenID Connect Core 1.0 §10.1).
    """
    meant = [one for one in accepted if one.kid == key.kid] if key.kid else list(accepted)
    if not meant:
        same = any(one.thumbprint == key.thumbprint for one in accepted)
        return "stands there under another kid" if same else "is not among its signature keys"
    return next(filter(None, (_choice(key, meant, algorithm) for algorithm in key.algorithms)), "")


def _choice(key: KeyRow, meant: Iterable[KeyRow], algorithm: str) -> str:
    """Why a verifier that has to choose among `meant` for a token of `key` and `algorithm` may choose wrong, or ""."""
    chosen = {one.thumbprint for one in meant if algorithm in one.algorithms}
    if chosen == {key.thumbprint}:
        return ""
    if key.thumbprint in chosen:
        return "shares its kid with another key there" if key.kid else "has no kid, and several keys there fit"
    if any(one.thumbprint == key.thumbprint for one in meant):
        return f"is not accepted for {algorithm}"
    return "its kid is another key there" if key.kid else "is not there"


def _carried(signs: Row, verifies: Row, side: Side) -> Outcome:
    """Whether the keys of one side are accepted by the other; `side` is the verifier's."""
    expected = "every key that the other side may sign with, under its kid and alg"
    try:
        signer, verifier = key_set_of(signs) or KeySetRow(), key_set_of(verifies) or KeySetRow()
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, expected)
    refused = sorted(refusals(signer.keys, verifier))
    if refused:
        besides = f"; of what it holds besides, {listed(dict.fromkeys(verifier.odd))}" if verifier.odd else ""
        return fail(side, f"does not accept {listed(refused)}{besides}", expected)
    other = Side.PRIMARY if side is Side.BACKUP else Side.BACKUP
    if signer.odd:
        return unknown(other, f"holds {listed(dict.fromkeys(signer.odd))}", expected)
    if not signer.keys:
        return unknown(other, "publishes no signature key", expected)
    return PASS


def _valued(view: PairView, p: Row, b: Row) -> Outcome | None:
    """Whether a value that both paths share by design is one; None where that is not asked, or nobody compares."""
    if not view.shared or _lost(view) or (not _one_value(p, b) and not view.thresholds.compare_values):
        return None
    return PASS if _one_value(p, b) else fail(Side.PAIR, VALUES_DIFFER, "one value, as the pair declares")


def _named(key: KeyRow) -> str:
    return clean(key.kid, 60) if key.kid else f"the key {key.thumbprint[:12]}… without a kid"


def _leaks(found: KeySetRow | None) -> str | None:
    if found is None or not found.private:
        return None
    return f"private or symmetric members of {found.private} key{'s' * (found.private != 1)}"


def _is_set(row: Row | None) -> bool:
    return row is not None and row.detail is not None and KEY_SET_MARK in row.detail


def _one_value(p: Row, b: Row) -> bool:
    return b.group is not None and b.group == p.group


def _lost(view: PairView) -> bool:
    """Whether the app's sessions are declared lost, and still are."""
    return view.lost_until is not None and not view.passed(view.lost_until + 1)


RULES = (
    Rule(BACKUP_REFUSES, check_backup_refuses, ("detail", "group")),
    Rule(PRIMARY_REFUSES, check_primary_refuses, ("detail",)),
    Rule(PUBLISHED, check_published, ("detail",)),
    Rule(NOT_SHOWN, check_not_shown, ("detail", "group"), asked="sessions.ask"),
    Rule(LOST, check_lost),
)
