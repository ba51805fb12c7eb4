"""Wildcard patterns as one automaton: which sets of patterns can match the same text, exactly.

Two texts that the same patterns match are the same to every statement made of these patterns. So it is enough to know
the classes of texts: each is a set of patterns, found by walking all patterns at once, character by character. No list
of all actions is needed, and containment (``s3:*`` over ``s3:GetObject``) falls out without a rule of its own.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from nhisync.model import Syntax

ANY, SEGMENT, ONE, END = "<any>", "<segment>", "<one>", "<end>"
"""Tokens that are no single character: any text, any text without a slash, one character, the pattern's end."""

MOST_STATES = 40_000
"""Most states of the walk; beyond them the comparison is given up, and says so."""

MOST_STEPS = 4_000_000
"""Most steps of the walk (places in patterns, for each character that is tried): seconds. The largest policies of AWS
itself need a few hundred thousand; a hostile one must not take the cycle's time."""

_VARIABLE = re.compile(r"\$\{(?![*?$]\})[^}]*\}|\{\{[^}]*\}\}")

_LOOPS = frozenset({ANY, SEGMENT})
_WILD = frozenset({ANY, SEGMENT, ONE})
_ESCAPES = {"${*}": "*", "${?}": "?", "${$}": "$"}
_OTHERS = "xyz0qwjkvubp" + "".join(map(chr, range(0xF000, 0xF100)))
"""Characters that stand for "none of those the patterns name"."""

Tokens = tuple[str, ...]
"""A pattern: characters and tokens."""


class TooManyError(ValueError):
    """Two sets of rights are too large to compare; nothing is concluded."""


@lru_cache(maxsize=4096)
def tokens(pattern: str, syntax: Syntax) -> Tokens:
    """`pattern` as tokens, ending in `END`."""
    if syntax is Syntax.EXACT:
        return (ANY, END) if pattern == "*" else (*pattern, END)
    if syntax is Syntax.PATH:
        return _path(pattern)
    found: list[str] = []
    position = 0
    while position < len(pattern):
        escaped = _ESCAPES.get(pattern[position : position + 4])
        if escaped is not None:
            found.append(escaped)
            position += 4
            continue
        char = pattern[position]
        position += 1
        if char == "*":
            if not found or found[-1] != ANY:
                found.append(ANY)
        else:
            found.append(ONE if char == "?" else char)
    return (*found, END)


def _path(pattern: str) -> Tokens:
    body = pattern.removesuffix("*")
    found: list[str] = []
    for index, segment in enumerate(body.split("/")):
        if index:
            found.append("/")
        found.extend((SEGMENT,) if segment == "+" else segment)
    return (*found, ANY, END) if body != pattern else (*found, END)


def matches(pattern: Tokens, text: str) -> bool:
    """Whether `pattern` matches all of `text`."""
    state = _closed({0}, pattern)
    for char in text:
        state = _closed(_step(state, pattern, char), pattern)
    return any(pattern[position] == END for position in state)


def classes(patterns: Sequence[Tokens], most: int = MOST_STATES) -> dict[int, str]:
    """Every set of patterns that match one text: bits in the order of `patterns` → a shortest such text.

    Texts that no pattern matches, and the empty text, are left out.

    Raises:
        TooManyError: the patterns need more than `most` states.
    """
    line = tuple(token for pattern in patterns for token in pattern)
    bits = {end: 1 << index for index, end in enumerate(_ends(patterns))}
    starts = {end + 1 - len(pattern) for end, pattern in zip(_ends(patterns), patterns, strict=True)}
    begin = _closed(starts, line)
    # The start is walked but not yet seen: the empty text is no request, and a longer one may lead back there.
    seen, found = set[frozenset[int]](), dict[int, str]()
    queue, steps = [(begin, "")], 0
    for state, text in queue:  # grows while it is walked
        mask = sum(bits[position] for position in state if position in bits)
        if mask and text:
            found.setdefault(mask, text)
        ahead = _chars(state, line)
        steps += len(state) * len(ahead)
        for char in ahead:
            after = _closed(_step(state, line, char), line)
            if after and after not in seen:
                seen.add(after)
                queue.append((after, text + char))
        if len(seen) > most or steps > MOST_STEPS:
            raise TooManyError("the wildcards of both sides are too many to compare")
    return found


def _ends(patterns: Iterable[Tokens]) -> list[int]:
    ends, position = [], -1
    for pattern in patterns:
        position += len(pattern)
        ends.append(position)
    return ends


def _chars(state: frozenset[int], line: Tokens) -> list[str]:
    """The characters that `state` tells apart, and one that stands for all others."""
    ahead = {line[position] for position in state}
    named = sorted(ahead - _WILD - {END})
    if SEGMENT in ahead and "/" not in named:
        named.append("/")
    if ahead & _WILD:
        named.append(next(char for char in _OTHERS if char not in named))
    return named


def _step(state: Iterable[int], line: Tokens, char: str) -> set[int]:
    after: set[int] = set()
    for position in state:
        token = line[position]
        if token in (char, ONE):
            after.add(position + 1)
        elif token == ANY or (token == SEGMENT and char != "/"):
            after.add(position)
    return after


def _closed(state: set[int], line: Tokens) -> frozenset[int]:
    """`state` with all positions that need no character."""
    queue = list(state)
    for position in queue:
        if line[position] in _LOOPS and position + 1 not in state:
            state.add(position + 1)
            queue.append(position + 1)
    return frozenset(state)


def loosened(text: str, syntax: Syntax) -> str:
    """A glob that matches at least what the pattern `text` does, whatever its variables stand for."""
    found = _VARIABLE.sub("*", text)
    return found.replace("+", "*") if syntax is Syntax.PATH else found


def has_variable(text: str) -> bool:
    """Whether a pattern holds something that only the provider knows (``${…}``, ``{{…}}``)."""
    return _VARIABLE.search(text) is not None
