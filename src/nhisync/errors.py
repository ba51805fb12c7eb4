"""Every error nhisync raises on purpose.

::

    NhisyncError
    ├── ConfigurationError      the configuration or policy cannot be used; nothing was contacted (exit 2)
    ├── UsageError              the command line cannot be used (exit 2)
    ├── GuardError              a guard refused: lock held, one identity on both paths, approval (exit 5)
    ├── StoreError              the store cannot be opened, read or written
    ├── RegistryError           a provider is missing, not allowed, or does not fit this SPI
    └── spi.ProviderError       an answer, or none, with a typed kind (exit 4 when nothing was judged)

An error says what happened, where, why it matters and the exact fix (law 9). No error carries a secret value: text
that a provider or a parser produced is never passed through unread.
"""

import errno
from dataclasses import dataclass

NO_ROOM = "Free space on that disk, or raise the quota, and run it again."
"""The fix for a full disk, wherever it is met."""


class NhisyncError(Exception):
    """Base of all expected failures; `fix` is the next step for the reader, in the imperative."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """The message and, on its own line, the next step."""
        return f"{self.message}\n  {self.fix}" if self.fix else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file, with its place.

    Attributes:
        file: path as the user named it.
        line: 1-based line, 0 when the place is the file itself.
        column: 1-based column, 0 when the place is the file itself.
        where: dotted place in the document, for example ``apps.payments.tier``.
        message: what is wrong, without the offending secret.
        suggestion: the nearest valid word, or "".
        excerpt: the source line, shown with a caret; "" when it must not be shown.
    """

    file: str
    line: int
    column: int
    where: str
    message: str
    suggestion: str = ""
    excerpt: str = ""

    @property
    def place(self) -> str:
        """``file:line:column``, or the file alone when it is the place."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ConfigurationError(NhisyncError):
    """All problems of a configuration at once (never only the first)."""

    def __init__(self, problems: tuple[Problem, ...], *, fix: str = "") -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.place} {p.message}" for p in problems), fix=fix)


class UsageError(NhisyncError):
    """The command line asks for something that does not exist or does not fit together."""


class GuardError(NhisyncError):
    """A guard refused; `guard` is its stable name (``lock``, ``same-identity``, ``approval``)."""

    def __init__(self, guard: str, message: str, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.guard = guard


class StoreError(NhisyncError):
    """The store cannot be opened, read or written."""


class RegistryError(NhisyncError):
    """A provider is missing, not allowed, or does not fit this SPI."""


def fix_of_write(failure: OSError, otherwise: str) -> str:
    """What to do about a file that could not be written: a full disk is not a wrong folder.

    Args:
        failure: what the operating system said.
        otherwise: the fix for everything that is no lack of room and no read-only file system.
    """
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return NO_ROOM
    if failure.errno == errno.EROFS:
        return "That file system is read-only: mount it for writing, or name a place on another one."
    return otherwise
