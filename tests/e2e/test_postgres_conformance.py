"""The provider ``postgres`` passes the standard tests against a real PostgreSQL server."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.clock import SystemClock
from nhisync.spi import Locator
from nhisync.testing.clocks import FakeClock
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_postgres import PostgresProvider

from .postgres_world import PASSWORD, PostgresWorld

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CATALOG = "a role catalog is read in one query: there are no pages"


@pytest.mark.requirement("R6", "R11")
class TestPostgres(ProviderConformance):
    """Login roles of a cluster that grants PUBLIC nothing."""

    provider = PostgresProvider
    distribution = "nhisync"
    world = PostgresWorld
    settings: ClassVar = {"connect_timeout": "3s", "query_timeout": "10s"}
    seeds = (
        Seed(kind="role", name="payments_app", fields={"password": "canary-role-1111"}),
        Seed(kind="role", name="search", fields={"password": "canary-role-2222"}, expires=timedelta(days=9)),
        Seed(kind="role", name="unowned", fields={"password": "canary-role-3333"}, owner=None, rotated=None),
    )
    odd = (
        Seed(kind="role", name="роль платежей", fields={"password": "canary-odd-1111"}),
        Seed(kind="role", name="a b/c=d&e?f%20g'\"+,;!*\\", fields={"password": "canary-odd-2222"}),
        Seed(kind="role", name="-- drop", fields={"password": "canary-odd-3333"}),
    )
    absent = ("role/nobody", "role/PAYMENTS_APP")
    value_actions = ("*pg_authid*", "*pg_shadow*", "SUPERUSER", "*pg_read_all_data*")
    faults: ClassVar = {
        Trouble.DENIED: Fault(name="denied"),
        Trouble.REFUSED: Fault(name="password-changed"),
        Trouble.UNREACHABLE: Fault(name="refuse"),
        Trouble.THROTTLED: Fault(name="no-connection-left"),
        Trouble.BROKEN: Fault(name="garbage"),
        Trouble.SCOPE_MISSING: Fault(name="database-gone"),
    }
    reasons: ClassVar = {
        "test_one_denied_item_ends_nothing": "the catalog of roles is granted as a whole, never role by role",
        "test_endless_listing_is_left": CATALOG,
        "test_short_pages_are_followed": CATALOG,
        "test_an_empty_page_is_not_the_end": CATALOG,
    }

    @classmethod
    def open(cls, directory: Path) -> Stand:
        """As always, but the clock starts at the server's time: its clock cannot be set."""
        clock = FakeClock(SystemClock().now())
        part = cls.world(clock=clock, directory=directory / "world")
        part.start()
        try:
            empty = Stand(cls.provider, {}, base=directory, clock=clock, place=cls.place, part=part)
            return cls.another(empty, cls.place.source, (*cls.seeds, *cls.odd))
        except BaseException:
            part.stop()
            raise

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """One of many roles."""
        return Seed(kind="role", name=f"crowd{number:05d}", fields={"password": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """A connection and five queries, whatever the size."""
        return 6

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A role whose password is set anew."""
        before, after = (Seed(kind="role", name="turning", rotated=timedelta(days=days)) for days in (30, 1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Connections and queries."""
        assert isinstance(stand.part, PostgresWorld)
        return stand.part.relay(stand.place.path, stand.place.source).asked

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, and nhisync's own password."""
        yield from super().canaries(stand)
        yield PASSWORD
