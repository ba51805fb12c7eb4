"""Where a store is: the URL of the configuration, checked and shown without its password."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from nhisync.errors import StoreError

SQLITE = "sqlite"
POSTGRESQL = "postgresql+psycopg"


@dataclass(frozen=True, slots=True)
class Address:
    """A store's place.

    Attributes:
        url: as SQLAlchemy reads it; its repr hides a password.
        file: absolute file of an SQLite store, links resolved, so that all its names meet at one lock; else None.
    """

    url: URL
    file: Path | None

    @property
    def shown(self) -> str:
        """What messages say: the file, or server and database; never a user's password or a query."""
        if self.file is not None:
            return str(self.file)
        host = self.url.host or "the default server"
        port = f":{self.url.port}" if self.url.port else ""
        return f"PostgreSQL {host}{port}/{self.url.database or ''}"


def parse(text: str) -> Address:
    """Read ``sqlite:///FILE`` (relative to the working directory) or ``postgresql+psycopg://…``.

    Raises:
        StoreError: anything else; the message never repeats the URL, which can hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError("the store's URL cannot be read", fix=_FORMS) from None
    if url.drivername == POSTGRESQL:
        return Address(url, None)
    if url.drivername != SQLITE:
        raise StoreError(f"a store cannot be kept in `{url.drivername}`", fix=_FORMS)
    if not url.database or url.database == ":memory:" or url.query or url.host:
        raise StoreError("an SQLite store needs a file, and nothing but a file, in its URL", fix=_FORMS)
    return of_file(Path(url.database))


def of_file(file: Path) -> Address:
    """The store in `file`, whatever letters its name has."""
    with contextlib.suppress(RuntimeError):  # nobody has such a home: then it is the name of a folder
        file = file.expanduser()
    whole = file.resolve()
    return Address(URL.create(SQLITE, database=str(whole)), whole)


_FORMS = "Set `store.url` to sqlite:///nhisync.db or postgresql+psycopg://user@host/database."
