"""The folder of objections beside the publication: a person's "does not hold", heard while a daemon holds the store.

One file for each, written whole or not at all. The listener blocks at its next look, the sync process records it in its
next cycle and removes the file when what is published says so. Nothing in here can open a signal: who may write into
the folder could as well remove the publication. Like `nhisync.app.publish` it imports neither the store nor a provider.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nhisync.app.folders import own, put, sync_folder
from nhisync.statement import Against, Objection, StatementError, objection_in, written

MOST = 1000
"""More files than this are read by nobody; then every backup is blocked."""


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
    return put(folder_of(publication), name, written(objection))


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
    try:
        content = own(file, owner)
    except ValueError as trouble:
        raise StatementError(f"it is no objection: {trouble}") from None
    return None if content is None else objection_in(content)
