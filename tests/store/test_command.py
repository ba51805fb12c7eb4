"""`nhisync store` as a person types it: what is said, and the exit code."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.cli import main
from nhisync.store import Store
from nhisync.store.address import of_file
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.schema import HEAD
from nhisync.store.upgrading import migrate
from nhisync.testing.clocks import CountingRandomness, FakeClock

Run = Callable[..., tuple[int, str, str]]

CONFIG = """
version: 1
store: {url: "sqlite:///history.db"}
paths:
  primary: {region: eu-west-1, sources: {edge: {provider: no-such-provider}}}
  backup: {region: eu-north-1, sources: {edge: {provider: no-such-provider}}}
apps: {}
"""


@pytest.fixture
def run(tmp_path: Path, clock: FakeClock) -> Run:
    """Run a command line beside a configuration whose providers are not even installed."""
    config = tmp_path / "nhisync.yaml"
    config.write_text(CONFIG)

    def called(*words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = main(
            ["store", *words, "-c", str(config)],
            stdin=io.StringIO(),
            stdout=out,
            stderr=err,
            environ={},
            clock=clock,
            randomness=CountingRandomness(),
        )
        return code, out.getvalue(), err.getvalue()

    return called


def test_an_upgrade_tells_what_it_did(run: Run, tmp_path: Path) -> None:
    """Empty, old and current stores; the backup's name is told."""
    file = tmp_path / "history.db"
    database = Database(of_file(file), writable=True)
    writer = WriteConnection(database)
    with writer.transaction() as connection:
        migrate(connection, "0001")
    writer.close()
    database.close()
    backup = f"{file}.before-{HEAD}-20261123T031209Z"
    assert run("upgrade")[:2] == (0, f"{file}: schema 0001 to {HEAD}; backup in {backup}\n")
    assert run("upgrade")[:2] == (0, f"{file} has schema {HEAD} already\n")
    file.unlink()
    assert run("upgrade")[:2] == (0, f"{file} was empty and has schema {HEAD} now\n")


def test_backup_and_restore(run: Run, tmp_path: Path) -> None:
    """The way there and back, with what was kept."""
    file, copy = tmp_path / "history.db", tmp_path / "copy.db"
    run("upgrade")
    assert run("backup", str(copy))[:2] == (0, f"backup of {file} in {copy}\n")
    code, out, err = run("restore", str(copy))
    assert code == 0
    assert out.splitlines()[1] == f"the replaced store is kept in {file}.replaced-20261123T031209Z"
    assert "nhisync sync" in err
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        file.unlink()
        assert run("restore", "copy.db")[0] == 0


def test_a_foreign_backup_is_noted(run: Run, tmp_path: Path, clock: FakeClock) -> None:
    """It is restored, but nobody can overlook it."""

    class Other(CountingRandomness):
        def bytes(self, size: int) -> bytes:
            return b"\x77" * size

    with Store.open(f"sqlite:///{tmp_path}/other.db", clock=clock, randomness=Other()) as store:
        store.backup(tmp_path / "copy.db")
    run("upgrade")
    assert f"another installation ({'77' * 16})" in run("restore", str(tmp_path / "copy.db"))[1]


@pytest.mark.parametrize("words", [("upgrade",), ("restore", "copy.db")])
def test_a_store_in_use_is_refused(run: Run, tmp_path: Path, clock: FakeClock, words: tuple[str, ...]) -> None:
    """Exit 5, and who holds it."""
    url, randomness = f"sqlite:///{tmp_path}/history.db", CountingRandomness()
    with Store.open(url, clock=clock, randomness=randomness, purpose="nhisync serve") as store:
        store.backup(tmp_path / "copy.db")
        arguments = [str(tmp_path / word) if word.endswith(".db") else word for word in words]
        code, out, err = run(*arguments)
    assert (code, out) == (5, "")
    assert "refused (lock): process" in err
    assert "nhisync serve" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("backup", "copy.db"), "there is no store at"),
        (("restore",), "restored from a file"),
        (("restore", "/nonexistent/copy.db"), "there is no backup at"),
        (("upgrade", "--format", "json"), "no format"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, words: tuple[str, ...], told: str) -> None:
    """Exit 2 with reason and next step; never a traceback."""
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
