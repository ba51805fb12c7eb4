"""One source of the PostgreSQL world, and adapters on it."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock, SystemRandomness
from nhisync.spi import AccessMode, Budget, Check, InventoryRequest, Locator, SourceContext
from nhisync.testing.world import Seed
from nhisync_postgres import PostgresProvider
from nhisync_postgres.settings import PostgresSettings

from .postgres_world import PostgresWorld

ROLE = "payments_app"
CANARY = "canary-role-9911"


class Stage:
    """One source of the world, and adapters on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = PostgresWorld(clock=SystemClock(), directory=folder / "world")
        self.world.start()
        self.document = self.world.add_source("backup", "db", region="eu-north-1", options={})
        self.cluster = self.world.cluster("backup", "db")
        self.role = self.plant(ROLE, fields={"password": CANARY}, rotated=timedelta(days=3))

    def plant(self, name: str, **more: Any) -> Locator:
        """A role, and its address."""
        return Locator.parse("db:" + self.world.seed("backup", "db", Seed(kind="role", name=name, **more)))

    def settings(self, **more: Any) -> PostgresSettings:
        """Of the source."""
        return PostgresSettings.model_validate({**self.document, **more})

    def context(self) -> SourceContext:
        """Where the adapter stands."""
        return SourceContext(
            path="backup",
            source="db",
            region=None,
            base=self.folder,
            clock=SystemClock(),
            randomness=SystemRandomness(),
        )

    @contextlib.contextmanager
    def adapter(self, **more: Any) -> Iterator[PostgresProvider]:
        """A new adapter."""
        with contextlib.closing(PostgresProvider(self.settings(**more), self.context())) as made:
            yield made

    def look(self, *wanted: Locator, sweep: bool = True, seconds: float = 30, **more: Any) -> list[Any]:
        """One inventory."""
        kinds = frozenset({"role"}) if sweep else frozenset()
        request = InventoryRequest(budget=budget(seconds), kinds=kinds, wanted=wanted)
        with self.adapter(**more) as adapter:
            return list(adapter.inventory(request))

    def checks(self, mode: AccessMode, **more: Any) -> dict[str, Check]:
        """One examination."""
        with self.adapter(**more) as adapter:
            return {one.name: one for one in adapter.examine(mode, (self.role,), frozenset({"role"}), budget())}


def budget(seconds: float = 30) -> Budget:
    """Of one cycle."""
    return Budget(SystemClock(), seconds=seconds)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One cluster with one role."""
    made = Stage(tmp_path_factory.mktemp("postgres"))
    try:
        yield made
    finally:
        made.world.stop()
