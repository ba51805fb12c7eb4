"""The blackout clock of an app: how long all its identities on the backup live, and which one dies first (pure)."""

from collections.abc import Iterable, Mapping

from nhisync.model import Blackout
from nhisync.parity.book import PairTerms
from nhisync.parity.lifetimes import NEVER
from nhisync.parity.row import Row, instant
from nhisync.parity.rules.blackout import ending

MOST_NAMED = 20
"""Most pairs named of those whose end is not known: a clock takes constant memory."""


def survival(
    rows: Iterable[Row], pairs: Mapping[str, PairTerms], now: int, required: int | None, *, expected: Iterable[str] = ()
) -> Blackout:
    """How long the backup of one app lives, and which identity dies first.

    Args:
        rows: its rows on the backup path.
        pairs: key → terms of explicit pairs; exempt ones do not count.
        now: epoch seconds of the beginning of the blackout.
        required: seconds that the tier asks for, or None.
        expected: keys of pairs that must be there; one without a row is not known.
    """
    first: tuple[int, str, str] | None = None
    unsure: list[str] = []
    endless = count = unknown = 0
    left = {key for key in expected if not _exempt(pairs.get(key), now)}
    for row in rows:
        left.discard(row.key)
        terms = pairs.get(row.key)
        if _exempt(terms, now):
            continue
        count += 1
        found = ending(row, now, None if terms is None else terms.ends)
        endless += found.endless
        if found.doubt:
            unknown += 1
            if len(unsure) < MOST_NAMED:
                unsure.append(row.key)
        if found.end is not None:
            here = (max(found.end, now), row.key, found.cause)
            first = here if first is None else min(first, here)
    unsure += sorted(left)[: MOST_NAMED - len(unsure)]
    return Blackout(
        until=None if first is None else instant(min(first[0], NEVER)),
        first="" if first is None else first[1].partition("/")[2],
        cause="" if first is None else first[2],
        unknown=unknown + len(left),
        unsure=tuple(key.partition("/")[2] for key in unsure),
        endless=endless,
        pairs=count + len(left),
        left=None if first is None else first[0] - now,
        required=required,
    )


def _exempt(terms: PairTerms | None, now: int) -> bool:
    return terms is not None and terms.exempt and terms.until is not None and now <= terms.until
