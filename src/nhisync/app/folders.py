"""Names in folders that outlive a power cut; files that other processes of nhisync find whole or not at all."""

import os
import stat
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o750, 0o640
"""Owner writes, group reads, as for the publication: the listener may run as another user of the group."""

LARGEST = 64 * 1024
"""Bytes of one such file."""

_ROOT = 0


def sync_folder(folder: Path) -> None:
    """Make new, changed and removed names in `folder` durable.

    Raises:
        OSError: the file system refused.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write `content` to a new file `name`; when this returns it is durable, and who looks finds it whole.

    Raises:
        OSError: the file system refused; nothing was said.
    """
    if not folder.is_dir():
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _give(folder, folder.parent)
        sync_folder(folder.parent)
    draft, file = folder / f".{name}", folder / name
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, FILE_MODE), "wb") as stream:
            stream.write(content)
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


def own(file: Path, owner: int) -> bytes | None:
    """The content of `file`; None when it is not the word of `owner` or root, or others may write it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or larger than any.
    """
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if status.st_uid not in {owner, _ROOT} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise ValueError("it is no regular file, or too large")
        return stream.read(LARGEST)


def _give(name: Path, like: Path) -> None:
    """What root makes belongs to whom its place belongs to: nhisync must be able to read and to remove it."""
    if os.geteuid() == _ROOT:
        place = like.stat()
        os.chown(name, place.st_uid, place.st_gid, follow_symlinks=False)
