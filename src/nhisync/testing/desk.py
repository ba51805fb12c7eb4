"""A desk that keeps everything in memory: the store's behaviour for tests of use cases, without a database."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from nhisync.app.listing import Reference
from nhisync.model import Attestation, Coverage, CoverageStatus, Finding, Locator, Presence, Verdict, Waiver
from nhisync.parity.engine import Remembered
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row, digest_of
from nhisync.parity.stream import Stream

_ANSWERS = frozenset({Presence.PRESENT.value, Presence.ABSENT.value})


class MemoryDesk:
    """Satisfies `nhisync.app.ports.Desk`."""

    def __init__(self, *, run_id: str = "run-1", waivers: Iterable[Waiver] = ()) -> None:
        self.run_id = run_id
        self.held: dict[str, dict[str, Row]] = {}
        self.covered: dict[str, list[Coverage]] = {}
        self.complete: dict[str, set[tuple[str, str]]] = {}
        self.memory: dict[tuple[str, str], dict[str, Remembered]] = {}
        self.findings: dict[tuple[str, str], dict[str, list[Finding]]] = {}
        self.verdicts: list[Verdict] = []
        self._waivers = tuple(waivers)
        self.attested: list[Attestation] = []

    def sink(self, path: str, pairing: Pairing, share: float) -> "MemorySink":
        """Where the rows of `path` go; every sweep is believed."""
        del pairing, share
        done = {(e.source, e.kind) for e in self.covered.get(path, ()) if e.status is CoverageStatus.COMPLETE}
        self.complete.setdefault(path, set()).update(done)
        self.covered[path] = []
        return MemorySink(self.held.setdefault(path, {}), self.covered[path])

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs in key order."""
        held = self.held.get(path, {})
        return iter([held[key] for key in sorted(held, key=str.encode) if not key.startswith(UNMAPPED)])

    def coverage(self, path: str) -> tuple[Coverage, ...]:
        """What was seen."""
        return tuple(self.covered.get(path, ()))

    def reference(self, path: str) -> Reference:
        """What was once seen completely."""
        return self.complete.get(path, set())

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """Stored markers."""
        locators = [locator for locator in pairing.wanted if locator.source == source]
        markers = {row.locator: row.marker for row in self.held.get(path, {}).values() if row.marker}
        return {locator: markers[str(locator)] for locator in locators if str(locator) in markers}

    def size(self, path: str) -> tuple[int, int]:
        """(rows of pairs, rows no pair claims)."""
        unmapped = sum(key.startswith(UNMAPPED) for key in self.held.get(path, {}))
        return len(self.held.get(path, {})) - unmapped, unmapped

    def group(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the equality classes."""
        for path, held in self.held.items():
            for key, row in held.items():
                held[key] = row._replace(group=groups.get(path, {}).get(key))

    def prove(self, path: str, proofs: Iterable[tuple[str, str, int | None, str]]) -> None:
        """Keep what live authentication showed."""
        held = self.held.get(path, {})
        for key, locator, auth, probe in proofs:
            if key in held and held[key].locator == locator:
                held[key] = held[key]._replace(auth=auth, probe=probe)

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep what consumers have loaded."""
        rows = self.held.get(path, {})
        for key, locator, text in held:
            if key in rows and rows[key].locator == locator:
                rows[key] = rows[key]._replace(consumers=text)

    def consumed(self, path: str) -> Iterable[Row]:
        """Nothing: the rows themselves say it."""
        del path
        return ()

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace the rights of all rows of `path`."""
        for key, row in self.held.get(path, {}).items():
            made = row._replace(grants=rights.get(key))
            self.held[path][key] = made._replace(digest=digest_of(made))

    def settle(self, collected: Any) -> None:
        """Nothing is forgotten."""

    @contextmanager
    def notebook(self, primary: str, backup: str, now: datetime, apps: Sequence[str]) -> Iterator["MemoryNotebook"]:
        """Earlier results, and where new ones go."""
        del now, apps
        book = MemoryNotebook(
            self.rows, self.memory.get((primary, backup), {}), self.findings.get((primary, backup), {})
        )
        yield book
        self.memory[primary, backup] = book.memory
        self.findings[primary, backup] = book.findings

    def verdict(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts.append(verdict)

    def waivers(self) -> Iterable[Waiver]:
        """Recorded waivers."""
        return self._waivers

    def attestations(self) -> Iterable[Attestation]:
        """Recorded attestations."""
        return self.attested


class MemoryNotebook:
    """Findings by key, and what to remember."""

    def __init__(
        self,
        rows: Callable[[str], Iterator[Row]],
        memory: dict[str, Remembered],
        findings: dict[str, list[Finding]],
    ) -> None:
        self._rows = rows
        self._before, self._found = memory, findings
        self.memory = dict(memory)
        self.findings: dict[str, list[Finding]] = {}

    def stream(self, path: str, columns: Collection[str]) -> Stream:
        """Rows of pairs in key order, read whole."""
        del columns
        return Stream(self._rows(path))

    @property
    def remembered(self) -> Iterator[Remembered]:
        """Earlier results in key order."""
        return iter([self._before[key] for key in sorted(self._before, key=str.encode)])

    @property
    def stored(self) -> Callable[[str], Sequence[Finding]]:
        """Earlier findings."""
        return lambda key: self._found.get(key, ())

    def finding(self, finding: Finding) -> None:
        """Take one finding."""
        self.findings.setdefault(finding.key, []).append(finding)

    def remember(self, result: Remembered) -> None:
        """Replace the memory of a pair."""
        self.memory[result.key] = result


class MemorySink:
    """One path's rows in a dictionary."""

    def __init__(self, held: dict[str, Row], covered: list[Coverage]) -> None:
        self._held, self._covered = held, covered

    def put(self, rows: Iterable[Row]) -> None:
        """Keep rows; a key claimed by two locators becomes AMBIGUOUS."""
        for row in rows:
            old = self._held.get(row.key)
            clash = old is not None and old.presence in _ANSWERS and old.locator != row.locator
            if old is not None and old.locator == row.locator and row.probe is None:
                row = row._replace(auth=old.auth, probe=old.probe)  # noqa: PLW2901 - a sweep does not ask for it
            if old is not None and old.locator == row.locator and row.consumers is None:
                row = row._replace(consumers=old.consumers)  # noqa: PLW2901 - nor for this
            self._held[row.key] = row._replace(presence=Presence.AMBIGUOUS.value) if clash else row

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep ignorance only where no answer is held."""
        for row in rows:
            if self._held.get(row.key) is None or self._held[row.key].presence not in _ANSWERS:
                self._held[row.key] = row

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """The rows of these items still hold."""
        names = set(locators)
        for key, row in self._held.items():
            if row.locator in names:
                self._held[key] = row._replace(observed=int(observed_at.timestamp()))

    def cover(self, coverage: Coverage) -> None:
        """Remember what was seen."""
        self._covered.append(coverage)
