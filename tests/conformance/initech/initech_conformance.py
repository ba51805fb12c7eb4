"""What Initech's own repository holds as ``tests/test_conformance.py``."""

from nhisync_initech import InitechProvider
from nhisync_initech.world import InitechWorld

from nhisync.testing.conformance import Fault, ProviderConformance, Trouble
from nhisync.testing.world import Seed


class TestInitech(ProviderConformance):
    """One account of the emulated service."""

    provider = InitechProvider
    distribution = "nhisync-initech"
    world = InitechWorld
    settings = {"timeout": "5s", "page_size": 100}
    seeds = (
        Seed(kind="key", name="payments/stripe", fields={"value": "canary-stripe-5511"}),
        Seed(kind="key", name="payments/adyen", fields={"value": "canary-adyen-5522"}, rotated=None),
        Seed(kind="key", name="search/index", fields={"value": "canary-search-5533"}, owner=None),
    )
    odd = (
        Seed(kind="key", name="ключи/ключ платежей", fields={"value": "canary-odd-1111"}),
        Seed(kind="key", name="a b&after=x?/%20+'\"", fields={"value": "canary-odd-2222"}),
    )
    absent = ("key/payments/none", "key/none")
    faults = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(kind="key", name="closed", fields={"value": "canary-closed"}, options={"denied": True})
        ),
        Trouble.DENIED: Fault(name="denied"),
        Trouble.REFUSED: Fault(name="refused"),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="throttled"),
        Trouble.BROKEN: Fault(name="broken"),
        Trouble.ENDLESS: Fault(name="endless"),
        Trouble.SHORT_PAGES: Fault(name="short"),
        Trouble.EMPTY_PAGE: Fault(name="empty"),
    }
    request_ids = True
    value_options = {"reveal": True}
    value_actions = ("keys:reveal:*",)
    reasons = {"test_missing_scope_is_not_a_missing_item": "an account has no parts that can be missing"}

    @classmethod
    def crowd_seed(cls, number):
        """One of many keys."""
        return Seed(kind="key", name=f"crowd/{number:05d}", fields={"value": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size):
        """A page for every hundred keys, and one more."""
        return size // 100 + 1

    @classmethod
    def changing(cls, stand):
        """A key that is planted once more: its version counts up."""
        seed = Seed(kind="key", name="rotated", fields={"value": "canary-rotated"})
        return stand.plant(seed)[0], lambda: stand.plant(seed)

    @classmethod
    def served(cls, stand):
        """Requests of the source's account."""
        return stand.part.accounts[stand.place.path, stand.place.source].served

    @classmethod
    def canaries(cls, stand):
        """What is planted, and the source's own token."""
        account = stand.part.accounts[stand.place.path, stand.place.source]
        return [*super().canaries(stand), account.token]
