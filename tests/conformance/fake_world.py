"""A world for the scripted provider: an honest little adapter as its script, and every trouble of the kit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nhisync.clock import Clock
from nhisync.spi import (
    Coverage,
    CoverageStatus,
    ErrorKind,
    InventoryRequest,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    Presence,
    ProviderError,
    Unchanged,
)
from nhisync.testing.provider import IDENTITIES, SCRIPTS, VALUES
from nhisync.testing.world import Seed

AUTHORITATIVE = {"kv": True, "listed": False}
_REASONS = {
    "denied": ErrorKind.DENIED,
    "refused": ErrorKind.AUTH_FAILED,
    "throttled": ErrorKind.THROTTLED,
    "broken": ErrorKind.MALFORMED,
    "scope-missing": ErrorKind.SCOPE_MISSING,
}
_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
}


@dataclass(slots=True)
class Service:
    """One source as the service sees it.

    Attributes:
        source: name of the source.
        script: name of its script.
        reveal: its identity may read values.
        items: ``kind/name`` → seed.
        faults: switched on.
        served: requests answered.
    """

    source: str
    script: str
    clock: Clock
    reveal: bool
    items: dict[str, Seed] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    served: int = 0

    def ask(self) -> None:
        """Count a request, and refuse it when a fault says so."""
        self.served += 1
        for fault, kind in _REASONS.items():
            if fault in self.faults:
                raise ProviderError(kind, f"the service is {fault}", action="fake:read", reason=fault)

    def page(self, kind: str, after: int, size: int) -> tuple[list[str], int | None]:
        """Names from `after` on, and where the next page begins."""
        self.ask()
        names = sorted(name for name, seed in self.items.items() if seed.kind == kind and not seed.options)
        if "endless" in self.faults:
            return names[:size], 0
        if "empty-page" in self.faults and after == 0:
            return [], -1
        after, size = max(after, 0), 1 if "short-pages" in self.faults else size
        return names[after : after + size], after + size if after + size < len(names) else None


class Observer:
    """What an honest adapter does with the service; tests break it method by method."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def observe(self, request: InventoryRequest) -> Iterator[Observation]:
        """Sweep, then read singly what was wanted and not listed."""
        waiting = dict.fromkeys(request.wanted)
        for kind in sorted(request.kinds & set(AUTHORITATIVE)):
            for seen in self.sweep(kind, request):
                if not isinstance(seen, Coverage):
                    waiting.pop(seen.locator, None)
                yield seen
        for locator in waiting:
            yield self.single(locator, request)

    def sweep(self, kind: str, request: InventoryRequest) -> Iterator[Item | Unchanged | Coverage]:
        """All pages of a kind, then its coverage."""
        count, failure = 0, None
        try:
            for name in self.names(kind, request):
                count += 1
                if name.startswith(tuple(f"{kind}/{prefix}" for prefix in request.prefixes.get(kind, ("",)))):
                    yield self.item(Locator.parse(f"{self.service.source}:{name}"), request)
        except ProviderError as lost:
            failure = lost
        yield self.coverage(kind, count, failure)

    def names(self, kind: str, request: InventoryRequest) -> Iterator[str]:
        """Names of a kind, page by page."""
        seen: set[int] = set()
        after: int | None = 0
        while after is not None:
            request.budget.spend()
            found, following = self.service.page(kind, after, 100)
            yield from found
            if following is not None and following in seen | {after}:
                raise ProviderError(ErrorKind.MALFORMED, "the pages do not end")
            seen.add(after)
            after = following

    def single(self, locator: Locator, request: InventoryRequest) -> Item | Unchanged:
        """One item by name."""
        try:
            request.budget.spend()
            self.service.ask()
            if locator.kind not in AUTHORITATIVE:
                raise ProviderError(ErrorKind.UNSUPPORTED, "no such kind")
            seed = self.service.items.get(f"{locator.kind}/{locator.name}")
            if seed is None:
                raise ProviderError(ErrorKind.NOT_FOUND, "no such item")
            if seed.options:
                raise ProviderError(ErrorKind.DENIED, "the item may not be read", action="fake:read", request_id="r-1")
            return self.item(locator, request)
        except ProviderError as failure:
            return self.failed(locator, failure)

    def failed(self, locator: Locator, failure: ProviderError) -> Item:
        """Why nothing is known of an item."""
        fact = None if failure.presence is Presence.ABSENT else failure.fact
        now = self.service.clock.now()
        return Item(locator=locator, observed_at=now, presence=failure.presence, error=fact)

    def item(self, locator: Locator, request: InventoryRequest) -> Item | Unchanged:
        """The facts of an item that is there."""
        seed, now = self.service.items[f"{locator.kind}/{locator.name}"], self.service.clock.now()
        rotated = now - (seed.created if seed.rotated is None else seed.rotated)
        marker = rotated.isoformat()
        if request.known.get(locator) == marker:
            return Unchanged(locator=locator, observed_at=now)
        facts = {"lifecycle": Lifecycle.OWN, "rotated": Moment(rotated), "marker": marker}
        return Item(locator=locator, observed_at=now, fields=tuple(seed.fields), **facts)

    def coverage(self, kind: str, items: int, failure: ProviderError | None) -> Coverage:
        """What a sweep saw."""
        status = CoverageStatus.COMPLETE
        if failure is not None:
            status = CoverageStatus.PARTIAL if items else _STATUS.get(failure.kind, CoverageStatus.PARTIAL)
        return Coverage(
            source=self.service.source,
            kind=kind,
            scope="",
            status=status,
            as_of=self.service.clock.now(),
            items=items,
            authoritative=failure is None and AUTHORITATIVE[kind],
            error=failure.fact if failure else None,
        )


class FakeWorld:
    """Any number of scripted sources; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "fake"
    observer: ClassVar[type[Observer]] = Observer
    always_reveal: ClassVar[bool] = False

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock, self._directory = clock, directory
        self.services: dict[tuple[str, str], Service] = {}

    def start(self) -> None:
        """Nothing listens."""

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Register a script; option ``reveal``: its identity may read values."""
        script = f"{self._directory}/{path}/{source}"
        reveal = self.always_reveal or bool(options.get("reveal"))
        service = self.services[path, source] = Service(source, script, self._clock, reveal)
        self._connect(service)
        return {"provider": self.provider, "region": region, "script": script}

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant an item; any option: it is in no list and denied singly."""
        service = self.services[path, source]
        service.items[f"{item.kind}/{item.name}"] = item
        if service.reveal:
            VALUES[service.script, f"{item.kind}/{item.name}"] = dict(item.fields)
        return f"{item.kind}/{item.name}"

    def fault(self, path: str, source: str, name: str, *, off: bool = False) -> None:
        """Switch a trouble on or off."""
        service = self.services[path, source]
        (service.faults.discard if off else service.faults.add)(name)
        IDENTITIES.pop(service.script, None)
        if name in _REASONS and not off:
            IDENTITIES[service.script] = ProviderError(_REASONS[name], f"the service is {name}")
        if name == "unreachable":
            self._connect(service) if off else SCRIPTS.pop(service.script)
            if not off:
                IDENTITIES[service.script] = ProviderError(ErrorKind.UNREACHABLE, "the service does not answer")

    def stop(self) -> None:
        """Forget all scripts."""
        for service in self.services.values():
            SCRIPTS.pop(service.script, None)
            IDENTITIES.pop(service.script, None)
            for key in [key for key in VALUES if key[0] == service.script]:
                del VALUES[key]

    def _connect(self, service: Service) -> None:
        SCRIPTS[service.script] = self.observer(service).observe
