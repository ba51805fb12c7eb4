"""Database errors become `StoreError`: what, where, why, the exact fix; never SQL, parameters or a URL's password."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy.exc import DBAPIError

from nhisync.errors import NO_ROOM, StoreError

_ROOM = f"{NO_ROOM} Nothing half-written was kept."
_BACKUP = "Keep the file for analysis and bring back the last backup: nhisync store restore FILE."

_SQLITE: dict[str, tuple[str, str]] = {
    "SQLITE_CORRUPT": ("is damaged", _BACKUP),
    "SQLITE_NOTADB": (
        "is no SQLite database",
        "Check `store.url`; if it is the right file: nhisync store restore FILE.",
    ),
    "SQLITE_READONLY": (
        "cannot be written: the file, its folder or the disk is read-only",
        "Give the user that runs nhisync write access to the file and its folder, or move the store.",
    ),
    "SQLITE_PERM": ("may not be opened", "Give the user that runs nhisync read and write access to it."),
    "SQLITE_AUTH": ("may not be opened", "Give the user that runs nhisync read and write access to it."),
    "SQLITE_FULL": ("cannot grow: its disk is full", _ROOM),
    "SQLITE_BUSY": (
        "is locked by another program",
        "End the program that holds it (sqlite3 shell, backup, editor); nhisync waited long enough.",
    ),
    "SQLITE_LOCKED": ("is locked by another program", "End the program that holds it and run it again."),
    "SQLITE_CANTOPEN": (
        "cannot be opened",
        "Run this as the user that runs nhisync serve; its folder must exist, and be no read-only file system.",
    ),
    "SQLITE_IOERR_SHMSIZE": ("cannot grow: its disk is full", _ROOM),
    "SQLITE_IOERR": (
        "cannot be read or written: its disk reports an error",
        "Check the disk: its room, its quota, its health (dmesg). If the store is damaged: nhisync store restore FILE.",
    ),
    "SQLITE_NOLFS": ("cannot grow: its file system has no large files", "Move the store to another file system."),
    "SQLITE_SCHEMA": ("was changed by another program", "Run it again."),
    "SQLITE_ERROR": ("lacks what this version expects in it", "Check `store.url`; then: nhisync store upgrade."),
}
"""Result code (https://sqlite.org/rescode.html) → what it means here, what to do; an extended code goes first."""

_POSTGRESQL: tuple[tuple[str, str, str], ...] = (
    ("28", "refuses the login", "Check user and password file of `store.url` and pg_hba.conf of the server."),
    ("3D", "does not exist", "Create the database: createdb --template template0 --encoding UTF8 --locale C NAME."),
    ("53100", "cannot grow: the server's disk is full", _ROOM),
    ("53", "is out of resources", "Raise the server's limits (max_connections, memory) or end idle sessions."),
    ("25006", "is read-only", "Point `store.url` at the primary server, not at a standby."),
    ("42501", "denies the access", "Grant the user of `store.url` CREATE and USAGE on the schema."),
    ("42P01", "lacks a table that this version expects", "Check `store.url`; then: nhisync store upgrade."),
    ("42703", "lacks a column that this version expects", "Check `store.url`; then: nhisync store upgrade."),
    ("57P", "is starting or shutting down", "Wait until the server is up and run it again."),
    ("40", "undid the work because of another session", "Run it again."),
    ("55P03", "is locked by another session", "End the session that holds it and run it again."),
    ("58", "cannot be read or written: the server's disk reports an error", "Look into the server's log."),
    ("XX", "is damaged", "Look into the server's log and bring back the last backup."),
    ("08", "cannot be reached", "Check host, port, TLS settings and the network; then run it again."),
)
"""SQLSTATE prefix (PostgreSQL documentation, appendix A) → what it means here, what to do; the first match counts."""


@contextlib.contextmanager
def translated(shown: str, driver_error: type[Exception]) -> Iterator[None]:
    """Turn errors of the database into `StoreError` about the store `shown`.

    Errors that only a bug can cause (a violated constraint, a wrong statement) pass unchanged.

    Args:
        shown: how messages call the store.
        driver_error: base class of the driver's own errors, for cursors read without SQLAlchemy.
    """
    try:
        yield
    except DBAPIError as failure:
        reason = explain(failure.orig)
        if reason is None:
            raise
        raise _store_error(shown, reason) from None
    except driver_error as failure:
        reason = explain(failure)
        if reason is None:
            raise
        raise _store_error(shown, reason) from None


def _store_error(shown: str, reason: tuple[str, str]) -> StoreError:
    what, fix = reason
    return StoreError(f"the store {shown} {what}", fix=fix)


def explain(failure: Any) -> tuple[str, str] | None:
    """What happened and what to do, or None for what only a bug can cause."""
    name = getattr(failure, "sqlite_errorname", None)
    if name is not None:
        return _of_sqlite(str(name))
    if type(failure).__module__.partition(".")[0] == "psycopg":
        return _of_postgresql(failure)
    return None


def _of_sqlite(name: str) -> tuple[str, str] | None:
    return _SQLITE.get(name) or _SQLITE.get("_".join(name.split("_")[:2]))


def _of_postgresql(failure: Any) -> tuple[str, str] | None:
    state = getattr(failure, "sqlstate", None) or _spoken(failure)
    if state is None:
        return None
    return next(((what, fix) for prefix, what, fix in _POSTGRESQL if state.startswith(prefix)), None)


_SPOKEN = (
    ("authentication failed", "28"),
    ("pg_hba.conf", "28"),
    ("no password supplied", "28"),
    ("the database system is", "57P"),
    ("role ", "28"),
    ("database ", "3D"),
    ("too many", "53300"),
    ("remaining connection slots", "53300"),
)
"""What libpq says when a connection is refused, where psycopg has no SQLSTATE; read here, never repeated."""


def _spoken(failure: Any) -> str | None:
    """The SQLSTATE class of an error that carries none: the network, unless the server said why."""
    if type(failure).__name__ not in {"OperationalError", "ConnectionTimeout"}:
        return None
    said = str(failure).partition("FATAL:")[2]
    return next((state for words, state in _SPOKEN if words in said), "08")
