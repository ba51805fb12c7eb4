"""The hooks of the scripted provider, shared by its own conformance and by the tests that break it."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.provider import FakeProvider
from nhisync.testing.world import Seed

from .fake_world import FakeWorld

DOUBLE = "a test double, which no distribution offers"


class FakeHooks(ProviderConformance, abstract=True):
    """Everything filled in."""

    provider = FakeProvider
    world = FakeWorld
    seeds = (
        Seed(kind="kv", name="payments/stripe", fields={"api_key": "canary-kv-5511"}),
        Seed(kind="kv", name="payments/adyen", fields={"api_key": "canary-kv-5522"}, rotated=None),
        Seed(kind="kv", name="search", fields={"api_key": "canary-kv-5533"}),
        Seed(kind="listed", name="payments/visa", fields={"api_key": "canary-listed-6644"}),
    )
    odd = (
        Seed(kind="kv", name="ключи/Ключ платежей", fields={"key": "canary-odd-1111"}),
        Seed(kind="listed", name="a b:c?d&e=f%20'\"", fields={"key": "canary-odd-2222"}),
    )
    absent = ("kv/payments/none", "listed/none")
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(kind="kv", name="closed", fields={"key": "canary-closed-3333"}, options={"denied": True})
        ),
        **{
            trouble: Fault(name=trouble.value)
            for trouble in (
                Trouble.DENIED,
                Trouble.REFUSED,
                Trouble.UNREACHABLE,
                Trouble.THROTTLED,
                Trouble.BROKEN,
                Trouble.SCOPE_MISSING,
                Trouble.ENDLESS,
                Trouble.SHORT_PAGES,
                Trouble.EMPTY_PAGE,
            )
        },
    }
    request_ids = True
    value_options: ClassVar = {"reveal": True}
    value_actions = ("fake:fingerprint:*",)
    reasons: ClassVar = {"test_entry_point_belongs_to_the_distribution": DOUBLE}

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """One of many items."""
        return Seed(kind="kv", name=f"crowd/{number:05d}", fields={"key": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """The provider's own call, and a page for each hundred."""
        return 1 + -(-size // 100)

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """An item that is rotated."""
        before, after = (Seed(kind="kv", name="rotated", rotated=timedelta(days=days)) for days in (9, 1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests of the source."""
        assert isinstance(stand.part, FakeWorld)
        return stand.part.services[stand.place.path, stand.place.source].served
