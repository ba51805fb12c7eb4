"""From apps to inventories: which sources to ask for what, and the second look that proves an absence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nhisync.app.session import Session
from nhisync.collect.absence import presence_of
from nhisync.collect.cycle import Collected, Progress, collect, silent
from nhisync.collect.sink import Sink
from nhisync.collect.source import SourcePlan
from nhisync.errors import GuardError
from nhisync.model import App, Coverage, Locator, Side
from nhisync.parity.engine import Missing, join
from nhisync.parity.findings import Place, Places
from nhisync.parity.pairing import Pairing
from nhisync.parity.row import Row
from nhisync.spi import SourceIdentity

CONFIRMATIONS = 10_000
"""Most absences of one source that a run confirms one by one; the rest stays unknown."""

Known = Mapping[tuple[str, str], Mapping[Locator, str]]
"""(path, source) → wanted item → stored marker."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run looks at.

    Attributes:
        pairings: path → which keys its items stand for.
        unmapped: also keep items that no pair claims.
        kinds: (path, source) → kinds to sweep besides those templates need (inventory, discover).
    """

    pairings: Mapping[str, Pairing]
    unmapped: bool = False
    kinds: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


def scope_of(apps: Iterable[App], paths: Iterable[str]) -> Scope:
    """The scope of judging `apps` on `paths`."""
    kept = tuple(apps)
    return Scope(pairings={path: Pairing(path, kept) for path in paths})


def groups(targets: Sequence[tuple[App, str, str]]) -> Iterator[tuple[str, str, tuple[App, ...]]]:
    """Apps that share a primary and a backup path are judged in one join."""
    found: dict[tuple[str, str], list[App]] = {}
    for app, primary, backup in targets:
        found.setdefault((primary, backup), []).append(app)
    for (primary, backup), apps in found.items():
        yield primary, backup, tuple(apps)


def plans_of(session: Session, scope: Scope, known: Known) -> list[SourcePlan]:
    """One plan per source that anything is wanted of; sources nobody needs are not contacted."""
    plans = []
    for path, pairing in scope.pairings.items():
        for source in session.configuration.paths[path].sources:
            plan = _plan(session, scope, path, source, pairing, known.get((path, source), {}))
            if plan is not None:
                plans.append(plan)
    return plans


def _plan(
    session: Session, scope: Scope, path: str, source: str, pairing: Pairing, known: Mapping[Locator, str]
) -> SourcePlan | None:
    wanted = tuple(locator for locator in pairing.wanted if locator.source == source)
    extra = scope.kinds.get((path, source), frozenset())
    kinds = pairing.swept.get(source, frozenset()) | extra
    if not wanted and not kinds:
        return None
    return SourcePlan(
        path=path,
        name=source,
        provider=session.provider(path, source),
        domain=session.domain_of(path, source),
        pairing=pairing,
        budget=session.budget(path, source),
        kinds=kinds,
        wanted=wanted,
        prefixes={kind: found for kind, found in pairing.prefixes(source).items() if kind not in extra},
        known=dict(known),
        unmapped=scope.unmapped,
        protection=not scope.unmapped and protection_asked(session, path, source),  # lists of items show none of it
    )


def protection_asked(session: Session, path: str, source: str) -> bool:
    """Whether an app whose tier asks how items are guarded has some in `source`, or looks for them there.

    Of the whole configuration, not of the apps at hand: rows that two runs write in turn would be read anew each time.
    """
    configuration = session.configuration
    asked = Pairing(path, [app for app in configuration.apps if configuration.tiers[app.tier].protection.asked])
    return source in asked.swept or any(locator.source == source for locator in asked.wanted)


def gather(
    session: Session,
    scope: Scope,
    sinks: Mapping[str, Sink],
    *,
    known: Known | None = None,
    progress: Progress = silent,
) -> Collected:
    """Run the inventories of all sources in `scope`.

    Raises:
        GuardError: two paths turned out to be one identity (exit 5).
    """
    collected = collect(plans_of(session, scope, known or {}), sinks, session.clock, progress)
    refuse_one_identity(collected.identities)
    return collected


def refuse_one_identity(identities: Mapping[tuple[str, str], SourceIdentity]) -> None:
    """Both paths must not be read as one and the same identity, or at one and the same cluster.

    What fails for one would fail for both, unseen: a backup that is another name for the primary is none.

    Raises:
        GuardError: ``same-identity`` or ``same-cluster``.
    """
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for (path, source), who in sorted(identities.items()):
        other = seen.setdefault((who.authority, who.principal), (path, source))
        if other[0] != path:
            raise GuardError(
                "same-identity",
                f"{other[0]}/{other[1]} and {path}/{source} are one identity: {who.principal} at {who.authority}",
                fix="Give each path its own identity: `auth:` of one of the two sources.",
            )
        other = seen.setdefault((who.cluster,), (path, source)) if who.cluster else (path, source)
        if other[0] != path:
            raise GuardError(
                "same-cluster",
                f"{other[0]}/{other[1]} and {path}/{source} are one cluster: {who.cluster}",
                fix="Name a cluster of its own in the backup's source: its address leads to the primary's.",
            )


def missing_of(scope: Scope, primary: str, backup: str, coverage: Mapping[str, tuple[Coverage, ...]]) -> Missing:
    """What coverage says about a side without a row."""

    def missing(role: str, key: str, row: Row) -> str:
        here, there = (backup, primary) if role == "primary" else (primary, backup)
        expected = scope.pairings[here].counterpart(key, row.locator)
        return presence_of(expected, coverage.get(there, ())).value

    return missing


def places_of(session: Session, scope: Scope, primary: str, backup: str) -> Places:
    """Where a side stands, or should stand by its pair or template, and which provider the configuration has there."""

    def place(side: Side, key: str, own: Row | None, other: Row | None) -> Place:
        here, there = (primary, backup) if side is Side.PRIMARY else (backup, primary)
        expected = scope.pairings[here].expected(key)
        if own is not None:
            expected = Locator.parse(own.locator)
        elif expected is None and other is not None:
            expected = scope.pairings[there].counterpart(key, other.locator)
        if expected is None:
            return Place("", "")
        source = session.configuration.paths[here].sources.get(expected.source)
        return Place(str(expected), source.provider if source else "")

    return place


def unconfirmed(
    session: Session, scope: Scope, primary: tuple[str, Iterator[Row]], backup: tuple[str, Iterator[Row]]
) -> dict[tuple[str, str], list[Locator]]:
    """(path, source) → items whose absence only a single read can prove, because the kind's listing is no proof."""
    doubtful: dict[tuple[str, str], list[Locator]] = {}
    for key, p, b in join(primary[1], backup[1]):
        row, here, there = (p, primary[0], backup[0]) if b is None else (b, backup[0], primary[0])
        if row is None or (p is not None and b is not None):
            continue
        expected = scope.pairings[here].counterpart(key, row.locator)
        if expected is None or _proves(session, there, expected):
            continue
        if session.budget(there, expected.source).cancelled:
            continue  # left behind in this cycle: its coverage says so, and it would hang again
        listed = doubtful.setdefault((there, expected.source), [])
        if len(listed) < CONFIRMATIONS:
            listed.append(expected)
    return doubtful


def _proves(session: Session, path: str, locator: Locator) -> bool:
    """Whether a complete listing of this kind proves absence."""
    kinds = {kind.name: kind.authoritative for kind in session.source_info(path, locator.source).kinds}
    return kinds.get(locator.kind, True)


def confirm(
    session: Session,
    scope: Scope,
    doubtful: Mapping[tuple[str, str], list[Locator]],
    sinks: Mapping[str, Sink],
    progress: Progress = silent,
) -> None:
    """Read the doubtful items one by one; each becomes PRESENT, ABSENT or a typed reason under its key."""
    plans = [
        SourcePlan(
            path=path,
            name=source,
            provider=session.provider(path, source),
            domain=session.domain_of(path, source),
            pairing=scope.pairings[path],
            budget=session.budget(path, source),
            wanted=tuple(locators),
            identify=False,
            protection=protection_asked(session, path, source),
        )
        for (path, source), locators in doubtful.items()
    ]
    if plans:
        collect(plans, {path: _RowsOnly(sink) for path, sink in sinks.items()}, session.clock, progress)


class _RowsOnly:
    """A sink that keeps rows but not the coverage of single reads, which says nothing about a sweep."""

    def __init__(self, sink: Sink) -> None:
        self.put, self.keep, self.touch = sink.put, sink.keep, sink.touch

    def cover(self, coverage: Coverage) -> None:
        """Forget it."""
