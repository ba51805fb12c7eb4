"""The semantic difference of two identities' rights, in both directions.

Every text is sorted into the classes that the patterns of both sides tell apart; statements are then compared for each
class of actions with each class of resources. The result names patterns, in the words of the side that has them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nhisync.model import BOUNDARY, HELD, TRUST, TTL, Effect, Right, Syntax
from nhisync.parity.rights.document import Rights
from nhisync.parity.rights.effect import Term, Verdict, judged, layers_of, terms_of
from nhisync.parity.rights.names import Names, Place, names_of
from nhisync.parity.rights.patterns import Tokens, TooManyError, classes, has_variable, loosened, matches, tokens

MOST_CELLS = 250_000
"""Most (class of actions, class of resources) that are compared."""


class Lacking(NamedTuple):
    """A right of one side that the other side has under no circumstances.

    Attributes:
        words: ``action on resource`` as its holder writes it.
        there: the same as the other side would write it.
        part: the other side has some of what these patterns cover.
        why: ``denied`` or ``boundary`` when the other side's own limit takes it away, else "".
    """

    words: str
    there: str
    part: bool = False
    why: str = ""


class Changed(NamedTuple):
    """A right of both sides under another condition, or another limit.

    Attributes:
        words: ``action on resource``, or the limit's name.
        primary: conditions or value of the primary.
        backup: of the backup.
    """

    words: str
    primary: str
    backup: str


class Difference(NamedTuple):
    """What the comparison found; each list is sorted.

    Attributes:
        lacks: only the primary has it.
        surplus: only the backup has it.
        changed: both have it, under other conditions or limits.
        undecided: why something could not be decided.
    """

    lacks: tuple[Lacking, ...] = ()
    surplus: tuple[Lacking, ...] = ()
    changed: tuple[Changed, ...] = ()
    undecided: tuple[str, ...] = ()


def compare(primary: Rights, backup: Rights) -> Difference:
    """Put the rights of both sides of a pair side by side; both must be of one scheme.

    Raises:
        TooManyError: they are too large.
    """
    names = names_of(primary.names, backup.names)
    parts = [
        _Facet(primary.rights, backup.rights, layers, (primary.syntax, names)).difference()
        for layers in ((HELD, BOUNDARY), (TRUST,))
    ]
    return Difference(
        lacks=tuple(sorted({one for part in parts for one in part.lacks})),
        surplus=tuple(sorted({one for part in parts for one in part.surplus})),
        changed=tuple(sorted({*_limits(primary, backup, names), *(one for part in parts for one in part.changed)})),
        undecided=tuple(sorted({one for part in parts for one in part.undecided})),
    )


def _limits(primary: Rights, backup: Rights, names: Names) -> Iterator[Changed]:
    """Limits of the whole identity that differ; a shorter life on the backup is none."""
    here, there = ({limit.name: limit.value for limit in side.limits} for side in (primary, backup))
    for name in sorted({*here, *there}):
        p, b = here.get(name, ""), there.get(name, "")
        if names.primary(p) == names.backup(b) or (name == TTL and not _longer(p, b)):
            continue
        yield Changed(name, p or "none", b or "none")


def _longer(primary: str, backup: str) -> bool:
    """Whether the backup's life is longer than the primary's; 0 has no end, words are a limit of the provider's own."""
    if primary == "0" or not primary.isdigit():
        return primary != "0" and backup == "0"
    return not backup.isdigit() or backup == "0" or int(backup) > int(primary)


class _Side:
    """One side's statements of one facet.

    Attributes:
        rights: as their holder writes them.
        placed: the same with names instead of this path's own values.
    """

    def __init__(self, rights: Iterable[Right], held: str, place: "Mapping[Right, Right]") -> None:
        self.rights = tuple(rights)
        self.placed = tuple(place[right] for right in self.rights)
        self.layers = layers_of(self.rights, held)
        self._terms: dict[int, frozenset[Term]] = {}

    def matching(self, mask: int, bits: Mapping[str, int], *, resources: bool) -> int:
        """The statements (as bits) whose actions, or resources, match a class of texts."""
        found = 0
        for index, right in enumerate(self.placed):
            named = right.resources if resources else right.actions
            but = right.but_resources if resources else right.but_actions
            if any(bits[one] & mask for one in named) and not any(bits[one] & mask for one in but):
                found |= 1 << index
        return found

    def terms(self, which: int) -> frozenset[Term]:
        """What the statements of `which` decide."""
        if which not in self._terms:
            self._terms[which] = terms_of(self.chosen(which, self.placed))
        return self._terms[which]

    def chosen(self, which: int, rights: Sequence[Right]) -> list[Right]:
        """The statements of `which`."""
        return [right for index, right in enumerate(rights) if which >> index & 1]


class _Cell(NamedTuple):
    """Requests that no statement tells apart: their classes and what matches them on both sides."""

    action: int
    resource: int
    primary: int
    backup: int


class _Facet:
    """The comparison of one kind of rights: what is held, or who may become the identity."""

    def __init__(
        self,
        primary: Iterable[Right],
        backup: Iterable[Right],
        layers: tuple[str, ...],
        how: tuple[Syntax, Names],
    ) -> None:
        self.syntax, self.names = how
        here, there = ([r for r in rights if r.layer in layers] for rights in (primary, backup))
        self.held = layers[0]
        self.primary = _Side(here, self.held, {r: _placed(r, self.names.primary) for r in here})
        self.backup = _Side(there, self.held, {r: _placed(r, self.names.backup) for r in there})
        every = (*self.primary.placed, *self.backup.placed)
        self.actions = _Texts((t.casefold(), Syntax.GLOB) for r in every for t in (*r.actions, *r.but_actions))
        self.resources = _Texts((t, self.syntax) for r in every for t in (*r.resources, *r.but_resources))
        self._verdicts: dict[tuple[int, int], Verdict] = {}
        self._named: dict[tuple[int, int], str] = {}

    def difference(self) -> Difference:
        """What differs.

        Raises:
            TooManyError: there is too much to compare.
        """
        cells: dict[Verdict, list[_Cell]] = {}
        for cell in self._cells():
            cells.setdefault(self._verdict(cell), []).append(cell)
        clear, vague = self._decided(cells)
        both = [cell for verdict in _BOTH for cell in cells.get(verdict, ())]
        return Difference(
            lacks=self._lacking(clear.get(Verdict.ONLY_PRIMARY, ()), both, backup=False),
            surplus=self._lacking(clear.get(Verdict.ONLY_BACKUP, ()), both, backup=True),
            changed=tuple({self._changed(cell) for verdict in _CHANGED for cell in clear.get(verdict, ())}),
            undecided=tuple(vague),
        )

    def _cells(self) -> Iterator[_Cell]:
        by_action = [(m, *self._matching(m, self.actions, resources=False)) for m in self.actions.classes]
        by_resource = [(m, *self._matching(m, self.resources, resources=True)) for m in self.resources.classes]
        if len(by_action) * len(by_resource) > MOST_CELLS:
            raise TooManyError(f"{len(by_action)} kinds of actions on {len(by_resource)} kinds of resources")
        for action, p, b in by_action:
            for resource, q, c in by_resource:
                if p & q or b & c:
                    yield _Cell(action, resource, p & q, b & c)

    def _matching(self, mask: int, texts: "_Texts", *, resources: bool) -> tuple[int, int]:
        return (
            self.primary.matching(mask, texts.bits, resources=resources),
            self.backup.matching(mask, texts.bits, resources=resources),
        )

    def _verdict(self, cell: _Cell) -> Verdict:
        which = (cell.primary, cell.backup)
        if which not in self._verdicts:
            self._verdicts[which] = judged(
                self.primary.terms(cell.primary),
                self.backup.terms(cell.backup),
                (self.primary.layers, self.backup.layers),
            )
        return self._verdicts[which]

    def _decided(self, cells: Mapping[Verdict, list[_Cell]]) -> tuple[dict[Verdict, list[_Cell]], list[str]]:
        """Differences that hold whatever the provider's variables stand for, and why others are not decided."""
        loose = [
            (one, tokens(loosened(one, self.syntax), Syntax.GLOB)) for one in self.resources.bits if has_variable(one)
        ]
        clear: dict[Verdict, list[_Cell]] = {}
        vague: set[str] = set()
        for verdict in (*_DIFFERENT, Verdict.UNDECIDED):
            for cell in cells.get(verdict, ()):
                text = self.resources.classes[cell.resource]
                variables = [one for one, pattern in loose if matches(pattern, text)]
                if verdict is Verdict.UNDECIDED:
                    vague.add(f"{self._words(cell)[0]} depends on too many conditions")
                elif variables:
                    vague.add(f"what {min(variables)} stands for is known to the provider alone")
                else:
                    clear.setdefault(verdict, []).append(cell)
        return clear, sorted(vague)

    def _lacking(self, cells: Sequence[_Cell], both: Sequence[_Cell], *, backup: bool) -> tuple[Lacking, ...]:
        """What one side alone has, named by its own patterns."""
        found = {self._words(cell, backup=backup): self._why(cell, backup=backup) for cell in cells}
        shared = {self._words(cell, backup=backup)[0] for cell in both} if found else set()
        return tuple(Lacking(words, there, words in shared, why) for (words, there), why in found.items())

    def _why(self, cell: _Cell, *, backup: bool) -> str:
        side, which = (self.primary, cell.primary) if backup else (self.backup, cell.backup)
        matched = side.chosen(which, side.placed)
        if any(right.effect is Effect.DENY for right in matched):
            return "denied"
        return BOUNDARY if any(right.layer == HELD for right in matched) and BOUNDARY in side.layers else ""

    def _words(self, cell: _Cell, *, backup: bool = False) -> tuple[str, str]:
        """The most exact patterns that allow the requests of `cell`, as their holder and as the other side has them."""
        side, which = (self.backup, cell.backup) if backup else (self.primary, cell.primary)
        best = ("", "")
        for index, right in enumerate(side.placed):
            if which >> index & 1 and right.layer == self.held and right.effect is Effect.ALLOW:
                original = side.rights[index]
                action = self._longest(right.actions, original.actions, self.actions, cell.action)
                resource = self._longest(right.resources, original.resources, self.resources, cell.resource)
                best = max(best, (action, resource), key=lambda pair: (len(pair[0]), len(pair[1]), pair))
        joint = "by" if self.held == TRUST else "on"
        return f"{best[0]} {joint} {best[1]}", f"{best[0]} {joint} {self.names.across(best[1], backup=backup)}"

    def _longest(self, placed: Sequence[str], original: Sequence[str], texts: "_Texts", mask: int) -> str:
        which = (id(placed), mask)
        if which not in self._named:
            fitting = [own for text, own in zip(placed, original, strict=True) if texts.bits[text] & mask]
            self._named[which] = max(fitting, key=lambda one: (len(one), one))
        return self._named[which]

    def _changed(self, cell: _Cell) -> Changed:
        words = self._words(cell)[0]
        here = _conditions(self.primary.chosen(cell.primary, self.primary.rights))
        there = _conditions(self.backup.chosen(cell.backup, self.backup.rights))
        return Changed(words, here, there)


_DIFFERENT = (Verdict.ONLY_PRIMARY, Verdict.ONLY_BACKUP, Verdict.NARROWER, Verdict.WIDER, Verdict.OTHER)
_CHANGED = (Verdict.NARROWER, Verdict.WIDER, Verdict.OTHER)
_BOTH = (Verdict.SAME, *_CHANGED)


class _Texts:
    """The patterns of one dimension: pattern → its bit, and the classes that they tell apart.

    Actions are asked for as written: their case is folded here.
    """

    def __init__(self, texts: Iterable[tuple[str, Syntax]]) -> None:
        patterns: dict[Tokens, int] = {}
        self.bits: _Folded = _Folded()
        for text, syntax in texts:
            self.bits[text] = 1 << patterns.setdefault(tokens(text, syntax), len(patterns))
        self.classes = classes(tuple(patterns))


class _Folded(dict[str, int]):
    """Bits by text; a text that is not known is looked for without letter case."""

    def __missing__(self, text: str) -> int:
        return self[text.casefold()]


def _placed(right: Right, place: Place) -> Right:
    return Right(
        effect=right.effect,
        actions=right.actions,
        resources=tuple(map(place, right.resources)),
        but_actions=right.but_actions,
        but_resources=tuple(map(place, right.but_resources)),
        conditions=tuple(map(place, right.conditions)),
        layer=right.layer,
    )


def _conditions(rights: Iterable[Right]) -> str:
    """Each way to be allowed, or not, in the provider's words."""
    ways = set()
    for right in rights:
        told = " and ".join(right.conditions) or "always"
        ways.add(told if right.effect is Effect.ALLOW else f"never if {told}")
    return "; ".join(sorted(ways))
