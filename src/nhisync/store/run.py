"""One run's handle: everything a run writes goes through it and carries its number."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from nhisync.clock import Clock
from nhisync.model import Coverage, Verdict
from nhisync.parity.row import Row
from nhisync.store import memory, meta, runs, verdicts
from nhisync.store.comparison import Comparison
from nhisync.store.connection import Database, WriteConnection
from nhisync.store.coverage import CoverageWriter
from nhisync.store.items import Claim, ItemWriter, Scope

DONE = "done"
"""Outcome of a run that ended without saying how."""


class RunHandle:
    """A run that writes; a context manager that records how it ended.

    Safe to use from several threads: they take turns. What a call was given is durable when it returns.

    Args:
        database: the store.
        writer: its write connection.
        run: the run.
        clock: the only time.
        store_epoch: the store's epoch, kept with verdicts.
    """

    def __init__(
        self, database: Database, writer: WriteConnection, run: runs.Run, *, clock: Clock, store_epoch: int
    ) -> None:
        self._database = database
        self._writer = writer
        self._run = run
        self._clock = clock
        self._epoch = store_epoch
        self._items = ItemWriter(database, writer, run.number)
        self._coverage = CoverageWriter(database, writer, run.number, run.started)

    @property
    def id(self) -> str:
        """The run's random id."""
        return self._run.id

    @property
    def number(self) -> int:
        """The run's number in this store."""
        return self._run.number

    @property
    def started(self) -> datetime:
        """When the run began."""
        return self._run.started

    def put_rows(self, path: str, rows: Iterable[Row]) -> int:
        """Insert or replace rows in durable batches; returns how many were taken.

        Two locators that claim one key in this run make its row AMBIGUOUS, with both in ``detail.claimants``.
        """
        return self._items.put(path, rows)

    def keep_rows(self, path: str, rows: Iterable[Row]) -> int:
        """Store rows that only state ignorance, unless an answer about the same item is held: that one stays, aged.

        Returns how many older answers stayed.
        """
        return self._items.keep(path, rows)

    def touch(self, path: str, claims: Iterable[Claim], observed: datetime) -> tuple[str, ...]:
        """Say of stored rows that they still hold at `observed`.

        Returns the keys for which no such row is stored: those items must be read in full.
        """
        return self._items.touch(path, claims, observed)

    def put_coverage(self, path: str, entries: Iterable[Coverage]) -> None:
        """Record what was seen of `path`, and what was not."""
        self._coverage.put(path, entries)

    def finish_path(self, path: str, complete: Iterable[Scope] = ()) -> int:
        """Delete rows of completely seen scopes that this run did not see; all others stay with their true age.

        Returns how many rows were deleted.
        """
        return self._items.finish(path, complete)

    def forget_sources(self, path: str, configured: Collection[str]) -> int:
        """Delete rows and coverage of sources that are not `configured` (any more); returns how many rows went."""
        with self._writer.transaction():
            self._coverage.forget_sources(path, configured)
            return self._items.forget_sources(path, configured)

    def forget_moved(self, path: str, places: Mapping[str, str]) -> int:
        """Delete rows and coverage of sources that are not configured (any more) or lead elsewhere now.

        What an item's old place said is no evidence for its new one. Returns how many rows went.

        Args:
            path: name of the path.
            places: name of each configured source → digest of where it leads.
        """
        with self._writer.transaction() as connection:
            return self.forget_sources(path, meta.unmoved(connection, path, places))

    def forget(self, path: str, keys: Iterable[str]) -> int:
        """Delete the rows of pairs that the configuration no longer names; returns how many there were."""
        return self._items.forget(path, keys)

    def forget_markers(self, path: str) -> int:
        """Let every item of `path` be read in full again; returns how many had a marker."""
        return self._items.forget_markers(path)

    def set_groups(self, path: str, groups: Mapping[str, str]) -> None:
        """Replace all equality classes of `path`: key → random group id of this run."""
        self._items.group(path, groups)

    def set_probes(self, path: str, proofs: Iterable[tuple[str, str, int | None, str | None]]) -> None:
        """Record what live authentication showed: (key, locator, `auth`, `probe`); later sweeps keep it."""
        self._items.probe(path, proofs)

    def set_consumers(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Record what consumers have loaded: (key, locator, `consumers`); later sweeps keep it."""
        self._items.hold(path, held)

    def set_grants(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace what the identities of all rows of `path` may do: key → document of `nhisync.parity.rights`."""
        self._items.grant(path, rights)

    @contextlib.contextmanager
    def comparison(
        self,
        primary: str,
        backup: str,
        *,
        policy_digest: str,
        now: datetime,
        apps: Collection[str] | None = None,
    ) -> Iterator[Comparison]:
        """Write one comparison: visible and durable when the block ends, gone when it raises.

        Args:
            primary: name of the primary path.
            backup: name of the backup path.
            policy_digest: of everything but rows and time that results rest on (tiers, waivers, pairs).
            now: the instant of the assessment.
            apps: the apps that are judged; None = all.
        """
        with self._writer.transaction() as connection:
            number, turn = memory.opened(connection, primary, backup, policy_digest, self.number)
            found = Comparison(
                self._database, connection, number=number, turn=turn, run=self.number, now=now, apps=apps
            )
            yield found
            found.finish()

    def put_verdict(self, verdict: Verdict) -> int:
        """Record a verdict; returns its number."""
        with self._writer.transaction() as connection:
            return verdicts.put(connection, verdict, run=self.number, store_epoch=self._epoch)

    def finish(self, outcome: str) -> None:
        """Record how the run ended; only the first call counts."""
        with self._writer.transaction() as connection:
            runs.end(connection, self.number, outcome, self._clock.now())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if failure is None:
            self.finish(DONE)
            return
        with contextlib.suppress(Exception):  # the failure itself is what must be told, not that its note was lost
            self.finish(runs.FAILED)
