"""`nhisync discover`: what a path holds, and which unmapped items look like counterparts. A person decides."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nhisync.app.inventory import Held, Inventory, inventories, known_path
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress, silent
from nhisync.model import App, Locator, Side
from nhisync.parity.pairing import role_of

SIMILAR = 0.5
"""Smallest share of common words (Jaccard index) of two names that are suggested as counterparts."""

TELLING = 100
"""A word that more items than this carry tells nothing about any of them."""

_WORD = re.compile(r"[a-z0-9]+")
_ROLES = frozenset({"primary", "backup", "secondary", "standby", "dr", "failover", "prod", "production", "secret"})
"""Words that tell paths and stages apart, not purposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Two items that look like counterparts.

    Attributes:
        app: the app whose name both carry or whose paths they stand on, or "" when that is not clear.
        name: proposed pair name.
        kind: ``certificate`` or ``secret``.
        primary: item on the primary path.
        backup: item on the backup path.
        score: 1.0 = the same words.
    """

    app: str
    name: str
    kind: str
    primary: Locator
    backup: Locator
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found.

    Attributes:
        inventory: the path that was asked for.
        others: paths that hold possible counterparts.
        suggestions: best first.
    """

    inventory: Inventory
    others: Mapping[str, Inventory]
    suggestions: tuple[Suggestion, ...]


def discover(session: Session, path: str, progress: Progress = silent) -> Discovery:
    """Sweep `path` and the paths it is paired with, and look for counterparts among what no pair claims.

    Raises:
        UsageError: the path is not configured.
        GuardError: two paths turned out to be one identity.
        RegistryError: a provider's SDK is missing.
    """
    partners = counterpart_paths(session, known_path(session, path))
    found = inventories(session, [path, *partners], progress)
    suggestions: list[Suggestion] = []
    for partner, side in partners.items():
        primary, backup = (path, partner) if side is Side.PRIMARY else (partner, path)
        apps = [a for a in session.configuration.apps if a.primary == primary and backup in a.backups]
        suggestions += suggest(found[primary].unmapped, found[backup].unmapped, apps)
    return Discovery(
        inventory=found[path],
        others={name: found[name] for name in partners},
        suggestions=tuple(sorted(suggestions, key=lambda s: (-s.score, s.app, s.name))),
    )


def counterpart_paths(session: Session, path: str) -> dict[str, Side]:
    """Partner path → role of `path` towards it; without any app every other path is a possible backup."""
    found: dict[str, Side] = {}
    for app in session.configuration.apps:
        side = role_of(app, path)
        if side is Side.PRIMARY:
            found.update(dict.fromkeys(app.backups, Side.PRIMARY))
        elif side is Side.BACKUP:
            found.setdefault(app.primary, Side.BACKUP)
    if found or session.configuration.apps:
        return found
    own = Side.BACKUP if path == "backup" else Side.PRIMARY
    return {name: own for name in session.configuration.paths if name != path}


def suggest(primary: Sequence[Held], backup: Sequence[Held], apps: Sequence[App]) -> list[Suggestion]:
    """Counterparts by name: each item at most once, only where each is the other's single best match."""
    dull = _ROLES | {word for app in apps for word in _WORD.findall(app.name)}
    ours = {held.row.locator: _words(held, dull) for held in primary}
    theirs = {held.row.locator: _words(held, dull) for held in backup}
    chained = {held.row.locator for held in (*primary, *backup) if '"chain"' in (held.row.detail or "")}
    forward, backward = _best(ours, theirs, chained), _best(theirs, ours, chained)
    found = []
    for here, (there, score) in forward.items():
        if backward.get(there, ("", 0.0))[0] == here:
            app = _app(here, there, apps)
            words = ours[here] & theirs[there] or ours[here]
            found.append(
                Suggestion(
                    app=app,
                    name="-".join(sorted(words, key=_position(here))) or "unnamed",
                    kind="certificate" if here in chained else "secret",
                    primary=Locator.parse(here),
                    backup=Locator.parse(there),
                    score=score,
                )
            )
    return found


def _position(text: str) -> Callable[[str], int]:
    return lambda word: text.lower().find(word)


def _words(held: Held, dull: frozenset[str]) -> frozenset[str]:
    """The words of an item's name that say what it is for."""
    words = frozenset(_WORD.findall(Locator.parse(held.row.locator).name.lower()))
    return words - dull or words


def _best(
    ours: Mapping[str, frozenset[str]], theirs: Mapping[str, frozenset[str]], chained: set[str]
) -> dict[str, tuple[str, float]]:
    """Item → its single best counterpart; two equally good ones are none (ambiguity is never resolved by guessing)."""
    index = _Index(theirs)
    best: dict[str, tuple[str, float]] = {}
    for locator, words in ours.items():
        near = [t for t in index.near(words) if (t in chained) == (locator in chained)] if words else []
        scored = sorted(((len(words & theirs[t]) / len(words | theirs[t]), t) for t in near), reverse=True)
        clear = len(scored) == 1 or (len(scored) > 1 and scored[0][0] > scored[1][0])
        if clear and scored[0][0] >= SIMILAR:
            best[locator] = (scored[0][1], scored[0][0])
    return best


class _Index:
    """Finds items that share a telling word, so that a hundred thousand items are not compared with each other."""

    def __init__(self, items: Mapping[str, frozenset[str]]) -> None:
        self._same: dict[frozenset[str], list[str]] = {}
        self._by_word: dict[str, list[str]] = {}
        for locator, words in items.items():
            self._same.setdefault(words, []).append(locator)
            for word in words:
                self._by_word.setdefault(word, []).append(locator)

    def near(self, words: frozenset[str]) -> set[str]:
        """Items with exactly these words, and those that share a word which not everybody has."""
        found = set(self._same.get(words, ()))
        for word in words:
            holders = self._by_word.get(word, ())
            if len(holders) <= TELLING:
                found.update(holders)
        return found


def _app(here: str, there: str, apps: Sequence[App]) -> str:
    if len(apps) == 1:
        return apps[0].name
    carried = [app.name for app in apps if app.name in here and app.name in there]
    return carried[0] if len(carried) == 1 else ""
