"""One inventory: list first, read singly only what pairs name, and say what was not seen.

Absence is only claimed after a read of the item itself on a node that was active before and is active afterwards.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    Item,
    Locator,
    Observation,
    Presence,
    ProviderError,
    Unchanged,
)
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_vault.kinds import ALL, STORE, Gap, Kind, Listed, Run, absent
from nhisync_vault.mounts import Mount

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNREACHABLE: CoverageStatus.UNREACHABLE,
    ErrorKind.CRYPTO_UNAVAILABLE: CoverageStatus.UNREACHABLE,
    ErrorKind.NOT_PROPAGATED: CoverageStatus.STALE,
    ErrorKind.READ_ONLY_SIDE: CoverageStatus.STALE,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}
"""Why a listing is not complete → its coverage; the rest is PARTIAL."""


_WORTH_A_LISTING = 4
"""From this many wanted items on, one listing of their folder costs less than reading each."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One wanted item and where it stands."""

    locator: Locator
    mount: Mount
    name: str


@dataclass(slots=True)
class _Sweep:
    """One kind × mount, being listed."""

    run: Run
    kind: Kind
    mount: Mount
    scope: str
    wanted: dict[Locator, _Place]
    items: int = 0
    gaps: list[Gap] = field(default_factory=list)


def observe(run: Run) -> Iterator[Observation]:
    """Everything the request asks for, in any order."""
    if not run.api.topology.authoritative and not run.settings.standby_reads:
        yield from _nothing_believed(run)
        return
    places, unplaced = _placed(run)
    yield from unplaced
    for name in sorted(run.request.kinds):
        kind = ALL.get(name)
        if kind is None:
            continue
        mine = {place.locator: place for place in places if place.locator.kind == name}
        yield from _sweep_kind(run, kind, mine)
        places = [place for place in places if place.locator.kind != name or place.locator in mine]
    yield from _singles(run, places)
    yield from _shortfalls(run)


def _shortfalls(run: Run) -> Iterator[Coverage]:
    """What a missing grant hid without hiding an item: mounts, and facts beside the items."""
    for kind in sorted(run.request.kinds | {place.kind for place in run.request.wanted}):
        gap = run.table.gap(kind) if kind in ALL else None
        if gap is not None:
            yield _cover(run, kind, "", CoverageStatus.DENIED, error=gap.fact)
    for (kind, scope), error in sorted(run.missed.items()):
        yield _cover(run, kind, scope, CoverageStatus.DENIED, error=error.fact)


def _sweep_kind(run: Run, kind: Kind, wanted: dict[Locator, _Place]) -> Iterator[Observation]:
    """List every mount of a kind; `wanted` loses what the listings answered."""
    targets = list(_targets(run, kind))
    if not targets:
        yield from _no_mounts(run, kind)
    for mount, prefix in targets:
        here = {locator: place for locator, place in wanted.items() if _within(place, mount, prefix)}
        sweep = _Sweep(run, kind, mount, f"{mount.scope}{prefix}" if mount is not STORE else prefix, dict(here))
        yield from _swept(sweep, prefix)
        for locator in set(here) - set(sweep.wanted):
            wanted.pop(locator, None)


def _swept(sweep: _Sweep, prefix: str) -> Iterator[Observation]:
    """Items of one mount, then its coverage."""
    changed: list[_Place] = []
    entries: dict[Locator, Listed] = {}
    failure: ProviderError | None = None
    try:
        for entry in sweep.kind.listed(sweep.run, sweep.mount, prefix):
            if isinstance(entry, Gap):
                sweep.gaps.append(entry)
                continue
            sweep.items += 1
            locator = _locator(sweep, entry.name)
            place = sweep.wanted.pop(locator, None)
            if place is None and sweep.kind.deep:
                place = _Place(locator, sweep.mount, entry.name)
            if place is None:
                yield _bare(sweep, entry, locator)
            elif entry.marker and sweep.run.known(locator) == entry.marker:
                yield sweep.run.unchanged(locator)
            else:
                changed.append(place)
                entries[locator] = entry
    except ProviderError as error:
        failure = error
    yield from _details(sweep.run, changed, entries)
    yield from _coverage(sweep, failure)


def _bare(sweep: _Sweep, entry: Listed, locator: Locator) -> Item:
    try:
        return one_item(lambda: sweep.kind.bare(sweep.run, sweep.mount, entry), "a row of a list")
    except ProviderError as error:
        return sweep.run.failed(locator, error)


def _coverage(sweep: _Sweep, failure: ProviderError | None) -> Iterator[Coverage]:
    """One entry for the mount, and one for each folder of it that was lost."""
    run = sweep.run
    whole = failure or next((gap.error for gap in sweep.gaps if not gap.scope), None)
    believed = False
    if whole is None:
        try:
            believed = run.cluster.still_active(run.api.topology, run.api.budget)
        except ProviderError as error:
            whole = error
    status = CoverageStatus.COMPLETE if believed else CoverageStatus.STALE
    if whole is not None:
        status = _STATUS.get(whole.kind, CoverageStatus.PARTIAL)
        if sweep.items and status is not CoverageStatus.THROTTLED:
            status = CoverageStatus.PARTIAL
    fact = whole.fact if whole else (None if believed else _standby(run))
    yield _cover(run, sweep.kind.name, sweep.scope, status, items=sweep.items, error=fact, authoritative=believed)
    for gap in sweep.gaps:
        if gap.scope:
            lost = _STATUS.get(gap.error.kind, CoverageStatus.PARTIAL)
            yield _cover(run, sweep.kind.name, f"{sweep.mount.scope}{gap.scope}", lost, error=gap.error.fact)


def _singles(run: Run, places: Sequence[_Place]) -> Iterator[Observation]:
    """Wanted items that no listing answered; where many stand in one folder, that folder is listed first."""
    entries: dict[Locator, Listed] = {}
    for key, group in _folders(places).items():
        entries.update(_prefetched(run, key, group))
    changed = []
    for place in places:
        entry = entries.get(place.locator)
        if entry is not None and entry.marker and entry.marker == run.known(place.locator):
            yield run.unchanged(place.locator)
        else:
            changed.append(place)
    yield from _details(run, changed, entries)


def _folders(places: Iterable[_Place]) -> dict[tuple[str, Mount, str], list[_Place]]:
    """Wanted items by kind, mount and folder; only folders that hold several."""
    groups: dict[tuple[str, Mount, str], list[_Place]] = {}
    for place in places:
        folder = place.name[: place.name.rfind("/") + 1]
        groups.setdefault((place.locator.kind, place.mount, folder), []).append(place)
    return {key: group for key, group in groups.items() if len(group) >= _WORTH_A_LISTING}


def _prefetched(run: Run, key: tuple[str, Mount, str], group: Iterable[_Place]) -> dict[Locator, Listed]:
    """What one listing of a folder says about `group`; nothing when it cannot be listed: then each is read singly."""
    kind, mount, folder = key
    try:
        found = {entry.name: entry for entry in ALL[kind].peek(run, mount, folder)}
    except ProviderError:
        return {}
    return {place.locator: found[place.name] for place in group if place.name in found}


def _details(run: Run, places: Sequence[_Place], entries: dict[Locator, Listed]) -> Iterator[Observation]:
    """Single reads in parallel; absences are held back until the node is known to be active still."""
    missing: list[Item] = []

    def read(place: _Place) -> Iterator[Item | Unchanged]:
        entry = entries.get(place.locator) or Listed(place.name)
        try:
            found = one_item(lambda: ALL[place.locator.kind].detail(run, place.mount, entry))
        except ProviderError as error:
            yield run.failed(place.locator, error)
        else:
            yield found

    for found in spread(places, read, run.settings.workers):
        if isinstance(found, Item) and found.presence is Presence.ABSENT:
            missing.append(found)
        else:
            yield found
    if missing:
        yield from _confirmed(run, missing)


def _confirmed(run: Run, missing: Sequence[Item]) -> Iterator[Item]:
    """Absences, if the node that told them is the active one; otherwise nothing is known."""
    try:
        believed = run.cluster.still_active(run.api.topology, run.api.budget)
    except ProviderError as error:
        yield from (run.failed(item.locator, _unproven(error)) for item in missing)
        return
    for item in missing:
        if believed:
            yield absent(item.locator, run.now())
        else:
            yield replace(item, presence=Presence.UNKNOWN, error=_standby(run))


def _unproven(error: ProviderError) -> ProviderError:
    """The error, without ever turning into a claim of absence."""
    if error.kind is not ErrorKind.NOT_FOUND:
        return error
    return ProviderError(ErrorKind.UNREACHABLE, error.message, fix=error.fix)


def _placed(run: Run) -> tuple[list[_Place], list[Item]]:
    """Wanted items with their mounts, and those that no mount can hold."""
    places, lost = [], []
    for locator in dict.fromkeys(one.item for one in run.request.wanted):
        try:
            mount, name = _place(run, locator)
        except ProviderError as error:
            lost.append(run.failed(locator, error))
        else:
            places.append(_Place(locator, mount, name))
    return places, lost


def _place(run: Run, locator: Locator) -> tuple[Mount, str]:
    if locator.kind not in ALL:
        raise ProviderError(
            ErrorKind.MISCONFIGURED,
            f"the provider vault has no kind {locator.kind}",
            fix=f"Known kinds: {', '.join(ALL)}.",
        )
    return (STORE, locator.name) if locator.kind == "token" else run.table.place(locator)


def _targets(run: Run, kind: Kind) -> Iterator[tuple[Mount, str]]:
    """Mounts to list and the prefix below each; nested prefixes are listed once."""
    prefixes = run.request.prefixes.get(kind.name)
    mounts = (STORE,) if kind.name == "token" else run.table.of_kind(kind.name)
    for mount in mounts:
        scope = "" if mount is STORE else mount.scope
        if prefixes is None or any(scope.startswith(prefix) for prefix in prefixes):
            yield mount, ""
            continue
        below = sorted({prefix.removeprefix(scope) for prefix in prefixes if prefix.startswith(scope)})
        for prefix in below:
            if not any(prefix != other and prefix.startswith(other) for other in below):
                yield mount, prefix


def _within(place: _Place, mount: Mount, prefix: str) -> bool:
    return place.mount == mount and place.name.startswith(prefix)


def _locator(sweep: _Sweep, name: str) -> Locator:
    if sweep.mount is STORE:
        return Locator(sweep.run.context.source, sweep.kind.name, name)
    return sweep.run.locator(sweep.kind.name, sweep.mount, name)


def _no_mounts(run: Run, kind: Kind) -> Iterator[Coverage]:
    """No mount of the kind: proof of emptiness when the whole mount table was read; the gap is told at the end."""
    if run.table.gap(kind.name) is None:
        yield _cover(run, kind.name, "", CoverageStatus.COMPLETE, authoritative=run.api.topology.authoritative)


def _nothing_believed(run: Run) -> Iterator[Observation]:
    """Only a standby answers, and it can lag without bound: nothing it says is evidence."""
    fact = _standby(run)
    for kind in sorted(run.request.kinds):
        yield _cover(run, kind, "", CoverageStatus.STALE, error=fact)
    for locator in dict.fromkeys(one.item for one in run.request.wanted):
        yield Item(locator=locator, observed_at=run.now(), presence=Presence.UNKNOWN, error=fact)


def _standby(run: Run) -> ErrorFact:
    why = run.api.topology.why or "leadership moved while reading"
    return ErrorFact(
        kind=ErrorKind.READ_ONLY_SIDE.value,
        message=f"the answers come from a standby, which can lag without bound: {why}",
        resource=run.api.topology.endpoint,
        reason=why,
    )


_HIDDEN = frozenset({"pki", "token"})
"""Kinds of which some items are in no list (certificates of no_store roles, batch tokens): absence needs a read."""


def _cover(
    run: Run,
    kind: str,
    scope: str,
    status: CoverageStatus,
    *,
    items: int = 0,
    error: ErrorFact | None = None,
    authoritative: bool = False,
) -> Coverage:
    return Coverage(
        source=run.context.source,
        kind=kind,
        scope=scope,
        status=status,
        as_of=run.now(),
        items=items,
        authoritative=authoritative and status is CoverageStatus.COMPLETE and kind not in _HIDDEN,
        error=error,
    )
