"""What a restore must not undo: that something was found unfit, and that a waiver was withdrawn.

Only what restricts is carried over from the replaced store: it can make nothing ready. Where that store cannot be read,
nobody knows which words of the backup still stand: those that permit are taken back until somebody says them again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from nhisync.model import ON_CALL, Attestation
from nhisync.store.attestations import latest, put, void
from nhisync.store.schema import waivers
from nhisync.store.waivers import withdraw_all

BY = "nhisync store restore"
"""Who withdraws a waiver that nobody knows to stand."""

_UNREAD = "what was said since the backup was made cannot be read"
_WITHDRAWAL = ("withdrawn_at", "withdrawn_by")
_ACCEPTED = tuple(column.name for column in waivers.columns if column.name not in {"number", *_WITHDRAWAL})


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What stood in a store against readiness.

    Attributes:
        unfit: attestations that something does not hold, where none was made since.
        withdrawn: rows of waivers that were withdrawn.
    """

    unfit: tuple[Attestation, ...] = ()
    withdrawn: tuple[Mapping[str, Any], ...] = ()


def held(connection: Connection) -> Restrictions:
    """The restrictions of a store of the latest schema."""
    gone = select(waivers).where(waivers.c.withdrawn_at.is_not(None)).order_by(waivers.c.number)
    return Restrictions(
        tuple(replace(one, number=0) for one in latest(connection) if not one.holds),
        tuple(row._asdict() for row in connection.execute(gone)),
    )


def carry(connection: Connection, found: Restrictions, *, actor: str, now: datetime) -> int:
    """Bring `found` into a restored store, in the caller's transaction; returns how many it did not know."""
    known = {replace(one, number=0) for one in latest(connection)}
    news = [one for one in found.unfit if one not in known]
    for one in news:
        put(connection, one, actor=actor, now=now)
    carried = len(news)
    for row in found.withdrawn:
        same = (waivers.c[name] == row[name] for name in _ACCEPTED)
        standing = update(waivers).where(*same, waivers.c.withdrawn_at.is_(None))
        carried += connection.execute(standing.values({name: row[name] for name in _WITHDRAWAL})).rowcount
    return carried


def take_back(connection: Connection, places: Iterable[tuple[str, str]], *, now: datetime) -> tuple[str, ...]:
    """Take back every word of a restored store that permits, in the caller's transaction; returns them for a person.

    And object to `places` (app, path): somebody may have said "not ready" of each of them.
    """
    fit = void(connection, now)
    for app, path in places:
        doubt = Attestation(
            app=app, path=path, kind=ON_CALL, holds=False, observed_at=now, attested_by=BY, evidence=_UNREAD
        )
        put(connection, doubt, actor=BY, now=now)
    waived = [record.waiver for record in withdraw_all(connection, actor=BY, now=now)]
    return (
        *(f"attestation {one.app}/{one.path} {one.kind}, by {one.attested_by}" for one in fit),
        *(f"waiver {one.pair} {one.code} until {one.until}, approved by {one.approved_by}" for one in waived),
    )
