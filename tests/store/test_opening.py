"""Opening a store: one writer, any number of readers, private files, and refusals that say what to do."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from nhisync.errors import GuardError, StoreError
from nhisync.parity.row import Row
from nhisync.store import Store
from nhisync.store.schema import HEAD
from nhisync.testing.clocks import CountingRandomness, FakeClock

MakeRow = Callable[..., Row]
Parts = tuple[FakeClock, CountingRandomness]


@pytest.fixture
def parts(clock: FakeClock, randomness: CountingRandomness) -> Parts:
    """Clock and randomness."""
    return clock, randomness


def opened(url: str, parts: Parts, **more: str) -> Store:
    """An open store."""
    return Store.open(url, clock=parts[0], randomness=parts[1], **more)  # type: ignore[arg-type]


def file_of(url: str) -> Path:
    """The file of an SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))


def test_a_store_keeps_its_identity(url: str, parts: Parts, clock: FakeClock) -> None:
    """Installation and epoch are made once and read ever after."""
    with opened(url, parts) as store:
        first = (store.installation, store.epoch)
    assert len(first[0]) == 32
    assert first[1] == int(clock.now().timestamp())
    for mode in ("write", "read"):
        with opened(url, parts, mode=mode) as store:
            assert (store.installation, store.epoch) == first


def test_a_second_writer_is_refused_and_told_who_writes(url: str, parts: Parts) -> None:
    """The refusal is a guard's (exit 5), names process and purpose, and ends with the first writer."""
    with opened(url, parts, purpose="nhisync serve"):
        with pytest.raises(GuardError) as refused:
            opened(url, parts)
        assert refused.value.guard == "lock"
        assert str(os.getpid()) in refused.value.message
        assert "nhisync serve" in refused.value.message
        assert refused.value.fix
        with opened(url, parts, mode="read"):
            pass
    opened(url, parts).close()


def test_the_lock_holds_between_processes_and_dies_with_its_holder(sqlite_url: str, parts: Parts) -> None:
    """A killed writer leaves nothing that has to be removed."""
    script = f"""
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.store import Store
store = Store.open({sqlite_url!r}, clock=SystemClock(), randomness=SystemRandomness(), purpose="a child")
print("open", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(GuardError, match=rf"process {child.pid} on {socket.gethostname()} \(a child, since "):
            opened(sqlite_url, parts)
        child.kill()
        child.communicate()
    opened(sqlite_url, parts).close()


def test_all_names_of_a_file_meet_at_one_lock(tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link or a relative name is no way around the lock."""
    (tmp_path / "link").symlink_to(tmp_path / "nhisync.db")
    monkeypatch.chdir(tmp_path)
    with opened(f"sqlite:///{tmp_path / 'nhisync.db'}", parts):
        for name in ("nhisync.db", "./nhisync.db", "link"):
            with pytest.raises(GuardError):
                opened(f"sqlite:///{name}", parts)


@pytest.mark.parametrize("note", [b"", b"\xff\x00", b"[]", b'{"pid": "x"}', b"{" * 2000])
def test_a_strange_lock_file_is_no_reason_to_fail(sqlite_url: str, parts: Parts, note: bytes) -> None:
    """Whoever wrote into the lock file: the lock is what counts, the text only informs."""
    with opened(sqlite_url, parts):
        file_of(sqlite_url).with_name("nhisync.db.lock").write_bytes(note)
        with pytest.raises(GuardError, match="another process is writing"):
            opened(sqlite_url, parts)


def test_a_planted_link_is_not_followed(sqlite_url: str, parts: Parts, tmp_path: Path) -> None:
    """A lock file that is a link could empty any file of the user."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file_of(sqlite_url).with_name("nhisync.db.lock").symlink_to(victim)
    with pytest.raises(StoreError):
        opened(sqlite_url, parts)
    assert victim.read_text() == "precious"


def test_files_are_private(sqlite_url: str, parts: Parts) -> None:
    """Readiness gaps are reconnaissance: database, WAL and lock are readable by their owner only."""
    before = os.umask(0)
    try:
        with opened(sqlite_url, parts) as store, store.run("sync"):
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in file_of(sqlite_url).parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"nhisync.db", "nhisync.db-wal", "nhisync.db-shm", "nhisync.db.lock"}
    assert set(modes.values()) == {0o600}


def test_durability_is_on(sqlite_url: str, parts: Parts) -> None:
    """The pragmas that keep acknowledged commits and remove deleted text are really in force."""
    with opened(sqlite_url, parts) as store, store._writing().transaction() as connection:
        names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout", "page_size")
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "page_size": 8192,
    }


def test_foreign_keys_are_enforced(url: str, parts: Parts) -> None:
    """A coverage entry of a run that does not exist is a bug and is not stored."""
    from sqlalchemy.exc import IntegrityError

    statement = "INSERT INTO comparisons (primary_path, backup_path, policy_digest, run) VALUES ('p', 'b', '', 99)"
    with opened(url, parts) as store, pytest.raises(IntegrityError), store._writing().transaction() as connection:
        connection.execute(text(statement))


def test_a_temporary_store_leaves_nothing(parts: Parts, make_row: MakeRow) -> None:
    """Its folder is the owner's alone while it lives and gone afterwards."""
    with Store.temporary(clock=parts[0], randomness=parts[1]) as store:
        folder = Path(store.shown).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with store.run("diff") as run:
            run.put_rows("primary", [make_row("a/x")])
        assert [row.key for row in store.cursor("primary")] == ["a/x"]
    assert not folder.exists()
    store.close()


def test_a_temporary_store_without_room_says_so(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason and the way out, no traceback."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StoreError, match="no temporary store") as refused:
        Store.temporary(clock=parts[0], randomness=parts[1])
    assert "TMPDIR" in refused.value.fix


def test_reading_needs_a_store(sqlite_url: str, parts: Parts) -> None:
    """Reading never makes a file."""
    with pytest.raises(StoreError, match="there is no store at"):
        opened(sqlite_url, parts, mode="read")
    assert not file_of(sqlite_url).exists()
    file_of(sqlite_url).touch()
    with pytest.raises(StoreError, match="is empty"):
        opened(sqlite_url, parts, mode="read")


def test_an_empty_schema_is_not_readable(postgres_or_sqlite_empty: str, parts: Parts) -> None:
    """An empty database is told apart from a store."""
    with pytest.raises(StoreError, match="is empty"):
        opened(postgres_or_sqlite_empty, parts, mode="read")


@pytest.fixture
def postgres_or_sqlite_empty(url: str) -> str:
    """An empty database on each engine."""
    if url.startswith("sqlite"):
        file_of(url).touch()
    return url


def test_a_missing_folder_is_named(tmp_path: Path, parts: Parts) -> None:
    """Folders are not made silently: a wrong path would start a second, empty history."""
    with pytest.raises(StoreError, match="No such file or directory") as refused:
        opened(f"sqlite:///{tmp_path}/missing/nhisync.db", parts)
    assert "folder exists" in refused.value.fix


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 40, b"SQLite format 3\0"])
@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_file_that_is_no_database_is_refused(sqlite_url: str, parts: Parts, content: bytes, mode: str) -> None:
    """Nothing of it is changed."""
    file_of(sqlite_url).write_bytes(content)
    with pytest.raises(StoreError) as refused:
        opened(sqlite_url, parts, mode=mode)
    assert str(file_of(sqlite_url)) in refused.value.message
    assert refused.value.fix
    assert file_of(sqlite_url).read_bytes() == content


@pytest.mark.parametrize("mode", ["read", "write"])
def test_somebody_elses_database_is_refused(url: str, parts: Parts, mode: str) -> None:
    """Tables of another program are never mixed with ours."""
    with opened(url, parts) as store, store._writing().transaction() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StoreError, match="holds something else"):
        opened(url, parts, mode=mode)


@pytest.mark.parametrize(("revision", "words"), [("0001", "nhisync store upgrade"), ("9999", "newer nhisync")])
@pytest.mark.parametrize("mode", ["read", "write"])
def test_another_schema_is_refused(url: str, parts: Parts, revision: str, words: str, mode: str) -> None:
    """An older schema asks for the upgrade, a newer one for the newer program."""
    with opened(url, parts) as store, store._writing().transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    with pytest.raises(StoreError) as refused:
        opened(url, parts, mode=mode)
    assert words in str(refused.value)
    assert HEAD in refused.value.message


def test_damage_is_told_as_damage(sqlite_url: str, parts: Parts, make_row: MakeRow) -> None:
    """Overwritten pages become a StoreError at the row that cannot be read, with the way back."""
    with opened(sqlite_url, parts) as store, store.run("sync") as run:
        run.put_rows("primary", (make_row(f"a/{n:05}", detail="x" * 200) for n in range(4_000)))
    with file_of(sqlite_url).open("r+b") as stream:
        stream.seek(50 * 8192)  # behind the first page of every table
        stream.write(os.urandom(60 * 8192))
    with opened(sqlite_url, parts, mode="read") as store, pytest.raises(StoreError, match="is damaged") as refused:
        list(store.cursor("primary"))
    assert "store restore" in refused.value.fix


def test_a_full_disk_keeps_the_last_whole_batch(sqlite_url: str, parts: Parts, make_row: MakeRow) -> None:
    """When the database cannot grow, the batch at hand is undone, earlier ones stay, and the store still opens."""
    with opened(sqlite_url, parts) as store, contextlib.suppress(StoreError):
        connection = store._writing().connection
        connection.exec_driver_sql("PRAGMA max_page_count=200").close()
        connection.rollback()
        with pytest.raises(StoreError, match="its disk is full"), store.run("sync") as run:
            run.put_rows("primary", (make_row(f"a/{n:05}", detail="x" * 300) for n in range(40_000)))
    with opened(sqlite_url, parts) as store:
        count = store.counts("primary")["present"]
        assert count > 0
        assert count % 2_000 == 0


def test_a_read_only_file_is_told_as_such(sqlite_url: str, parts: Parts) -> None:
    """Readers may read what they may not write."""
    opened(sqlite_url, parts).close()
    with opened(sqlite_url, parts) as store:
        store._writing().connection.exec_driver_sql("PRAGMA query_only=ON").close()
        store._writing().connection.rollback()
        with pytest.raises(StoreError, match="read-only"):
            store.audit("hold", actor="alice", detail={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_access_is_told(tmp_path: Path, parts: Parts) -> None:
    """The writer needs to make its lock and WAL beside the file."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        opened(f"sqlite:///{tmp_path}/nhisync.db", parts)


def test_another_programs_lock_is_told(sqlite_url: str, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sqlite3 shell in a transaction is waited for, then named as the reason."""
    import sqlite3

    monkeypatch.setattr("nhisync.store.connection.BUSY_MILLISECONDS", 20)
    opened(sqlite_url, parts).close()
    with contextlib.closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            opened(sqlite_url, parts)


def test_readers_stream_while_the_writer_writes(url: str, parts: Parts, make_row: MakeRow) -> None:
    """Each reader sees one state from its first row to its last, and nobody waits."""
    with opened(url, parts) as store:
        with store.run("sync") as run:
            run.put_rows("primary", [make_row(f"a/{n:04}", version="1") for n in range(3_000)])
        seen: list[set[str | None]] = []
        started, go_on = threading.Barrier(4), threading.Event()

        def read() -> None:
            with opened(url, parts, mode="read") as mine:
                rows = mine.cursor("primary")
                versions = {next(rows).version}
                started.wait()
                go_on.wait(30)
                seen.append(versions | {row.version for row in rows})

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        started.wait()
        with store.run("sync") as run:
            run.put_rows("primary", [make_row(f"a/{n:04}", version="2") for n in range(3_000)])
        go_on.set()
        for reader in readers:
            reader.join()
        assert seen == [{"1"}] * 3
        assert {row.version for row in store.cursor("primary")} == {"2"}


def test_threads_take_turns_to_write(store: Store, make_row: MakeRow) -> None:
    """Several sources may hand over rows at once."""
    with store.run("sync") as run:
        writers = [
            threading.Thread(target=run.put_rows, args=("primary", [make_row(f"{name}/{n:04}") for n in range(2_500)]))
            for name in "abcd"
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert store.counts("primary") == {"present": 10_000}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///x.db?mode=memory", "needs a file"),
        ("mysql://root:hunter2@db/x", "cannot be kept in `mysql`"),
        ("postgresql://user:hunter2@db/x", "cannot be kept in `postgresql`"),
        ("hunter2", "cannot be read"),
        ("postgresql+psycopg://u:hunter2@[::1/x", "cannot be read"),
    ],
)
def test_other_urls_are_refused_without_being_repeated(parts: Parts, url: str, words: str) -> None:
    """A URL can hold a password, also a malformed one."""
    with pytest.raises(StoreError, match=words) as refused:
        opened(url, parts)
    assert "hunter2" not in str(refused.value)
    assert "sqlite:///nhisync.db" in refused.value.fix


def test_an_unreachable_server_is_told_without_its_password(parts: Parts) -> None:
    """Host and database are named, user and password are not; the cause is gone from the chain."""
    pytest.importorskip("psycopg", reason="the extra postgres-store is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://someone:hunter2@127.0.0.1:{taken.getsockname()[1]}/nhisync"
        with pytest.raises(StoreError, match="cannot be reached") as refused:
            opened(url, parts)
    assert "127.0.0.1" in refused.value.message
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.e2e
def test_a_lost_connection_ends_the_writer(postgres_url: str, parts: Parts, make_row: MakeRow) -> None:
    """Whoever lost the session lost the lock with it, and must not write by a new connection."""
    with opened(postgres_url, parts) as store:
        with opened(postgres_url, parts, mode="read") as other, other._database.snapshot() as connection:
            statement = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            statement += " AND objid::bigint = hashtext(current_schema())::bigint & 4294967295"
            assert connection.execute(text(statement)).scalars().all() == [True]
        for _ in range(2):
            with pytest.raises(StoreError):
                store.audit("hold", actor="alice", detail={})
        opened(postgres_url, parts).close()


@pytest.mark.e2e
def test_another_encoding_is_refused(postgres_url: str, parts: Parts) -> None:
    """In a database that is not UTF8 keys would not sort like ours."""
    from sqlalchemy import NullPool, create_engine, make_url

    server = make_url(postgres_url).difference_update_query(["options"])
    name = f"latin_{os.getpid()}"
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
    try:
        with pytest.raises(StoreError, match="encoding LATIN1"):
            opened(server.set(database=name).render_as_string(hide_password=False), parts)
        with pytest.raises(StoreError, match="does not exist"):
            opened(server.set(database="no_such").render_as_string(hide_password=False), parts)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
