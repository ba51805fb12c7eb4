"""Where collected rows go. The store satisfies it; a test may use a list."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from nhisync.model import Coverage
from nhisync.parity.row import Row


class Sink(Protocol):
    """One path's rows of one run; called from one thread only."""

    def put(self, rows: Iterable[Row]) -> None:
        """Keep rows; two locators on one key in one run make the key AMBIGUOUS."""
        ...

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep rows that state ignorance (unreachable, throttled), unless an older answer is held for their key."""
        ...

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """The stored rows of these items still hold."""
        ...

    def cover(self, coverage: Coverage) -> None:
        """Remember what was seen."""
        ...
