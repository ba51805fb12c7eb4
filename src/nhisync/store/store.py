"""The store: opened for one writer or any number of readers, closed with its block."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from nhisync.clock import Clock, Randomness
from nhisync.errors import StoreError, fix_of_write
from nhisync.model import Attestation, Coverage, Waiver
from nhisync.parity.row import Row
from nhisync.store import address as addresses
from nhisync.store import archive, attestations, audit, coverage, retention, runs, waivers
from nhisync.store.audit import AuditRecord
from nhisync.store.connection import WriteConnection
from nhisync.store.items import Claim
from nhisync.store.opening import Opened, for_reading, for_writing
from nhisync.store.reader import Reader
from nhisync.store.run import RunHandle
from nhisync.store.waivers import WaiverRecord

Mode = Literal["read", "write"]


class Store:
    """One installation's memory. Open it with `Store.open` or `Store.temporary`; close it, or use it as a context.

    Attributes:
        installation: random id of the installation, kept through backups and restores.
        epoch: rises with every restore; a verdict or number of an older epoch is history.
    """

    def __init__(self, opened: Opened, *, clock: Clock, randomness: Randomness) -> None:
        self._database = opened.database
        self._writer = opened.writer
        self._at_close = opened.at_close
        self._clock = clock
        self._randomness = randomness
        self.installation = opened.identity.installation
        self.epoch = opened.identity.epoch

    @classmethod
    def open(
        cls, url: str, *, clock: Clock, randomness: Randomness, mode: Mode = "write", purpose: str = "nhisync"
    ) -> "Store":
        """Open the store at `url`; in mode ``write`` an empty one is made.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
            clock: the only time.
            randomness: the only randomness.
            mode: ``write`` takes the store's lock; ``read`` never changes anything and never waits for a writer.
            purpose: what this process is, told to whoever is refused the lock.

        Raises:
            GuardError: ``lock``: another process writes.
            StoreError: it cannot be opened, is damaged, or has a schema of another version.
        """
        place = addresses.parse(url)
        if mode == "read":
            opened = for_reading(place)
        else:
            opened = for_writing(place, purpose=purpose, clock=clock, randomness=randomness)
        return cls(opened, clock=clock, randomness=randomness)

    @classmethod
    def temporary(cls, *, clock: Clock, randomness: Randomness) -> "Store":
        """A private, empty store in a folder of its own (mode 0700) that goes when it is closed.

        Raises:
            StoreError: the folder for temporary files takes no more.
        """
        try:
            folder = Path(tempfile.mkdtemp(prefix="nhisync-"))
        except OSError as failure:
            raise StoreError(
                f"no temporary store can be made in {tempfile.gettempdir()}: {failure.strerror}",
                fix=fix_of_write(failure, "Set TMPDIR to a folder that can be written."),
            ) from None
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            place = addresses.of_file(folder / "nhisync.db")
            opened = for_writing(place, purpose="temporary", clock=clock, randomness=randomness, durable=False)
            # Last in, first out: everything is closed before the folder goes.
            undo.push(opened.at_close)
            return cls(replace(opened, at_close=undo.pop_all()), clock=clock, randomness=randomness)

    @property
    def shown(self) -> str:
        """How messages call this store; never with a password."""
        return self._database.address.shown

    def run(self, command: str, *, policy_digest: str = "", config_digest: str = "") -> RunHandle:
        """Begin a run; use the handle as a context, so that its end is recorded.

        Args:
            command: what was asked for (``diff``, ``sync`` …).
            policy_digest: of the policies it runs under.
            config_digest: of the configuration.
        """
        writer = self._writing()
        with writer.transaction() as connection:
            run = runs.begin(
                connection,
                id=self._randomness.hex(8),
                command=command,
                now=self._clock.now(),
                policy=policy_digest,
                config=config_digest,
            )
        return RunHandle(self._database, writer, run, clock=self._clock, store_epoch=self.epoch)

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """One snapshot to ask everything of; cursors from it see the same state, whatever is written meanwhile."""
        with self._database.snapshot() as connection:
            yield Reader(self._database, connection, self.installation)

    def cursor(self, path: str, low: str | None = None, high: str | None = None) -> Iterator[Row]:
        """Rows of `path` with ``low <= key < high`` in bytewise key order, from a snapshot of its own.

        Two cursors that must see the same state come from one `reader`.
        """
        with self.reader() as reader:
            yield from reader.cursor(path, low, high)

    def known_markers(self, path: str, claims: Iterable[Claim]) -> dict[str, str]:
        """Locator → stored marker, for items of which every claim is stored, PRESENT and carries the same marker."""
        with self.reader() as reader:
            return reader.known_markers(path, claims)

    def counts(self, path: str) -> dict[str, int]:
        """Word of `Presence` → rows of `path`."""
        with self.reader() as reader:
            return reader.counts(path)

    def waive(self, waiver: Waiver, *, actor: str) -> int:
        """Record a waiver and audit it, in one transaction; returns its number."""
        with self._writing().transaction() as connection:
            number = waivers.put(connection, waiver, actor=actor, now=self._clock.now())
            detail = {
                "waiver": number,
                "pair": waiver.pair,
                "code": waiver.code,
                "until": waiver.until.isoformat(),
                "approved_by": waiver.approved_by,
                "reason": waiver.reason,
                "ticket": waiver.ticket,
            }
            self.audit("waive", actor=actor, detail=detail)
            return number

    def attest(self, attestation: Attestation, *, actor: str) -> int:
        """Record an attestation and audit it, in one transaction; returns its number."""
        with self._writing().transaction() as connection:
            number = attestations.put(connection, attestation, actor=actor, now=self._clock.now())
            detail = {
                "attestation": number,
                "app": attestation.app,
                "path": attestation.path,
                "kind": attestation.kind,
                **_about(attestation),
                "holds": attestation.holds,
                "observed_at": attestation.observed_at.isoformat(),
                "attested_by": attestation.attested_by,
                "evidence": attestation.evidence,
            }
            self.audit("attest", actor=actor, detail=detail)
            return number

    def withdraw(self, number: int, *, actor: str) -> WaiverRecord | None:
        """Withdraw a recorded waiver and audit it; None when it does not stand."""
        with self._writing().transaction() as connection:
            record = waivers.withdraw(connection, number, actor=actor, now=self._clock.now())
            if record is not None:
                detail = {"waiver": number, "pair": record.waiver.pair, "code": record.waiver.code}
                self.audit("withdraw", actor=actor, detail=detail)
            return record

    def accept_sweep(self, path: str, entry: Coverage, *, actor: str, approved_by: str, reason: str) -> bool:
        """Believe a sweep that shrank and audit it, in one transaction; False when another one is stored by now."""
        with self._writing().transaction() as connection:
            accepted = coverage.accept(connection, path, entry, self._clock.now())
            if accepted:
                detail = {
                    "path": path,
                    "source": entry.source,
                    "kind": entry.kind,
                    "scope": entry.scope,
                    "items": entry.items,
                    "approved_by": approved_by,
                    "reason": reason,
                }
                self.audit("accept-sweep", actor=actor, detail=detail)
            return accepted

    def audit(self, action: str, *, actor: str, detail: Mapping[str, Any]) -> AuditRecord:
        """Append to the audit trail; `detail` is JSON and holds no value of a secret."""
        with self._writing().transaction() as connection:
            return audit.append(
                connection,
                installation=self.installation,
                action=action,
                actor=actor,
                detail=detail,
                now=self._clock.now(),
            )

    def retire(self, kept: retention.Retention | None = None) -> retention.Retired:
        """Delete history that is older than `kept` says; what is current or audited stays."""
        with self._writing().transaction() as connection:
            return retention.retire(connection, kept or retention.Retention(), self._clock.now())

    def backup(self, target: Path) -> Path:
        """Copy the store to the new file `target` while it is in use; returns `target`.

        Raises:
            StoreError: the store is on PostgreSQL, `target` exists or cannot be written, or the store is damaged.
        """
        return archive.backup(self._database.address, target)

    def close(self) -> None:
        """Let go of everything; a temporary store is gone afterwards. Safe to call twice."""
        self._at_close.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writing(self) -> WriteConnection:
        if self._writer is None:
            raise StoreError(f"the store {self.shown} is open for reading only", fix="Open it in mode `write`.")
        return self._writer


def _about(attestation: Attestation) -> dict[str, str]:
    """What the audit trail says besides, where a consumer is spoken about."""
    names = ("pair", "consumer", "generation")
    return {name: getattr(attestation, name) for name in names if getattr(attestation, name)}
