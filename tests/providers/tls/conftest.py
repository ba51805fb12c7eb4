"""One TLS world per test, and adapters made from the documents of its sources."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Budget, InventoryRequest, Item, Locator, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_tls import TlsProvider
from nhisync_tls.emulator import TlsWorld

Make = Callable[..., TlsProvider]


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the world and of the adapter."""
    return FakeClock()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[TlsWorld]:
    """A started world without sources."""
    part = TlsWorld(clock=clock, directory=tmp_path / "tls")
    part.start()
    yield part
    part.stop()


@pytest.fixture
def make(clock: FakeClock, tmp_path: Path) -> Make:
    """A function that builds the adapter from a configuration document."""

    def build(document: dict[str, Any], **more: Any) -> TlsProvider:
        quick = {"connect_timeout": "2s", "handshake_timeout": "2s", "settle": "500ms"}
        settings = TlsProvider.info.settings(**(quick | document | more))
        context = SourceContext(
            path="primary",
            source="edge",
            region="eu-west-1",
            base=tmp_path,
            clock=clock,
            randomness=CountingRandomness(),
        )
        return TlsProvider(settings, context)

    return build


class Edge:
    """The source ``primary``/``edge`` of a world together with an adapter that looks at it."""

    def __init__(self, world: TlsWorld, make: Make, clock: FakeClock) -> None:
        self.world, self.clock = world, clock
        self._make = make
        self.document = world.add_source("primary", "edge", region="eu-west-1", options={"client_certificate": True})

    def provider(self, **more: Any) -> TlsProvider:
        """The adapter with some settings changed."""
        return self._make(self.document, **more)

    def plant(self, name: str = "api", kind: str = "tls", **options: Any) -> Locator:
        """Seed one endpoint; `expires` and `rotated` go to the seed, the rest to its options."""
        fields = {k: options.pop(k) for k in ("expires", "rotated") if k in options}
        text = self.world.seed("primary", "edge", Seed(kind=kind, name=name, options=options, **fields))
        return Locator.parse(f"edge:{text}")

    def budget(self, seconds: float = 60.0) -> Budget:
        """A generous budget."""
        return Budget(self.clock, seconds=seconds)

    def look(self, *wanted: Locator, **more: Any) -> list[Item]:
        """Inventory exactly these endpoints, in the order asked."""
        request = InventoryRequest(budget=self.budget(), wanted=wanted)
        found = {seen.locator: seen for seen in self.provider(**more).inventory(request) if isinstance(seen, Item)}
        return [found[locator] for locator in wanted]


@pytest.fixture
def edge(world: TlsWorld, make: Make, clock: FakeClock) -> Edge:
    """A source with client certificate files, and its adapter."""
    return Edge(world, make, clock)
