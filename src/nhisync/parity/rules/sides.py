"""What rules about one side at a time share: which rows answer, and one outcome out of two sides."""

from collections.abc import Callable

from nhisync.model import Presence, Side
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView

PRESENT = Presence.PRESENT.value
ABSENT = Presence.ABSENT.value

Sides = tuple[Row | None, Row | None]
"""Backup and primary, in this order: the backup is what a failover needs."""


def answered(view: PairView) -> Sides:
    """The rows that say PRESENT, when not both do; rules about one side still ask the other one.

    Rules write ``(view.backup, view.primary) if view.present else answered(view)``: the common case costs no call.
    """
    b, p = view.backup, view.primary
    return (
        b if b is not None and b.presence == PRESENT else None,
        p if p is not None and p.presence == PRESENT else None,
    )


def presence_of(row: Row | None, missing: str) -> str:
    """What is known of one side: the row's word, or the word that says why there is none."""
    if row is not None:
        return row.presence
    return Presence.UNKNOWN.value if missing == PRESENT else missing


def either(
    verdict: Callable[[Side, str, str], Outcome], backup: str | None, primary: str | None, expected: str = ""
) -> Outcome:
    """One outcome out of what is wrong on each side (None = nothing); both at once speak about the pair.

    Args:
        verdict: `nhisync.parity.rule.fail` or `nhisync.parity.rule.unknown`.
        backup: what is wrong on the backup.
        primary: what is wrong on the primary.
        expected: what policy wants.
    """
    if backup is None and primary is None:
        return PASS
    if backup is None:
        return verdict(Side.PRIMARY, primary or "", expected)
    if primary is None:
        return verdict(Side.BACKUP, backup, expected)
    return verdict(Side.PAIR, f"backup: {backup}; primary: {primary}", expected)


def missed(view: PairView, row: Row, deadline: int) -> bool:
    """Whether `deadline` (epoch seconds) is over and the row was observed since, so that a missed deadline was seen.

    Until the next observation nothing is claimed; the pair is then judged again at every run, because an unchanged
    item keeps its digest while its observation moves on.
    """
    if not view.passed(deadline):
        return False
    if row.observed >= deadline:
        return True
    view.recheck = min(view.recheck, view.now + 1)
    return False
