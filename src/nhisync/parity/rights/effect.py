"""What matched statements decide, for every truth of their conditions.

A condition is an opaque word: two statements with the same word depend on the same fact, different words are
independent. Under that reading the comparison is exact; words that overlap in meaning (two address ranges) show as a
changed condition, which a person judges.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import combinations
from typing import NamedTuple

from nhisync.model import HELD, Effect, Right

MOST_CONDITIONS = 12
"""Most different conditions of one request; beyond them only equal statements are called equal."""


class Verdict(Enum):
    """How one request fares on both sides."""

    NEITHER = "neither"
    SAME = "same"
    ONLY_PRIMARY = "only-primary"
    ONLY_BACKUP = "only-backup"
    NARROWER = "narrower"  # the backup allows it, under fewer circumstances
    WIDER = "wider"
    OTHER = "other"  # each allows it where the other does not
    UNDECIDED = "undecided"


class Term(NamedTuple):
    """A statement as far as it decides a request it matches.

    Attributes:
        allows: it allows; False = it denies.
        layer: its layer.
        conditions: words that must all hold.
    """

    allows: bool
    layer: str
    conditions: frozenset[str]


def terms_of(rights: Iterable[Right]) -> frozenset[Term]:
    """The terms of `rights`."""
    return frozenset(Term(r.effect is Effect.ALLOW, r.layer, frozenset(r.conditions)) for r in rights)


def layers_of(rights: Iterable[Right], held: str = HELD) -> tuple[str, ...]:
    """The layers that must allow a request: what is held, and each limit over it."""
    return tuple(sorted({held, *(right.layer for right in rights)}))


def allowed(terms: Iterable[Term], layers: Sequence[str], true: frozenset[str]) -> bool:
    """Whether a request that matches `terms` is allowed while exactly the conditions `true` hold."""
    holding = [term for term in terms if term.conditions <= true]
    if not all(term.allows for term in holding):
        return False
    return {*layers} <= {term.layer for term in holding}


def outcomes(terms: frozenset[Term], layers: Sequence[str]) -> frozenset[bool]:
    """Whether a request matching `terms` is allowed, for every truth of their conditions; both when they are many."""
    words = frozenset().union(*(term.conditions for term in terms))
    if len(words) > MOST_CONDITIONS:
        return frozenset({True, False})
    return frozenset(allowed(terms, layers, true) for true in _subsets(sorted(words)))


def judged(primary: frozenset[Term], backup: frozenset[Term], layers: tuple[Sequence[str], Sequence[str]]) -> Verdict:
    """Compare one request.

    Args:
        primary: terms of the primary that match it.
        backup: terms of the backup that match it.
        layers: what must allow it on the primary, and on the backup.
    """
    words = frozenset().union(*(term.conditions for term in primary | backup))
    if len(words) > MOST_CONDITIONS:
        return Verdict.SAME if primary == backup and layers[0] == layers[1] else Verdict.UNDECIDED
    truths = [(allowed(primary, layers[0], true), allowed(backup, layers[1], true)) for true in _subsets(sorted(words))]
    here, there = any(p for p, _ in truths), any(b for _, b in truths)
    if not here or not there:
        return {(True, False): Verdict.ONLY_PRIMARY, (False, True): Verdict.ONLY_BACKUP}.get(
            (here, there), Verdict.NEITHER
        )
    less, more = (True, False) in truths, (False, True) in truths
    if less and more:
        return Verdict.OTHER
    return Verdict.NARROWER if less else Verdict.WIDER if more else Verdict.SAME


def _subsets(words: Sequence[str]) -> Iterator[frozenset[str]]:
    for size in range(len(words) + 1):
        yield from map(frozenset, combinations(words, size))
