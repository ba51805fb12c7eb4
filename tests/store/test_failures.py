"""What the database says and what a person reads: one sentence and one next step for each."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from nhisync.errors import StoreError, fix_of_write
from nhisync.store import Store
from nhisync.store.failures import explain, translated


class Said(sqlite3.Error):
    """An error of SQLite with a code of our choice."""

    def __init__(self, name: str) -> None:
        super().__init__("text that may hold hunter2")
        self.sqlite_errorname = name


@pytest.mark.parametrize(
    ("name", "words", "step"),
    [
        ("SQLITE_CORRUPT", "is damaged", "store restore"),
        ("SQLITE_CORRUPT_INDEX", "is damaged", "store restore"),
        ("SQLITE_NOTADB", "no SQLite database", "store.url"),
        ("SQLITE_READONLY", "read-only", "write access"),
        ("SQLITE_READONLY_DBMOVED", "read-only", "write access"),
        ("SQLITE_FULL", "disk is full", "Free space"),
        ("SQLITE_BUSY", "locked by another program", "End the program"),
        ("SQLITE_BUSY_SNAPSHOT", "locked by another program", "End the program"),
        ("SQLITE_LOCKED", "locked by another program", "End the program"),
        ("SQLITE_CANTOPEN", "cannot be opened", "folder must exist"),
        ("SQLITE_IOERR_SHMSIZE", "disk is full", "Free space"),
        ("SQLITE_IOERR_WRITE", "disk reports an error", "Check the disk"),
        ("SQLITE_PERM", "may not be opened", "read and write access"),
        ("SQLITE_AUTH", "may not be opened", "read and write access"),
        ("SQLITE_NOLFS", "no large files", "another file system"),
        ("SQLITE_SCHEMA", "changed by another program", "again"),
        ("SQLITE_ERROR", "lacks what this version expects", "store upgrade"),
    ],
)
def test_sqlite_codes_are_told(name: str, words: str, step: str) -> None:
    """Primary and extended codes lead to one message, without SQLite's own text."""
    with pytest.raises(StoreError) as told, translated("/var/lib/nhisync.db", sqlite3.Error):
        raise Said(name)
    assert words in told.value.message
    assert told.value.message.startswith("the store /var/lib/nhisync.db ")
    assert step in told.value.fix
    assert "hunter2" not in str(told.value)
    assert told.value.__suppress_context__


def psycopg_error(state: str | None, kind: str = "OperationalError", text: str = "hunter2") -> Any:
    """An error that looks like psycopg's without needing a server."""
    made = type(kind, (sqlite3.Error,), {"__module__": "psycopg.errors", "sqlstate": state})
    return made(text)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("28P01", "refuses the login"),
        ("3D000", "does not exist"),
        ("53100", "disk is full"),
        ("53300", "out of resources"),
        ("25006", "is read-only"),
        ("42501", "denies the access"),
        ("42P01", "lacks a table"),
        ("42703", "lacks a column"),
        ("57P01", "shutting down"),
        ("40001", "another session"),
        ("55P03", "locked by another session"),
        ("58030", "disk reports an error"),
        ("XX001", "is damaged"),
        ("08006", "cannot be reached"),
        (None, "cannot be reached"),
    ],
)
def test_postgresql_states_are_told(state: str | None, words: str) -> None:
    """SQLSTATE classes lead to one message, through SQLAlchemy's wrapping too."""
    failure = OperationalError("SELECT hunter2", {"p": "hunter2"}, psycopg_error(state))
    with pytest.raises(StoreError, match=words) as told, translated("PostgreSQL db/nhisync", sqlite3.Error):
        raise failure
    assert told.value.fix
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('FATAL:  password authentication failed for user "hunter2"', "refuses the login"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1"', "refuses the login"),
        ('FATAL:  role "hunter2" does not exist', "refuses the login"),
        ('FATAL:  database "hunter2" does not exist', "does not exist"),
        ("FATAL:  sorry, too many clients already", "out of resources"),
        ("FATAL:  the database system is starting up", "is starting or shutting down"),
        ("connection refused", "cannot be reached"),
    ],
)
def test_refused_connections_are_told(text: str, words: str) -> None:
    """The driver has no SQLSTATE for a refused connection; libpq's words are read and never repeated."""
    told = explain(psycopg_error(None, text=text))
    assert told is not None
    assert words in told[0]
    assert "hunter2" not in "".join(told)


@pytest.mark.parametrize(
    "failure", [psycopg_error("23505", "UniqueViolation"), psycopg_error(None, "InterfaceError"), ValueError()]
)
def test_bugs_stay_bugs(failure: Any) -> None:
    """A violated constraint is no fault of the store; it must not be told as one."""
    assert explain(failure) is None


def test_bugs_pass_unchanged() -> None:
    """Through both ways an error can come."""
    with pytest.raises(IntegrityError), translated("x", sqlite3.Error):
        raise IntegrityError("INSERT", {}, Said("SQLITE_CONSTRAINT_PRIMARYKEY"))
    with pytest.raises(Said), translated("x", sqlite3.Error):
        raise Said("SQLITE_CONSTRAINT_PRIMARYKEY")
    with pytest.raises(KeyError), translated("x", sqlite3.Error):
        raise KeyError


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "Free space on that disk"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "otherwise"),
        (errno.ENOENT, "otherwise"),
        (None, "otherwise"),
    ],
)
def test_a_full_disk_is_no_wrong_folder(number: int | None, fix: str) -> None:
    """What the operating system says decides the fix; the caller's own is for everything else."""
    failure = OSError(number, "said") if number is not None else OSError("said")
    assert fix in fix_of_write(failure, "otherwise")


def test_a_store_on_a_full_disk_says_free_space_and_lets_go(
    tmp_path: Path, clock: Any, randomness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock's note is the first thing that finds no room; afterwards the same process can take the lock."""

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    url = f"sqlite:///{tmp_path / 'nhisync.db'}"
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(StoreError, match="cannot be written: No space left on device") as told:
            Store.open(url, clock=clock, randomness=randomness)
    assert told.value.fix.startswith("Free space on that disk")
    Store.open(url, clock=clock, randomness=randomness).close()
