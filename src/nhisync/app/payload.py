"""What an attestation says when it comes as a JSON object: in a signed file, or over the operator listener."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nhisync.app.attest import path_of
from nhisync.app.session import Session
from nhisync.model import CONSUMER, Attestation

_KEYS: Final = frozenset(
    {"app", "path", "kind", "result", "observed_at", "by", "evidence", "pair", "consumer", "generation"}
)
_NEEDED: Final = ("app", "kind", "observed_at")
_RESULT: Final = ("result",)
_SUBJECT: Final = ("pair", "consumer", "generation")
"""What a word about a consumer names, instead of a result."""


def members(payload: bytes, given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The members of `payload`: printable texts under known names, none twice.

    Args:
        payload: UTF-8 JSON.
        given: members that are known from elsewhere; the payload may leave them out, and may not say otherwise.

    Raises:
        ValueError: it holds anything else; the text tells what, as the rest of a sentence about the payload.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        found = json.loads(payload, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON object, or names something twice") from None
    if not isinstance(found, dict) or not all(isinstance(one, str) and one.isprintable() for one in found.values()):
        raise ValueError("is no JSON object of printable texts")
    if strange := sorted(found.keys() - _KEYS):
        raise ValueError(f"holds {len(strange)} names that mean nothing here")
    for name, value in (given or {}).items():
        if found.setdefault(name, value) != value:
            raise ValueError(f"says another {name} than its address")
    _check(found)
    return found


def claim_of(session: Session, said: Mapping[str, str], *, by: str) -> Attestation:
    """The attestation of these members; `by` answers for it where they name nobody.

    Raises:
        UsageError: no such app or path.
    """
    return Attestation(
        app=said["app"],
        path=path_of(session, said["app"], said.get("path", ""), consumer="consumer" in said),
        kind=said["kind"],
        holds=said.get("result") != "fail",
        observed_at=_instant(said["observed_at"]),
        attested_by=said.get("by") or by,
        evidence=said.get("evidence", ""),
        pair=said.get("pair", ""),
        consumer=said.get("consumer", ""),
        generation=said.get("generation", ""),
    )


def _check(found: Mapping[str, str]) -> None:
    """What is needed is there, and nothing that does not go with the kind."""
    about = found.get("kind") == CONSUMER and not found.keys().isdisjoint(_SUBJECT)
    needed, foreign = (_SUBJECT, _RESULT) if about else (_RESULT, _SUBJECT)
    if missing := [one for one in (*_NEEDED, *needed) if not found.get(one)]:
        raise ValueError(f"lacks {', '.join(missing)}")
    if strange := [one for one in foreign if one in found]:
        raise ValueError(f"holds {', '.join(strange)}, which does not go with this kind")
    if not about and found["result"] not in {"pass", "fail"}:
        raise ValueError("holds a result that is neither pass nor fail")
    _instant(found["observed_at"])


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("holds an observed_at that is no time with a zone")
