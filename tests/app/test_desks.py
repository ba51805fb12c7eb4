"""Desks of a look: the private store is made late, holds the configured store's waivers, and leaves nothing behind."""

import tempfile
from pathlib import Path

import pytest

from nhisync.app.desks import private_desk
from nhisync.errors import StoreError
from nhisync.parity.pairing import Pairing

from .scripted import session


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which temporary stores are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_nothing_is_opened_before_something_is_kept(tmp_path: Path, temporary: Path) -> None:
    """Preparing a look makes no store; the first use of a sink does, and the end removes it."""
    opened = session(tmp_path)
    pairing = Pairing("primary", opened.apps())
    with private_desk(opened) as desk:
        sink = desk.sink("primary", pairing, 0.2)
        assert desk.known("primary", pairing, "one") == {}
        assert list(temporary.iterdir()) == []
        sink.put(())
        assert len(list(temporary.iterdir())) == 1
        assert list(desk.rows("primary")) == []
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []


def test_a_look_that_keeps_nothing_makes_no_store(tmp_path: Path, temporary: Path) -> None:
    """A refusal before anything is observed costs no store."""
    with private_desk(session(tmp_path)):
        pass
    assert list(temporary.iterdir()) == []


def test_waivers_that_cannot_be_read_end_the_look(tmp_path: Path, temporary: Path) -> None:
    """A damaged configured store is an error, not a look without its waivers; nothing is left behind."""
    (tmp_path / "nhisync.db").write_bytes(b"no database at all" * 100)
    opened = session(tmp_path)
    with pytest.raises(StoreError), private_desk(opened) as desk:
        desk.sink("primary", Pairing("primary", opened.apps()), 0.2).put(())
    assert list(temporary.iterdir()) == []
