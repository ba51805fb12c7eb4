"""One row of the catalog that cannot be read is its own role's answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nhisync.spi import ErrorKind, Locator, Presence
from nhisync_postgres.inventory import _judged
from nhisync_postgres.items import Cluster

CLUSTER = Cluster(
    identifier="7", standby=False, replayed=None, endpoint="db:5432", observed_at=datetime(2026, 1, 1, tzinfo=UTC)
)
ROW: dict[str, Any] = {
    "oid": 1,
    "login": True,
    "until": None,
    "ended": None,
    "superuser": False,
    "createrole": False,
    "createdb": False,
    "replication": False,
    "bypassrls": False,
    "connections": -1,
    "comment": None,
}
LAST = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
"""An instant that UTC cannot hold."""


@pytest.mark.parametrize(
    ("column", "held"),
    [("connections", None), ("connections", "canary-text"), ("until", LAST), ("comment", 7), ("oid", ...)],
)
def test_a_row_that_cannot_be_read_is_unknown(column: str, held: object) -> None:
    """Another type than the catalog's, or a column that is not there: neither absent nor the end of the run."""
    row = {key: value for key, value in {**ROW, column: held}.items() if value is not ...}
    item = _judged(Locator("db", "role", "payments"), row, CLUSTER, ())
    assert item.presence is Presence.UNKNOWN
    assert item.error is not None
    assert item.error.kind == ErrorKind.MALFORMED.value
    assert "canary" not in str(item)


def test_a_good_row_is_read() -> None:
    """What the tests above break is whole."""
    assert _judged(Locator("db", "role", "payments"), ROW, CLUSTER, ()).presence is Presence.PRESENT
