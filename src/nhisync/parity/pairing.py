"""How counterparts are found: explicit pairs, templates, names in tags. Pure; ambiguity is never resolved by guessing.

Precedence for one item: named by an explicit pair, else matched by templates, else named by its own tag. Two items that
claim one key on one path, or one item that templates give two names in one app, are AMBIGUOUS: unknown, never a pick.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nhisync.model import App, Item, Locator, Side

UNMAPPED = "~"
"""First character of the key of an item that no pair claims; sorts behind all app names."""


class Claim(NamedTuple):
    """One logical key an item stands for.

    Attributes:
        key: ``app/pair``.
        ambiguous: templates disagree about the name.
    """

    key: str
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """``prefix{name}suffix`` over the text of an item's locator; a field behind ``#`` is no part of an item.

    Attributes:
        prefix: what stands before ``{name}``.
        suffix: what stands behind it, without the field.
        field: the field, or None.
    """

    prefix: str
    suffix: str
    field: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a template.

        Raises:
            ValueError: without exactly one ``{name}``, or when the rest is no locator.
        """
        prefix, mark, suffix = text.partition("{name}")
        if not mark or "{" in prefix + suffix or "}" in prefix + suffix:
            raise ValueError("a match template needs exactly one {name} and no other placeholder than {app}")
        field = Locator.parse(f"{prefix}x{suffix}").field
        return cls(prefix, suffix.partition("#")[0], field)

    def name_in(self, text: str) -> str | None:
        """The part of `text` that stands for ``{name}``, or None."""
        end = len(text) - len(self.suffix)
        if end <= len(self.prefix) or not text.startswith(self.prefix) or not text.endswith(self.suffix):
            return None
        return text[len(self.prefix) : end]

    def fill(self, name: str) -> Locator:
        """The locator for `name`."""
        filled = Locator.parse(f"{self.prefix}{name}{self.suffix}")
        return Locator(filled.source, filled.kind, filled.name, self.field)

    @property
    def sample(self) -> Locator:
        """Any locator of this shape, for its source, kind and field."""
        return self.fill("x")

    @property
    def literal(self) -> str:
        """The literal beginning of the names it matches (after ``source:kind/``)."""
        return self.prefix.partition(":")[2].partition("/")[2]


@dataclass(frozen=True, slots=True)
class _Match:
    app: str
    here: Template
    there: Template


class Pairing:
    """Which keys the items of one path stand for.

    Args:
        path: the path's name.
        apps: all apps; those that use the path in no role are ignored.
    """

    def __init__(self, path: str, apps: Iterable[App]) -> None:
        self.path = path
        self._explicit: dict[Locator, list[str]] = {}
        self._counterparts: dict[str, tuple[Locator, Locator]] = {}
        self._matches: list[_Match] = []
        self._places: list[Template] = []
        self._apps: set[str] = set()
        for app in apps:
            side = role_of(app, path)
            if side is not None:
                self._add(app, side)

    def _add(self, app: App, side: Side) -> None:
        self._apps.add(app.name)
        primary = side is Side.PRIMARY
        for pair in app.pairs:
            here, there = (pair.primary, pair.backup) if primary else (pair.backup, pair.primary)
            self._explicit.setdefault(here.item, []).append(pair.key)
            self._counterparts[pair.key] = (here, there)
        for rule in app.matches:
            p, b = Template.parse(rule.primary), Template.parse(rule.backup)
            match = _Match(app.name, p, b) if primary else _Match(app.name, b, p)
            self._places.append(match.here)
            if not rule.tagged:
                self._matches.append(match)

    @property
    def wanted(self) -> tuple[Locator, ...]:
        """Items (without field) that explicit pairs name here, sorted."""
        return tuple(sorted(self._explicit))

    def keys_of(self, locator: Locator) -> tuple[str, ...]:
        """Keys of the explicit pairs that name this item."""
        return tuple(self._explicit.get(locator, ()))

    def expected(self, key: str) -> Locator | None:
        """Where the item of an explicit pair stands on this path."""
        both = self._counterparts.get(key)
        return both[0].item if both else None

    @property
    def swept(self) -> Mapping[str, frozenset[str]]:
        """Source → kinds that templates need listed."""
        kinds: dict[str, set[str]] = {}
        for place in self._places:
            sample = place.sample
            kinds.setdefault(sample.source, set()).add(sample.kind)
        return {source: frozenset(names) for source, names in kinds.items()}

    def prefixes(self, source: str) -> Mapping[str, tuple[str, ...]]:
        """Kind → literal name prefixes that templates need of `source`."""
        found: dict[str, set[str]] = {}
        for place in self._places:
            sample = place.sample
            if sample.source == source:
                found.setdefault(sample.kind, set()).add(place.literal)
        return {kind: tuple(sorted(literals)) for kind, literals in found.items()}

    def claims(self, item: Item) -> tuple[Claim, ...]:
        """The keys `item` stands for; empty = no pair claims it."""
        explicit = self._explicit.get(item.locator)
        if explicit:
            return tuple(Claim(key) for key in explicit)
        return self._matched(str(item.locator)) or self._named(item.logical_name)

    def _matched(self, text: str) -> tuple[Claim, ...]:
        keys: dict[str, set[str]] = {}
        for match in self._matches:
            name = match.here.name_in(text)
            if name is not None:
                keys.setdefault(match.app, set()).add(f"{match.app}/{name}")
        return tuple(Claim(key, ambiguous=len(names) > 1) for names in keys.values() for key in sorted(names))

    def _named(self, logical_name: str | None) -> tuple[Claim, ...]:
        app, slash, name = (logical_name or "").partition("/")
        return (Claim(f"{app}/{name}"),) if slash and name and app in self._apps else ()

    def counterpart(self, key: str, locator: str) -> Locator | None:
        """Where the counterpart of the item at `locator` should stand on the other path; None = only a tag could say.

        Used for what has no row there: to confirm the absence by a single read, and to name the coverage that matters.
        """
        both = self._counterparts.get(key)
        if both:
            return both[1].item
        app = key.partition("/")[0]
        for match in self._matches:
            name = match.here.name_in(locator) if match.app == app else None
            if name is not None and f"{app}/{name}" == key:
                return match.there.fill(name).item
        return None


Aligned = Callable[[str, str, str], bool]
"""(key, primary's locator, backup's locator) → whether the two can be one pair."""


def aligned_of(app: App) -> Aligned | None:
    """Two items that templates brought together must owe their common name to one and the same template.

    Sides named by hand or by their own tag are taken at their word. None = no two items of `app` can be strangers.
    """
    rules = [(Template.parse(rule.primary), Template.parse(rule.backup)) for rule in app.matches if not rule.tagged]
    if len(rules) < 2:
        return None
    named = {pair.key for pair in app.pairs}

    def aligned(key: str, primary: str, backup: str) -> bool:
        if key in named:
            return True
        name = key.partition("/")[2]
        here = {i for i, (template, _) in enumerate(rules) if template.name_in(primary) == name}
        there = {i for i, (_, template) in enumerate(rules) if template.name_in(backup) == name}
        return not here or not there or bool(here & there)

    return aligned


def role_of(app: App, path: str) -> Side | None:
    """The role `path` has for `app`, or None."""
    if app.primary == path:
        return Side.PRIMARY
    return Side.BACKUP if path in app.backups else None
