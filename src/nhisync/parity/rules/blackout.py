"""Family 3, blackout clock: how long a credential authenticates when issuers, rotators and identity providers are gone.

A rotation that does not happen ends nothing, so schedules do not count; what nobody renews ends at its own end, and at
that of every certificate above it. An end that is not known is never "no end". Pure.
"""

from typing import Final, NamedTuple

from nhisync.model import Consequence, CredentialState, Layer, Presence, Severity, Side
from nhisync.parity.lifetimes import ENDLESS, MINTED, NEVER, Minted
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.chain import path_of
from nhisync.parity.rules.controls import EXPIRY, SEPARATION
from nhisync.parity.rules.facts import UNREADABLE, UnreadableError, chain_of, dependencies_of, endless_of
from nhisync.parity.rules.sides import PRESENT
from nhisync.parity.text import clean, listed, span, when

READS: Final = ("locator", "presence", "state", "domain", "not_before", "expires", "detail")
"""Columns of the backup's row that `ending` reads."""

_LOGIN = "identity-provider"
"""Kind of dependency without which no login is checked at all."""

_DEAD = {
    state.value: f"is {state.value}"
    for state in CredentialState
    if state not in {CredentialState.ACTIVE, CredentialState.PRE_ACTIVATION}
}


class Ending(NamedTuple):
    """When a credential stops authenticating in a blackout that begins now.

    Attributes:
        end: epoch seconds from which on it surely does not work any more; None = no such instant is known.
        cause: what ends then; without an end why there is none.
        doubt: why it may end earlier, or at all; "" = it does not.
        moving: `end` is counted from the present, so that it is never any nearer.
    """

    end: int | None = None
    cause: str = ""
    doubt: str = ""
    moving: bool = False

    @property
    def endless(self) -> bool:
        """It is known that it does not end by itself."""
        return self.end is None and not self.doubt


def ending(row: Row, now: int, declared: int | None = None) -> Ending:
    """When the credential of `row` stops authenticating.

    Args:
        row: one side of a pair.
        now: epoch seconds of the beginning of the blackout.
        declared: epoch seconds of the end that the configuration states (`NEVER` = it has none), where the provider
            cannot tell; None = none is stated.
    """
    dead = _dead(row, now)
    if dead is not None:
        return dead
    logins = [clean(f"{d.kind} {d.id}", 120) for d in dependencies_of(row) if d.kind == _LOGIN]
    if logins:
        return Ending(now, f"needs {listed(logins)} at every login", moving=True)
    place = (row.domain or "").partition("/")[0], row.locator.partition(":")[2].partition("/")[0]
    minted = MINTED.get(place)
    ends = [] if row.expires is None else [(row.expires, "the credential")]
    if minted is not None:
        return _of_minted(row, minted, min(ends, default=None), now)
    above, doubt = _chain(row)
    ends += above
    if declared is not None and declared < NEVER:
        ends.append((declared, "the credential, as the configuration states,"))
    if ends:
        end, whose = min(ends)
        return Ending(end, f"{whose} ends", doubt)
    if doubt:
        return Ending(doubt=doubt)
    return _without_end(row, place, declared)


def _dead(row: Row, now: int) -> Ending | None:
    """Whether it does not authenticate even now, or nobody knows whether it is there."""
    if row.presence == Presence.ABSENT.value:
        return Ending(now, "does not exist", moving=True)
    if row.presence != Presence.PRESENT.value:
        return Ending(doubt=f"not seen: {row.presence}")
    if row.state in _DEAD:
        return Ending(now, _DEAD[row.state], moving=True)
    early = row.not_before is not None and row.not_before > now
    if early or row.state == CredentialState.PRE_ACTIVATION.value:
        return Ending(now, "is not in force yet", moving=True)
    return None


def _of_minted(row: Row, minted: Minted, own: tuple[int, str] | None, now: int) -> Ending:
    """Nothing is kept: what is in hand ends within the longest life, and how much of it is over is not known."""
    issuers = [clean(d.id, 80) for d in dependencies_of(row) if d.kind == "issuer"]
    source = f" of {listed(issuers)}" if issuers else ""
    doubt = f"lives on {minted.product}{source}, and how long those in hand still live is not known"
    if own is not None:
        return Ending(own[0], f"{own[1]} ends", doubt)
    if minted.longest is None:
        return Ending(doubt=doubt)
    told = f"{minted.product}{source} in hand end within {span(minted.longest)}"
    return Ending(now + minted.longest, told, doubt, moving=True)


def _chain(row: Row) -> tuple[list[tuple[int, str]], str]:
    """The ends of every certificate of the path, and why an earlier one may be missing among them."""
    chain = chain_of(row)
    if chain is None:
        return [], ""
    path = path_of(chain)
    ends = [(one.not_after, clean(one.subject, 80) or "a certificate") for one in path]
    if chain.anchor_not_after is not None:
        return [*ends, (chain.anchor_not_after, clean(chain.anchor, 80) or "the root")], ""
    return ends, "the end of its root is not known" if path else clean(chain.problem) or "its chain was not read"


def _without_end(row: Row, place: tuple[str, str], declared: int | None) -> Ending:
    """No end is known: because there is none, or because nobody recorded it."""
    try:
        told = endless_of(row)
    except UnreadableError:
        return Ending(doubt=UNREADABLE)
    if told:
        return Ending(cause=clean(told))
    if place in ENDLESS:
        return Ending(cause=ENDLESS[place])
    if declared is not None:
        return Ending(cause="as the configuration states")
    return Ending(doubt="nobody recorded when it ends")


OUTLIVED = RuleInfo(
    code="NHS307",
    title="backup dies before its issuers return",
    severity=Severity.ERROR,
    layer=Layer.FRESH,
    consequence=Consequence.OUTAGE,
    block="EXPIRED",
    compared="How long the backup's credential keeps authenticating if every issuer, rotator and identity provider "
    "were gone now, with rto + longest_stay + margin: the end of the credential and of every certificate above it, or "
    "the longest life of what an issuer makes anew for each use. It is asked only where the tier sets blackout.ask.",
    hurts="A failover takes place while something big is broken. If the issuers are part of it, the backup takes the "
    "traffic and then loses this identity, and nobody can renew it.",
    false_alarm="The store does not know when the value inside ends, and its owner does. State it in the pair: "
    "`ends: never` or the last day.",
    remediation={
        "aws": "Role: give the workload of {app}/{pair} a credential of its own that outlives the outage, or accept "
        "the risk with a waiver; certificate: import one with more life left; secret: state `ends` in the pair",
        "vault": "Give the role a longer ttl and renew now (vault write -f auth/approle/role/…/secret-id, vault write "
        "pki/issue/…); a KV value: state `ends` in the pair",
        "tls": "Renew earlier, or issue for longer: at every moment more must be left than the tier asks for",
        "file": "Let the owning agent renew earlier; a value without an end of its own: state `ends` in the pair",
        "kubernetes": "Raise renewBefore of the Certificate above what the tier asks for; a token: give the workload "
        "a credential that does not need the API server",
        "*": "Let {app}/{pair} be renewed earlier or live longer; where the provider knows no end, state `ends` in the "
        "pair",
    },
    policy=("blackout.ask", "blackout.rto", "blackout.longest_stay", "blackout.margin"),
    frameworks=(*EXPIRY, *(control for control in SEPARATION if control not in EXPIRY)),
)


def check_outlived(view: PairView) -> Outcome | None:
    """Fail when the backup's credential ends too soon, unknown when its end is not known; None when nobody asks."""
    required, b = view.thresholds.blackout, view.backup
    if required is None or b is None or b.presence != PRESENT:
        return None
    if b.not_before is not None:
        view.passed(b.not_before)  # from then on it is in force
    found = ending(b, view.now, view.declared_end)
    wanted = f"alive for {span(required)} without issuers"
    if found.end is not None and _short(view, found, found.end, required):
        return fail(Side.BACKUP, found.cause if found.moving else f"{found.cause} {when(found.end)}", wanted)
    return unknown(Side.BACKUP, found.doubt, wanted) if found.doubt else PASS


def _short(view: PairView, found: Ending, end: int, required: int) -> bool:
    """Whether less is left than required; what counts from the present never gets nearer."""
    if found.moving:
        return end - view.now < required
    return view.passed(end - required + 1)


RULES = (Rule(OUTLIVED, check_outlived, tuple(f"backup.{name}" for name in READS), "blackout.ask"),)
