"""What people said before and after a backup: a restore carries over what restricts, and permits nothing unchecked."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nhisync.model import Attestation

from .archived import HOUR, WAIVER, World, older


@pytest.mark.requirement("R2", "R54")
def test_a_restore_undoes_no_restriction(world: World) -> None:
    """What was found unfit, and the waiver that was withdrawn, after the backup hold on."""
    seen = world.clock.now()
    fit = Attestation(app="pay", path="backup", kind="lag", holds=True, observed_at=seen - HOUR, attested_by="dba")
    unfit = replace(fit, holds=False, observed_at=seen)
    with world.open() as store:
        store.attest(fit, actor="bob")
        number = store.waive(WAIVER, actor="bob")
    copy = world.backup("copy.db")
    with world.open() as store:
        store.attest(unfit, actor="bob")
        store.withdraw(number, actor="bob")
    for carried in (2, 0):  # the second time it is the restored store that is replaced
        world.restore(copy) if carried else world.restore(world.backup("after.db"))
        with world.open("read") as store, store.reader() as reader:
            (last,) = reader.attestations()
            assert replace(last, number=0) == unfit
            assert reader.waivers() == ()
            assert reader.verify_audit().problem == ""
            assert list(reader.audit())[-1].detail["carried"] == carried


@pytest.mark.parametrize("how", ["damaged", "gone", "empty", "foreign", "old"])
@pytest.mark.requirement("R2", "R54")
def test_words_that_nobody_can_check_are_taken_back(world: World, tmp_path: Path, how: str) -> None:
    """Where what was said since the backup cannot be read, the backup permits nothing, and forbids what it forbade."""
    seen = world.clock.now()
    fit = Attestation(app="pay", path="backup", kind="lag", holds=True, observed_at=seen, attested_by="dba")
    unfit = replace(fit, kind="patch", holds=False)
    with world.open() as store:
        earlier = seen - HOUR
        for one in (replace(fit, observed_at=earlier), fit, replace(unfit, holds=True, observed_at=earlier), unfit):
            store.attest(one, actor="bob")
        store.waive(WAIVER, actor="bob")
    copy = world.backup("copy.db")
    spoilt(world, tmp_path, how)
    done = world.restore(copy)
    assert done.doubted == (
        "attestation pay/backup lag, by dba",
        "waiver pay/tls NHS602 until 2026-12-15, approved by security",
    )
    with world.open("read") as store, store.reader() as reader:
        assert [replace(one, number=0) for one in reader.attestations()] == [unfit]
        assert reader.waivers() == ()
        assert list(reader.audit())[-1].detail["taken_back"] == list(done.doubted)
        assert reader.verify_audit().problem == ""
    with world.open() as store:
        store.attest(fit, actor="bob")
    with world.open("read") as store, store.reader() as reader:
        assert [one.kind for one in reader.attestations() if one.holds] == ["lag"]


def spoilt(world: World, folder: Path, how: str) -> None:
    """A store in place of which a restore can read no restriction that counts."""
    if how == "old":
        world.file.unlink()
        older(world.file, "0005")
    elif how == "foreign":
        (folder / "other").mkdir()
        other = World(folder / "other", world.clock, world.randomness, world._row)
        other.live("9")
        shutil.copy(other.backup("copy.db"), world.file)
    elif how == "gone":
        world.file.unlink()
    else:
        world.file.write_bytes(b"" if how == "empty" else b"SQLite format 3\0" + b"\0" * 9000)
