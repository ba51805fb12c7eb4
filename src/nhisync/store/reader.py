"""Reading: one snapshot of the store, the same for every question asked of it."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from nhisync.model import Attestation, Coverage, Finding, Verdict, Waiver
from nhisync.parity.engine import Remembered
from nhisync.parity.row import Row
from nhisync.parity.stream import Stream
from nhisync.store import attestations, audit, findings, memory, runs, verdicts, waivers
from nhisync.store.audit import AuditCheck, AuditRecord
from nhisync.store.connection import Database
from nhisync.store.coverage import believed_counts, coverage_of, largest_counts
from nhisync.store.findings import PastFinding, Stored
from nhisync.store.items import Claim, ItemReader
from nhisync.store.runs import Run
from nhisync.store.verdicts import VerdictRecord
from nhisync.store.waivers import WaiverRecord


class Reader:
    """One state of the store, however long it is read and whatever is written meanwhile.

    Iterators end with the `nhisync.store.Store.reader` block they came from.

    Args:
        database: the store.
        connection: an open snapshot.
        installation: the store's installation id.
    """

    def __init__(self, database: Database, connection: Connection, installation: str) -> None:
        self._database = database
        self._connection = connection
        self._installation = installation
        self._items = ItemReader(database, connection)

    def cursor(self, path: str, low: str | None = None, high: str | None = None) -> Iterator[Row]:
        """Rows of `path` with ``low <= key < high`` in bytewise key order, streamed in constant memory."""
        return self._items.cursor(path, low, high)

    def stream(self, path: str, columns: Collection[str], low: str | None = None, high: str | None = None) -> Stream:
        """Rows of `path` with ``low <= key < high`` in bytewise key order, read as far as `columns`."""
        return self._items.stream(path, columns, low, high)

    def consumed(self, path: str) -> list[Row]:
        """The rows of `path` that say what consumers have loaded."""
        return self._items.consumed(path)

    def counts(self, path: str, low: str | None = None, high: str | None = None) -> dict[str, int]:
        """Word of `Presence` → rows of `path` with ``low <= key < high``."""
        return self._items.counts(path, low, high)

    def known_markers(self, path: str, claims: Iterable[Claim]) -> dict[str, str]:
        """Locator → stored marker, for items of which every claim is stored, PRESENT and carries the same marker."""
        return self._items.known_markers(path, claims)

    def unclaimed(self, path: str, run: int) -> Iterator[Claim]:
        """(key, locator) of rows that `run` neither saw nor asked for, in key order."""
        return self._items.unclaimed(path, run)

    def coverage(self, path: str, run: int | None = None) -> tuple[Coverage, ...]:
        """What was last seen of `path`, and what was not; with `run`, only what that run looked at."""
        return coverage_of(self._connection, path, run)

    def believed_counts(self, path: str) -> dict[tuple[str, str, str], int]:
        """(source, kind, scope) → items of the last COMPLETE sweep."""
        return believed_counts(self._connection, path)

    def largest_counts(self, path: str, since: datetime) -> dict[tuple[str, str, str], int]:
        """(source, kind, scope) → items of the largest COMPLETE sweep since, or of the last; for the shrink guard."""
        return largest_counts(self._connection, path, since)

    def remembered(self, primary: str, backup: str, policy_digest: str) -> Iterator[Remembered]:
        """What earlier runs under the same policy remember, in bytewise order of key; streamed."""
        return memory.remembered(self._database, self._connection, primary, backup, policy_digest)

    def findings(self, primary: str, backup: str, app: str | None = None) -> Iterator[Finding]:
        """What does not pass now between two paths, with `since`; in bytewise order of key, then code; streamed."""
        return findings.current(self._database, self._connection, primary, backup, app)

    def stored(self, primary: str, backup: str) -> Stored:
        """The stored findings of one pair after the other, asked in bytewise order of key."""
        return Stored(self.findings(primary, backup))

    def history(self, key: str | None = None, since: datetime | None = None) -> Iterator[PastFinding]:
        """Ended states of findings, oldest end first; of one pair or app, or of all."""
        return findings.history(self._connection, key, since)

    def verdict(self, app: str, path: str) -> Verdict | None:
        """The latest verdict on `app` and `path`, or None when there is none or a restore made it void."""
        return verdicts.current(self._connection, app, path)

    def verdicts(self, app: str, path: str | None = None, since: datetime | None = None) -> Iterator[VerdictRecord]:
        """All stored verdicts on `app`, oldest first, void ones included."""
        return verdicts.history(self._connection, app, path, since)

    def waivers(self) -> tuple[Waiver, ...]:
        """Waivers that were not withdrawn; expired ones are included, as policy says that they expired."""
        return tuple(record.waiver for record in waivers.records(self._connection, withdrawn=False))

    def attestations(self, app: str | None = None) -> tuple[Attestation, ...]:
        """The last attestations of every path and kind; of one app, or of all."""
        return tuple(attestations.latest(self._connection, app))

    def attested(self, attestation: Attestation) -> bool:
        """Whether this very attestation is recorded and stands."""
        return attestations.stands(self._connection, attestation)

    def waiver_records(self, *, withdrawn: bool = False) -> Iterator[WaiverRecord]:
        """Waivers with number and life, oldest first."""
        return waivers.records(self._connection, withdrawn=withdrawn)

    def runs(self, limit: int = 50) -> Iterator[Run]:
        """The latest runs, newest first."""
        return runs.latest(self._connection, limit)

    def audit(self) -> Iterator[AuditRecord]:
        """The audit trail, oldest first."""
        return audit.records(self._connection)

    def verify_audit(self) -> AuditCheck:
        """Walk the audit chain."""
        return audit.verify(self._connection, self._installation)
