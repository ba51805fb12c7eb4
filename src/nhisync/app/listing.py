"""Whether an app's set of pairs is known at all: templates make pairs only of what the primary's listing held.

What a cut listing lost has no row on the primary, and when the backup lacks it too, no row anywhere: no pair would be
missed by anybody. Items that explicit pairs name are asked one by one and need no listing.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from nhisync.model import App, Coverage, CoverageStatus, ErrorFact
from nhisync.parity.pairing import Pairing

Reference = Collection[tuple[str, str]]
"""(source, kind) of listings that an earlier run saw completely; their rows are still stored, with their age."""

_SEEN = frozenset({CoverageStatus.COMPLETE, CoverageStatus.SHRUNK})
"""Seen to the end; a listing that shrank is not believed either, and NHS907 says so."""

_LOST = frozenset({CoverageStatus.UNREACHABLE, CoverageStatus.THROTTLED, CoverageStatus.PARTIAL, CoverageStatus.STALE})
"""No answer this time: in an outage the last complete listing stays the reference, and its rows age (NHS901)."""


def vanished(
    coverage: Collection[Coverage], before: Mapping[tuple[str, str, str], int], pairing: Pairing, at: datetime
) -> Iterator[Coverage]:
    """Scopes (mounts, folders, regions) that held items and that the sweep of their kind does not mention any more.

    A mount that may no longer be seen looks like one that never was; its items did not go, they were not looked at.

    Args:
        coverage: what this run saw of a path.
        before: (source, kind, scope) → items of the last complete sweep.
        pairing: which listings templates need.
        at: the run.
    """
    told = {(entry.source, entry.kind) for entry in coverage}
    for (source, kind, scope), items in sorted(before.items()):
        if not items or kind not in pairing.swept.get(source, ()) or (source, kind) not in told:
            continue
        inside = [e.scope for e in coverage if (e.source, e.kind) == (source, kind) and _holds(e.scope, scope)]
        if not inside and _matters(scope, pairing.prefixes(source)[kind]):
            message = f"{scope or 'the whole source'} held {items} items and was not listed any more"
            yield Coverage(
                source=source,
                kind=kind,
                scope=scope,
                status=CoverageStatus.SHRUNK,
                as_of=at,
                error=ErrorFact(kind="malformed", message=message),
            )


def _holds(wide: str, scope: str) -> bool:
    """Whether a listing of `wide` looked at `scope` too; of "", the whole source, its folders and regions are part."""
    return wide in {"", scope} or scope == "" or (wide.endswith("/") and scope.startswith(wide))


def unlisted(app: App, coverage: Collection[Coverage], reference: Reference) -> Iterator[tuple[str, str]]:
    """(app, why) for each listing of the primary that templates of `app` rest on and that was not seen completely."""
    pairing = Pairing(app.primary, (app,))
    for source, kinds in sorted(pairing.swept.items()):
        for kind in sorted(kinds):
            literals = pairing.prefixes(source)[kind]
            entries = [entry for entry in coverage if (entry.source, entry.kind) == (source, kind)]
            told = _doubt([e for e in entries if _matters(e.scope, literals)], (source, kind) in reference)
            if told:
                yield app.name, f"{app.primary}: {source}:{kind}: {told}; pairs may be missing from this report"


def _matters(scope: str, literals: Collection[str]) -> bool:
    """Whether names of the templates can lie in `scope`: a folder that overlaps theirs, or no folder at all."""
    if not scope.endswith("/"):
        return True
    return any(literal.startswith(scope) or scope.startswith(literal) for literal in literals)


def _doubt(entries: Collection[Coverage], referred: bool) -> str:
    if not entries:
        return "" if referred else "nothing was listed"
    lost = sorted({entry.status for entry in entries if entry.status not in _SEEN})
    if not lost or (referred and _LOST.issuperset(lost)):
        return ""
    return f"the listing was {', '.join(lost)}"
