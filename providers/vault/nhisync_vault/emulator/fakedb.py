"""A database server in memory whose login really checks the password; pluggable behind the database engine."""

import threading
from typing import Protocol


class RefusedByDatabaseError(RuntimeError):
    """The database did not do it; the text is what the engine reports."""


class Database(Protocol):
    """What the database engine needs of a server."""

    def set_password(self, username: str, password: str) -> None:
        """Change a user's password.

        Raises:
            RefusedByDatabaseError: it did not happen.
        """
        ...

    def create(self, username: str, password: str) -> None:
        """Create a login.

        Raises:
            RefusedByDatabaseError: it did not happen.
        """
        ...

    def drop(self, username: str) -> None:
        """Remove a login.

        Raises:
            RefusedByDatabaseError: it did not happen.
        """
        ...


class FakeDatabase:
    """Users and passwords, and a switch that makes every change fail.

    Attributes:
        refusal: text of the failure, or None while the server works.
        changes: number of password changes made.
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.changes = 0
        self._passwords: dict[str, str] = {}
        self._lock = threading.Lock()

    def set_password(self, username: str, password: str) -> None:
        """Change or set a user's password.

        Raises:
            RefusedByDatabaseError: while `refusal` is set.
        """
        self._check()
        with self._lock:
            self._passwords[username] = password
            self.changes += 1

    def create(self, username: str, password: str) -> None:
        """Create a login.

        Raises:
            RefusedByDatabaseError: while `refusal` is set.
        """
        self.set_password(username, password)

    def drop(self, username: str) -> None:
        """Remove a login.

        Raises:
            RefusedByDatabaseError: while `refusal` is set.
        """
        self._check()
        with self._lock:
            self._passwords.pop(username, None)

    def login(self, username: str, password: str) -> bool:
        """Whether the password is right."""
        with self._lock:
            return self._passwords.get(username) == password

    def users(self) -> list[str]:
        """All logins, sorted."""
        with self._lock:
            return sorted(self._passwords)

    def _check(self) -> None:
        if self.refusal is not None:
            raise RefusedByDatabaseError(self.refusal)
