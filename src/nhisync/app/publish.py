"""The publication's file: written in one step or not at all, read whole or refused.

The sync process writes, the listener and ``nhisync ready`` read; there is no other channel between them. Nothing here
imports the store or a provider: the listener process must stay small.
"""

import os
import socket
import stat
from pathlib import Path

from nhisync.app.folders import sync_folder
from nhisync.app.objections import standing
from nhisync.clock import Clock
from nhisync.statement import LARGEST, Moment, Publication, StatementError, admit, encode, parse, restricted

FILE_MODE = 0o640
"""Owner writes, group reads: the listener may run as another user of the group."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's id of this boot (proc(5), ``/proc/sys/kernel/random/boot_id``); "" where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def moment(clock: Clock) -> Moment:
    """This machine's clocks, read together."""
    return Moment(now=clock.now(), boottime=clock.boottime(), boot_id=boot_id())


def instance() -> str:
    """The name under which this nhisync speaks: its host's, without the domain."""
    kept = (c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in socket.gethostname().partition(".")[0])
    return "".join(kept)[:63] or "nhisync"


def publish(file: Path, publication: Publication) -> None:
    """Replace `file` by `publication`: temporary file, fsync, rename, fsync of the folder.

    A reader sees the old bytes or the new ones, also after a power cut. When anything fails (a full disk above all)
    the old file stays, and what it says ends by itself.

    Raises:
        StatementError: a listener would refuse the publication; nothing was written.
        OSError: the file system refused; the old file stands.
    """
    data = encode(publication)
    # One name for all attempts: there is one writer, and a killed one must not leave a trail of files.
    draft = file.with_name(f".{file.name}.draft")
    try:
        _write(draft, data)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def retract(file: Path) -> None:
    """Remove the publication: the listener then blocks everything. Needs no room on the disk.

    Raises:
        OSError: the file system refused.
    """
    file.unlink(missing_ok=True)
    sync_folder(file.parent)


def read(file: Path) -> bytes:
    """The bytes of `file`.

    Raises:
        FileNotFoundError: nothing is published.
        StatementError: it is no regular file, or too large to be a publication.
        OSError: it cannot be read.
    """
    # Without O_NONBLOCK a named pipe in this place would hold the reader for ever.
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise StatementError(f"{file} is no publication: no regular file, or larger than {LARGEST} bytes")
        return stream.read(LARGEST + 1)


def load(file: Path) -> Publication:
    """The publication in `file`; whether it may be believed now is `nhisync.statement.admit`'s to say.

    Raises:
        FileNotFoundError: nothing is published.
        StatementError: the file holds no publication.
        OSError: it cannot be read.
    """
    return parse(read(file))


def believed(file: Path, here: Moment) -> tuple[Publication | None, str]:
    """The publication in `file` if it may be believed at `here`, or None and why not (for a person).

    What was objected to since it was written is blocked in it, as the listener blocks it.
    """
    against = standing(file).against  # before the file: what is recorded by then stands in it
    try:
        publication = load(file)
        admit(publication, here)
    except FileNotFoundError:
        return None, "nothing is published yet: run nhisync sync, or start nhisync serve"
    except StatementError as refusal:
        return None, f"the publication is not believed: {refusal}"
    except OSError as failure:
        return None, f"{file} cannot be read ({failure.strerror}): ask as the user that runs nhisync serve"
    return restricted(publication, against), ""


def _write(draft: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(draft, flags, FILE_MODE)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, FILE_MODE)  # the umask may have taken the group's bit away
        stream.write(data)
        stream.flush()
        os.fsync(handle)
