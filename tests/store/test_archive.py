"""Backups while the store is in use, and restores that never pass off old verdicts as new."""

import sqlite3
import stat
import threading
from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import text

from nhisync.errors import GuardError, StoreError
from nhisync.store import Store, restore
from nhisync.store.schema import HEAD
from nhisync.testing.clocks import CountingRandomness, FakeClock

from .archived import HOUR, WAIVER, World, older, ready


def test_a_backup_is_one_private_whole_file(world: World) -> None:
    """No WAL beside it, readable by its owner only, complete, and made while a writer has the store."""
    with world.open() as store, store.run("sync") as run:
        run.put_rows("backup", [world._row("pay/new")])
        target = store.backup(world.folder / "copy.db")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [file.name for file in world.folder.glob("*copy*")] == ["copy.db"]
    with sqlite3.connect(target) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("SELECT count(*) FROM items").fetchone() == (2,)
    copy.close()


def test_a_backup_never_overwrites(world: World) -> None:
    """Yesterday's backup may be the good one."""
    world.backup("copy.db")
    with pytest.raises(StoreError, match="exists"):
        world.backup("copy.db")
    with pytest.raises(StoreError, match="No such file or directory"):
        world.backup("missing/copy.db")


def test_a_backup_is_consistent_beside_a_busy_writer(world: World) -> None:
    """What a backup holds is one state: never half of a transaction."""
    stop = threading.Event()

    def write() -> None:
        with world.open() as store, store.run("sync") as run:
            number = 0
            while not stop.is_set():
                number += 1
                run.put_rows("busy", [world._row(f"a/{n:03}", version=str(number)) for n in range(200)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = [world.backup(f"copy{n}.db") for n in range(5)]
    finally:
        stop.set()
        writer.join()
    for copy in copies:
        with sqlite3.connect(copy) as connection:
            found = connection.execute("SELECT count(DISTINCT version), count(*) FROM items WHERE path = 'busy'")
            assert found.fetchone() in {(1, 200), (0, 0)}
        connection.close()


@pytest.mark.requirement("R54")
def test_restored_verdicts_are_void(world: World) -> None:
    """A verdict of before, however long it would be valid, is history; so are memories; rows keep their true age."""
    copy = world.backup("copy.db")
    world.live("2")
    done = world.restore(copy)
    assert done.voided == 1
    assert world.versions() == ["1"]
    with world.open("read") as store, store.reader() as reader:
        assert reader.verdict("pay", "backup") is None
        (record,) = reader.verdicts("pay")
        assert record.voided_at == world.clock.now()
        assert list(reader.remembered("p", "b", "d")) == []
        assert reader.verify_audit().problem == ""
        audited = list(reader.audit())[-1]
    assert (audited.action, audited.actor, audited.detail["epoch"]) == ("restore", "alice", done.epoch)
    assert audited.detail["verdicts_voided"] == audited.detail["memories_dropped"] == 1
    world.live("3")
    with world.open("read") as store, store.reader() as reader:
        assert reader.verdict("pay", "backup") is not None


@pytest.mark.requirement("R54")
def test_the_epoch_rises_with_every_restore(world: World) -> None:
    """The same backup restored twice, at the same instant or after the store was lost, never repeats an epoch."""
    copy = world.backup("copy.db")
    epochs = [world.restore(copy).epoch, world.restore(copy).epoch]
    for file in world.folder.glob("nhisync.db*"):
        file.unlink()
    world.clock.advance(HOUR)
    epochs.append(world.restore(copy).epoch)
    world.clock.jump(-1000 * HOUR)
    epochs.append(world.restore(copy).epoch)
    assert epochs == sorted(set(epochs))
    with world.open("read") as store:
        assert store.epoch == epochs[-1]


def test_the_replaced_store_is_kept_and_named_in_the_trail(world: World) -> None:
    """Its audit head goes into the new trail, so that what was lost by the restore can be told later."""
    copy = world.backup("copy.db")
    with world.open() as store:
        store.waive(WAIVER, actor="alice")
        with store.reader() as reader:
            head = reader.verify_audit().head
    done = world.restore(copy)
    assert done.replaced is not None
    assert done.replaced.name == "nhisync.db.replaced-20261123T041209Z"
    assert not done.foreign
    with world.open("read") as store, store.reader() as reader:
        assert reader.waivers() == ()
        told = list(reader.audit())[-1].detail["replaced"]
    assert (told["audit_rows"], told["audit_head"]) == (1, head)
    done = world.restore(done.replaced)
    with world.open("read") as store, store.reader() as reader:
        assert len(reader.waivers()) == 1


def test_a_backup_of_another_installation_is_told(world: World, tmp_path: Path) -> None:
    """It is restored, as after a move; the reader hears of it."""
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", world.clock, world.randomness, world._row)
    other.live("9")
    done = world.restore(other.backup("copy.db"))
    assert done.foreign
    with other.open("read") as store:
        assert store.installation == done.installation
    assert world.versions() == ["9"]


def test_a_damaged_store_can_be_restored_over(world: World) -> None:
    """The damaged file is kept byte by byte; a leftover WAL of it is never played into the restored file."""
    copy = world.backup("copy.db")
    damaged = b"\0" * 100_000
    world.file.write_bytes(damaged)
    world.file.with_name("nhisync.db-wal").write_bytes(b"leftover")
    done = world.restore(copy)
    assert done.replaced is not None
    assert done.replaced.read_bytes() == damaged
    assert done.replaced.with_name(done.replaced.name + "-wal").read_bytes() == b"leftover"
    assert world.versions() == ["1"]


def test_a_reader_keeps_its_state_through_a_restore(world: World) -> None:
    """The restore is one transaction of the live file: readers see the old state or the new one."""
    copy = world.backup("copy.db")
    world.live("2")
    with world.open("read") as store, store.reader() as reader:
        assert [row.version for row in reader.cursor("backup")] == ["2"]
        world.restore(copy)
        assert [row.version for row in reader.cursor("backup")] == ["2"]
    assert world.versions() == ["1"]


def test_an_older_backup_is_upgraded(world: World) -> None:
    """A backup made before an upgrade comes back in today's schema."""
    older(world.folder / "old.db", "0001")
    world.restore(world.folder / "old.db")
    with world.open("read") as store, store._database.snapshot() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_a_restore_makes_the_store_when_there_is_none(world: World, tmp_path: Path) -> None:
    """The usual case after a lost machine."""
    copy = world.backup("copy.db")
    (tmp_path / "new").mkdir()
    fresh = World(tmp_path / "new", world.clock, world.randomness, world._row)
    assert fresh.restore(copy).replaced is None
    assert fresh.versions() == ["1"]
    assert {file.name for file in fresh.folder.iterdir()} <= {"nhisync.db", "nhisync.db.lock"}
    assert stat.S_IMODE(fresh.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 1000, b"SQLite format 3\0" + b"\0" * 9000])
def test_what_is_no_backup_changes_nothing(world: World, content: bytes | None) -> None:
    """The file is checked before the store is touched."""
    file = world.folder / "strange"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StoreError) as refused:
        world.restore(file)
    assert str(file) in refused.value.message
    assert refused.value.fix
    assert world.versions() == ["1"]
    assert not list(world.folder.glob("*restoring*"))


def test_a_broken_backup_is_not_called_a_broken_store(world: World) -> None:
    """Whoever restores at night must not read that the store is broken, nor be sent to the command at hand."""
    backup = world.backup("copy.db")
    backup.write_bytes(b"no database" * 800)
    with pytest.raises(StoreError) as caught:
        world.restore(backup)
    assert caught.value.message == f"nothing was restored: the backup {backup} is no SQLite database"
    assert "the store in place was not touched" in caught.value.fix
    assert "nhisync store restore" not in caught.value.fix


def test_a_newer_backup_is_refused(world: World) -> None:
    """An old program does not guess at a newer schema."""
    copy = world.backup("copy.db")
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="newer nhisync"):
        world.restore(copy)


def test_a_store_in_use_is_not_restored(world: World) -> None:
    """Stop the daemon first."""
    copy = world.backup("copy.db")
    with world.open(), pytest.raises(GuardError):
        world.restore(copy)


def test_a_leftover_of_a_killed_restore_is_no_obstacle(world: World) -> None:
    """The next restore begins anew."""
    copy = world.backup("copy.db")
    (world.folder / "nhisync.db.restoring").write_bytes(b"half")
    world.restore(copy)
    assert world.versions() == ["1"]


def test_sqlite_needs_a_file(world: World) -> None:
    """Only PostgreSQL is restored in place."""
    with pytest.raises(StoreError, match="restored from a file"):
        world.restore(None)


@pytest.mark.e2e
@pytest.mark.requirement("R54")
def test_postgresql_is_restored_in_place(postgres_url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """After pg_restore the command voids and counts up; backup and file are PostgreSQL's own affair."""
    with Store.open(postgres_url, clock=clock, randomness=randomness) as store:
        with store.run("sync") as run:
            run.put_verdict(ready(clock.now()))
        store.waive(WAIVER, actor="bob")
        with pytest.raises(StoreError) as refused:
            store.backup(Path("copy.db"))
        assert "pg_dump" in refused.value.fix
        before = store.epoch
    with pytest.raises(StoreError) as refused:
        restore(postgres_url, Path("copy.db"), clock=clock, randomness=randomness, actor="alice")
    assert "pg_restore" in refused.value.fix
    done = restore(postgres_url, None, clock=clock, randomness=randomness, actor="alice")
    assert (done.voided, done.replaced) == (1, None)
    assert done.epoch > before
    assert done.doubted == ("waiver pay/tls NHS602 until 2026-12-15, approved by security",)
    with Store.open(postgres_url, clock=clock, randomness=randomness) as store, store.reader() as reader:
        assert store.epoch == done.epoch
        assert reader.verdict("pay", "backup") is None


@pytest.mark.e2e
def test_an_empty_schema_is_not_restored(postgres_url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """pg_restore has to come first."""
    with pytest.raises(StoreError, match="is empty"):
        restore(postgres_url, None, clock=clock, randomness=randomness, actor="alice")


def test_dates_of_copies_are_utc(world: World) -> None:
    """Two copies of one second get two names."""
    from nhisync.store.copying import stamped

    assert world.clock.now().tzinfo is UTC
    first = stamped(world.file, "replaced", world.clock)
    first.touch()
    assert stamped(world.file, "replaced", world.clock).name == f"{first.name}-2"
