"""Family 6, third part: the clients of both paths accept both chains, and nothing in a chain is revoked.

Both are asked only where they are configured: client bundles (``client_trust``) and revocation lists (``crl_files``) of
a source. What is configured and cannot be used is unknown, never silence. Trust bundles that are items themselves are
compared as they are.
"""

from collections.abc import Callable, Iterator

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.chain import chains
from nhisync.parity.rules.controls import CHAIN, EXPIRY
from nhisync.parity.rules.facts import (
    ACCEPTS_MARK,
    UNREADABLE,
    ChainRow,
    OutlookRow,
    RevocationRow,
    UnreadableError,
    accepts_of,
)
from nhisync.parity.rules.sides import either
from nhisync.parity.text import clean, listed, when

CLIENTS = RuleInfo(
    code="NHS611",
    title="chain refused by configured clients",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether the chain of each path builds in every client bundle of its own source, and ends in a root that "
    "the client bundles of the other path's source hold: a switch brings the clients of both.",
    hurts="Clients with a trust store of their own (phones, partners, appliances) refuse the path whose root they do "
    "not hold, and nobody can add one to them during an outage.",
    false_alarm="The served chain also reaches the missing root over a cross-signed authority. Name the same bundle in "
    "client_trust of both sources: the chain is then built in it instead of compared by its root.",
    remediation={
        "tls": "Ship the missing root to these clients before a switch, or issue from an authority whose root they "
        "hold; then renew their bundle in client_trust",
        "file": "Issue from an authority whose root these clients hold, or ship the root to them; then renew their "
        "bundle in client_trust",
        "*": "Give the clients of {app}/{pair} the roots of both paths, or issue both certificates under a root that "
        "they hold",
    },
    frameworks=CHAIN,
)


def check_clients(view: PairView) -> Outcome | None:
    """Fail for each side that clients refuse, unknown when a bundle cannot be used; None without any bundle."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if not _bundles(b) and not _bundles(p):
        return None
    expected = "a root that every configured client bundle of both paths holds"
    refused = _told(_refusing(view, b, p, "primary")), _told(_refusing(view, p, b, "backup"))
    if any(refused):
        return either(fail, refused[0], refused[1], expected)
    return either(unknown, _undecided(view, b, p), _undecided(view, p, b), expected)


REVOKED = RuleInfo(
    code="NHS612",
    title="certificate in path revoked",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Every certificate below the root with the configured revocation list of its issuer (RFC 5280 §6.3).",
    hurts="Clients that look at revocation refuse the path at once; the others go on trusting a key that its issuer "
    "has given up, which may be in strange hands.",
    false_alarm="The certificate is only on hold. Its issuer can release it; until then clients refuse it all the "
    "same.",
    remediation={
        "aws": "Request or import another certificate on a new key; find out why this one was revoked",
        "vault": "Issue again (vault write pki/issue/…) on a new key, install it, and find out who revoked the old one",
        "tls": "Renew on a new key, install leaf and chain, and find out why the old certificate was revoked",
        "file": "Renew on a new key, and find out why the old certificate was revoked",
        "*": "Renew {app}/{pair} on a new key; a revoked issuer needs a new chain for everything below it",
    },
    frameworks=CHAIN,
)


def check_revoked(view: PairView) -> Outcome | None:
    """Fail for each side with a revoked certificate; None when no side has a revocation list."""
    return _by_list(view, fail, _revoked, "no certificate of the path on its issuer's list")


NOT_ANSWERED = RuleInfo(
    code="NHS613",
    title="revocation status not known",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether a current, complete list of its issuer was given for every certificate below the root, on each "
    "side for which lists are configured.",
    hurts="A revoked backup looks like a good one, and clients that insist on a current list refuse it either way.",
    false_alarm="The authority publishes no lists (short-lived certificates need none). Leave crl_files of the source "
    "empty, and revocation is not asked about.",
    remediation={
        "tls": "Fetch the lists that the certificates name (openssl crl -inform DER …) into crl_files, root's and "
        "intermediate's, by a timer that runs more often than they end",
        "file": "Fetch the lists that the certificates name into crl_files, by a timer that runs more often than they "
        "end",
        "*": "Give nhisync a current list of every issuer in the chain of {app}/{pair} (crl_files of the source)",
    },
    frameworks=CHAIN,
    fails=False,
)


def check_not_answered(view: PairView) -> Outcome | None:
    """Unknown for each side without a current list for a certificate; None when no side has a revocation list."""
    return _by_list(view, unknown, _unanswered, "a current list of every issuer in the path")


LIST_ENDS = RuleInfo(
    code="NHS614",
    title="revocation list ends inside horizon",
    severity=Severity.WARNING,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="The first end of the current revocation lists of the path with the present plus the chain horizon.",
    hurts="When the authority or its download place goes down with the primary, no next list comes: clients that "
    "insist on one refuse the backup from that second on.",
    false_alarm="The authority publishes lists that live shorter than the horizon, and no client insists on them. "
    "Waive it with that reason.",
    remediation={
        "tls": "Fetch the next list into crl_files; let the authority publish lists that outlive the horizon, from a "
        "place that survives the primary",
        "file": "Fetch the next list into crl_files; let the authority publish lists that outlive the horizon",
        "vault": "Lengthen the lists: vault write pki/config/crl expiry=… auto_rebuild=true",
        "*": "Let the issuer of {app}/{pair} publish lists that outlive the chain horizon",
    },
    policy=("chain.horizon",),
    frameworks=(*CHAIN, *(control for control in EXPIRY if control not in CHAIN)),
)


def check_list_ends(view: PairView) -> Outcome | None:
    """Fail for each side whose lists end inside the horizon; None when no side has a list that is current."""
    found = chains(view)
    lists = [chain.revocation for chain in found or () if chain is not None and chain.revocation is not None]
    if not any(_end(view, one) is not None for one in lists):
        return None
    return _by_list(view, fail, _ending, "lists that outlive the chain horizon")


BUNDLES = RuleInfo(
    code="NHS615",
    title="trust bundles hold different roots",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="The roots (name and key) of the trust bundle on each path, where both items are bundles.",
    hurts="What runs on the backup refuses peers that the primary accepts: databases, brokers and clients with mutual "
    "TLS fail after the switch. A root too many lets in whom the primary refuses.",
    false_alarm="The extra root belongs to a service that exists on one path alone. Waive it with that reason, or give "
    "both paths both roots.",
    remediation={
        "file": "Write the same roots into the bundles of both paths, and reload what reads them",
        "*": "Give both paths of {app}/{pair} the same roots; during a change of roots, both old and new ones",
    },
    frameworks=CHAIN,
)


def check_bundles(view: PairView) -> Outcome | None:
    """Fail when the backup's bundle lacks roots of the primary's, has more, or only one item is one; else None."""
    b, p = view.backup, view.primary
    if not view.present or b is None or p is None or ACCEPTS_MARK not in f"{b.detail}{p.detail}":
        return None
    try:
        here, there = accepts_of(b), accepts_of(p)
    except UnreadableError:
        return unknown(Side.PAIR, UNREADABLE, _SAME_ROOTS)
    if here is None or there is None:
        odd = Side.BACKUP if here is None else Side.PRIMARY
        return None if here is there else fail(odd, "no trust bundle", "a trust bundle, as on the other path")
    lacks, more = sorted(set(there) - set(here)), sorted(set(here) - set(there))
    parts = (f"lacks {listed(lacks)}" if lacks else "", f"holds besides {listed(more)}" if more else "")
    told = "; ".join(part for part in parts if part)
    return fail(Side.BACKUP, told, _SAME_ROOTS) if told else PASS


def is_bundle(row: Row) -> bool:
    """Whether a row is certainly a trust bundle; its mark alone does not say so: stores of a chain have roots, too."""
    try:
        return accepts_of(row) is not None
    except UnreadableError:
        return False


_SAME_ROOTS = "the roots of the primary's bundle"

_Judge = Callable[[PairView, RevocationRow], str | None]


def _by_list(view: PairView, verdict: Callable[..., Outcome], judge: _Judge, expected: str) -> Outcome | None:
    """One outcome out of what `judge` says of each side that has revocation lists."""
    found = chains(view)
    b, p = (None if chain is None else chain.revocation for chain in found) if found else (None, None)
    if b is None and p is None:
        return None
    backup, primary = (None if one is None else judge(view, one) for one in (b, p))
    return either(verdict, backup, primary, expected)


def _revoked(_: PairView, found: RevocationRow) -> str | None:
    return clean(found.revoked) or None


def _unanswered(view: PairView, found: RevocationRow) -> str | None:
    if found.unknown:
        return clean(found.unknown)
    if found.until is not None and view.passed(found.until + 1):
        return f"the list of {clean(found.issuer, 80)} ended {when(found.until)}"
    return None


def _ending(view: PairView, found: RevocationRow) -> str | None:
    end = _end(view, found)
    if end is None or not view.passed(end - view.thresholds.chain_horizon):
        return None
    return f"the list of {clean(found.issuer, 80)} ends {when(end)}"


def _end(view: PairView, found: RevocationRow) -> int | None:
    """The last second of lists that are still current; older ones are NHS613's."""
    return None if found.until is None or view.passed(found.until + 1) else found.until


def _bundles(chain: ChainRow | None) -> list[OutlookRow]:
    return [] if chain is None else [one for one in chain.outlooks if one.store.startswith("client:")]


def _name(bundle: OutlookRow) -> str:
    return clean(bundle.store.removeprefix("client:"), 40)


def _judged(view: PairView, chain: ChainRow | None) -> bool:
    """Whether the chain says anything about roots: it builds somewhere, and its leaf is within its own validity."""
    if chain is None or chain.leaf is None:
        return False
    if view.passed(chain.leaf.not_after) or not view.passed(chain.leaf.not_before):
        return False
    return chain.builds_with_known is not False or any(one.anchor for one in chain.outlooks)


def _refusing(view: PairView, chain: ChainRow | None, other: ChainRow | None, path: str) -> Iterator[str]:
    """The groups of clients that refuse `chain`: of its own source, and of the other `path`'s."""
    if not _judged(view, chain) or chain is None:
        return
    own = _bundles(chain)
    yield from (_name(one) for one in own if not one.problem and one.fails_at is None)
    anchors = {one.anchor for one in chain.outlooks if one.anchor}
    for bundle in _elsewhere(own, other):
        if anchors and not anchors & set(bundle.accepts):
            yield f"{_name(bundle)} of the {path}"


def _elsewhere(own: list[OutlookRow], other: ChainRow | None) -> list[OutlookRow]:
    """The usable bundles of the other path; one with the roots of an own bundle is left out: that was built in."""
    built = {one.accepts for one in own if not one.problem}
    return [one for one in _bundles(other) if not one.problem and one.accepts not in built]


def _told(names: Iterator[str]) -> str | None:
    return f"refused by clients {shown}" if (shown := listed(names)) else None


def _undecided(view: PairView, chain: ChainRow | None, other: ChainRow | None) -> str | None:
    """Why it is not known whether clients accept `chain`."""
    problem = next((one.problem for one in _bundles(chain) if one.problem), "")
    if problem:
        return clean(problem)
    if chain is None or not _judged(view, chain) or any(one.anchor for one in chain.outlooks):
        return None
    return "the root of its chain is not known" if _elsewhere(_bundles(chain), other) else None


RULES = (
    Rule(CLIENTS, check_clients, ("detail",)),
    Rule(REVOKED, check_revoked, ("detail",)),
    Rule(NOT_ANSWERED, check_not_answered, ("detail",)),
    Rule(LIST_ENDS, check_list_ends, ("detail",)),
    Rule(BUNDLES, check_bundles, ("detail",)),
)
