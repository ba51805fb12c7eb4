"""What both languages share: a mutant, and the brute force that says whether it changes anything."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nhisync.parity.rights import Difference

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Mutant(Generic[P]):
    """One fault in one policy.

    Attributes:
        operator: what was done.
        base: the policy as it was.
        policy: the policy with the fault.
    """

    operator: str
    base: P
    policy: P


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mutant, judged twice.

    Attributes:
        operator: what was done.
        less: by brute force some request is allowed before and not after.
        more: the other way round.
        found: the comparison names a difference.
        undecided: it names none and says that something cannot be decided.
        right: it names what was lost and what was gained, and neither where there is none.
    """

    operator: str
    less: bool
    more: bool
    found: bool
    undecided: bool
    right: bool


def outcome(operator: str, before: list[bool], after: list[bool], found: Difference) -> Outcome:
    """Compare what `compare` says with what every request says."""
    less = any(a and not b for a, b in zip(before, after, strict=True))
    more = any(b and not a for a, b in zip(before, after, strict=True))
    told = bool(found.lacks or found.surplus or found.changed)
    changed = bool(found.changed)
    right = (less <= (bool(found.lacks) or changed)) and (more <= (bool(found.surplus) or changed))
    right = right and (less >= bool(found.lacks)) and (more >= bool(found.surplus))
    return Outcome(operator, less, more, told, bool(found.undecided) and not told, right)


def without(items: tuple[P, ...]) -> Iterator[tuple[P, ...]]:
    """`items` without each one."""
    for index in range(len(items)):
        yield (*items[:index], *items[index + 1 :])


def replaced(items: tuple[P, ...], change: Callable[[P], P]) -> Iterator[tuple[P, ...]]:
    """`items` with each one changed; changes that change nothing are left out."""
    for index, item in enumerate(items):
        new = change(item)
        if new != item:
            yield (*items[:index], new, *items[index + 1 :])


def texts(patterns: Iterable[str], fillings: tuple[str, ...], wildcards: str) -> list[str]:
    """Texts that tell these patterns apart: every wildcard filled in several ways, and the beginnings of each."""
    found: set[str] = set()
    for pattern in patterns:
        for filling in fillings:
            text = "".join(filling if char in wildcards else char for char in pattern)
            found |= {text, f"{text}{fillings[-1]}"}
    return sorted(text for text in found if text)


def several(items: tuple[Any, ...], change: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(operator, mutant) of a sequence: a member dropped, changed by `change`, repeated; the order turned round."""
    for rest in without(items):
        yield "dropped", rest
    for index, item in enumerate(items):
        for operator, changed in change(item):
            yield operator, (*items[:index], changed, *items[index + 1 :])
        yield "repeated", (*items, item)
    yield "reordered", items[::-1]
