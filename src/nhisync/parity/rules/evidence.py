"""Family 9, evidence: what is not known is said, blocks, and is never called missing (law 3, R5, R6, R34).

Results of this family are unknown, never fail; each side takes part in at most one of them. Stale evidence is not an
inconsistent credential: that is family 2 (R53). NHS906 and NHS907 speak about an app or a sweep as a whole, so the
caller of the engine emits them; they are declared here for `nhisync explain`, severities and frameworks.
"""

from nhisync.model import Consequence, Layer, Presence, Severity
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, unknown
from nhisync.parity.rules.controls import EVIDENCE, INVENTORY
from nhisync.parity.rules.facts import error_of
from nhisync.parity.rules.sides import ABSENT, PRESENT, either, presence_of
from nhisync.parity.text import clean, span, when

_DENIED = Presence.DENIED.value
_UNREACHABLE = Presence.UNREACHABLE.value
_AMBIGUOUS = Presence.AMBIGUOUS.value
_THROTTLED = Presence.THROTTLED.value
_UNSUPPORTED = Presence.UNSUPPORTED.value
_ANSWERS = frozenset({PRESENT, ABSENT})
_NAMED = _ANSWERS | {_DENIED, _UNREACHABLE, _AMBIGUOUS, _THROTTLED}

STALE = RuleInfo(
    code="NHS901",
    title="evidence too old",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.INCONSISTENCY,
    block="STALE",
    compared="The time of each side's observation (or of the provider's own older source) plus the age policy allows: "
    "short for the backup; hours for the primary, whose last complete snapshot stays the reference in an outage.",
    hurts="An old look says what was, not what is: a credential may have been revoked or rotated since.",
    false_alarm="The provider's own report is refreshed rarely (an IAM credential report: every four hours). Pair by "
    "items that can be read directly.",
    remediation={
        "aws": "nhisync doctor, then nhisync sync; if the source is a credential report, let nhisync read the keys "
        "themselves (iam:ListAccessKeys)",
        "azure": "nhisync doctor, then nhisync sync; a vault that fails over to its paired region is read only and "
        "may lag",
        "vault": "nhisync doctor; read from the active node (a standby may lag), then nhisync sync",
        "postgres": "nhisync doctor; name the server that accepts writes as host of the source (a standby may lag), "
        "then nhisync sync",
        "*": "Find out why the source was not observed (nhisync doctor, nhisync status), then run nhisync sync",
    },
    policy=("evidence.inventory_max_age", "evaluate.primary_baseline_max_age"),
    frameworks=EVIDENCE,
    fails=False,
)


def check_stale(view: PairView) -> Outcome | None:
    """Unknown for each side that answered too long ago; None when no side answered."""
    b, p, limits = view.backup, view.primary, view.thresholds
    if not view.present:
        b = b if b is not None and b.presence in _ANSWERS else None
        p = p if p is not None and p.presence in _ANSWERS else None
        if b is None and p is None:
            return None
    old_b = b is not None and view.passed(b.observed + limits.inventory_max_age)
    old_p = p is not None and view.passed(p.observed + limits.primary_baseline_max_age)
    if not old_b and not old_p:
        return PASS
    view.momentary()
    return either(
        unknown,
        _observed(b, limits.inventory_max_age) if old_b else None,
        _observed(p, limits.primary_baseline_max_age) if old_p else None,
        "a recent observation",
    )


DENIED = RuleInfo(
    code="NHS902",
    title="read access denied",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the provider let nhisync read the metadata of the item.",
    hurts="What may not be read cannot be judged; that it is there and current would be a guess.",
    false_alarm="A new permission takes time to spread (minutes in some clouds). It goes away by itself.",
    remediation={
        "aws": "nhisync permissions --provider aws --mode read prints the statement; grant it to nhisync's role on "
        "that path (secretsmanager:GetSecretValue is not needed)",
        "azure": "nhisync permissions --provider azure --mode read prints roles, policies and application roles; "
        "assign them to nhisync's application on that path (secrets/get is not needed)",
        "vault": "nhisync permissions --provider vault --mode read prints the policy; write it and attach it to "
        "nhisync's role on that path",
        "tls": "Give nhisync the client certificate that the endpoint asks for",
        "file": "nhisync permissions --provider file prints the setfacl lines; run them on the host of that path: "
        "nhisync's user must read the file itself and pass the folders above it",
        "kubernetes": "Apply the manifest that nhisync permissions --provider kubernetes prints for this configuration",
        "postgres": "nhisync permissions --provider postgres --mode read prints the grants; run them on that path's "
        "own server",
        "acme": "Let nhisync's user read the account key and the certificates' PEM files; agree to the authority's "
        "changed terms as the account's owner",
        "*": "nhisync doctor shows the missing right; nhisync permissions prints the grant",
    },
    frameworks=EVIDENCE,
    fails=False,
)


def check_denied(view: PairView) -> Outcome | None:
    """Unknown for each side that was denied."""
    return None if view.present else _lacking(view, _DENIED, "a read that is allowed")


UNREACHABLE = RuleInfo(
    code="NHS903",
    title="provider not reachable",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the provider answered: network, server faults, a sealed store, an unusable encryption key.",
    hurts="A secret store that nhisync cannot reach from where it runs may be out of reach for the application, too.",
    false_alarm="Only nhisync's own way there is blocked (proxy, firewall). nhisync doctor tells the two apart.",
    remediation={
        "aws": "nhisync doctor; check endpoint, proxy and the key's state (a disabled KMS key looks like this)",
        "azure": "nhisync doctor; check the vault's firewall and private endpoint (az keyvault network-rule list), "
        "DNS and the login host",
        "vault": "nhisync doctor; check vault status on the active node: sealed, standby or no leader",
        "tls": "Check that the address listens and that a firewall lets nhisync through: nhisync doctor",
        "file": "Check that the file system is mounted",
        "postgres": "nhisync doctor; check pg_hba.conf, listen_addresses and that the server accepts connections "
        "(pg_isready)",
        "acme": "nhisync doctor; check that the backup host reaches the authority's directory: a failover must not "
        "depend on the primary's way out",
        "*": "nhisync doctor names the step that fails (DNS, TCP, TLS, login)",
    },
    frameworks=EVIDENCE,
    fails=False,
)


def check_unreachable(view: PairView) -> Outcome | None:
    """Unknown for each side whose provider gave no answer."""
    return None if view.present else _lacking(view, _UNREACHABLE, "an answer of the provider")


AMBIGUOUS = RuleInfo(
    code="NHS904",
    title="counterpart is ambiguous",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.INCONSISTENCY,
    block="UNKNOWN",
    compared="Whether exactly one item on each path claims to be this pair's half.",
    hurts="Two items claim the place; nhisync does not guess which one the application will use after a switch.",
    false_alarm="An old item was left behind after a move. Remove it, or name the right one in an explicit pair.",
    remediation={
        "*": "Name {pair} explicitly under pairs of {app}, or make the template or tag unique: nhisync discover PATH "
        "--unmapped",
    },
    frameworks=(*EVIDENCE, *INVENTORY[:3]),
    fails=False,
)


def check_ambiguous(view: PairView) -> Outcome | None:
    """Unknown for each side that two items claim."""
    return None if view.present else _lacking(view, _AMBIGUOUS, "one item for the pair")


UNCOVERED = RuleInfo(
    code="NHS905",
    title="not covered by this run",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether this run looked at all where the item should stand, and whether the provider can answer.",
    hurts="Not looked at is not absent and not present: nobody knows.",
    false_alarm="The kind cannot be read on this version of the provider. Pair an item that can, or make the pair "
    "exempt with owner and end.",
    remediation={
        "aws": "Add region and kind to the source, and check that it is enabled for the account",
        "azure": "Name the vault of the source, or directory: true for applications; a kind that the source does not "
        "serve is not looked at",
        "vault": "Add the mount to the source; some kinds need a newer server or another edition",
        "postgres": "Add the server as a source of the path; roles are all it has",
        "acme": "Name the PEM files under certificates of the source, and the account's account_key_file",
        "*": "nhisync inventory PATH shows the coverage; add the missing source, kind or region",
    },
    frameworks=EVIDENCE,
    fails=False,
)


STEPS = {
    "auth_failed": "nhisync's own credential there is not accepted: renew what auth of the source names; nhisync "
    "doctor PATH tells when it is let in again",
    "misconfigured": "nhisync doctor PATH names the setting of the source that cannot be right (a profile, a file, an "
    "address) and its step",
    "read_only_side": "A standby or a read replica answered: let address or nodes of the source lead to the active "
    "node; nhisync doctor shows which",
    "unsupported": "This provider, or what answers there, cannot tell it: switch it on there (STARTTLS, say), pair an "
    "item of a kind that can be read, or make {pair} exempt with owner and end",
    "scope_missing": "The mount, vault, project or folder that {pair} names does not exist there: correct the locator, "
    "or create it",
    "malformed": "Look at what answered: a proxy, a portal or an odd item; nhisync doctor PATH tells which",
    "conflict": "Another change of {pair} was in progress: run again when it is done",
}
"""Kind of the typed reason (word of `nhisync.spi.ErrorKind`) → step of NHS902 and NHS905, before the provider's."""


def check_uncovered(view: PairView) -> Outcome | None:
    """Unknown for each side of which nothing is known for any other reason; the net below this family."""
    if view.present:
        return None
    backup = presence_of(view.backup, view.missing_backup)
    primary = presence_of(view.primary, view.missing_primary)
    return _speak(
        _why(view.backup, backup) if backup not in _NAMED else None,
        _why(view.primary, primary) if primary not in _NAMED else None,
        "a read of the item",
    )


NO_PAIRS = RuleInfo(
    code="NHS906",
    title="app has no pairs",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="How many pairs the app has, by explicit pairs, templates and tags.",
    hurts="No pairs means that nothing was judged; an app without identities does not exist, so they are unmapped.",
    false_alarm="The templates match nothing yet because the first items are still to come.",
    remediation={
        "*": "nhisync discover PATH --unmapped --write suggests pairs for {app}; check the names in its templates",
    },
    frameworks=(*EVIDENCE, *INVENTORY[:3]),
    fails=False,
)


def check_no_pairs(_: PairView) -> Outcome | None:
    """None: there is no pair to ask; the caller of the engine emits this for an app without pairs."""
    return None


SHRUNK = RuleInfo(
    code="NHS907",
    title="inventory shrank unbelievably",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="How many items of a kind the sweep found, with the last complete sweep and the largest one of 30 days: "
    "many small losses add up to a large one.",
    hurts="A cut answer, a lost permission or a wrong filter looks like many deletions; believing it would call "
    "living credentials missing, and orphans of the rest.",
    false_alarm="Many items were really removed. No number of equal sweeps proves that: a lost permission is just as "
    "lasting. Somebody who looked says it once (nhisync store accept, audited); that sweep is then the reference, and "
    "no earlier one.",
    remediation={
        "aws": "Compare with the console's count; check pagination limits and new tag conditions in nhisync's policy",
        "azure": "Compare with az keyvault secret list and list-deleted; check the rights of nhisync's application to "
        "list",
        "vault": "Check pagination_limit and the list rights of nhisync's policy; ask the active node",
        "postgres": "Compare with SELECT rolname FROM pg_roles; check that the source names the cluster it named "
        "before",
        "*": "nhisync doctor PATH; compare nhisync inventory PATH with the provider's own count. Only if the items "
        "were really removed: nhisync store accept PATH SOURCE KIND --items N --approved-by WHO --reason WHY",
    },
    policy=("evidence.shrink_share",),
    frameworks=EVIDENCE,
    fails=False,
)


def check_shrunk(_: PairView) -> Outcome | None:
    """None: a sweep is not a pair; the caller of the engine emits this for a sweep that is not believed."""
    return None


THROTTLED = RuleInfo(
    code="NHS908",
    title="throttled or out of budget",
    severity=Severity.ERROR,
    layer=Layer.EXISTS,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the provider asked to slow down, or the cycle's own limit of calls or time ran out, before the "
    "item was read.",
    hurts="The item was not looked at in this cycle; its last observation grows old and then blocks.",
    false_alarm="Another tool uses up the quota for a moment. It goes away with the next cycle.",
    remediation={
        "aws": "Raise limits.calls or limits.deadline of the source, or lower limits.rates; ask AWS for a higher quota",
        "azure": "Raise limits.deadline or limits.calls of the source, or lower limits.rates: a vault answers 4,000 "
        "calls in ten seconds to all its clients together",
        "vault": "Raise the rate-limit quota of nhisync's role, or lower limits.rates of the source",
        "acme": "Read less often: the authority's limits count renewals too, and a failover may need them",
        "*": "Raise limits (calls, deadline) of the source, or evaluate less often",
    },
    frameworks=EVIDENCE,
    fails=False,
)


def check_throttled(view: PairView) -> Outcome | None:
    """Unknown for each side that was not read for lack of budget."""
    return None if view.present else _lacking(view, _THROTTLED, "a read within the budget")


AHEAD = RuleInfo(
    code="NHS909",
    title="past time lies in the future",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.INCONSISTENCY,
    block="UNKNOWN",
    compared="Creation, last rotation and begun rotation, as the provider tells them, with the clock of this host; 30 "
    "seconds of skew are allowed. Such a side has no known generation.",
    hurts="A rotation that is dated ahead looks fresh for as long as the clock that wrote it was wrong: every limit of "
    "age and lag would pass.",
    false_alarm="The clock of this host is behind: nhisync doctor shows the skew. It goes away with the clock.",
    remediation={
        "file": "Correct the clock of the host that wrote the file, and let its agent write a new generation",
        "*": "nhisync doctor compares the clocks; correct the one that is wrong (NTP), then rotate the item once, so "
        "that its provider dates it anew",
    },
    frameworks=EVIDENCE,
    fails=False,
)


def check_ahead(view: PairView) -> Outcome | None:
    """Unknown for each side that tells a past time which lies in the future; None when none does."""
    if (view.ahead_backup is None and view.ahead_primary is None) or not view.present:
        return None
    return either(unknown, _future(view.ahead_backup), _future(view.ahead_primary), "times that have passed")


def _future(ahead: int | None) -> str | None:
    return None if ahead is None else f"dated {when(ahead)}, which is still to come"


def _observed(row: Row | None, limit: int) -> str | None:
    return None if row is None else f"observed {when(row.observed)}, believed for {span(limit)}"


def _lacking(view: PairView, word: str, expected: str) -> Outcome | None:
    backup = presence_of(view.backup, view.missing_backup)
    primary = presence_of(view.primary, view.missing_primary)
    return _speak(
        _why(view.backup, word) if backup == word else None,
        _why(view.primary, word) if primary == word else None,
        expected,
    )


def _speak(backup: str | None, primary: str | None, expected: str) -> Outcome | None:
    return None if backup is None and primary is None else either(unknown, backup, primary, expected)


def _why(row: Row | None, word: str) -> str:
    """The provider's reason in our words: what was missing, on what, as whom."""
    error = error_of(row)
    if error.action:
        on = f" on {error.resource}" if error.resource else ""
        who = f" as {error.principal}" if error.principal else ""
        reason = f": {error.reason}" if error.reason else ""
        return clean(f"{word}: {error.action}{on}{who}{reason}", 300)
    said = clean(error.message) if error.message else ""
    return f"{clean(word, 20) or 'unknown'}: {said}" if said else _SAID.get(word, "nothing is known of it")


_SAID = {
    _DENIED: "denied",
    _UNREACHABLE: "unreachable",
    _AMBIGUOUS: "two items claim to be this one",
    _THROTTLED: "not read within the budget",
    _UNSUPPORTED: "the provider cannot answer for this kind",
}

RULES = (
    Rule(STALE, check_stale),
    Rule(DENIED, check_denied),
    Rule(UNREACHABLE, check_unreachable),
    Rule(AMBIGUOUS, check_ambiguous),
    Rule(UNCOVERED, check_uncovered),
    Rule(NO_PAIRS, check_no_pairs),
    Rule(SHRUNK, check_shrunk),
    Rule(THROTTLED, check_throttled),
    Rule(AHEAD, check_ahead, ("created", "rotated", "pending")),
)
