"""The store as `diff` and `sync` use it: one run, both paths."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from nhisync import __version__
from nhisync.app.assess import EQUAL_VALUE
from nhisync.app.listing import Reference, vanished
from nhisync.app.ports import Stored
from nhisync.app.session import Session
from nhisync.collect.cycle import Collected
from nhisync.collect.guard import LOOK_BACK, Counts, believed
from nhisync.model import Attestation, Coverage, CoverageStatus, Item, Locator, State, Verdict, Waiver
from nhisync.parity.engine import Remembered
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row
from nhisync.parity.stream import Stream
from nhisync.store import Comparison, Reader, RunHandle, Scope, Store
from nhisync.store.run import DONE
from nhisync.store.runs import Run

RUNS_SINCE = 50
"""Earlier runs whose time is looked at; the first of them that succeeded under the right clock judged every pair."""

_FOLDER = "/"
"""A coverage scope that ends so is a literal beginning of names (a mount, a folder); others are regions."""


class StoreDesk:
    """Satisfies `nhisync.app.ports.Desk` over an open store.

    Args:
        session: whose configuration is judged.
        store: open for writing.
        run: the run that everything written belongs to.
        cached: nothing is observed in this run: coverage is that of the last one.
    """

    def __init__(self, session: Session, store: Store, run: RunHandle, *, cached: bool = False) -> None:
        self._session = session
        self._store = store
        self._run = run
        self._cached = cached
        self._pairings: dict[str, Pairing] = {}

    @property
    def run_id(self) -> str:
        """The run's random id."""
        return self._run.id

    def sink(self, path: str, pairing: Pairing, share: float) -> "StoreSink":
        """Where the rows of `path` go; sweeps that lost more than `share` are not believed."""
        self._pairings[path] = pairing
        sources = self._session.configuration.paths[path].sources
        self._run.forget_moved(path, {name: source.place for name, source in sources.items()})
        with self._store.reader() as reader:
            counts = reader.largest_counts(path, self._run.started - LOOK_BACK)
            same = _last(reader, self._session.configuration.digest, self.run_id) is not None
        if not same:  # a source that leads elsewhere now must not say "unchanged" of what stood at its old place
            self._run.forget_markers(path)
        return StoreSink(self._run, path, pairing, counts, share)

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        return self._store.cursor(path, high=UNMAPPED)

    def coverage(self, path: str) -> tuple[Coverage, ...]:
        """What this run saw of `path`, or the last one did."""
        with self._store.reader() as reader:
            return reader.coverage(path, None if self._cached else self._run.number)

    def reference(self, path: str) -> Reference:
        """Which listings of `path` an earlier run of this store saw completely."""
        with self._store.reader() as reader:
            return {(source, kind) for source, kind, _ in reader.believed_counts(path)}

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """Stored markers of the items that explicit pairs want of `source`."""
        wanted = {str(w): w for w in pairing.wanted if w.source == source}
        claims = [(key, text) for text, locator in wanted.items() for key in pairing.keys_of(locator)]
        markers = self._store.known_markers(path, claims)
        return {wanted[text]: marker for text, marker in markers.items()}

    def size(self, path: str) -> tuple[int, int]:
        """(rows of pairs, rows no pair claims)."""
        with self._store.reader() as reader:
            pairs, rest = reader.counts(path, high=UNMAPPED), reader.counts(path, low=UNMAPPED)
        return sum(pairs.values()), sum(rest.values())

    def group(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the equality classes of all paths of this run."""
        for path in self._pairings:
            self._run.set_groups(path, groups.get(path, {}))

    def prove(self, path: str, proofs: Iterable[tuple[str, str, int | None, str | None]]) -> None:
        """Keep what live authentication showed of rows of `path`."""
        self._run.set_probes(path, proofs)

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep what consumers have loaded."""
        self._run.set_consumers(path, held)

    def consumed(self, path: str) -> Iterable[Row]:
        """Nothing: the rows themselves say it."""
        del path
        return ()

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace the rights of all rows of `path`: key → document."""
        self._run.set_grants(path, rights)

    def settle(self, collected: Collected) -> None:
        """Forget items that complete sweeps did not see, and pairs that the configuration no longer names."""
        for path, pairing in self._pairings.items():
            with self._store.reader() as reader:
                before = reader.believed_counts(path)
            self._run.put_coverage(path, list(vanished(self.coverage(path), before, pairing, self._run.started)))
            self._run.finish_path(path, _complete(self.coverage(path), pairing))
            silent = {source.name for source in collected.sources.get(path, ()) if source.error is not None}
            self._run.forget(path, list(self._orphaned(path, pairing, silent)))

    def _orphaned(self, path: str, pairing: Pairing, silent: set[str]) -> Iterator[str]:
        """Keys of rows this run did not see and no pair of the configuration stands for (any more)."""
        with self._store.reader() as reader:
            for key, text in reader.unclaimed(path, self._run.number):
                locator = Locator.parse(text)
                if locator.source in silent:
                    continue
                blank = Item(locator=locator, observed_at=self._run.started)
                if key not in {claim.key for claim in pairing.claims(blank)}:
                    yield key

    @contextmanager
    def notebook(self, primary: str, backup: str, now: datetime, apps: Sequence[str]) -> Iterator["StoreNotebook"]:
        """Earlier results of one comparison and where new ones go.

        A result remembered under a clock that has since come back is none: what had begun then may lie ahead again.
        """
        digest = self._digest()
        with (
            self._store.reader() as reader,
            self._run.comparison(primary, backup, policy_digest=digest, now=now, apps=apps) as comparison,
        ):
            ahead = any((run.finished or run.started) > now for run in reader.runs(RUNS_SINCE) if run.id != self.run_id)
            remembered = iter(()) if ahead else reader.remembered(primary, backup, digest)
            yield StoreNotebook(reader, remembered, reader.stored(primary, backup), comparison)

    def uncompared(self, primary: str, backup: str) -> Mapping[str, str] | None:
        """What the last run did not compare."""
        with self._store.reader() as reader:
            return uncompared(reader, self._session.configuration.digest, primary, backup, but=self.run_id)

    def verdict(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self._run.put_verdict(verdict)

    def waivers(self) -> Iterable[Waiver]:
        """Waivers recorded in the store."""
        with self._store.reader() as reader:
            return reader.waivers()

    def attestations(self) -> Iterable[Attestation]:
        """Attestations recorded in the store."""
        with self._store.reader() as reader:
            return reader.attestations()

    def _digest(self) -> str:
        """Over everything but rows and time that results rest on."""
        waivers = sorted(f"{w.pair} {w.code} {w.until} {w.approved_by} {w.reason}" for w in self.waivers())
        text = "\n".join((__version__, self._session.configuration.digest, *waivers))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def uncompared(reader: Reader, digest: str, primary: str, backup: str, *, but: str) -> Mapping[str, str] | None:
    """Key → why the last run but one named `but` did not compare its values.

    None when that run did not succeed, or not with the configuration of `digest`: value groups go whenever a row is
    seen again, and come back at the end of a run that compares.
    """
    if _last(reader, digest, but) is None:
        return None
    found = (one for one in reader.findings(primary, backup) if one.code == EQUAL_VALUE)
    return {one.key: one.observed for one in found if one.state is State.UNKNOWN}


def _last(reader: Reader, digest: str, but: str) -> Run | None:
    """The last run but one named `but`; None when it did not succeed, or not with the configuration of `digest`."""
    last = next((run for run in reader.runs(2) if run.id != but), None)
    if last is None or last.outcome != DONE or (last.config_digest, last.tool_version) != (digest, __version__):
        return None
    return last


class StoreNotebook:
    """One comparison in the store.

    Attributes:
        remembered: earlier results in key order.
        stored: earlier findings, asked in key order.
    """

    def __init__(
        self, reader: Reader, remembered: Iterator[Remembered], stored: Stored, comparison: Comparison
    ) -> None:
        self._reader = reader
        self.remembered, self.stored = remembered, stored
        self.finding, self.remember = comparison.finding, comparison.remember

    def stream(self, path: str, columns: Collection[str]) -> Stream:
        """Rows of pairs of `path`, in key order, read as far as `columns`."""
        return self._reader.stream(path, columns, high=UNMAPPED)


class StoreSink:
    """One path's rows of one run.

    Args:
        run: the run.
        path: the path.
        pairing: which keys its items stand for.
        before: items of the largest complete sweeps of late.
        share: largest share of items a sweep may lose and still be believed.
    """

    def __init__(self, run: RunHandle, path: str, pairing: Pairing, before: Counts, share: float) -> None:
        self._run, self._path, self._pairing, self._before, self._share = run, path, pairing, before, share

    def put(self, rows: Iterable[Row]) -> None:
        """Keep rows."""
        self._run.put_rows(self._path, rows)

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep ignorance only where no answer is held."""
        self._run.keep_rows(self._path, rows)

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """The stored rows of these items still hold."""
        claims = [(key, text) for text in locators for key in self._pairing.keys_of(Locator.parse(text))]
        self._run.touch(self._path, claims, observed_at)

    def cover(self, coverage: Coverage) -> None:
        """Remember what was seen, as far as it is believed."""
        self._run.put_coverage(self._path, [believed(coverage, self._before, self._share)])


def _complete(coverage: Sequence[Coverage], pairing: Pairing) -> list[Scope]:
    """The scopes in which a row that was not seen is gone."""
    kinds: dict[tuple[str, str], list[Coverage]] = {}
    for entry in coverage:
        if entry.kind in pairing.swept.get(entry.source, ()):
            kinds.setdefault((entry.source, entry.kind), []).append(entry)
    found = []
    for (source, kind), entries in kinds.items():
        whole = [entry for entry in entries if entry.status is CoverageStatus.COMPLETE]
        if len(whole) == len(entries):
            found.append(Scope(source, kind))
        else:
            found += [Scope(source, kind, e.scope) for e in whole if e.scope.endswith(_FOLDER)]
    return found
