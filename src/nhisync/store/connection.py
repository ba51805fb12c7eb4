"""Engines and connections: pragmas, transactions, one guarded write connection, snapshots for readers.

SQLite pragmas: https://sqlite.org/pragma.html. WAL with ``synchronous=FULL`` loses no acknowledged commit in a power
cut, ``NORMAL`` does; both survive a killed process.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler

from nhisync.errors import StoreError
from nhisync.store.address import Address
from nhisync.store.failures import translated

BUSY_MILLISECONDS = 10_000
"""How long SQLite waits for a lock of another program; our own writers are kept apart by `nhisync.store.lock`."""

PAGE_BYTES = 8192
"""Rows of an ordinary item stay inside their b-tree page (a quarter of it may be payload of one row)."""

APPLICATION_ID = 0x6E686973
"""``nhis`` in the header of our SQLite files."""

READER_KIB, WRITER_KIB = 1_024, 4_096
"""Page caches: cursors read every page once and need none; upserts in any order come back to theirs."""

FILE_ROWS, SERVER_ROWS = 50, 5_000
"""Rows a cursor hands over at once: from a file enough that reading and judging do not drive each other out of the
processor's caches at every row, from a server enough that nobody waits for its answers."""

_WRITES = "nhisync_writes"


class Database:
    """One store's engine and the rules for using it.

    Args:
        address: where it is.
        writable: this process may write (it must hold the lock before it does).
        durable: every commit is on disk before it is acknowledged; False only for throw-away stores.
    """

    def __init__(self, address: Address, *, writable: bool, durable: bool = True) -> None:
        self.address = address
        self.engine = _sqlite(address, writable, durable) if address.file else _postgresql(address)
        self._streams: dict[int, list[Generator[list[tuple[Any, ...]], None, None]]] = {}

    @property
    def sqlite(self) -> bool:
        """The store is an SQLite file."""
        return self.address.file is not None

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """Errors of the database inside the block become `StoreError`."""
        return translated(self.address.shown, self.engine.dialect.loaded_dbapi.Error)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees one state of the store, however long it reads and whoever writes meanwhile."""
        options = {} if self.sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                try:
                    yield connection
                finally:
                    for stream in self._streams.pop(id(connection), ()):
                        stream.close()

    def rows(self, connection: Connection, statement: Executable) -> Iterator[tuple[Any, ...]]:
        """Plain tuples of a SELECT, streamed in constant memory; the stream ends with its snapshot."""
        blocks = self._blocks(connection, statement)
        self._streams.setdefault(id(connection), []).append(blocks)
        return chain.from_iterable(blocks)

    def _blocks(self, connection: Connection, statement: Executable) -> Generator[list[tuple[Any, ...]], None, None]:
        """The rows of the driver's own cursor, some at once.

        The one place that steps past SQLAlchemy's result objects: they cost more than the rows of a million pairs.
        """
        block: list[tuple[Any, ...]] = []
        with self.translated():
            sql, values = self.compiled(statement)
            cursor = self._cursor(connection)
            try:
                cursor.execute(sql, values)
                while block := cursor.fetchmany(FILE_ROWS if self.sqlite else SERVER_ROWS):
                    yield block
            finally:
                block.clear()  # what a reader has not taken yet ends with the snapshot, too
                cursor.close()

    def _cursor(self, connection: Connection) -> Any:
        raw: Any = connection.connection.driver_connection
        if self.sqlite:
            return raw.cursor()
        return raw.cursor(name=f"nhisync_{os.getpid()}_{id(connection)}_{next(_NUMBERS)}")

    def asking(self, connection: Connection, statement: Any) -> Callable[..., list[tuple[Any, ...]]]:
        """A function from the bind parameters of a SELECT to its rows; compiled once, for what is asked often."""
        compiled: SQLCompiler = statement.compile(dialect=self.engine.dialect)
        sql, order, fixed = str(compiled), compiled.positiontup or (), compiled.params
        raw: Any = connection.connection.driver_connection

        def ask(**values: Any) -> list[tuple[Any, ...]]:
            given = {**fixed, **values}
            with self.translated(), contextlib.closing(raw.cursor()) as cursor:
                cursor.execute(sql, tuple(given[name] for name in order))
                found: list[tuple[Any, ...]] = cursor.fetchall()
                return found

        return ask

    def compiled(self, statement: Any) -> tuple[str, tuple[Any, ...]]:
        """SQL text and positional parameters of `statement` for the driver."""
        compiled: SQLCompiler = statement.compile(dialect=self.engine.dialect)
        params = compiled.params
        return str(compiled), tuple(params[name] for name in compiled.positiontup or ())

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


_NUMBERS = iter(range(1 << 62))


class Batch:
    """One statement run for many tuples of parameters; compiled once.

    Args:
        database: whose dialect it is for.
        statement: a statement with bind parameters.
        names: the parameters in the order in which tuples bring them.
    """

    def __init__(self, database: Database, statement: Any, names: Sequence[str]) -> None:
        compiled: SQLCompiler = statement.compile(dialect=database.engine.dialect)
        self._sql = str(compiled)
        order = list(compiled.positiontup or ())
        fixed = [(name, compiled.params[name]) for name in order if name not in names]
        places = {name: place for place, name in enumerate([*names, *(name for name, _ in fixed)])}
        self._constants = tuple(value for _, value in fixed)
        self._order = [places[name] for name in order]
        self._as_given = self._order == list(range(len(names)))

    def run(self, connection: Connection, tuples: Sequence[tuple[Any, ...]]) -> int:
        """Run for each tuple; returns how many rows were changed in all."""
        if not tuples:
            return 0
        return int(connection.exec_driver_sql(self._sql, self._arranged(tuples)).rowcount)

    def _arranged(self, tuples: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self._as_given:
            return list(tuples)
        constants, order = self._constants, self._order
        return [tuple(map((*values, *constants).__getitem__, order)) for values in tuples]


class WriteConnection:
    """The one connection that writes; threads take turns, and a transaction inside another joins it.

    Args:
        database: the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.RLock()
        with database.translated():
            self.connection = database.engine.connect().execution_options(**{_WRITES: True})
            if database.sqlite:
                raw: Any = self.connection.connection.driver_connection
                raw.execute(f"PRAGMA cache_size=-{WRITER_KIB}").close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing: what was written in the block is durable when it ends, or gone when it raises.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._mutex, self._database.translated():
            if self.connection.invalidated or self.connection.closed:
                raise StoreError(
                    f"the connection to the store {self._database.address.shown} was lost, and its lock with it",
                    fix="Run it again; what was not acknowledged was not kept.",
                )
            if self.connection.in_transaction():
                yield self.connection
                return
            with self.connection.begin():
                yield self.connection

    def close(self) -> None:
        """Close it; a PostgreSQL session lock ends here."""
        with self._database.translated():
            self.connection.close()


def _sqlite(address: Address, writable: bool, durable: bool) -> Engine:
    engine = create_engine(
        address.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": BUSY_MILLISECONDS / 1000},
    )
    pragmas = _pragmas(writable, durable)

    @event.listens_for(engine, "connect")
    def configure(raw: Any, _record: Any) -> None:
        # The driver's own transaction control commits behind our back; BEGIN is ours (listener below).
        raw.isolation_level = None
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _pragmas(writable: bool, durable: bool) -> tuple[str, ...]:
    common = (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "cell_size_check=ON",  # a damaged page is reported instead of trusted
        f"cache_size=-{READER_KIB}",
        "temp_store=MEMORY",  # nothing outside the store's own folder
    )
    if not writable:
        return (*common, "query_only=ON")
    return (
        *common,
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        f"synchronous={'FULL' if durable else 'OFF'}",
        "secure_delete=ON",
        "wal_autocheckpoint=2000",
        "journal_size_limit=67108864",
    )


def _postgresql(address: Address) -> Engine:
    try:
        return create_engine(
            address.url,
            poolclass=NullPool,
            hide_parameters=True,
            paramstyle="format",
            connect_args={"connect_timeout": 10, "application_name": "nhisync"},
        )
    except (ImportError, NoSuchModuleError):
        raise StoreError(
            "a PostgreSQL store needs psycopg, which is not installed",
            fix="Install it: pip install 'nhisync[postgres-store]'.",
        ) from None
