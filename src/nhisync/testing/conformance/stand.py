"""Where the standard tests stand: one source, what is planted there, and adapters on it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from nhisync.clock import Clock
from nhisync.spi import Budget, Capability, InventoryRequest, Locator, Provider, SourceContext
from nhisync.testing.clocks import CountingRandomness, WrongClock
from nhisync.testing.conformance.looking import Seen
from nhisync.testing.conformance.words import Fault
from nhisync.testing.world import Seed, WorldPart

LONG = 3600.0
"""Seconds of a cycle that is not meant to end."""

MANY = 1_000_000
"""Calls of a cycle that is not meant to end."""

TROUBLED = 2_000
"""Calls of a cycle under a fault: who never stops asking fails a test, and does not hold up all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a source stands in a configuration: names of path, source and region."""

    path: str = "primary"
    source: str = "one"
    region: str = "eu-west-1"


class Stand:
    """One source of a running world, or a real endpoint.

    Args:
        provider: the class under test.
        document: the source's configuration, as it would stand in ``nhisync.yaml``.
        base: folder against which its relative files are resolved.
        clock: the adapter's clock, and the world's.
        place: names of path, source and region.
        part: the running world; None = a real endpoint, which has no faults and cannot be planted.
    """

    def __init__(
        self,
        provider: type[Any],
        document: Mapping[str, Any],
        *,
        base: Path,
        clock: Clock,
        place: Place | None = None,
        part: WorldPart | None = None,
    ) -> None:
        self.provider = provider
        self.document = dict(document)
        self.base, self.clock, self.part = base, clock, part
        self.place = place or Place()
        self._off, self._calls = timedelta(0), MANY
        self.planted: dict[Locator, Seed | None] = {}
        self.kinds: frozenset[str] = frozenset(kind.name for kind in provider.info.kinds)

    def plant(self, *seeds: Seed) -> tuple[Locator, ...]:
        """Plant `seeds` and return their locators."""
        assert self.part is not None, "only a world can be planted"
        found = []
        for seed in seeds:
            locator = self.locator(self.part.seed(self.place.path, self.place.source, seed))
            self.planted[locator] = seed
            found.append(locator)
        return tuple(found)

    def locator(self, text: str) -> Locator:
        """``kind/name`` as a locator of this source."""
        return Locator.parse(f"{self.place.source}:{text}")

    def settings(self, **more: Any) -> Any:
        """The validated settings of the source."""
        return self.provider.info.settings.model_validate({**self.document, **more})

    def context(self) -> SourceContext:
        """Where the adapter stands."""
        return SourceContext(
            path=self.place.path,
            source=self.place.source,
            region=self.place.region,
            base=self.base,
            clock=WrongClock(self.clock, self._off) if self._off else self.clock,
            randomness=CountingRandomness(),
        )

    @contextmanager
    def adapter(self, **settings: Any) -> Iterator[Any]:
        """A new adapter, closed at the end."""
        made: Provider = self.provider(self.settings(**settings), self.context())
        with closing(made):
            yield made

    @contextmanager
    def wrong_clock(self, off: timedelta) -> Iterator[None]:
        """Adapters that are made meanwhile read a wall clock that is ahead by `off`."""
        self._off = off
        try:
            yield
        finally:
            self._off = timedelta(0)

    def budget(self, *, seconds: float = LONG, calls: int | None = None) -> Budget:
        """A budget of the stand's clock; without `calls` it holds `MANY`, and `TROUBLED` while a fault is on."""
        return Budget(self.clock, seconds=seconds, calls=self._calls if calls is None else calls)

    def request(
        self,
        wanted: Iterable[Locator] = (),
        *,
        kinds: frozenset[str] = frozenset(),
        prefixes: Mapping[str, tuple[str, ...]] | None = None,
        known: Mapping[Locator, str] | None = None,
        budget: Budget | None = None,
        protection: bool = False,
    ) -> InventoryRequest:
        """What one cycle wants of this source."""
        return InventoryRequest(
            budget=budget or self.budget(),
            kinds=kinds,
            wanted=tuple(wanted),
            prefixes=prefixes or {},
            known=known or {},
            protection=protection,
        )

    def look(self, request: InventoryRequest, **settings: Any) -> Seen:
        """One run of a new adapter, with its settings changed."""
        with self.adapter(**settings) as adapter:
            return Seen().drain(adapter.inventory(request), request.budget)

    def everything(self, *, budget: Budget | None = None, extra: Iterable[Locator] = ()) -> InventoryRequest:
        """Sweep all kinds and want every planted item, and `extra`."""
        return self.request((*self.planted, *extra), kinds=self.kinds, budget=budget)

    @contextmanager
    def trouble(self, fault: Fault) -> Iterator[Mapping[str, Any]]:
        """The fault is on while the block runs; yields the settings to look with."""
        if fault.name:
            self._switch(fault, off=False)
        self._calls = TROUBLED
        try:
            with fault.around(self):
                yield fault.settings
        finally:
            self._calls = MANY
            if fault.name:
                self._switch(fault, off=True)

    def has(self, capability: Capability) -> bool:
        """Whether the provider declares it."""
        return capability in self.provider.info.capabilities

    def close(self) -> None:
        """Stop the world."""
        if self.part is not None:
            self.part.stop()

    def _switch(self, fault: Fault, *, off: bool) -> None:
        assert self.part is not None, "only a world has faults"
        options = {**fault.options, "off": True} if off else dict(fault.options)
        self.part.fault(self.place.path, self.place.source, fault.name, **options)
