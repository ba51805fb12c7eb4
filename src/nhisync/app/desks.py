"""Desks for looking without leaving a trace: a private temporary store, or the configured store read only.

`nhisync diff` never writes to the configured store: a daemon may hold its lock, and looking must not change what the
next cycle believes. Recorded waivers apply all the same.

Importing the database layer takes as long as several calls, so it is done while the sources wait for their answers.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from nhisync.app.listing import Reference
from nhisync.app.ports import Desk
from nhisync.app.session import Session
from nhisync.collect.cycle import Collected
from nhisync.collect.sink import Sink
from nhisync.errors import StoreError
from nhisync.model import Attestation, Coverage, Finding, Locator, Verdict, Waiver
from nhisync.parity.engine import Remembered
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row
from nhisync.parity.stream import Stream

if TYPE_CHECKING:
    from nhisync.app.desk import StoreDesk
    from nhisync.store import Reader


@contextmanager
def private_desk(session: Session) -> Iterator[Desk]:
    """A desk over a temporary store that is made when something is kept, and gone when the block ends.

    Raises:
        StoreError: there is no room for it, or the configured store's waivers cannot be read.
    """
    with ExitStack() as held:
        yield cast("Desk", _PrivateDesk(session, held))


@contextmanager
def stored_desk(session: Session) -> Iterator[Desk]:
    """A desk over what the configured store holds; a daemon may write meanwhile.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    from nhisync.store import Store  # noqa: PLC0415 - see above

    url = session.configuration.store_url
    with (
        Store.open(url, clock=session.clock, randomness=session.randomness, mode="read") as store,
        store.reader() as reader,
    ):
        yield ReadDesk(reader, session.randomness.hex(8), session.configuration.digest)


class _PrivateDesk:
    """A desk over an empty store of its own, with the waivers of the configured one; both are opened when needed."""

    def __init__(self, session: Session, held: ExitStack) -> None:
        self._session, self._held = session, held
        self._recorded: tuple[tuple[Waiver, ...], tuple[Attestation, ...]] = ((), ())

    def sink(self, path: str, pairing: Pairing, share: float) -> Sink:
        """Where the rows of `path` go."""
        return _LateSink(lambda: self._desk.sink(path, pairing, share))

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """An empty store knows nothing."""
        del path, pairing, source
        return {}

    def waivers(self) -> Iterable[Waiver]:
        """Waivers recorded in the configured store."""
        _ = self._desk
        return self._recorded[0]

    def attestations(self) -> Iterable[Attestation]:
        """Attestations recorded in the configured store."""
        _ = self._desk
        return self._recorded[1]

    def consumed(self, path: str) -> Iterable[Row]:
        """What the configured store knows of consumers: this desk's own begins empty."""
        from nhisync.app.waivers import reading  # noqa: PLC0415 - see above

        found: list[Row] = reading(self._session, lambda reader: reader.consumed(path), [])
        return found

    def __getattr__(self, name: str) -> Any:
        """Everything else is the store's desk's."""
        return getattr(self._desk, name)

    @cached_property
    def _desk(self) -> "StoreDesk":
        from nhisync.app.attest import attestations  # noqa: PLC0415
        from nhisync.app.desk import StoreDesk  # noqa: PLC0415 - see above
        from nhisync.app.waivers import recorded  # noqa: PLC0415
        from nhisync.store import Store  # noqa: PLC0415

        session = self._session
        self._recorded = recorded(session), attestations(session)
        store = self._held.enter_context(Store.temporary(clock=session.clock, randomness=session.randomness))
        run = self._held.enter_context(store.run("diff", config_digest=session.configuration.digest))
        return StoreDesk(session, store, run)


class _LateSink:
    """A sink that is made when it is first used."""

    def __init__(self, make: Callable[[], Sink]) -> None:
        self._make = make

    @cached_property
    def _sink(self) -> Sink:
        return self._make()

    def put(self, rows: Iterable[Row]) -> None:
        """Keep rows."""
        self._sink.put(rows)

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep ignorance only where no answer is held."""
        self._sink.keep(rows)

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """The stored rows of these items still hold."""
        self._sink.touch(locators, observed_at)

    def cover(self, coverage: Coverage) -> None:
        """Remember what was seen."""
        self._sink.cover(coverage)


class ReadDesk:
    """Satisfies `nhisync.app.ports.Desk` over one snapshot of a store, for judging what is already known.

    Args:
        reader: the snapshot.
        run_id: id of this look; no run of the store has it.
        digest: of the configuration that is judged.
    """

    def __init__(self, reader: "Reader", run_id: str, digest: str) -> None:
        self._reader, self._digest = reader, digest
        self.run_id = run_id

    def sink(self, path: str, pairing: Pairing, share: float) -> Sink:
        """Nothing is observed through this desk.

        Raises:
            StoreError: always.
        """
        del pairing, share
        raise StoreError(f"the stored rows of `{path}` are only read here", fix="Leave out --cached.")

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        return self._reader.cursor(path, high=UNMAPPED)

    def coverage(self, path: str) -> tuple[Coverage, ...]:
        """What the last sweep of `path` saw."""
        return self._reader.coverage(path)

    def reference(self, path: str) -> Reference:
        """Which listings of `path` were seen completely."""
        return {(source, kind) for source, kind, _ in self._reader.believed_counts(path)}

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """Markers matter only to a sweep."""
        del path, pairing, source
        return {}

    def size(self, path: str) -> tuple[int, int]:
        """(rows of pairs, rows no pair claims)."""
        pairs, rest = self._reader.counts(path, high=UNMAPPED), self._reader.counts(path, low=UNMAPPED)
        return sum(pairs.values()), sum(rest.values())

    def group(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Equality classes stay as they are stored."""

    def prove(self, path: str, proofs: Iterable[tuple[str, str, int | None, str | None]]) -> None:
        """Nothing is probed through this desk."""

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Nobody is asked through this desk."""

    def consumed(self, path: str) -> Iterable[Row]:
        """Nothing: the rows themselves say it."""
        del path
        return ()

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Rights stay as they are stored."""

    def settle(self, collected: Collected) -> None:
        """Nothing was swept, so nothing is forgotten."""

    @contextmanager
    def notebook(self, primary: str, backup: str, now: datetime, apps: Sequence[str]) -> Iterator["_BlankNotebook"]:
        """Everything is judged anew and nothing is kept: the policies of this look need not be the daemon's."""
        del primary, backup, now, apps
        yield _BlankNotebook(self._reader)

    def uncompared(self, primary: str, backup: str) -> Mapping[str, str] | None:
        """What the last run did not compare."""
        from nhisync.app.desk import uncompared  # noqa: PLC0415 - see above

        return uncompared(self._reader, self._digest, primary, backup, but=self.run_id)

    def verdict(self, verdict: Verdict) -> None:
        """Not kept."""

    def waivers(self) -> Iterable[Waiver]:
        """Waivers recorded in the store."""
        return self._reader.waivers()

    def attestations(self) -> Iterable[Attestation]:
        """Attestations recorded in the store."""
        return self._reader.attestations()


class _BlankNotebook:
    """Knows nothing but the rows, and keeps nothing.

    Args:
        reader: the snapshot.
    """

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader

    def stream(self, path: str, columns: Collection[str]) -> Stream:
        """Rows of pairs of `path`, in key order, read as far as `columns`."""
        return self._reader.stream(path, columns, high=UNMAPPED)

    @property
    def remembered(self) -> Iterator[Remembered] | None:
        """No earlier results."""
        return None

    @staticmethod
    def stored(_key: str) -> Sequence[Finding]:
        """No earlier findings."""
        return ()

    def finding(self, finding: Finding) -> None:
        """Not kept."""

    def remember(self, result: Remembered) -> None:
        """Not kept."""
