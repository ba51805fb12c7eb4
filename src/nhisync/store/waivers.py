"""Accepted exceptions recorded with `nhisync waive`; each record and each withdrawal is audited by the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from nhisync.model import Waiver
from nhisync.parity.row import epoch, instant
from nhisync.store.schema import waivers

ORIGIN = "store"
"""`Waiver.origin` of records from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRecord:
    """A waiver and its life in the store.

    Attributes:
        number: names it in `nhisync waivers`.
        waiver: what was accepted.
        created_at: when it was recorded.
        created_by: who recorded it (`waiver.approved_by` is who accepted the risk).
        withdrawn_at: when it was withdrawn, or None.
        withdrawn_by: who withdrew it, or "".
    """

    number: int
    waiver: Waiver
    created_at: datetime
    created_by: str
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""


def put(connection: Connection, waiver: Waiver, *, actor: str, now: datetime) -> int:
    """Record a waiver; returns its number."""
    values = {
        "pair": waiver.pair,
        "code": waiver.code,
        "until": waiver.until.isoformat(),
        "approved_by": waiver.approved_by,
        "reason": waiver.reason,
        "ticket": waiver.ticket,
        "created_at": epoch(now),
        "created_by": actor,
    }
    return int(connection.execute(insert(waivers).values(values).returning(waivers.c.number)).scalar_one())


def withdraw(connection: Connection, number: int, *, actor: str, now: datetime) -> WaiverRecord | None:
    """Withdraw a waiver; None when there is no such waiver, or it was withdrawn before."""
    standing = update(waivers).where(waivers.c.number == number, waivers.c.withdrawn_at.is_(None))
    row = connection.execute(standing.values(withdrawn_at=epoch(now), withdrawn_by=actor).returning(waivers)).first()
    return None if row is None else _record(row)


def withdraw_all(connection: Connection, *, actor: str, now: datetime) -> list[WaiverRecord]:
    """Withdraw every waiver that stands, in the caller's transaction."""
    standing = update(waivers).where(waivers.c.withdrawn_at.is_(None))
    rows = connection.execute(standing.values(withdrawn_at=epoch(now), withdrawn_by=actor).returning(waivers))
    return sorted((_record(row) for row in rows), key=lambda record: record.number)


def records(connection: Connection, *, withdrawn: bool) -> Iterator[WaiverRecord]:
    """Recorded waivers, oldest first; expired ones are included, as they are said to have expired.

    Args:
        connection: a snapshot.
        withdrawn: also those that were withdrawn.
    """
    statement = select(waivers).order_by(waivers.c.number)
    if not withdrawn:
        statement = statement.where(waivers.c.withdrawn_at.is_(None))
    for row in connection.execute(statement):
        yield _record(row)


def _record(row: Any) -> WaiverRecord:
    waiver = Waiver(
        pair=row.pair,
        code=row.code,
        until=date.fromisoformat(row.until),
        approved_by=row.approved_by,
        reason=row.reason,
        ticket=row.ticket,
        origin=ORIGIN,
    )
    gone = row.withdrawn_at
    return WaiverRecord(
        number=row.number,
        waiver=waiver,
        created_at=instant(row.created_at),
        created_by=row.created_by,
        withdrawn_at=None if gone is None else instant(gone),
        withdrawn_by=row.withdrawn_by or "",
    )
