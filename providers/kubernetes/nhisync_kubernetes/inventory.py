"""One inventory: list first, read singly only what pairs name and no list held, and say what was not seen.

A listing tells everything that is known of an object, so a second read of a listed one is never made. Listings of the
whole cluster are tried first; an identity that may not list so far is asked for one namespace after the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    Item,
    Locator,
    Observation,
    ProviderError,
    Unchanged,
)
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_kubernetes.api import Object
from nhisync_kubernetes.errors import misconfigured
from nhisync_kubernetes.kinds import ALL, Kind
from nhisync_kubernetes.metadata import Meta, read_meta
from nhisync_kubernetes.names import split
from nhisync_kubernetes.resources import KINDS, NAMESPACES, RESOURCE_OF
from nhisync_kubernetes.run import Run

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNREACHABLE: CoverageStatus.UNREACHABLE,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}
"""Why a listing is not complete → its coverage; the rest is PARTIAL."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One listed object that a pair names."""

    locator: Locator
    body: Object
    meta: Meta


def observe(run: Run) -> Iterator[Observation]:
    """Everything the request asks for, in any order."""
    wanted = dict.fromkeys(one.item for one in run.request.wanted)
    for name in KINDS:
        if name in run.request.kinds:
            yield from _sweep(run, ALL[name], wanted)
    yield from spread(list(wanted), lambda locator: (_single(run, locator),), run.settings.workers)


def _sweep(run: Run, kind: Kind, wanted: dict[Locator, None]) -> Iterator[Observation]:
    """List every place of a kind; `wanted` loses what the listings answered."""
    places = _places(run, kind)
    if places is not None:
        for namespace in places:
            yield from _listed(run, kind, namespace, wanted)
        return
    whole = _Listing(run, kind, "", wanted)
    yield from whole.items()
    failure = whole.failure
    if failure is None or failure.kind is not ErrorKind.DENIED:
        yield whole.coverage()
        return
    yield from _one_by_one(run, kind, wanted, failure)


def _one_by_one(run: Run, kind: Kind, wanted: dict[Locator, None], denied: ProviderError) -> Iterator[Observation]:
    """Namespaces that the identity may list, after the whole cluster was denied; each denial is that one's coverage."""
    try:
        every, complete = _namespaces(run), True
    except ProviderError as error:
        every, complete = sorted(_named(kind, wanted)), False
        denied = denied if error.kind is ErrorKind.DENIED else error
    for namespace in every:
        yield from _listed(run, kind, namespace, wanted)
    if not complete or not every:
        status = _STATUS.get(denied.kind, CoverageStatus.PARTIAL)
        yield _cover(run, kind, "", status, error=denied.fact)


def _namespaces(run: Run) -> Sequence[str]:
    """All namespaces of the cluster, listed once a run.

    Raises:
        ProviderError: they cannot be listed.
    """
    return run.once(
        "namespaces", lambda: [read_meta(one, "").name for one in run.api.listed(NAMESPACES, metadata=True)]
    )


def _named(kind: Kind, wanted: Iterable[Locator]) -> set[str]:
    """Namespaces that pairs of this kind name."""
    return {one.name.partition("/")[0] for one in wanted if one.kind == kind.name and _addressable(one)}


def _addressable(locator: Locator) -> bool:
    try:
        split(locator.name)
    except ProviderError:
        return False
    return True


def _places(run: Run, kind: Kind) -> list[str] | None:
    """Namespaces to list, where settings or templates name them; None = the whole cluster."""
    prefixes = run.request.prefixes.get(kind.name)
    configured = sorted(set(run.settings.namespaces))
    if not prefixes:
        return configured or None
    if any("/" not in prefix for prefix in prefixes):  # a part of a namespace's name
        fitting = [one for one in configured if any(one.startswith(p.partition("/")[0]) for p in prefixes)]
        return fitting if configured else None
    return sorted({prefix.partition("/")[0] for prefix in prefixes} - {""})


def _listed(run: Run, kind: Kind, namespace: str, wanted: dict[Locator, None]) -> Iterator[Observation]:
    listing = _Listing(run, kind, namespace, wanted)
    yield from listing.items()
    yield listing.coverage()


class _Listing:
    """One kind in one namespace ("" = the whole cluster), being listed."""

    def __init__(self, run: Run, kind: Kind, namespace: str, wanted: dict[Locator, None]) -> None:
        self._run, self._kind, self._namespace, self._wanted = run, kind, namespace, wanted
        self._count = 0
        self._odd: ProviderError | None = None
        self.failure: ProviderError | None = None

    def items(self) -> Iterator[Item | Unchanged]:
        """Everything that is listed; `failure` says afterwards what ended it early."""
        named: list[_Found] = []
        try:
            if self._namespace:
                _check(self._namespace)
            for found in self._objects():
                self._count += 1
                one = self._found(found)
                if one is None:
                    continue
                deep = one.locator in self._wanted
                self._wanted.pop(one.locator, None)
                if deep and self._kind.fans_out:
                    named.append(one)
                else:
                    yield _read(self._run, self._kind, one, deep=deep)
            if self._namespace:
                self._run.api.check_namespace(self._namespace)  # an unknown namespace lists nothing, and says 200
        except ProviderError as error:
            self.failure = error
        self.failure = self.failure or self._odd
        run, kind = self._run, self._kind
        yield from spread(named, lambda one: (_read(run, kind, one, deep=True),), run.settings.workers)

    def _found(self, body: Object) -> _Found | None:
        """A listed object; one whose metadata cannot be read is none, and the listing is not whole."""
        run = self._run

        def read() -> _Found:
            meta = read_meta(body, run.settings.owner_key)
            return _Found(run.locator(self._kind.name, meta), body, meta)

        try:
            return one_item(read, "the metadata of a listed object")
        except ProviderError as error:
            self._odd = self._odd or error
            return None

    def coverage(self) -> Coverage:
        """How far the listing came."""
        scope = f"{self._namespace}/" if self._namespace else ""
        if self.failure is None:
            return _cover(self._run, self._kind, scope, CoverageStatus.COMPLETE, items=self._count)
        status = _STATUS.get(self.failure.kind, CoverageStatus.PARTIAL)
        if self._count and status is not CoverageStatus.THROTTLED:
            status = CoverageStatus.PARTIAL
        return _cover(self._run, self._kind, scope, status, items=self._count, error=self.failure.fact)

    def _objects(self) -> Iterator[Object]:
        return self._run.api.listed(
            RESOURCE_OF[self._kind.name],
            self._namespace,
            fields=self._kind.fields(self._run.settings),
            metadata=self._kind.metadata,
        )


def _single(run: Run, locator: Locator) -> Item | Unchanged:
    """One item that no listing answered."""
    try:
        kind = ALL.get(locator.kind)
        if kind is None:
            raise misconfigured(
                f"the provider kubernetes has no kind {locator.kind}", f"Known kinds: {', '.join(ALL)}."
            )
        namespace, name = split(locator.name)
        found = run.api.get(RESOURCE_OF[kind.name], namespace, name, metadata=kind.metadata)
        meta = one_item(lambda: read_meta(found, run.settings.owner_key), "the metadata of this object")
    except ProviderError as error:
        return run.failed(locator, error)
    return _read(run, kind, _Found(locator, found, meta), deep=True)


def _read(run: Run, kind: Kind, found: _Found, *, deep: bool) -> Item | Unchanged:
    def read() -> Item | Unchanged:
        marker = kind.marker(run, found.body, found.meta, deep=deep)
        known = run.unchanged(found.locator, marker) if deep else None
        return known or kind.item(run, found.body, found.meta, deep=deep)

    try:
        return one_item(read)
    except ProviderError as error:
        return run.failed(found.locator, error)


def _check(namespace: str) -> None:
    split(f"{namespace}/x")


def _cover(
    run: Run,
    kind: Kind,
    scope: str,
    status: CoverageStatus,
    *,
    items: int = 0,
    error: ErrorFact | None = None,
) -> Coverage:
    return Coverage(
        source=run.context.source,
        kind=kind.name,
        scope=scope,
        status=status,
        as_of=run.now(),
        items=items,
        authoritative=status is CoverageStatus.COMPLETE,
        error=error,
    )
