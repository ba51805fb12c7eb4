"""What the use cases need of a store: one run over both paths, and what earlier runs said about a comparison."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from nhisync.app.listing import Reference
from nhisync.app.live import Told
from nhisync.collect.cycle import Collected
from nhisync.collect.sink import Sink
from nhisync.model import Attestation, Coverage, Finding, Locator, Verdict, Waiver
from nhisync.parity.engine import Remembered
from nhisync.parity.pairing import Pairing
from nhisync.parity.row import Row
from nhisync.parity.stream import Stream

Stored = Callable[[str], Sequence[Finding]]
"""key → the stored findings of a pair whose remembered result still holds."""


class Notebook(Protocol):
    """What earlier runs say about a comparison, and where this run's findings and memories go.

    Attributes:
        remembered: earlier results of the same policy and configuration, in key order; None = none, and none is kept.
        stored: the stored findings of a pair taken over unchanged; asked in key order.
    """

    def stream(self, path: str, columns: Collection[str]) -> Stream:
        """Rows of pairs of `path`, in key order, read as far as `columns`."""
        ...

    @property
    def remembered(self) -> Iterator[Remembered] | None:
        """Earlier results."""
        ...

    @property
    def stored(self) -> Stored:
        """Earlier findings."""
        ...

    def finding(self, finding: Finding) -> None:
        """Take one finding that stands."""
        ...

    def remember(self, result: Remembered) -> None:
        """Take the memory of one newly judged pair."""
        ...


class Desk(Protocol):
    """The store as this use case needs it: one run, both paths."""

    @property
    def run_id(self) -> str:
        """The run's random id."""
        ...

    def sink(self, path: str, pairing: Pairing, share: float) -> Sink:
        """Where the rows of `path` go; sweeps that lost more than `share` are not believed."""
        ...

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        ...

    def coverage(self, path: str) -> tuple[Coverage, ...]:
        """What is known of the last sweep of `path`."""
        ...

    def reference(self, path: str) -> Reference:
        """Which listings of `path` an earlier run saw completely."""
        ...

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """Stored markers of the items that explicit pairs want of `source`."""
        ...

    def size(self, path: str) -> tuple[int, int]:
        """(rows of pairs, rows no pair claims)."""
        ...

    def group(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the equality classes: path → key → group."""
        ...

    def prove(self, path: str, proofs: Iterable[Told]) -> None:
        """Keep what live authentication showed of rows of `path`; later sweeps keep it, too."""
        ...

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep what consumers have loaded: (key, locator, `Row.consumers`); later sweeps keep it, too."""
        ...

    def consumed(self, path: str) -> Iterable[Row]:
        """Rows that say what consumers have loaded, of a store beside this one; none where this one remembers."""
        ...

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace the rights of all rows of `path`: key → document."""
        ...

    def settle(self, collected: Collected) -> None:
        """Forget items that complete sweeps did not see, and pairs that the configuration no longer names."""
        ...

    def notebook(
        self, primary: str, backup: str, now: datetime, apps: Sequence[str]
    ) -> AbstractContextManager[Notebook]:
        """Earlier results of one comparison and where new ones go: kept when the block ends, gone when it raises."""
        ...

    def uncompared(self, primary: str, backup: str) -> Mapping[str, str] | None:
        """Key → why the last run did not compare its values; None = it did not end, or not with this configuration."""
        ...

    def verdict(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        ...

    def waivers(self) -> Iterable[Waiver]:
        """Waivers recorded in the store."""
        ...

    def attestations(self) -> Iterable[Attestation]:
        """The last attestations recorded in the store."""
        ...
