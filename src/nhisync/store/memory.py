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


def opened(connection: Connection, primary: str, backup: str, policy_digest: str, run: int) -> int:
    """The number of this comparison, in the caller's transaction; memories of another policy are dropped."""
    number = number_of(connection, primary, backup)
    values = {"policy_digest": policy_digest, "run": run}
    if not number:
        new = insert(comparisons).values(primary_path=primary, backup_path=backup, **values)
        return int(connection.execute(new.returning(comparisons.c.number)).scalar_one())
    here = comparisons.c.number == number
    if connection.execute(select(comparisons.c.policy_digest).where(here)).scalar_one() != policy_digest:
        connection.execute(delete(evaluations).where(evaluations.c.comparison == number))
    connection.execute(update(comparisons).where(here).values(values))
    return number


def forget_all(connection: Connection) -> int:
    """Drop every memory; the next run judges every pair. Returns how many there were."""
    return int(connection.execute(delete(evaluations)).rowcount)
