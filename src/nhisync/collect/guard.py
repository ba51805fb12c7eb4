"""When a sweep is not believed: it lost more items than policy thinks possible (R6)."""

from collections.abc import Mapping
from dataclasses import replace

from nhisync.model import Coverage, CoverageStatus, ErrorFact

Counts = Mapping[tuple[str, str, str], int]
"""(source, kind, scope) → items of the last complete sweep."""


def believed(coverage: Coverage, before: Counts, share: float) -> Coverage:
    """`coverage`, or the same as SHRUNK when it holds less than ``1 - share`` of what the last complete sweep held.

    A cut or wrongly filtered listing looks exactly like a deletion; a real mass deletion is confirmed by a person who
    looks (`nhisync store accept`), never by silence.
    """
    last = before.get((coverage.source, coverage.kind, coverage.scope), 0)
    if coverage.status is not CoverageStatus.COMPLETE or coverage.items >= last * (1 - share):
        return coverage
    message = (
        f"the sweep held {coverage.items} items, the last complete one {last}; policy believes a loss of {share:.0%}"
    )
    return replace(
        coverage,
        status=CoverageStatus.SHRUNK,
        authoritative=False,
        error=ErrorFact(kind="malformed", message=message),
    )
