"""`nhisync inventory`: everything one path's sources hold, with the age of each fact and what was not seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nhisync.app.gather import Scope, gather
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress, silent
from nhisync.errors import UsageError
from nhisync.model import Coverage, CoverageStatus, Presence, SourceSummary
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row

_NO_GAP = frozenset({CoverageStatus.COMPLETE, CoverageStatus.NOT_ASKED})
_ANSWERS = frozenset({Presence.PRESENT.value, Presence.ABSENT.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One item.

    Attributes:
        row: what is known of it.
        pairs: keys of the pairs that claim it, sorted; empty = unmapped.
    """

    row: Row
    pairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """One path at one instant.

    Attributes:
        path: its name.
        region: its region, or "".
        taken_at: when the sweep ended.
        items: sorted by locator.
        sources: how each source was met.
        coverage: what was seen of each kind and scope.
    """

    path: str
    region: str
    taken_at: datetime
    items: tuple[Held, ...]
    sources: tuple[SourceSummary, ...]
    coverage: tuple[Coverage, ...]

    @property
    def present(self) -> tuple[Held, ...]:
        """Items that exist."""
        return tuple(held for held in self.items if held.row.presence == Presence.PRESENT.value)

    @property
    def unmapped(self) -> tuple[Held, ...]:
        """Existing items that no pair claims."""
        return tuple(held for held in self.present if not held.pairs)

    @property
    def unowned(self) -> tuple[Held, ...]:
        """Existing items whose kind carries owners and which have none."""
        return tuple(held for held in self.present if held.row.owner == "")

    @property
    def never_rotated(self) -> tuple[Held, ...]:
        """Existing items that are as old as their only generation."""
        return tuple(held for held in self.present if held.row.rotated is None and held.row.created is not None)

    @property
    def unread(self) -> tuple[Held, ...]:
        """Items of which it is not even known whether they exist."""
        return tuple(held for held in self.items if held.row.presence not in _ANSWERS)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for got an answer."""
        listed = all(entry.status in _NO_GAP for entry in self.coverage)
        return listed and not self.unread and not any(source.error for source in self.sources)

    @property
    def blind(self) -> bool:
        """Whether not one source answered."""
        return bool(self.sources) and all(source.error is not None for source in self.sources)


def inventories(
    session: Session, paths: Sequence[str], progress: Progress = silent, *, only: frozenset[str] = frozenset()
) -> Mapping[str, Inventory]:
    """Sweep all kinds of all sources of `paths`, or only the kinds named in `only`.

    Raises:
        UsageError: a path is not configured, or nothing there has a kind of `only`.
        GuardError: two paths turned out to be one identity.
        RegistryError: a provider's SDK is missing.
    """
    session.begin()
    for path in paths:
        _known_kinds(session, known_path(session, path), only)
    configured = session.configuration
    kinds = {
        (path, source): _kinds(session, path, source, only)
        for path in paths
        for source in configured.paths[path].sources
    }
    scope = Scope(pairings={path: Pairing(path, configured.apps) for path in paths}, unmapped=True, kinds=kinds)
    sinks = {path: _List() for path in paths}
    collected = gather(session, scope, sinks, progress=progress)
    now = session.clock.now()
    return {
        path: Inventory(
            path=path,
            region=configured.paths[path].region or "",
            taken_at=now,
            items=_items(sinks[path].rows),
            sources=collected.sources.get(path, ()),
            coverage=tuple(sorted(sinks[path].coverage, key=lambda c: (c.source, c.kind, c.scope))),
        )
        for path in paths
    }


def _known_kinds(session: Session, path: str, only: frozenset[str]) -> None:
    have = {kind for source in session.configuration.paths[path].sources for kind in _kinds(session, path, source)}
    unknown = only - have
    if unknown:
        listed = ", ".join(sorted(have)) or "none"
        raise UsageError(f"no source of `{path}` has the kind `{min(unknown)}`", fix=f"Kinds there: {listed}.")


def _kinds(session: Session, path: str, source: str, only: frozenset[str] = frozenset()) -> frozenset[str]:
    kinds = frozenset(kind.name for kind in session.source_info(path, source).kinds)
    return kinds & only if only else kinds


def known_path(session: Session, path: str) -> str:
    """`path`, if it is configured.

    Raises:
        UsageError: it is not.
    """
    if path not in session.configuration.paths:
        have = ", ".join(session.configuration.paths)
        raise UsageError(f"no path is called `{path}`", fix=f"Configured paths: {have}.")
    return path


def _items(rows: Iterable[Row]) -> tuple[Held, ...]:
    """Rows of one item are one item with several pairs; what was seen outranks what was not."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.locator, []).append(row)
    items = []
    for _, same in sorted(found.items()):
        best = min(same, key=lambda row: row.presence not in _ANSWERS)
        keys = {row.key for row in same if not row.key.startswith(UNMAPPED)}
        items.append(Held(row=best, pairs=tuple(sorted(keys))))
    return tuple(items)


class _List:
    """A sink that keeps everything of one sweep."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.coverage: list[Coverage] = []

    def put(self, rows: Iterable[Row]) -> None:
        """Keep rows."""
        self.rows.extend(rows)

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep rows that state ignorance; nothing older is held here."""
        self.rows.extend(rows)

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """Nothing was known before, so nothing can have been touched."""

    def cover(self, coverage: Coverage) -> None:
        """Keep what was seen."""
        self.coverage.append(coverage)
