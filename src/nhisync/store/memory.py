"""What is remembered of judged pairs, so that a pair whose rows did not change is not judged again.

A memory dies with what it rests on: with either row (`nhisync.store.items` deletes it then), with the policy, and with
a restore. So a remembered pair always has both rows, and the findings stored for it always stand.
"""

from collections.abc import Iterator
from itertools import repeat

from sqlalchemy import Connection, delete, insert, select, update

from nhisync.parity.engine import Remembered
from nhisync.store.connection import Database
from nhisync.store.schema import comparisons, evaluations

COLUMNS = ("comparison", "key", "primary_stamp", "backup_stamp", "recheck_at")
"""Columns of `evaluations`, in the order in which they are written."""


def number_of(connection: Connection, primary: str, backup: str) -> int:
    """The number under which two paths are compared; 0 = they never were."""
    c = comparisons.c
    found = connection.execute(select(c.number).where(c.primary_path == primary, c.backup_path == backup)).scalar()
    return 0 if found is None else int(found)


def remembered(
    database: Database, connection: Connection, primary: str, backup: str, policy_digest: str
) -> Iterator[Remembered]:
    """What earlier runs under the same policy remember, in bytewise order of key; streamed."""
    c = comparisons.c
    here = (c.primary_path == primary, c.backup_path == backup, c.policy_digest == policy_digest)
    number = connection.execute(select(c.number).where(*here)).scalar()
    if number is None:
        return iter(())
    e = evaluations.c
    statement = select(e.key, e.primary_stamp, e.backup_stamp, e.recheck_at).where(e.comparison == number)
    return map(tuple.__new__, repeat(Remembered), database.rows(connection, statement.order_by(e.key)))


def opened(connection: Connection, primary: str, backup: str, policy_digest: str, run: int) -> tuple[int, int]:
    """(number, turn) of a comparison that begins in the caller's transaction; drops memories of another policy."""
    c = comparisons.c
    number = number_of(connection, primary, backup)
    values = {"policy_digest": policy_digest, "run": run}
    if not number:
        new = insert(comparisons).values(primary_path=primary, backup_path=backup, turn=1, **values)
        return int(connection.execute(new.returning(c.number)).scalar_one()), 1
    held = connection.execute(select(c.policy_digest, c.turn).where(c.number == number)).one()
    if held.policy_digest != policy_digest:
        connection.execute(delete(evaluations).where(evaluations.c.comparison == number))
    connection.execute(update(comparisons).where(c.number == number).values(turn=held.turn + 1, **values))
    return number, int(held.turn) + 1


def forget_all(connection: Connection) -> int:
    """Drop every memory; the next run judges every pair. Returns how many there were."""
    return int(connection.execute(delete(evaluations)).rowcount)
