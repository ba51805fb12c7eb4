"""What may be concluded of a pair's rights, which all rules of that matter share.

The order of what is believed is: a live probe, the service's own answer, the documents (ADR 50). Documents that one of
the first two contradicts conclude nothing any more: neither that the rights are equal nor that they differ.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from nhisync.model import Side
from nhisync.parity.rights import (
    Confronted,
    Contradiction,
    Difference,
    Opinion,
    Rights,
    TooManyError,
    UnreadableRightsError,
    compare,
    confront,
    parse,
)
from nhisync.parity.rights.document import UNSUPPORTED
from nhisync.parity.row import Row
from nhisync.parity.rule import FUTURE_TOLERANCE, PairView
from nhisync.parity.rules.live import denied
from nhisync.parity.text import clean, listed, when

_KEPT = 4

READS = ("grants", "backup.probe")
"""Columns that the rules about rights read."""


class Compared(NamedTuple):
    """What could be compared.

    Attributes:
        difference: None = nothing was, or it is doubted.
        unknown: why not, or what remains undecided; "" = all is.
        side: which side that is about.
        doubts: what contradicts the documents, and whose.
        refused: what the backup's service denies and the primary's allows.
        lost: sides whose service did not give its opinion although it was asked, and why.
        heard: both services were asked and gave an answer.
    """

    difference: Difference | None
    unknown: str = ""
    side: Side = Side.PAIR
    doubts: tuple[tuple[Side, str], ...] = ()
    refused: tuple[str, ...] = ()
    lost: tuple[tuple[Side, str], ...] = ()
    heard: bool = False


_NOTHING = Compared(None)


def compared(view: PairView) -> Compared:
    """What may be concluded of the pair's rights at this time."""
    p, b = view.primary, view.backup
    if not view.thresholds.compare_rights or p is None or b is None or not view.present:
        return _NOTHING
    try:
        here, there = _rights(p), _rights(b)
    except UnreadableRightsError as unreadable:
        return Compared(None, str(unreadable))
    if here is not None and there is not None and here.kind == there.kind == UNSUPPORTED:
        return _NOTHING
    limits = view.thresholds.primary_baseline_max_age, view.thresholds.rights_max_age
    reasons = [(Side.BACKUP, _unknown(view, there, limits[1])), (Side.PRIMARY, _unknown(view, here, limits[0]))]
    for side, reason in reasons:
        if reason:
            return Compared(None, reason, side)
    texts = p.grants or "", b.grants or ""
    return _confronted(view, texts, _difference(*texts))


def known_until(row: Row | None, limit: int, *, opinion: bool = False) -> int | None:
    """Epoch seconds until which the rights of `row` count, `limit` seconds from their reading; None = none are held.

    Args:
        row: the row.
        limit: seconds.
        opinion: whether what its service says counts, too.
    """
    text = getattr(row, "grants", None)  # a column that nobody asked for is not read
    try:
        rights = None if text is None else parse(text)
    except UnreadableRightsError:
        return None
    if rights is None or rights.kind:
        return None
    said = rights.opinion if opinion else None
    return min(rights.at, rights.at if said is None or said.kind else said.at) + limit


def _confronted(view: PairView, texts: tuple[str, str], found: Compared) -> Compared:
    """`found`, with what the services say of it, and what a live probe saw."""
    if found.difference is None:
        return found
    heard, lost = _heard(view, texts) if view.thresholds.second_opinion else ((False, False), ())
    confronted = _confront(*texts, heard) if any(heard) else Confronted()
    doubts = (*_spoken(confronted.contradicted), *_live(view, found.difference))
    if doubts and view.thresholds.documents_doubted:
        found = Compared(None)
    refused = tuple(f"{one.action} on {one.resource}" for one in confronted.refused)
    return found._replace(doubts=doubts, refused=refused, lost=lost, heard=all(heard))


def _heard(view: PairView, texts: tuple[str, str]) -> tuple[tuple[bool, bool], tuple[tuple[Side, str], ...]]:
    """Which services' answers count, primary and backup, and why others do not, the backup first."""
    limits = view.thresholds.primary_baseline_max_age, view.thresholds.rights_max_age
    here, there = (_unheard(view, parse(text).opinion, limit) for text, limit in zip(texts, limits, strict=True))
    lost = tuple((side, why) for side, why in ((Side.BACKUP, there), (Side.PRIMARY, here)) if why)
    return (here is None, there is None), lost


def _unheard(view: PairView, opinion: Opinion | None, limit: int) -> str | None:
    """Why what a service said does not count; "" = it has, or was asked, nothing; None = it counts."""
    if opinion is None:
        return "its service was not asked"
    if opinion.kind == UNSUPPORTED or not (opinion.kind or opinion.answers):
        return ""
    if opinion.kind:
        return f"its service was not heard: {clean(opinion.reason)}"
    if not view.passed(opinion.at - FUTURE_TOLERANCE):
        return f"its service's answer is dated ahead, {when(opinion.at)}: compare the clocks"
    if view.passed(opinion.at + limit):
        return f"its service was last asked at {when(opinion.at)}"
    if all(said.value == "unknown" for _, said in opinion.answers):
        return f"its service could not tell, of {len(opinion.answers)} questions"
    return None


def _spoken(found: Iterable[Contradiction]) -> Iterator[tuple[Side, str]]:
    for side, asked, documents, service in found:
        yield side, f"the service says {service.value}, documents {documents.value}: {asked.action} on {asked.resource}"


def _live(view: PairView, difference: Difference) -> Iterator[tuple[Side, str]]:
    """A denial that documents do not explain. Only the backup's: the primary's keeps no traffic from the backup."""
    said = denied(view) if not difference.lacks and not difference.changed else None
    if said is not None:
        yield Side.BACKUP, f"its live probe was denied, and the documents allow it what the primary may: {said}"


@lru_cache(maxsize=_KEPT)
def _confront(primary: str, backup: str, heard: tuple[bool, bool]) -> Confronted:
    sides = (parse(text) for text in (primary, backup))
    return confront(*(one if counts else one._replace(opinion=None) for one, counts in zip(sides, heard, strict=True)))


def _rights(row: Row) -> Rights | None:
    return None if row.grants is None else parse(row.grants)


def _unknown(view: PairView, rights: Rights | None, limit: int) -> str:
    """Why one side's rights are not known; "" = they are."""
    if rights is None:
        return "its rights were not read"
    if rights.kind == UNSUPPORTED:
        return f"{clean(rights.reason)}, and the other side's are known"
    if rights.kind:
        return f"its rights were not read: {clean(rights.reason)}"
    if not view.passed(rights.at - FUTURE_TOLERANCE):
        return f"its rights are dated ahead, {when(rights.at)}: compare the clocks"
    if view.passed(rights.at + limit):
        return f"its rights were last read at {when(rights.at)}"
    return f"not all of its rights are known: {listed(rights.gaps)}" if rights.gaps else ""


@lru_cache(maxsize=_KEPT)
def _difference(primary: str, backup: str) -> Compared:
    here, there = parse(primary), parse(backup)
    if here.scheme != there.scheme:
        return Compared(None, f"rights in words of {here.scheme} and of {there.scheme} cannot be compared")
    try:
        found = compare(here, there)
    except TooManyError as many:
        return Compared(None, str(many))
    return Compared(found, listed(found.undecided))
