"""From rows to the blackout clocks of apps: one pass over the backup's rows, in key order."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from nhisync.model import AppReport, Blackout
from nhisync.parity.book import AppTerms
from nhisync.parity.row import Row
from nhisync.parity.rules.blackout import READS
from nhisync.parity.stream import Stream
from nhisync.readiness import survival


def clocked(
    reports: Sequence[AppReport], stream: Stream, book: Mapping[str, AppTerms], now: int, apps: Collection[str]
) -> list[AppReport]:
    """`reports`, those of `apps` with their blackout clock.

    Args:
        reports: of one backup path.
        stream: its rows, read as far as `READS`.
        book: app name → terms.
        now: epoch seconds of the assessment.
        apps: names of the apps that are clocked.
    """
    rows = (stream.read(cells) for cells in stream.cells)
    found = dict(_clocks(rows, book, now, apps))
    for name in apps:
        found.setdefault(name, blackout(book[name], (), now))
    return [replace(one, blackout=found[one.app]) if one.app in found else one for one in reports]


def blackout(terms: AppTerms, rows: Iterable[Row], now: int) -> Blackout:
    """The clock of one app from its rows on the backup path."""
    return survival(rows, terms.pairs, now, terms.thresholds.blackout, expected=terms.pairs)


def _clocks(
    rows: Iterable[Row], book: Mapping[str, AppTerms], now: int, apps: Collection[str]
) -> Iterator[tuple[str, Blackout]]:
    for name, mine in groupby(rows, key=lambda row: row.key.partition("/")[0]):
        if name in apps:
            yield name, blackout(book[name], mine, now)


__all__ = ["READS", "blackout", "clocked"]
