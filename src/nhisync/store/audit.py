"""The audit trail: append-only, each row carrying the hash of the one before, so that a changed or lost row shows.

``hash = SHA-256(canonical JSON of action, actor, at, detail, installation, number, prev)``; the first row's `prev` is
64 zeros. The chain proves that no row inside it was changed or left out; that its end was not cut off is proven by
comparing `AuditCheck.head` with a copy kept elsewhere.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from nhisync.parity.row import epoch, instant
from nhisync.store.schema import audit
from nhisync.store.text import canonical

GENESIS = "0" * 64
"""What the first row follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One audited act.

    Attributes:
        number: 1, 2, 3 … without a gap.
        at: when.
        actor: who, as far as the caller knows.
        action: ``waive``, ``withdraw``, ``upgrade``, ``restore`` …
        detail: what exactly; JSON values.
        prev: hash of the row before.
        hash: hash of this row.
    """

    number: int
    at: datetime
    actor: str
    action: str
    detail: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """What a walk along the chain found.

    Attributes:
        rows: rows walked.
        head: hash of the last good row; `GENESIS` when there is none.
        problem: the first break in words, or "".
    """

    rows: int
    head: str
    problem: str = ""


def append(
    connection: Connection, *, installation: str, action: str, actor: str, detail: Mapping[str, Any], now: datetime
) -> AuditRecord:
    """Add one row to the chain, in the caller's transaction."""
    last = connection.execute(select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)).first()
    number, prev = (1, GENESIS) if last is None else (last.number + 1, last.hash)
    at, text = epoch(now) or 0, canonical(dict(detail))
    digest = _hash(installation, number=number, at=at, actor=actor, action=action, detail=text, prev=prev)
    values = {"number": number, "at": at, "actor": actor, "action": action, "detail": text, "prev": prev}
    connection.execute(insert(audit).values(**values, hash=digest))
    return AuditRecord(
        number=number, at=instant(at), actor=actor, action=action, detail=json.loads(text), prev=prev, hash=digest
    )


def records(connection: Connection) -> Iterator[AuditRecord]:
    """The trail, oldest first."""
    for row in connection.execute(select(audit).order_by(audit.c.number)):
        yield AuditRecord(**{**row._asdict(), "at": instant(row.at), "detail": json.loads(row.detail)})


def verify(connection: Connection, installation: str) -> AuditCheck:
    """Walk the chain and stop at the first row that does not follow from the one before it."""
    head, count = GENESIS, 0
    for row in connection.execute(select(audit).order_by(audit.c.number)):
        if row.number != count + 1:
            return AuditCheck(rows=count, head=head, problem=f"row {count + 1} is missing")
        if row.prev != head:
            return AuditCheck(rows=count, head=head, problem=f"row {row.number} does not follow row {count}")
        fields = row._asdict()
        if fields.pop("hash") != _hash(installation, **fields):
            return AuditCheck(rows=count, head=head, problem=f"row {row.number} was changed")
        head, count = row.hash, row.number
    return AuditCheck(rows=count, head=head)


def _hash(installation: str, **fields: Any) -> str:
    return hashlib.sha256(canonical({**fields, "installation": installation}).encode()).hexdigest()
