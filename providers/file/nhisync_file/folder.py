"""Opening files below one root, whatever links and races say.

A name is resolved first, so that links inside the root work (kubelet mounts are made of them); then the resolved path
is opened component by component without following any link, so that nobody can swap one in between.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from nhisync.spi import ErrorKind, ProviderError, PublicId

_ATTEMPTS = 3
"""How often a name is resolved again when it vanishes while being opened (the kubelet swaps folders)."""

_WORLD_READ, _WORLD_WRITE, _GROUP_WRITE = 0o004, 0o002, 0o020
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PASSING = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
"""Passing through a folder needs the right to enter it, not the right to list it (open(2), O_PATH; Linux)."""

_LOST = frozenset({errno.ENOENT, errno.ENOTDIR})

_ROOT = "the root folder"
"""How messages call the root: its own path stays in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One file or folder from outside.

    Attributes:
        mode: permission bits.
        modified: last change of the content, aware UTC.
        parents: permission bits of the folders from the root down to it.
        real: last component of its real path; "" for the root.
        id: what makes it this one, by whatever name and link it was reached on this host (device and inode).
    """

    mode: int
    modified: datetime
    parents: tuple[int, ...]
    real: str
    id: PublicId


@dataclass(frozen=True, slots=True)
class _Handle:
    """An open descriptor and how it was reached."""

    descriptor: int
    parts: tuple[str, ...]
    parents: tuple[int, ...]

    def looked(self) -> Looked:
        shape = os.fstat(self.descriptor)
        return Looked(
            mode=stat.S_IMODE(shape.st_mode),
            modified=datetime.fromtimestamp(shape.st_mtime, UTC),
            parents=self.parents,
            real=self.parts[-1] if self.parts else "",
            id=PublicId("file", f"{shape.st_dev:x}-{shape.st_ino:x}"),
        )


def check_name(name: str) -> None:
    """Whether `name` can be a path below the root, as far as its text tells.

    Raises:
        ValueError: it is absolute, climbs out with ``..``, or is no path at all.
    """
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise ValueError("it is no path below the root")


class Folder:
    """The root of a source.

    Args:
        root: the folder; may itself be reached over links.
        max_bytes: largest file that is read.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def check(self, *, listed: bool) -> Path:
        """The real path of the root, which must be enterable, and readable when it is to be `listed`.

        Raises:
            ProviderError: SCOPE_MISSING, DENIED, MISCONFIGURED or UNREACHABLE: nothing at all can be asked.
        """
        try:
            real = self._root.resolve(strict=True)
            if listed:
                os.scandir(real).close()
            else:
                os.stat(f"{real}/.")  # a Path would drop the dot, and with it the question
        except FileNotFoundError:
            raise _failure(ErrorKind.SCOPE_MISSING, "root-missing", f"{_ROOT} does not exist", _ROOT) from None
        except NotADirectoryError:
            message = "the root is a file, not a folder"
            raise _failure(ErrorKind.MISCONFIGURED, "root-not-a-folder", message, _ROOT) from None
        except OSError as failure:
            raise _translated(failure, ".") from None
        return real

    def read(self, name: str) -> tuple[Looked, bytes]:
        """The regular file `name` and its content, which may hold values and must not outlive its parser.

        Raises:
            ProviderError: the `reason` of its fact is one of the words in the README's table.
        """
        with self._open(name) as handle:
            _expect(handle, stat.S_ISREG, "not-a-file", f"{name} is no regular file", name)
            return handle.looked(), self._content(handle.descriptor, name)

    def look(self, name: str) -> Looked:
        """The regular file `name` without its content.

        Raises:
            ProviderError: as for `read`.
        """
        with self._open(name) as handle:
            _expect(handle, stat.S_ISREG, "not-a-file", f"{name} is no regular file", name)
            return handle.looked()

    def list(self, name: str) -> tuple[Looked, tuple[str, ...]]:
        """The folder `name` and its entries, sorted.

        Raises:
            ProviderError: as for `read`; ``not-a-folder`` when it is something else.
        """
        with self._open(name) as handle:
            _expect(handle, stat.S_ISDIR, "not-a-folder", f"{name} is no folder", name)
            return handle.looked(), tuple(sorted(os.listdir(handle.descriptor)))

    def _content(self, descriptor: int, name: str) -> bytes:
        """At most `max_bytes`, whatever the size says (it may grow, or be a file of ``/proc``)."""
        pieces, left = [], self._max_bytes + 1
        try:
            while left and (piece := os.read(descriptor, min(left, 1 << 16))):
                pieces.append(piece)
                left -= len(piece)
        except OSError as failure:
            raise _translated(failure, name) from None
        if not left:
            message = f"{name} is larger than {self._max_bytes} bytes"
            raise _failure(ErrorKind.MALFORMED, "too-large", message, name)
        return b"".join(pieces)

    @contextmanager
    def _open(self, name: str) -> Iterator[_Handle]:
        """`name` opened for reading; closed at the end."""
        handle = self._opened(name)
        try:
            yield handle
        finally:
            os.close(handle.descriptor)

    def _opened(self, name: str) -> _Handle:
        for attempt in range(1, _ATTEMPTS + 1):
            parts = self._resolve(name)
            try:
                return self._descend(parts)
            except OSError as failure:
                if failure.errno not in _LOST or attempt == _ATTEMPTS:
                    raise _translated(failure, name) from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _resolve(self, name: str) -> tuple[str, ...]:
        """Components of the real path of `name` below the real root."""
        try:
            check_name(name)
        except ValueError as wrong:
            raise _failure(ErrorKind.MISCONFIGURED, "locator", f"{name}: {wrong}", name) from None
        try:
            root = self._root.resolve(strict=True)
            inside = (root / name).resolve().is_relative_to(root)
            real = (root / name).resolve(strict=inside)
        except RuntimeError:  # Python before 3.13 says so about a loop of links
            raise _failure(ErrorKind.MALFORMED, "link-loop", f"{name} is a loop of links", name) from None
        except OSError as failure:
            raise _translated(failure, name) from None
        if not inside or not real.is_relative_to(root):
            message = f"{name} leads outside the root through a link, and is not followed"
            raise _failure(ErrorKind.MISCONFIGURED, "outside-root", message, name)
        return real.relative_to(root).parts

    def _descend(self, parts: tuple[str, ...]) -> _Handle:
        """Open component by component, links refused."""
        kinds = [_PASSING] * len(parts) + [_FLAGS]
        descriptor = os.open(self._root.resolve(strict=True), kinds[0] | os.O_DIRECTORY)
        modes = []
        try:
            for part, flags in zip(parts, kinds[1:], strict=True):
                mode = os.fstat(descriptor).st_mode
                if stat.S_ISLNK(mode):  # a folder was swapped for a link: O_PATH opens the link itself
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                modes.append(stat.S_IMODE(mode))
                below = os.open(part, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except OSError:
            os.close(descriptor)
            raise
        return _Handle(descriptor, parts, tuple(modes))


def exposure(mode: int, parents: tuple[int, ...], *, secret: bool) -> str:
    """Who besides the owner can read or replace a file, for a person; "" = nobody.

    Args:
        mode: permission bits of the file.
        parents: permission bits of the folders above it, root first.
        secret: whether it holds anything that must not be read (certificates alone may be).
    """
    clauses = []
    if secret and mode & _WORLD_READ:
        clauses.append(f"world-readable ({mode:04o})")
    clauses += [f"{word} ({mode:04o})" for word in _writable(mode)]
    for folder in parents:
        if not folder & stat.S_ISVTX:
            clauses += [f"in a {word} folder ({folder:04o})" for word in _writable(folder)]
    return "; ".join(dict.fromkeys(clauses))


def _writable(mode: int) -> list[str]:
    """The wider of the two: what the world may write, the group may, for this purpose, too."""
    if mode & _WORLD_WRITE:
        return ["world-writable"]
    return ["group-writable"] if mode & _GROUP_WRITE else []


def _expect(handle: _Handle, is_kind: Callable[[int], bool], reason: str, message: str, name: str) -> None:
    if not is_kind(os.fstat(handle.descriptor).st_mode):
        raise _failure(ErrorKind.MALFORMED, reason, message, name)


def _translated(failure: OSError, name: str) -> ProviderError:
    """What the operating system says, in our kinds; its text (with full paths) stays behind."""
    name = _ROOT if name == "." else name
    if isinstance(failure, PermissionError):
        message = f"{name} may not be read by the user that runs nhisync"
        return _failure(ErrorKind.DENIED, "unreadable", message, name, action="read")
    if isinstance(failure, FileNotFoundError | NotADirectoryError):
        return _failure(ErrorKind.NOT_FOUND, "absent", f"{name} does not exist", name)
    if failure.errno == errno.ELOOP:
        return _failure(ErrorKind.MALFORMED, "link-loop", f"{name} is a loop of links", name)
    if failure.errno in (errno.ENAMETOOLONG, errno.EINVAL):
        return _failure(ErrorKind.MISCONFIGURED, "locator", f"{name} is no possible path", name)
    if failure.errno == errno.ENXIO:  # a socket, or a pipe nobody writes to
        return _failure(ErrorKind.MALFORMED, "not-a-file", f"{name} is no regular file", name)
    return _failure(ErrorKind.UNREACHABLE, "io-error", f"{name} could not be read from its file system", name)


def _failure(kind: ErrorKind, reason: str, message: str, name: str, *, action: str = "") -> ProviderError:
    return ProviderError(kind, message, resource=name, reason=reason, action=action)
