"""What people and tools attested with `nhisync attest`: appended and audited; only a restore makes one void."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from nhisync.model import Attestation
from nhisync.parity.row import epoch, instant
from nhisync.store.schema import attestations

_ABOUT = ("pair", "consumer", "generation")
_SUBJECT = ("app", "path", "kind", "pair", "consumer")
"""What an attestation speaks about; of each of these the last one counts."""


def put(connection: Connection, attestation: Attestation, *, actor: str, now: datetime) -> int:
    """Record an attestation; returns its number."""
    values = {**_said(attestation), "created_at": epoch(now), "created_by": actor}
    number = connection.execute(insert(attestations).values(values).returning(attestations.c.number))
    return int(number.scalar_one())


def stands(connection: Connection, attestation: Attestation) -> bool:
    """Whether this very attestation is recorded, however many came after it, and was not made void."""
    same = (attestations.c[name].is_not_distinct_from(value) for name, value in _said(attestation).items())
    found = select(attestations.c.number).where(attestations.c.voided_at.is_(None), *same)
    return connection.execute(found.limit(1)).first() is not None


def latest(connection: Connection, app: str | None = None) -> Iterator[Attestation]:
    """The attestations of the last instant that was observed, per subject; of one app, or of all."""
    table = attestations
    standing = table.c.voided_at.is_(None)
    subject = [table.c[name] for name in _SUBJECT]
    newest = select(*subject, func.max(table.c.observed_at).label("at")).where(standing).group_by(*subject).subquery()
    same = (table.c[name].is_not_distinct_from(newest.c[name]) for name in _SUBJECT)
    here = and_(table.c.observed_at == newest.c.at, *same)
    statement = select(table).join(newest, here).where(standing)
    if app is not None:
        statement = statement.where(table.c.app == app)
    for row in connection.execute(statement.order_by(table.c.number)):
        yield _attestation(row)


def void(connection: Connection, now: datetime) -> list[Attestation]:
    """Make void whatever speaks for an app, in the caller's transaction; what was last found unfit stays.

    Returns the last ones that became void.
    """
    last = list(latest(connection))
    unfit = {one.number for one in last if not one.holds}
    gone = attestations.c.voided_at.is_(None) & attestations.c.number.not_in(sorted(unfit))
    connection.execute(update(attestations).where(gone).values(voided_at=epoch(now)))
    return [one for one in last if one.holds]


def _said(attestation: Attestation) -> dict[str, Any]:
    return {
        "app": attestation.app,
        "path": attestation.path,
        "kind": attestation.kind,
        "holds": int(attestation.holds),
        "observed_at": epoch(attestation.observed_at),
        "attested_by": attestation.attested_by,
        "evidence": attestation.evidence,
        **{name: getattr(attestation, name) or None for name in _ABOUT},
    }


def _attestation(row: Any) -> Attestation:
    return Attestation(
        app=row.app,
        path=row.path,
        kind=row.kind,
        holds=bool(row.holds),
        observed_at=instant(row.observed_at),
        attested_by=row.attested_by,
        evidence=row.evidence,
        number=row.number,
        **{name: getattr(row, name) or "" for name in _ABOUT},
    )
