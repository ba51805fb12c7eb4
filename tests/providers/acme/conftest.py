"""One emulated authority, and adapters on it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import AccessMode, Budget, Check, InventoryRequest, Item, Locator, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_acme import AcmeProvider
from nhisync_acme.emulator import AcmeWorld
from nhisync_acme.settings import AcmeSettings


class Stage:
    """One source of the world."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.clock = folder, FakeClock()
        self.world = AcmeWorld(clock=self.clock, directory=folder / "world")
        self.world.start()
        self.document = self.world.add_source("backup", "ca", region="eu-north-1", options=options)
        self.source = self.world.source("backup", "ca")

    def plant(self, name: str = "api.pem", **more: Any) -> Locator:
        """A certificate file."""
        seed = Seed(kind="certificate", name=name, **more)
        return Locator.parse("ca:" + self.world.seed("backup", "ca", seed))

    def budget(self, **more: Any) -> Budget:
        """Of one cycle."""
        return Budget(self.clock, **{"seconds": 3600.0, **more})

    @contextlib.contextmanager
    def adapter(self, **settings: Any) -> Iterator[AcmeProvider]:
        """A new adapter."""
        context = SourceContext(
            path="backup",
            source="ca",
            region=None,
            base=self.folder,
            clock=self.clock,
            randomness=CountingRandomness(),
        )
        chosen = AcmeSettings.model_validate({"attempts": 1, **self.document, **settings})
        with contextlib.closing(AcmeProvider(chosen, context)) as made:
            yield made

    def look(self, *wanted: Locator, **settings: Any) -> list[Item]:
        """What is said of `wanted`."""
        with self.adapter(**settings) as adapter:
            seen = adapter.inventory(InventoryRequest(budget=self.budget(), wanted=wanted))
            return [one for one in seen if isinstance(one, Item)]

    def checks(self, **settings: Any) -> dict[str, Check]:
        """One examination."""
        with self.adapter(**settings) as adapter:
            found = adapter.examine(AccessMode.READ, (), frozenset(), self.budget())
            return {one.name: one for one in found}


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Any]:
    """Make stages; all are closed afterwards."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Stage:
            folder = tmp_path / f"stage{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            made = Stage(folder, **options)
            stack.callback(made.world.stop)
            return made

        yield make


@pytest.fixture
def stage(stages: Any) -> Stage:
    """A registered account at an authority that offers renewal information."""
    made: Stage = stages()
    return made


ACCOUNT = Locator("ca", "account", "self")


@pytest.fixture
def account() -> Locator:
    """The account's address."""
    return ACCOUNT
