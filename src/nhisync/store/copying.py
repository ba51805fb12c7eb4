"""Copies of SQLite files: whole, checked, private, durable, and never over something that is there."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

from nhisync.clock import Clock
from nhisync.errors import StoreError, fix_of_write
from nhisync.store.connection import BUSY_MILLISECONDS
from nhisync.store.failures import translated


def copied(source: Path, target: Path) -> Path:
    """Copy the database `source` as of now to the new file `target`, without stopping its writer; returns `target`.

    The copy is one file without a WAL, readable by its owner only, and has passed SQLite's own check.

    Raises:
        StoreError: `target` exists or cannot be written, or `source` is damaged.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists():
            raise StoreError(f"{target} exists", fix="Name a new file; backups are never overwritten.")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.ExitStack() as undo:
            undo.callback(part.unlink, missing_ok=True)
            _fill(source, part)
            _sync(part)
            os.link(part, target)  # unlike rename(2), link(2) never replaces
        _sync(target.parent)
    except OSError as failure:
        raise StoreError(
            f"{target} cannot be written: {failure.strerror}",
            fix=fix_of_write(failure, "Name a file in a folder that exists and can be written."),
        ) from None
    return target


def _fill(source: Path, part: Path) -> None:
    with translated(str(part), sqlite3.Error), connected(part) as copy:
        with translated(str(source), sqlite3.Error), connected(source, read_only=True) as original:
            original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE").close()
        require_sound(copy, source)


def poured(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds, in one transaction: its readers see the old state or the new one.

    Raises:
        StoreError: either cannot be read or written.
    """
    with (
        translated(str(target), sqlite3.Error),
        connected(target) as live,
        connected(source, read_only=True) as prepared,
    ):
        # An empty file takes the page size it is to hold; a WAL file cannot change its own any more.
        page = int(prepared.execute("PRAGMA page_size").fetchone()[0])
        for pragma in (f"page_size={page}", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            live.execute(f"PRAGMA {pragma}").close()
        prepared.backup(live)
        live.execute("PRAGMA wal_checkpoint(PASSIVE)").close()  # readers are not waited for


@contextlib.contextmanager
def connected(file: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    """A plain connection, closed at the end of the block; never makes a file."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=BUSY_MILLISECONDS / 1000
    )
    with contextlib.closing(connection):
        yield connection


def require_sound(connection: sqlite3.Connection, file: Path) -> None:
    """SQLite's own check of pages and b-trees (https://sqlite.org/pragma.html#pragma_quick_check).

    Raises:
        StoreError: the file is damaged.
    """
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise StoreError(f"{file} is damaged", fix="Take an older backup; keep this file for analysis.")


def stamped(file: Path, what: str, clock: Clock) -> Path:
    """A new name beside `file`: ``<file>.<what>-<UTC time>``."""
    stem = f"{file.name}.{what}-{clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (stem if count == 1 else f"{stem}-{count}" for count in range(1, 10_000))
    return next(file.with_name(name) for name in names if not file.with_name(name).exists())


def sha256(file: Path) -> str:
    """Hex digest of the file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Fsync a file, or a folder so that a new name in it is durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
