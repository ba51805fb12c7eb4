"""When a sweep is not believed: it lost more items than policy thinks possible (R6)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from nhisync.model import Coverage, CoverageStatus, ErrorFact

Counts = Mapping[tuple[str, str, str], int]
"""(source, kind, scope) → items of the largest complete sweep within `LOOK_BACK`, or of the last one."""

LOOK_BACK = timedelta(days=30)
"""How far back the shares that were lost add up. A listing that is cut a little more in every cycle is cut as surely as
one that loses all at once; and a fifth of all identities does not go in a month without somebody who knows of it."""


def believed(coverage: Coverage, before: Counts, share: float) -> Coverage:
    """`coverage`, or the same as SHRUNK when it holds less than ``1 - share`` of what a complete sweep held.

    A cut or wrongly filtered listing looks exactly like a deletion; a real mass deletion is confirmed by a person who
    looks (`nhisync store accept`), never by silence.
    """
    most = before.get((coverage.source, coverage.kind, coverage.scope), 0)
    if coverage.status is not CoverageStatus.COMPLETE or coverage.items >= most * (1 - share):
        return coverage
    message = (
        f"the sweep held {coverage.items} items, an earlier complete one {most}; policy believes a loss of {share:.0%} "
        f"within {LOOK_BACK.days} days"
    )
    return replace(
        coverage,
        status=CoverageStatus.SHRUNK,
        authoritative=False,
        error=ErrorFact(kind="malformed", message=message),
    )
