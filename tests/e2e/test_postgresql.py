"""A service that keeps its store on a real PostgreSQL server; the store's own tests run there too (see conftest)."""

from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_service_keeps_its_store_on_postgresql(postgresql: str, nhisync: Any) -> None:
    """The same service with its store on PostgreSQL becomes ready, restarts, and refuses a second writer."""
    nhisync.kill()
    nhisync.keep_store_at(postgresql)
    nhisync.start()
    nhisync.becomes(200)
    second = nhisync.command("sync")
    assert second.returncode == 5, second.stderr
    assert "is writing to" in second.stderr
    nhisync.kill()
    nhisync.start()
    nhisync.becomes(200)
    assert nhisync.command("status").returncode == 0
