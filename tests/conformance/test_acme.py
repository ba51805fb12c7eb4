"""The provider ``acme`` passes the standard tests."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_acme import AcmeProvider
from nhisync_acme.emulator import AcmeWorld

NAMED = "names come from configuration: there is no listing"
PUBLIC = "an authority grants nothing item by item"


@pytest.mark.requirement("R6", "R11")
class TestAcme(ProviderConformance):
    """An account, and certificates in files."""

    provider = AcmeProvider
    distribution = "nhisync"
    world = AcmeWorld
    settings: ClassVar = {"connect_timeout": "3s", "read_timeout": "3s", "attempts": 1}
    seeds = (
        Seed(kind="account", name="self"),
        Seed(kind="certificate", name="api.pem"),
        Seed(kind="certificate", name="eu/web.pem", options={"known": False}),
    )
    odd = (
        Seed(kind="certificate", name="ключ платежей.pem"),
        Seed(kind="certificate", name="a b/c=d&e?f%20g'\"+,;!*.pem"),
        Seed(kind="certificate", name="-rf.pem"),
    )
    faults: ClassVar = {
        Trouble.REFUSED: Fault(name="refused", kinds=frozenset({"account"})),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="throttled"),
        Trouble.BROKEN: Fault(name="cut"),
    }
    reasons: ClassVar = {
        "test_absence_is_proven_by_a_read": "a missing file is the file system's word: tests/providers/acme",
        "test_one_denied_item_ends_nothing": PUBLIC,
        "test_denied_is_not_absent": PUBLIC,
        "test_missing_scope_is_not_a_missing_item": "an item's file is its only scope",
        "test_endless_listing_is_left": NAMED,
        "test_short_pages_are_followed": NAMED,
        "test_an_empty_page_is_not_the_end": NAMED,
        "test_read_document_grants_no_value": "an authority gives no value, so there is nothing to grant",
    }

    @classmethod
    def another(
        cls, stand: Stand, source: str, seeds: Iterable[Seed] = (), options: dict[str, object] | None = None
    ) -> Stand:
        """A source whose configuration names what is planted, so that it is swept."""
        made = super().another(stand, source, seeds, options)
        made.document["certificates"] = [one.name for one in made.planted if one.kind == "certificate"]
        return made

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """One of many certificates."""
        return Seed(kind="certificate", name=f"crowd/{number:04d}.pem")

    crowd_size = 200
    crowd_reason = "an authority lists nothing: the configuration names the files, and each is an issue of its own"

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """The directory, and one request each."""
        return 1 + size

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A certificate that is renewed."""
        before, after = (Seed(kind="certificate", name="renewed.pem", rotated=timedelta(days=days)) for days in (30, 1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests that the authority has seen."""
        assert isinstance(stand.part, AcmeWorld)
        return stand.part.source(stand.place.path, stand.place.source).listener.served

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """The account's key."""
        key = Path(stand.document["account_key_file"]).read_text(encoding="ascii")
        return key.partition("PRIVATE KEY-----\n")[2].splitlines()[:2]
