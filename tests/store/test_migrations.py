"""The way from every schema there ever was to the one of today."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from nhisync.errors import GuardError, StoreError
from nhisync.parity.row import Row
from nhisync.store import Store, upgrade
from nhisync.store.address import parse
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.schema import ADDED, HEAD, REVISIONS, metadata
from nhisync.store.upgrading import migrate
from nhisync.testing.clocks import CountingRandomness, FakeClock

MakeRow = Callable[..., Row]
EARLIER = [None, *REVISIONS[:-1]]
BORN = dict(zip(ADDED, ("0005", "0007"), strict=True))
"""Column of an item that a migration added → which one."""


class Place:
    """A database to be brought to some revision by hand."""

    def __init__(self, url: str) -> None:
        self.database = Database(parse(url), writable=True)
        self.writer = WriteConnection(self.database)

    def __enter__(self) -> Connection:
        self._transaction = self.writer.transaction()
        return self._transaction.__enter__()

    def __exit__(self, *failure: object) -> None:
        self._transaction.__exit__(*failure)
        self.writer.close()
        self.database.close()


def schema_of(connection: Connection) -> dict[str, Any]:
    """Everything the database itself says about its tables, order of columns included."""
    found = inspect(connection)
    described: dict[str, Any] = {}
    for table in sorted(found.get_table_names()):
        described[table] = {
            "columns": [
                (c["name"], repr(c["type"]), c["nullable"], c.get("autoincrement")) for c in found.get_columns(table)
            ],
            "primary key": found.get_pk_constraint(table),
            "indexes": sorted(found.get_indexes(table), key=lambda index: str(index["name"])),
            "foreign keys": sorted(found.get_foreign_keys(table), key=lambda key: str(key["name"])),
        }
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        for name, sql in rows:
            if name in described:
                described[name]["options"] = (
                    sql.count('COLLATE "BINARY"'),
                    "AUTOINCREMENT" in sql,
                    "WITHOUT ROWID" in sql,
                )
    return described


def at(url: str, revision: str | None) -> None:
    """Bring the empty database at `url` to `revision`."""
    if revision is not None:
        with Place(url) as connection:
            migrate(connection, revision)


def bring(url: str, clock: FakeClock, randomness: CountingRandomness) -> Any:
    """Upgrade as the command does."""
    return upgrade(url, clock=clock, randomness=randomness, actor="alice")


def test_the_revisions_in_code_are_those_on_disk() -> None:
    """`REVISIONS` lets a store be judged without importing Alembic; it must not fall behind."""
    from alembic.script import ScriptDirectory

    import nhisync.store.migrations as package

    scripts = ScriptDirectory(str(Path(package.__file__).parent))
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_current_head() == HEAD


def test_a_new_store_equals_a_migrated_one(url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """Making all tables at once and running every revision end in the very same schema."""
    with Place(url) as connection:
        migrate(connection)
        migrated = schema_of(connection)
        for table in (*reversed(metadata.sorted_tables), text("alembic_version")):
            connection.execute(text(f"DROP TABLE {table}"))
    with Store.open(url, clock=clock, randomness=randomness) as store, store._database.snapshot() as connection:
        assert schema_of(connection) == migrated
    assert set(migrated) == {*metadata.tables, "alembic_version"}


def test_nothing_is_left_to_autogenerate(url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """Alembic sees no difference between the tables in code and the migrated database."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    bring(url, clock, randomness)
    with Place(url) as connection:
        options = {"compare_type": True, "include_schemas": False}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.parametrize("revision", EARLIER)
def test_every_earlier_schema_comes_up(
    url: str, clock: FakeClock, randomness: CountingRandomness, revision: str | None, make_row: MakeRow
) -> None:
    """What was stored stays, a backup of the old schema lies beside it, and the act is audited."""
    at(url, revision)
    row = make_row("a/x")
    if revision is not None:
        with Place(url) as connection:
            fields = [name for name in Row._fields if revision >= BORN.get(name, "")]
            names = ", ".join(f'"{name}"' for name in ("path", *fields, "run"))
            values = ", ".join(f":{name}" for name in ("path", *fields, "run"))
            statement = text(f"INSERT INTO items ({names}) VALUES ({values})")
            connection.execute(statement, {"path": "primary", **row._asdict(), "run": 1})
    done = bring(url, clock, randomness)
    assert (done.before, done.after, done.changed) == (revision, HEAD, True)
    assert (done.backup is not None) == (revision is not None and url.startswith("sqlite"))
    if done.backup is not None:
        assert done.backup.name == f"nhisync.db.before-{HEAD}-20261123T031209Z"
        with Place(f"sqlite:///{done.backup}") as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == revision
    with Store.open(url, clock=clock, randomness=randomness) as store, store.reader() as reader:
        assert list(reader.cursor("primary")) == ([row] if revision else [])
        (audited,) = reader.audit()
        assert (audited.action, audited.actor, audited.detail["from"]) == ("upgrade", "alice", revision)
        assert reader.verify_audit().problem == ""


def test_upgrading_twice_does_nothing(url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """No backup, no audit row, same identity."""
    bring(url, clock, randomness)
    with Store.open(url, clock=clock, randomness=randomness) as store:
        who = (store.installation, store.epoch)
    again = bring(url, clock, randomness)
    assert (again.changed, again.backup) == (False, None)
    with Store.open(url, clock=clock, randomness=randomness) as store, store.reader() as reader:
        assert (store.installation, store.epoch) == who
        assert len(list(reader.audit())) == 1


def test_a_newer_schema_is_left_alone(url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """An old program never touches what a newer one wrote."""
    with Store.open(url, clock=clock, randomness=randomness) as store, store._writing().transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer nhisync"):
        bring(url, clock, randomness)


def test_a_store_in_use_is_not_upgraded(url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """The upgrade is a writer like any other."""
    with Store.open(url, clock=clock, randomness=randomness), pytest.raises(GuardError):
        bring(url, clock, randomness)


def test_a_failed_upgrade_leaves_the_old_schema(
    url: str, clock: FakeClock, randomness: CountingRandomness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All revisions and the audit row are one transaction."""
    at(url, "0001")
    error = RuntimeError("power")

    def fail(*_args: Any, **_named: Any) -> None:
        raise error

    monkeypatch.setattr("nhisync.store.upgrading.audit.append", fail)
    with pytest.raises(RuntimeError):
        bring(url, clock, randomness)
    with Place(url) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        assert "verdicts" not in inspect(connection).get_table_names()
