"""A store with some history, to back up and to restore."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from nhisync.model import Mode, Verdict, Waiver, Word
from nhisync.parity.engine import FAR, Remembered
from nhisync.parity.row import Row
from nhisync.store import Restored, Store, restore
from nhisync.store.address import parse
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.upgrading import migrate
from nhisync.testing.clocks import CountingRandomness, FakeClock

MakeRow = Callable[..., Row]
HOUR = timedelta(hours=1)
WAIVER = Waiver(pair="pay/tls", code="NHS602", until=date(2026, 12, 15), approved_by="security", reason="cut-over")


class World:
    """A store with some history, and its folder."""

    def __init__(self, folder: Path, clock: FakeClock, randomness: CountingRandomness, make_row: MakeRow) -> None:
        self.folder, self.clock, self.randomness, self._row = folder, clock, randomness, make_row
        self.file = folder / "nhisync.db"
        self.url = f"sqlite:///{self.file}"

    def open(self, mode: str = "write") -> Store:
        """The store."""
        return Store.open(self.url, clock=self.clock, randomness=self.randomness, mode=mode)  # type: ignore[arg-type]

    def restore(self, file: Path | None) -> Restored:
        """As the command does."""
        return restore(self.url, file, clock=self.clock, randomness=self.randomness, actor="alice")

    def live(self, version: str) -> None:
        """One run with everything that a restore must think of."""
        self.clock.advance(HOUR)
        now = self.clock.now()
        with self.open() as store, store.run("sync") as run:
            run.put_rows("backup", [self._row("pay/db", version=version)])
            run.put_verdict(ready(now))
            with run.comparison("p", "b", policy_digest="d", now=now) as comparison:
                comparison.remember(Remembered("pay/db", 1, 2, FAR))

    def backup(self, name: str) -> Path:
        """A backup."""
        with self.open("read") as store:
            return store.backup(self.folder / name)

    def versions(self) -> list[str | None]:
        """What the store holds."""
        with self.open("read") as store:
            return [row.version for row in store.cursor("backup")]


def ready(now: datetime) -> Verdict:
    """A verdict that lets traffic in."""
    return Verdict(
        app="pay",
        path="backup",
        word=Word.READY,
        tier="critical",
        mode=Mode.ENFORCE,
        evaluated_at=now,
        valid_until=now + 365 * 24 * HOUR,
        pairs=1,
        passing=1,
        failing=0,
        unknown=0,
    )


def older(file: Path, revision: str) -> None:
    """A store of an earlier schema."""
    database = Database(parse(f"sqlite:///{file}"), writable=True)
    writer = WriteConnection(database)
    with writer.transaction() as connection:
        migrate(connection, revision)
    writer.close()
    database.close()
