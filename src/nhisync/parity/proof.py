"""What a live authentication showed, as a row carries it: facts about one generation of one credential, with their age.

The text is written by the use case that probes and read by the rules; like `nhisync.parity.rules.facts` it is decoded
only when somebody asks, and what cannot be decoded proves nothing.
"""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nhisync.parity.row import Row

LADDER: Final = ("none", "tcp", "tls", "auth", "txn")
"""Depths in order: nothing, a port, a handshake, an accepted credential, a transaction."""

TCP, TLS, AUTH, TXN = 1, 2, 3, 4
"""Rungs of the ladder."""

REFUSED, ACCEPTED, UNJUDGED, NOTHING = "refused", "accepted", "unjudged", "nothing"
"""What became of the previous credential; `NOTHING`: this probe presents no stored value, so that there is none."""

_KEPT = 8

UNDONE: Final = "undone"
"""`Proof.left` of a script whose changes are all undone."""

_LATER: Final = {"old": "", "old_at": 0, "old_message": "", "left": ""}
"""What proofs of earlier versions do not say."""


class Proof(NamedTuple):
    """One live authentication.

    Attributes:
        at: epoch seconds at which it began.
        rung: how deep it proved (0 = nothing), index of `LADDER`.
        accepted: True, False, or None when the credential was not judged.
        seen_as: the identity the service saw and where, or "".
        version: the row's version when it was made.
        rotated: the row's rotation time when it was made, epoch seconds.
        error: kind of the typed reason it could not be made or was refused, or "".
        message: that reason for a person, or "".
        by: digest of the probe that made it; another probe's answer is none of this one's, or "".
        old: what became of the credential before this generation (`REFUSED` …), "" = nobody presented it.
        old_at: epoch seconds at which that was tried, 0 = never.
        old_message: why it was not judged, for a person, or "".
        left: what became of what a script changed: `UNDONE`, or what `left_of` reads; "" = none was run.
    """

    at: int
    rung: int = 0
    accepted: bool | None = None
    seen_as: str = ""
    version: str | None = None
    rotated: int | None = None
    error: str = ""
    message: str = ""
    by: str = ""
    old: str = ""
    old_at: int = 0
    old_message: str = ""
    left: str = ""

    @property
    def auth(self) -> int | None:
        """What the row's `auth` says: 1 accepted, 0 refused, None when no service judged the credential."""
        if self.accepted is None or (self.accepted and self.rung < AUTH):
            return None
        return int(self.accepted)


class LeftBehind(NamedTuple):
    """What a script changed and nobody saw undone.

    Attributes:
        at: epoch seconds of the run that tells it.
        values: what finds it again, JSON.
        told: what and where, for a person.
        sure: the service said that it is there; False when nobody knows.
    """

    at: int
    values: str
    told: str
    sure: bool


def left_of(proof: Proof | None) -> LeftBehind | None:
    """What a script left behind, or None; what cannot be read is something that nobody knows."""
    if proof is None or proof.left in {"", UNDONE}:
        return None
    try:
        raw = json.loads(proof.left)
        return LeftBehind(int(raw["at"]), str(raw["values"]), str(raw["told"]), raw["sure"] is True)
    except (TypeError, KeyError, ValueError, RecursionError):
        return LeftBehind(proof.at, "", "what is stored about it cannot be read", sure=False)


def left_text(left: LeftBehind) -> str:
    """What `Proof.left` holds."""
    return json.dumps(left._asdict(), sort_keys=True, separators=(",", ":"))


def depth_of(word: str) -> int:
    """The rung of a depth's word; a word that nobody knows is no depth."""
    return LADDER.index(word) if word in LADDER else 0


def text_of(proof: Proof) -> str:
    """The text a row carries."""
    return json.dumps(proof._asdict(), sort_keys=True, separators=(",", ":"))


def proof_of(row: Row | None) -> Proof | None:
    """What `row` carries, or None when nobody tried; a text that cannot be read is a trial that proves nothing."""
    return None if row is None or row.probe is None else _proof(row.probe)


def current(proof: Proof, row: Row) -> bool:
    """Whether the credential is still the one that was presented: a rotation since leaves nothing proven."""
    return (proof.version, proof.rotated) == (row.version, row.rotated)


def due(row: Row, now: int, max_age: int, grace: int, by: str = "") -> bool:
    """Whether the credential of `row` must be tried (again).

    A result is repeated at half of its age limit, refusals too: repeating those faster could lock an account. One that
    could not be made, that another probe made or that a rotation overtook, is repeated at once, one that fell into
    propagation after it.

    Args:
        row: the row, observed in this run.
        now: epoch seconds.
        max_age: seconds for which the policy believes a result.
        grace: seconds after a rotation in which a refusal may still be propagation.
        by: digest of the probe that is configured.
    """
    proof = proof_of(row)
    if proof is None or proof.accepted is None or not current(proof, row) or proof.at > now or proof.by != by:
        return True
    settled = settled_at(row, grace)
    if proof.accepted is False and settled is not None and proof.at < settled <= now:
        return True
    return now >= proof.at + max_age // 2


def previous_due(row: Row, now: int, max_age: int, overlap: int, by: str = "") -> bool:
    """Whether what this generation replaced must be presented (again).

    A refusal holds for the generation: each one is a failed login at the service, and many would lock an account. What
    was accepted or not judged is tried again at half of the age limit.

    Args:
        row: the row, observed in this run.
        now: epoch seconds.
        max_age: seconds for which the policy believes a result.
        overlap: seconds after a rotation in which both may be good.
        by: digest of the probe that is configured.
    """
    if row.rotated is None or now < row.rotated + overlap:
        return False
    proof = proof_of(row)
    if proof is None or not current(proof, row) or proof.by != by or not proof.old:
        return True
    if proof.old in {REFUSED, NOTHING}:
        return False
    return proof.old_at > now or now >= proof.old_at + max_age // 2


def settled_at(row: Row, grace: int) -> int | None:
    """Epoch seconds from which a refusal of the current generation is no propagation; None = its age is not known."""
    began = row.rotated if row.rotated is not None else row.created
    return None if began is None else began + grace


@lru_cache(maxsize=_KEPT)
def _proof(text: str) -> Proof:
    try:
        return _typed(json.loads(text))
    except (TypeError, AttributeError, KeyError, ValueError, RecursionError):
        return Proof(at=0, message="the stored result cannot be read")


def _typed(raw: Any) -> Proof:
    """The proof that `text_of` wrote.

    Raises:
        TypeError, AttributeError: it is no mapping.
        KeyError: something is missing.
        ValueError: something is not what it must be.
    """
    found = {name: raw.get(name, _LATER[name]) if name in _LATER else raw[name] for name in Proof._fields}
    fits = (
        all(isinstance(found[name], str) for name in ("seen_as", "error", "message", "by", "old_message", "left"))
        and all(_whole(found[name]) for name in ("at", "rung", "old_at"))
        and found["old"] in {"", REFUSED, ACCEPTED, UNJUDGED, NOTHING}
        and 0 <= found["rung"] < len(LADDER)
        and _none_or(found["accepted"], bool)
        and _none_or(found["version"], str)
        and (found["rotated"] is None or _whole(found["rotated"]))
    )
    if not fits:
        raise ValueError
    return Proof(**found)


def _none_or(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
