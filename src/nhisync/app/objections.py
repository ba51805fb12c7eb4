"""The folder of objections beside the publication: a person's "does not hold", heard while a daemon holds the store.

One file for each, written whole or not at all. The listener blocks at its next look, the sync process records it in its
next cycle and removes the file when what is published says so. Nothing in here can open a signal: who may write into
the folder could as well remove the publication. Like `nhisync.app.publish` it imports neither the store nor a provider.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nhisync.app.folders import sync_folder
from nhisync.statement import Against, Objection, StatementError, objection_in, written

FOLDER_MODE, FILE_MODE = 0o750, 0o640
"""Owner writes, group reads, as for the publication: the listener may run as another user of the group."""

MOST = 1000
"""More files than this are read by nobody; then every backup is blocked."""

LARGEST = 64 * 1024
"""Bytes of one file."""

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the folder.

    Attributes:
        said: file → objection.
        unreadable: files that cannot be read, or the folder itself: nobody knows whom they mean, so they mean all.
        foreign: files of somebody who owns neither the folder nor the machine, or that others may write; not heard.
    """

    said: tuple[tuple[Path, Objection], ...] = ()
    unreadable: tuple[Path, ...] = ()
    foreign: tuple[Path, ...] = ()

    @property
    def against(self) -> Against:
        """Whom it blocks."""
        return Against.of((objection for _, objection in self.said), everything=bool(self.unreadable))


def folder_of(publication: Path) -> Path:
    """Where objections to what is in the file `publication` are said."""
    return publication.with_name(f"{publication.name}.objections")


def say(publication: Path, objection: Objection, name: str) -> Path:
    """Write `objection` to a new file called `name`; when this returns it is durable and will be heard.

    Raises:
        OSError: the file system refused; nothing was said.
    """
    folder = folder_of(publication)
    if not folder.is_dir():
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _give(folder, folder.parent)
        sync_folder(folder.parent)
    draft, file = folder / f".{name}", folder / name
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, FILE_MODE), "wb") as stream:
            stream.write(written(objection))
            stream.flush()
            os.fchmod(stream.fileno(), FILE_MODE)  # the umask may have taken the group's bit away
            os.fsync(stream.fileno())
        _give(draft, folder)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return file


def standing(publication: Path) -> Standing:
    """Everything that is objected to now; never raises for what it finds there."""
    folder = folder_of(publication)
    try:
        owner = folder.stat().st_uid
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return Standing()
    except OSError:
        return Standing(unreadable=(folder,))
    if len(names) > MOST:
        return Standing(unreadable=(folder,))
    said: list[tuple[Path, Objection]] = []
    unreadable: list[Path] = []
    foreign: list[Path] = []
    for file in (folder / name for name in names):
        try:
            found = _read(file, owner)
        except FileNotFoundError:
            continue  # recorded and removed meanwhile
        except (OSError, StatementError):
            unreadable.append(file)
            continue
        if found is None:
            foreign.append(file)
        else:
            said.append((file, found))
    return Standing(tuple(said), tuple(unreadable), tuple(foreign))


def settle(files: Iterable[Path]) -> None:
    """Remove objections that are recorded and published.

    Raises:
        OSError: the file system refused; they stand, and block on.
    """
    folders = set()
    for file in files:
        file.unlink(missing_ok=True)
        folders.add(file.parent)
    for folder in folders:
        sync_folder(folder)


def _read(file: Path, owner: int) -> Objection | None:
    """The objection in `file`; None when it is not the word of `owner` or root."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if status.st_uid not in {owner, _ROOT} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise StatementError("it is no objection: no regular file, or too large")
        return objection_in(stream.read(LARGEST))


def _give(name: Path, like: Path) -> None:
    """What root makes belongs to whom its place belongs to: nhisync must be able to read and to remove it."""
    if os.geteuid() == _ROOT:
        place = like.stat()
        os.chown(name, place.st_uid, place.st_gid, follow_symlinks=False)
