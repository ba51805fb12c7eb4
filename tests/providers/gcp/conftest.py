"""One emulated Google Cloud for each test, and the adapter with the real SDK on it; everything closed at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Budget, Coverage, InventoryRequest, Item, Locator, SourceContext, Unchanged
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_gcp import GcpProvider, GcpSettings
from nhisync_gcp.emulator import GcpWorld

REGION = "europe-north1"
ACCOUNT = "{}@acme-backup-gcp.iam.gserviceaccount.com"
"""Address of an account of the project that the world makes for the source `Gcp.source` adds."""


class Seen:
    """What one inventory brought, sorted by what it is."""

    def __init__(self, observations: list[Any]) -> None:
        self.items = {f"{i.locator.kind}/{i.locator.name}": i for i in observations if isinstance(i, Item)}
        self.unchanged = [f"{u.locator.kind}/{u.locator.name}" for u in observations if isinstance(u, Unchanged)]
        self.coverage = [c for c in observations if isinstance(c, Coverage)]
        assert len(self.items) + len(self.unchanged) + len(self.coverage) == len(observations), "answered twice"

    @property
    def status(self) -> dict[str, str]:
        """Kind (and scope) to coverage word."""
        return {f"{c.kind}:{c.scope}" if c.scope else c.kind: c.status.value for c in self.coverage}

    @property
    def markers(self) -> dict[Locator, str]:
        """What a store would send back as known."""
        return {item.locator: item.marker for item in self.items.values() if item.marker}

    def __getitem__(self, name: str) -> Item:
        return self.items[name]


class Gcp:
    """A world with its clock, one source, and the adapter on it."""

    def __init__(self, world: GcpWorld, clock: FakeClock, base: Path) -> None:
        self.world, self.clock, self.base = world, clock, base
        self.document: dict[str, Any] = {}
        self._open: list[GcpProvider] = []

    def source(self, **options: Any) -> "Gcp":
        """Add the source."""
        self.document = self.world.add_source("backup", "gcp", region=REGION, options=options)
        return self

    def seed(self, kind: str, name: str, **facts: Any) -> str:
        """Plant one item; facts that `Seed` does not have become its options."""
        known = {k: facts.pop(k) for k in ("fields", "created", "rotated", "expires", "owner", "tags") if k in facts}
        return self.world.seed("backup", "gcp", Seed(kind=kind, name=name, options=facts, **known))

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the source."""
        self.world.fault("backup", "gcp", name, **options)

    def provider(self, **settings: Any) -> GcpProvider:
        """A fresh adapter; one attempt unless told otherwise, so that faults show at once."""
        document = {**self.document, "attempts": 1, **settings}
        context = SourceContext(
            path="backup",
            source="gcp",
            region=REGION,
            base=self.base,
            clock=self.clock,
            randomness=CountingRandomness(),
        )
        made = GcpProvider(GcpSettings.model_validate(document), context)
        self._open.append(made)
        return made

    def budget(self, *, seconds: float = 3600, calls: int = 100_000) -> Budget:
        """A budget of the world's clock."""
        return Budget(self.clock, seconds=seconds, calls=calls)

    @staticmethod
    def locator(name: str) -> Locator:
        """``kind/name`` as a locator of the source."""
        return Locator.parse(f"gcp:{name}")

    def request(
        self,
        *names: str,
        kinds: str = "",
        prefixes: dict[str, tuple[str, ...]] | None = None,
        known: dict[Locator, str] | None = None,
        budget: Budget | None = None,
        protection: bool = False,
    ) -> InventoryRequest:
        """What one cycle wants."""
        return InventoryRequest(
            budget=budget or self.budget(),
            kinds=frozenset(kinds.split()),
            wanted=tuple(map(self.locator, names)),
            prefixes=prefixes or {},
            known=known or {},
            protection=protection,
        )

    def see(self, *names: str, settings: dict[str, Any] | None = None, **request: Any) -> Seen:
        """One inventory of a fresh adapter."""
        provider = self.provider(**(settings or {}))
        try:
            return Seen(list(provider.inventory(self.request(*names, **request))))
        finally:
            provider.close()

    @contextmanager
    def client(self, service: str, location: str = "", **settings: Any) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
        """The SDK's client of a service and the metadata that authorises a call: an owner's, or that of `settings`."""
        if "auth" not in settings:
            file = self.world.key_file("backup", "gcp", "owner")
            settings["auth"] = {"method": "service_account_key", "file": str(file)}
        connection = self.provider(**settings)._connection
        metadata = [("authorization", f"Bearer {connection.token(self.budget()).text}")]
        with connection._lines.line(service, location) as line:
            yield line.client, metadata

    def calls(self) -> dict[str, int]:
        """Calls that reached the source since `forget`, by ``Service.Method`` or path."""
        return dict(self.world.calls("backup", "gcp"))

    def forget(self) -> None:
        """Count from zero again."""
        self.world.source("backup", "gcp").node.counter.reset()

    def close(self) -> None:
        """Close all adapters."""
        for made in self._open:
            made.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Gcp]]:
    """A factory of worlds with one source."""
    made: list[Gcp] = []

    def one(**options: Any) -> Gcp:
        clock = FakeClock()
        world = GcpWorld(clock=clock, directory=tmp_path / f"gcp-world-{len(made)}")
        world.start()
        made.append(Gcp(world, clock, tmp_path))
        return made[-1].source(**options)

    try:
        yield one
    finally:
        for each in made:
            each.close()
            each.world.stop()


@pytest.fixture
def gcp(make: Callable[..., Gcp]) -> Gcp:
    """A world whose source has one location and the inventory's permissions."""
    return make(locations=[REGION])
