"""What a restore must not undo: that something was found unfit, and that a waiver was withdrawn.

Only what restricts is carried over from the replaced store: it can make nothing ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from nhisync.model import Attestation
from nhisync.store.attestations import latest, put
from nhisync.store.schema import waivers

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
