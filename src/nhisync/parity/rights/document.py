"""How rights travel in `Row.grants`: one line of JSON that says whose and when, and one line for each statement.

The text is bounded, does not depend on the order in which a provider answered, and holds what the comparison needs of
the configuration: the names under which both paths mean different values (``paths.<p>.substitutions``).
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from nhisync.model import Effect, Limit, Question, Right, Said, Syntax

MOST_TEXT = 262_144
"""Longest document, characters."""

MOST_RIGHTS = 2_000
"""Most statements of one identity."""

UNSUPPORTED = "unsupported"
"""Error word of an item that holds no rights at its provider."""

_KEPT = 8
"""Two sides of one pair, with room for a caller that looks ahead."""


class UnreadableRightsError(ValueError):
    """The stored rights are not what `render` writes; their text is never repeated."""


class Opinion(NamedTuple):
    """What its own service said that an identity may do, as of an instant.

    Attributes:
        at: epoch seconds of the answer.
        answers: what was asked and what was said; empty when there was nothing to ask.
        kind: word of the error when nothing is known, "" = something is; `UNSUPPORTED` = the service offers none.
        reason: why nothing is known.
    """

    at: int
    answers: tuple[tuple[Question, Said], ...] = ()
    kind: str = ""
    reason: str = ""


class Rights(NamedTuple):
    """What one side of a pair may do, as of an instant.

    Attributes:
        at: epoch seconds of the observation.
        scheme: whose words these are.
        syntax: how resources are written.
        rights: statements.
        limits: limits of the whole identity.
        gaps: what could not be read or understood.
        names: name → this path's value.
        kind: word of the error when nothing is known, "" = something is.
        reason: why nothing is known.
        opinion: what its service said, None = it was not asked.
    """

    at: int
    scheme: str = ""
    syntax: Syntax = Syntax.EXACT
    rights: tuple[Right, ...] = ()
    limits: tuple[Limit, ...] = ()
    gaps: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    reason: str = ""
    opinion: Opinion | None = None


def render(rights: Rights) -> str:
    """The document of `rights`; one that is too large says only that."""
    lines = sorted({_line(right) for right in rights.rights})
    head = {
        "at": rights.at,
        "scheme": rights.scheme,
        "syntax": rights.syntax.value,
        "limits": sorted([limit.name, limit.value] for limit in set(rights.limits)),
        "gaps": sorted(set(rights.gaps)),
        "names": sorted(map(list, rights.names)),
    }
    text = "\n".join((_json(head), *lines))
    if len(lines) > MOST_RIGHTS or len(text) > MOST_TEXT:
        return unread(rights.at, "malformed", f"{len(lines)} statements are too many to compare")
    return text if rights.opinion is None else told(text, rights.opinion)


def told(text: str, opinion: Opinion) -> str:
    """The document `text` with what the service said; of an identity of which nothing is known it stays as it is."""
    head, line, rest = text.partition("\n")
    found = json.loads(head)
    if "error" in found:
        return text
    answers = [[asked.action, asked.resource, said.value] for asked, said in opinion.answers]
    reason = {"error": opinion.kind, "reason": opinion.reason[:1000]} if opinion.kind else {}
    return _json({**found, "opinion": {"at": opinion.at, "said": answers, **reason}}) + line + rest


def unread(at: int, kind: str, reason: str) -> str:
    """The document of an identity of which nothing is known.

    Args:
        at: epoch seconds.
        kind: word of the error.
        reason: why, for a person.
    """
    return _json({"at": at, "error": kind, "reason": reason[:1000]})


@lru_cache(maxsize=_KEPT)
def parse(text: str) -> Rights:
    """The rights in a document.

    Raises:
        UnreadableRightsError: it is none.
    """
    head, *lines = text.split("\n")
    try:
        found = json.loads(head)
        if "error" in found:
            return Rights(at=int(found["at"]), kind=str(found["error"]), reason=str(found["reason"]))
        return Rights(
            at=int(found["at"]),
            scheme=str(found["scheme"]),
            syntax=Syntax(found["syntax"]),
            rights=tuple(_right(json.loads(line)) for line in lines),
            limits=tuple(Limit(str(name), str(value)) for name, value in found["limits"]),
            gaps=tuple(map(str, found["gaps"])),
            names=tuple((str(name), str(value)) for name, value in found["names"]),
            opinion=_opinion(found["opinion"]) if "opinion" in found else None,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnreadableRightsError("the stored rights cannot be read") from None


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _line(right: Right) -> str:
    lists = {
        "a": right.actions,
        "r": right.resources,
        "-a": right.but_actions,
        "-r": right.but_resources,
        "c": right.conditions,
    }
    kept = {name: sorted(set(texts)) for name, texts in lists.items() if texts}
    return _json({"e": right.effect.value, "l": right.layer, **kept})


def _opinion(raw: Mapping[str, Any]) -> Opinion:
    return Opinion(
        at=int(raw["at"]),
        answers=tuple((Question(str(action), str(on)), Said(said)) for action, on, said in raw["said"]),
        kind=str(raw.get("error", "")),
        reason=str(raw.get("reason", "")),
    )


def _right(raw: Mapping[str, Any]) -> Right:
    def texts(name: str) -> tuple[str, ...]:
        found = raw.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ValueError(name)
        return tuple(found)

    return Right(
        effect=Effect(raw["e"]),
        actions=texts("a"),
        resources=texts("r"),
        but_actions=texts("-a"),
        but_resources=texts("-r"),
        conditions=texts("c"),
        layer=str(raw["l"]),
    )
