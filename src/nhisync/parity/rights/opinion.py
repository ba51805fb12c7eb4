"""Documents confronted with what the services themselves say: a few questions, drawn from the rights of both sides.

A document that reads like the other one decides nothing where the service knows more than the document shows: a policy
of the organisation, an authorizer outside the server, a session older than its policy. The sample is bounded and does
not depend on the order of anything, so that both sides are asked the same (ADR 50).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, product, zip_longest
from typing import NamedTuple

from nhisync.model import BOUNDARY, HELD, Question, Right, Said, Side, Syntax
from nhisync.parity.rights.document import Opinion, Rights
from nhisync.parity.rights.effect import layers_of, outcomes, terms_of
from nhisync.parity.rights.names import Names, names_of
from nhisync.parity.rights.patterns import has_variable, loosened, matches, tokens

MOST_QUESTIONS = 24
"""Most questions that are asked of one identity for one pair."""

STAND_IN = "000000000000"
"""Stands for a wildcard: a name, a segment and an account number at once, and hardly ever a real one."""

_EXAMPLES = 3
"""Actions that stand for one with a wildcard."""

_KNOWN = 200
"""Actions of the documents that may stand for one with a wildcard."""

_LONGEST = 1_000
"""Characters of a resource that is asked about."""

_WILD = re.compile(r"[*?]")
_SPECIAL = re.compile(r"[*?+$]")
_STARS = re.compile(r"\*+")

Twin = tuple[Question, Question]
"""One question in the words of the primary, and of the backup."""


class Contradiction(NamedTuple):
    """One question about which documents and service do not agree.

    Attributes:
        side: whose.
        question: in that side's words.
        documents: what follows from its documents.
        service: what its service says.
    """

    side: Side
    question: Question
    documents: Said
    service: Said


class Confronted(NamedTuple):
    """Both sides' documents beside what their services say.

    Attributes:
        refused: the primary's service allows it to the primary, the backup's denies it to the backup; backup's words.
        contradicted: where a side's documents say something else than its service.
        agreed: answers that say what the documents say.
    """

    refused: tuple[Question, ...] = ()
    contradicted: tuple[Contradiction, ...] = ()
    agreed: int = 0


def questions(primary: Rights, backup: Rights, examples: Sequence[str] = ()) -> tuple[Twin, ...]:
    """What to ask both services; nothing where the documents cannot be compared anyway.

    Args:
        primary: its rights.
        backup: its rights.
        examples: actions of the provider that stand for those with wildcards.
    """
    if primary.scheme != backup.scheme or any(side.kind or side.gaps for side in (primary, backup)):
        return ()
    names, sides = names_of(primary.names, backup.names), (sorted(_held(primary)), sorted(_held(backup)))
    every = {one.casefold(): one for right in chain(*sides) for one in (*right.actions, *right.but_actions)}
    literal = sorted(one for one in every.values() if not _WILD.search(one))
    known = sorted({*examples, *literal[:_KNOWN]})
    rows = [
        [_twins(_asked(right, primary.syntax, known), names, backup=of_backup) for right in _spread(rights)]
        for rights, of_backup in zip(sides, (False, True), strict=True)
    ]
    found: dict[Twin, None] = {}
    turns = [row for both in zip_longest(*rows) for row in both if row is not None]
    while turns and len(found) < MOST_QUESTIONS:
        turns = [row for row in turns if _take(row, found)]
    return tuple(found)


def _spread(rights: Sequence[Right]) -> Sequence[Right]:
    """As many statements as can be asked about at most, from all over the document."""
    return rights[:: -(-len(rights) // MOST_QUESTIONS) or 1]


def _take(row: Iterator[Twin], found: dict[Twin, None]) -> bool:
    """Take one question of a statement, while there is room; whether there was one."""
    if len(found) >= MOST_QUESTIONS:
        return False
    one = next(row, None)
    if one is not None:
        found.setdefault(one)
    return one is not None


def decided(rights: Rights, question: Question) -> Said:
    """What the documents of one side say of a question: UNKNOWN where conditions or the provider's variables decide."""
    action, held = question.action.casefold(), _held(rights)
    matched = []
    for right in held:
        if not _any(right.actions, action) or _any(right.but_actions, action):
            continue
        covered = _covers(right, question.resource, rights.syntax)
        if covered is None:
            return Said.UNKNOWN
        if covered:
            matched.append(right)
    truths = outcomes(terms_of(matched), layers_of(held))
    return Said.UNKNOWN if len(truths) > 1 else Said.ALLOWED if True in truths else Said.DENIED


def confront(primary: Rights, backup: Rights) -> Confronted:
    """What follows from what the services said; what neither of them knows contradicts nothing."""
    names = names_of(primary.names, backup.names)
    allowed = {
        (asked.action.casefold(), names.primary(asked.resource))
        for asked, said in _answers(primary.opinion)
        if said is Said.ALLOWED
    }
    refused = [
        asked
        for asked, said in _answers(backup.opinion)
        if said is Said.DENIED and (asked.action.casefold(), names.backup(asked.resource)) in allowed
    ]
    against, agreed = list[Contradiction](), 0
    for side, rights in ((Side.PRIMARY, primary), (Side.BACKUP, backup)):
        for asked, said in _answers(rights.opinion):
            documents = decided(rights, asked)
            if Said.UNKNOWN in {documents, said}:
                continue
            if (documents is Said.ALLOWED) is (said is Said.ALLOWED):
                agreed += 1
            else:
                against.append(Contradiction(side, asked, documents, said))
    return Confronted(tuple(sorted(refused)), tuple(sorted(against)), agreed)


def _answers(opinion: Opinion | None) -> tuple[tuple[Question, Said], ...]:
    return () if opinion is None else opinion.answers


def _held(rights: Rights) -> list[Right]:
    """What the identity itself may do; who may become it is another question, which no service answers."""
    return [right for right in rights.rights if right.layer in (HELD, BOUNDARY)]


def _asked(right: Right, syntax: Syntax, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Requests that a statement speaks about, its exceptions among them; the first ones are as different as can be."""
    actions = list(dict.fromkeys(one for text in (*right.actions, *right.but_actions) for one in _actions(text, known)))
    texts = (_concrete(text, syntax) for text in (*right.resources, *right.but_resources))
    resources = list(dict.fromkeys(text for text in texts if text and len(text) <= _LONGEST))
    if actions and resources:
        for index in range(max(len(actions), len(resources))):
            yield actions[index % len(actions)], resources[index % len(resources)]
        yield from product(actions, resources)


def _twins(asked: Iterable[tuple[str, str]], names: Names, *, backup: bool) -> Iterator[Twin]:
    """Each question in both sides' words; one that means another resource there cannot be asked."""
    for action, resource in dict.fromkeys(islice(asked, 2 * MOST_QUESTIONS)):
        own, other = Question(action, resource), Question(action, names.across(resource, backup=backup))
        here, there = (other, own) if backup else (own, other)
        if names.primary(here.resource) == names.backup(there.resource):
            yield here, there


def _actions(text: str, known: Sequence[str]) -> Iterator[str]:
    """An action as it is, or a few known ones that its wildcard covers."""
    if not _WILD.search(text):
        yield text
        return
    pattern = tokens(text.casefold(), Syntax.GLOB)
    yield from islice((one for one in known if matches(pattern, one.casefold())), _EXAMPLES)


def _concrete(text: str, syntax: Syntax) -> str:
    """A resource that the pattern `text` matches; "" = none can be named."""
    if has_variable(text) or "${" in text:
        return ""
    if syntax is Syntax.EXACT:
        return STAND_IN if text == "*" else text
    if syntax is Syntax.PATH:
        body = text.removesuffix("*")
        named = "/".join(STAND_IN if segment == "+" else segment for segment in body.split("/"))
        return named if body == text else named + STAND_IN
    return text if text == "*" else _STARS.sub(STAND_IN, text).replace("?", STAND_IN[0])


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(_matches(one.casefold(), Syntax.GLOB, action) for one in patterns)


def _matches(pattern: str, syntax: Syntax, text: str) -> bool:
    """Whether a pattern matches a text; most do not even begin alike, which is seen at once."""
    special = _SPECIAL.search(pattern)
    if special is None:
        return pattern == text
    return text.startswith(pattern[: special.start()]) and matches(tokens(pattern, syntax), text)


def _covers(right: Right, resource: str, syntax: Syntax) -> bool | None:
    """Whether a statement is about `resource`; None = what a variable in it stands for decides."""
    if any(
        has_variable(one) and _matches(loosened(one, syntax), Syntax.GLOB, resource)
        for one in (*right.resources, *right.but_resources)
    ):
        return None
    named, but = (
        any(_matches(one, syntax, resource) for one in texts) for texts in (right.resources, right.but_resources)
    )
    return named and not but
