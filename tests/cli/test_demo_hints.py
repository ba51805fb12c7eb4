"""What `nhisync demo --keep` tells to type next works when it is typed, in a shell that does not know `.venv`."""

import subprocess
import sys
from pathlib import Path

import pytest

from nhisync.cli.demo import further

OWN = Path(sys.executable).parent


@pytest.mark.parametrize("path", ["/usr/bin:/bin", ""])
def test_commands_to_type_can_be_typed(path: str) -> None:
    """Where a shell does not find nhisync (`make demo` installs it into .venv), the first line sets PATH."""
    text = further(Path("/tmp/demo/nhisync.yaml"), {"PATH": path})
    first, second, *commands = (line.strip() for line in text.splitlines()[1:])
    assert (first, second) == (f"export PATH={OWN}:$PATH", "export NHISYNC_CONFIG=/tmp/demo/nhisync.yaml")
    assert commands
    for command in commands:
        assert command.startswith("nhisync ")
    asked = subprocess.run(
        ["/bin/sh", "-c", f"{first}\nnhisync --version"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path},
    )
    assert asked.stdout.startswith("nhisync ")


def test_path_is_left_alone_where_it_leads_here() -> None:
    """Nobody is told to set what is set."""
    text = further(Path("/tmp/a b/nhisync.yaml"), {"PATH": f"/usr/bin:{OWN}"})
    assert "PATH" not in text
    assert text.splitlines()[1] == "  export NHISYNC_CONFIG='/tmp/a b/nhisync.yaml'"
