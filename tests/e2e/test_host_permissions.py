"""The file modes that `tls` and `acme` print, on a real file system: every line is needed, and named when missing."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import (
    AccessMode,
    Budget,
    CheckState,
    InventoryRequest,
    Item,
    Locator,
    SourceContext,
)
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed, WorldPart
from nhisync_acme import AcmeProvider
from nhisync_acme.emulator import AcmeWorld
from nhisync_tls import TlsProvider
from nhisync_tls.emulator import TlsWorld

from .other_user import as_user, open_folder

pytestmark = [pytest.mark.e2e, pytest.mark.requirement("R32")]

USER, GROUP = "nobody", "nogroup"
SHAPES: dict[str, tuple[type[Any], type[Any], dict[str, Any], tuple[Seed, ...]]] = {
    "tls": (
        TlsProvider,
        TlsWorld,
        {"client_certificate": True, "client_trust": {"phones": "Phones"}, "lists_end": timedelta(days=5)},
        (Seed(kind="tls", name="api", options={"client_certificate": "required"}),),
    ),
    "acme": (
        AcmeProvider,
        AcmeWorld,
        {},
        (
            Seed(kind="account", name="self"),
            Seed(kind="certificate", name="live/api.pem"),
            Seed(kind="certificate", name="live/a mail.pem"),
        ),
    ),
}


class House:
    """One source whose files only root may read."""

    def __init__(self, base: Path, shape: str) -> None:
        self.base, self.clock = base, FakeClock()
        self.provider, world, options, seeds = SHAPES[shape]
        self.world: WorldPart = world(clock=self.clock, directory=base / "world")
        self.world.start()
        self.document = self.world.add_source("primary", "one", region="eu-west-1", options=options)
        self.wanted = [Locator.parse(f"one:{self.world.seed('primary', 'one', seed)}") for seed in seeds]
        for entry in base.rglob("*"):
            entry.chmod(0o755 if entry.is_dir() else 0o600)

    def adapter(self) -> Any:
        """A new adapter."""
        context = SourceContext(
            path="primary",
            source="one",
            region="eu-west-1",
            base=self.base,
            clock=self.clock,
            randomness=CountingRandomness(),
        )
        return self.provider(self.provider.info.settings.model_validate(self.document), context)

    def budget(self) -> Budget:
        """Of one question."""
        return Budget(self.clock, seconds=3600)

    def lines(self, mode: AccessMode) -> dict[str, str]:
        """Permission → the one line that grants it."""
        (document,) = [
            one for one in self.adapter().permissions(mode, self.wanted, frozenset()) if one.language == "sh"
        ]
        commands = [line for line in document.text.splitlines() if not line.startswith("#")]
        return dict(zip(document.actions, commands, strict=True))

    def apply(self, commands: list[str]) -> None:
        """Run the lines as the administrator would, for this machine's unprivileged user instead of ``nhisync``."""
        text = "\n".join(commands).replace("nhisync:nhisync", f"{USER}:{GROUP}")
        subprocess.run(["/bin/sh", "-e", "-c", text], check=True)

    def ask(self, mode: AccessMode) -> tuple[dict[str, str], list[str]]:
        """Missing permission → fix, as the doctor says; and what the mode itself shows."""
        with closing(self.adapter()) as adapter:
            checks = adapter.examine(mode, self.wanted, frozenset(), self.budget())
            failed = [one for one in checks if one.error is not None and one.state is CheckState.FAILED]
            missing = {one.error.action: one.fix for one in failed if one.error.kind == "denied"}
            return missing, self._works(adapter, mode)

    def _works(self, adapter: Any, mode: AccessMode) -> list[str]:
        """What an inventory shows, and beside it what a probe does: it follows one."""
        items = adapter.inventory(InventoryRequest(budget=self.budget(), wanted=tuple(self.wanted)))
        shown = sorted(repr(one) for one in items if isinstance(one, Item))
        if mode is AccessMode.PROBE:
            shown += [repr((one.accepted, one.error)) for one in adapter.probe(self.wanted, self.budget())]
        return shown

    def answer(self, mode: AccessMode) -> tuple[dict[str, str], list[str]]:
        """`ask` as the unprivileged user."""
        self.ask(mode)  # imports, while this process may: that user cannot read where Python is installed
        found: tuple[dict[str, str], list[str]] = as_user(USER, lambda: self.ask(mode))
        return found


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A source of the shape asked for, closed to everybody but root."""
    base = open_folder("modes")
    made = House(base, request.param)
    yield made
    made.world.stop()
    shutil.rmtree(base)


READ, PROBE = AccessMode.READ, AccessMode.PROBE
COUNTS = {("tls", READ): 4, ("tls", PROBE): 6, ("acme", READ): 5}
LINES = [(shape, mode, line) for (shape, mode), count in COUNTS.items() for line in range(count)]


@pytest.mark.parametrize(("house", "mode"), COUNTS, indirect=["house"])
def test_with_the_document_the_mode_works(house: House, mode: AccessMode) -> None:
    """Without it every line is missing; with it the mode shows what root sees, and the doctor misses nothing."""
    lines = house.lines(mode)
    missing, shown = house.answer(mode)
    root_sees = house.ask(mode)[1]
    assert set(missing) == set(lines)
    assert shown != root_sees
    house.apply(list(lines.values()))
    assert house.answer(mode) == ({}, root_sees)


@pytest.mark.parametrize(("house", "mode", "line"), LINES, indirect=["house"])
def test_every_line_of_the_document_is_needed(house: House, mode: AccessMode, line: int) -> None:
    """Without any one line the doctor names that very permission, and the line that grants it."""
    lines = house.lines(mode)
    assert len(lines) == len([one for one in LINES if one[:2] == (house.provider.info.name, mode)])
    left_out = list(lines)[line]
    house.apply([command for action, command in lines.items() if action != left_out])
    missing, shown = house.answer(mode)
    assert set(missing) == {left_out}
    assert missing[left_out].startswith(lines[left_out])
    assert shown != house.ask(mode)[1]
