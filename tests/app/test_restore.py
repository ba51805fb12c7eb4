"""A restore takes back what is published before it touches the store; killed anywhere, it leaves no old word."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nhisync.app.restore import restore_store
from nhisync.cli import main
from nhisync.config import load
from nhisync.errors import GuardError, StoreError
from nhisync.store import Step, Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

CONFIG = """
version: 1
store: {url: "sqlite:///history.db"}
publish: {files: {snapshot: publication.json}}
paths: {primary: {sources: {edge: {provider: tls}}}, backup: {sources: {edge: {provider: tls}}}}
apps: {}
"""

CHILD = """
import os, signal, sys
from pathlib import Path
from nhisync.app.restore import restore_store
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.config import load

config, copy, step = sys.argv[1:]
restore_store(
    load(Path(config)), Path(copy), clock=SystemClock(), randomness=SystemRandomness(), actor="alice",
    tell=lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == step else None,
)
"""


class House:
    """A configuration, its store with one audited word after the backup, and something published."""

    def __init__(self, folder: Path) -> None:
        self.config, self.store = folder / "nhisync.yaml", folder / "history.db"
        self.copy, self.published = folder / "copy.db", folder / "publication.json"
        self.config.write_text(CONFIG, encoding="utf-8")
        with self.opened() as store:
            store.backup(self.copy)
            store.audit("word", actor="bob", detail={})
        self.published.write_text("ready", encoding="utf-8")

    def opened(self) -> Store:
        """The store, for writing."""
        return Store.open(f"sqlite:///{self.store}", clock=FakeClock(), randomness=CountingRandomness())

    def acts(self) -> list[str]:
        """What the audit trail of the store in place says; none when it cannot be read."""
        try:
            with self.opened() as store, store.reader() as reader:
                return [record.action for record in reader.audit()]
        except StoreError:
            return []


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A folder of its own."""
    return House(tmp_path)


@pytest.mark.parametrize("sound", [True, False], ids=["sound", "damaged"])
@pytest.mark.parametrize("step", Step)
@pytest.mark.requirement("R2", "R54")
def test_killed_at_any_step_nothing_old_is_served_from_a_new_store(house: House, step: Step, sound: bool) -> None:
    """While the publication stands the store is the one it came from; once that is touched nothing is published."""
    if not sound:
        house.store.write_bytes(b"\0" * 100_000)
    before = house.store.read_bytes()
    call = [sys.executable, "-c", CHILD, str(house.config), str(house.copy), step.value]
    done = subprocess.run(call, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert house.published.exists() == (step is Step.PREPARING)
    if step in {Step.PREPARING, Step.REPLACING}:
        assert house.store.read_bytes() == before
    restore_store(load(house.config), house.copy, clock=FakeClock(), randomness=CountingRandomness(), actor="alice")
    assert not house.published.exists()
    assert house.acts()[-1] == "restore"


def test_a_refused_restore_takes_nothing_back(house: House) -> None:
    """What a running daemon publishes is its own; nor does a wrong file name block every app."""
    with house.opened(), pytest.raises(GuardError):
        restore_store(load(house.config), house.copy, clock=FakeClock(), randomness=CountingRandomness(), actor="x")
    with pytest.raises(StoreError, match="there is no backup at"):
        restore_store(
            load(house.config), Path("none.db"), clock=FakeClock(), randomness=CountingRandomness(), actor="x"
        )
    assert house.published.read_text(encoding="utf-8") == "ready"


@pytest.mark.requirement("R2", "R54")
def test_what_cannot_be_taken_back_stops_the_restore(house: House) -> None:
    """A folder in the publication's place is removed by nobody: the store stays as it was, and the way out is told."""
    house.published.unlink()
    house.published.mkdir()
    with pytest.raises(StoreError, match="nothing was restored: what is published cannot be taken back") as refused:
        restore_store(load(house.config), house.copy, clock=FakeClock(), randomness=CountingRandomness(), actor="x")
    assert str(house.published) in refused.value.fix
    assert house.acts() == ["word"]


def test_the_command_says_what_does_not_count_any_more(house: House) -> None:
    """Over a damaged store the warning stands in the result, not only in the progress."""
    house.store.write_bytes(b"\0" * 100_000)
    out, err = io.StringIO(), io.StringIO()
    words = ["--config", str(house.config), "store", "restore", str(house.copy)]
    code = main(words, stdin=io.StringIO(), stdout=out, stderr=err, environ={}, clock=FakeClock())
    assert code == 0, err.getvalue()
    assert "WARNING: what was said against an app since the backup was made cannot be read" in out.getvalue()
