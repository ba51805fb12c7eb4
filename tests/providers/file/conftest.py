"""One file world per test, and the adapter of its source."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Budget, InventoryRequest, Item, Locator, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_file import FileProvider
from nhisync_file.emulator import FileWorld

CANARY = "canary-9f2b7c"
"""Part of every planted value; no output may hold it."""


class Files:
    """The source ``primary``/``files`` of a world together with an adapter that looks at it."""

    def __init__(self, world: FileWorld, clock: FakeClock, base: Path) -> None:
        self.world, self.clock, self._base = world, clock, base
        self.document: dict[str, Any] = world.add_source("primary", "files", region="eu-west-1", options={})

    @property
    def root(self) -> Path:
        """The source's folder."""
        return Path(self.document["root"])

    def provider(self, **more: Any) -> FileProvider:
        """The adapter with some settings changed; None leaves a setting out."""
        settings = {key: value for key, value in (self.document | more).items() if value is not None}
        context = SourceContext(
            path="primary",
            source="files",
            region="eu-west-1",
            base=self._base,
            clock=self.clock,
            randomness=CountingRandomness(),
        )
        return FileProvider(FileProvider.info.settings(**settings), context)

    def plant(self, kind: str, name: str, fields: dict[str, str] | None = None, **options: Any) -> Locator:
        """Seed one file; `expires` and `rotated` go to the seed, the rest to its options."""
        ages = {k: options.pop(k) for k in ("expires", "rotated") if k in options}
        item = Seed(kind=kind, name=name, fields=fields or {}, options=options, **ages)
        return Locator.parse("files:" + self.world.seed("primary", "files", item))

    def write(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        """Put any bytes below the root."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(content)
        file.chmod(mode)
        return file

    def budget(self) -> Budget:
        """A generous budget."""
        return Budget(self.clock, seconds=60)

    def look(self, *wanted: Locator, **more: Any) -> list[Item]:
        """Inventory exactly these items."""
        request = InventoryRequest(budget=self.budget(), wanted=wanted)
        return [seen for seen in self.provider(**more).inventory(request) if isinstance(seen, Item)]


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the world and of the adapter."""
    return FakeClock()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[FileWorld]:
    """A started world without sources."""
    part = FileWorld(clock=clock, directory=tmp_path / "file")
    part.start()
    yield part
    part.stop()
    part.stop()


@pytest.fixture
def files(world: FileWorld, clock: FakeClock, tmp_path: Path) -> Files:
    """A source and its adapter."""
    return Files(world, clock, tmp_path)
