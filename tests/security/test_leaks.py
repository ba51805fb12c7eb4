"""No value reaches a log, an error, a file or a temporary folder; what is written is private."""

import io
import logging
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nhisync.app.demo import running_world
from nhisync.cli import main
from nhisync.testing.demo import scenario
from nhisync.testing.provider import SCRIPTS

if TYPE_CHECKING:
    from tests.security.conftest import Lab

CANARY = "canary-77b1e2d9c4"

pytestmark = [pytest.mark.xdist_group("security-world"), pytest.mark.timeout(300)]


class Heard(logging.Handler):
    """Keeps whole records, because SDKs put payloads into their extras too."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep everything."""
        self.records.append(f"{record.getMessage()} {vars(record)!r}")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Everything that any library logs while root listens at DEBUG."""
    root, handler = logging.getLogger(), Heard()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded world's configuration."""
    with running_world(tmp_path_factory.mktemp("world")) as file:
        yield file


def call(config: Path, *arguments: str) -> tuple[int, str]:
    """Run a command in this process; its code and all it said."""
    out = io.StringIO()
    return int(main(["-c", str(config), *arguments], stdout=out, stderr=out)), out.getvalue()


def own_credentials(folder: Path) -> set[str]:
    """The secrets with which nhisync itself logs in to the world."""
    files = [file for name in ("secret-id", "password", "*.credentials") for file in folder.rglob(name)]
    words = {word for file in files for word in file.read_text().replace("=", " ").split() if len(word) >= 8}
    found = {word for word in words if not word.startswith(("AKIA", "aws_", "["))}
    assert found
    return found


def test_debug_logs_of_libraries_hold_no_value(
    world: Path, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With root at DEBUG nothing planted is in any record; nothing stays in the temporary folder; files are private."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for command in (("sync",), ("diff",), ("inventory", "backup"), ("doctor", "--mode", "fingerprint")):
        code, said = call(world, *command, "-vv")
        assert code in {0, 1, 3, 4}, said
    canaries = {*scenario().canaries, *own_credentials(world.parent)}
    said = "\n".join(heard.records)
    assert [canary for canary in canaries if canary in said] == []
    assert "SecretAccessKey" not in said
    assert "X-Vault-Token" not in said
    assert list(tmp_path.iterdir()) == []
    written = [f for f in world.parent.iterdir() if f.is_file() and f.suffix != ".yaml"]
    assert any(f.suffix == ".db" for f in written)
    assert [f.name for f in written if stat.S_IMODE(f.stat().st_mode) & 0o027] == []


@pytest.mark.parametrize(
    "failure", [RuntimeError(CANARY), KeyError(CANARY), UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY)]
)
@pytest.mark.parametrize("command", ["diff", "sync", "inventory backup"])
def test_crash_tells_no_value(lab: "Lab", failure: Exception, command: str, heard: Heard) -> None:
    """A bug in an adapter ends with 70, and its text, which may quote a value, is told to nobody at any verbosity."""

    def broken(_request: object) -> Iterator[object]:
        raise failure
        yield

    SCRIPTS[f"{lab.script}-b"] = SCRIPTS[f"{lab.script}-p"] = broken  # type: ignore[assignment]
    out = io.StringIO()
    arguments = ["-c", str(lab.file), *command.split(), "-vv"]
    code = main(arguments, stdout=out, stderr=out, registry=lab.registry, clock=lab.clock, randomness=lab.randomness)
    assert code == 70
    assert CANARY not in out.getvalue() + "".join(heard.records)
    assert not any(CANARY.encode() in f.read_bytes() for f in lab.folder.rglob("*") if f.is_file())
