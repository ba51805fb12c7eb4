"""Bring a store's schema up to this version: backup first, one transaction, audited."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from nhisync.clock import Clock, Randomness
from nhisync.store import address as addresses
from nhisync.store import audit, meta
from nhisync.store.copying import copied, stamped
from nhisync.store.opening import locked
from nhisync.store.schema import HEAD, REVISIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What `upgrade` did.

    Attributes:
        store: how messages call the store.
        before: revision it had; None = it was empty.
        after: revision it has.
        backup: the copy made before, or None (nothing to do, empty, or PostgreSQL: see ``docs/store.md``).
    """

    store: str
    before: str | None
    after: str
    backup: Path | None

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return self.before != self.after


def upgrade(url: str, *, clock: Clock, randomness: Randomness, actor: str) -> Upgraded:
    """Bring the store at `url` to the schema of this version; doing it again does nothing.

    Raises:
        GuardError: ``lock``: another process writes.
        StoreError: it is newer than this version, no store, or cannot be written.
    """
    place = addresses.parse(url)
    with contextlib.ExitStack() as undo:
        _database, writer = locked(place, "nhisync store upgrade", clock, undo)
        with writer.transaction() as connection:
            before = meta.revision(connection, place.shown)
        if before == HEAD:
            return Upgraded(store=place.shown, before=before, after=HEAD, backup=None)
        if before is not None and before not in REVISIONS:
            raise meta.newer(before, place.shown)
        backup = None
        if before is not None and place.file is not None:
            backup = copied(place.file, stamped(place.file, f"before-{HEAD}", clock))
        with writer.transaction() as connection:
            migrate(connection)
            who = meta.introduce(connection, clock, randomness)
            detail = {"from": before, "to": HEAD, "backup": backup.name if backup else None}
            audit.append(
                connection,
                installation=who.installation,
                action="upgrade",
                actor=actor,
                detail=detail,
                now=clock.now(),
            )
    return Upgraded(store=place.shown, before=before, after=HEAD, backup=backup)


def migrate(connection: Connection, target: str = HEAD) -> None:
    """Run the revisions up to `target` in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - only upgrades pay for the import
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "nhisync.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, target)
