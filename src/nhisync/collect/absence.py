"""What coverage says about an item that has no row: absent, or merely not seen."""

from collections.abc import Iterable, Sequence

from nhisync.model import Coverage, CoverageStatus, Locator, Presence
from nhisync.spi import GUARDED

_WORD = {
    CoverageStatus.DENIED: Presence.DENIED,
    CoverageStatus.THROTTLED: Presence.THROTTLED,
    CoverageStatus.UNREACHABLE: Presence.UNREACHABLE,
    CoverageStatus.UNSUPPORTED: Presence.UNSUPPORTED,
    CoverageStatus.NOT_ASKED: Presence.UNSUPPORTED,
}


def presence_of(missing: Locator | None, coverage: Sequence[Coverage]) -> Presence:
    """ABSENT only when every listing that could hold `missing` is complete and authoritative.

    Args:
        missing: where the item should stand; None = only a tag could tell. Then it is never ABSENT: a sweep lists what
            templates need of it, and the item may carry its tag anywhere else.
        coverage: all coverage entries of the path in this run.
    """
    listings = [entry for entry in coverage if entry.kind != GUARDED]  # what guards items hides none
    relevant = listings if missing is None else list(_relevant(missing, listings))
    if not relevant:
        return Presence.UNKNOWN
    for entry in relevant:
        if entry.status is not CoverageStatus.COMPLETE:
            return _WORD.get(entry.status, Presence.UNKNOWN)
    proven = missing is not None and all(entry.authoritative for entry in relevant)
    return Presence.ABSENT if proven else Presence.UNKNOWN


def _relevant(missing: Locator, coverage: Iterable[Coverage]) -> Iterable[Coverage]:
    """Entries of the item's source and kind; those whose scope is a prefix of its name, where scopes are prefixes."""
    same = [entry for entry in coverage if entry.source == missing.source and entry.kind == missing.kind]
    scoped = [entry for entry in same if entry.scope and missing.name.startswith(entry.scope)]
    return scoped or same
