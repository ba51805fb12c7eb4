"""Starting the embedded world: what it hands out, and what a person reads when it cannot start."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from nhisync.app.demo import running_world
from nhisync.errors import NhisyncError, RegistryError
from nhisync.testing.embedded import EmbeddedWorld
from nhisync.testing.scenario import PlannedSource, Scenario


class Absent:
    """A world part whose emulator imports a package that is not installed, as moto without the extra `demo`."""

    provider: ClassVar[str] = "absent"

    def __init__(self, **_: Any) -> None:
        """Nothing is imported yet."""

    def start(self) -> None:
        """What an import statement does."""
        raise ModuleNotFoundError("No module named 'emulator_of_it'", name="emulator_of_it")

    def stop(self) -> None:
        """Nothing was started."""


def test_missing_package_is_named(tmp_path: Path) -> None:
    """Also when it is imported as late as by the start, the person reads which package and what to type."""
    planned = Scenario(sources=(PlannedSource(path="primary", name="a", provider="absent", region="r"),), apps=())
    world = EmbeddedWorld(planned, directory=tmp_path, parts={"absent": Absent})  # type: ignore[dict-item]
    with pytest.raises(RegistryError) as caught, world:
        pass
    assert "needs `emulator_of_it`, which is not installed" in caught.value.message
    assert "[all,demo]" in caught.value.fix


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The child's failure reaches the parent with the file it concerns, not as silence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NhisyncError) as caught, running_world(tmp_path / "file" / "world"):
        pass
    assert "could not start" in caught.value.message
    assert str(tmp_path / "file") in caught.value.message
    assert "--directory" in caught.value.fix


def test_world_can_be_served(tmp_path: Path) -> None:
    """`nhisync status` tells to type `nhisync serve`: the world's configuration has a listener, on loopback."""
    with EmbeddedWorld(Scenario(sources=(), apps=()), directory=tmp_path) as world:
        text = world.config_file.read_text()
    assert "bind: 127.0.0.1:8443" in text
