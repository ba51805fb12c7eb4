"""The provider ``aws`` passes the standard tests."""

import configparser
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_aws import AwsProvider
from nhisync_aws.emulator import AwsWorld
from nhisync_aws.statements import VALUE_ACTIONS

SERVICES = {"operation": "[aiks][!t]*"}
"""Every service but STS, which only says who we are."""


@pytest.mark.requirement("R6", "R11", "R32")
class TestAws(ProviderConformance):
    """One account and region, reached through an assumed role with the adapter's own read document."""

    provider = AwsProvider
    distribution = "nhisync"
    world = AwsWorld
    settings: ClassVar = {"attempts": 1, "connect_timeout": "5s", "read_timeout": "5s"}
    seeds = (
        Seed(kind="secret", name="payments/stripe", fields={"api_key": "canary-secret-5511"}),
        Seed(kind="secret", name="payments/adyen", fields={"api_key": "canary-secret-5522"}, options={"kms": {}}),
        Seed(kind="access-key", name="svc-payments"),
        Seed(kind="role", name="payments-task"),
        Seed(kind="service-credential", name="codecommit.amazonaws.com/svc-git"),
        Seed(kind="server-certificate", name="old-balancer"),
        Seed(kind="certificate", name="api.example.com"),
        Seed(kind="parameter", name="/payments/stripe", fields={"value": "canary-parameter-6611"}),
    )
    odd = (
        Seed(kind="secret", name="a/b_c+d=e.f@g-h/0", fields={"key": "canary-odd-1111"}),
        Seed(kind="secret", name="!odd/-_/+=.@", fields={"key": "canary-odd-2222"}),
        Seed(kind="role", name="odd_role+=,.@-1"),
        Seed(kind="parameter", name="/odd/a.b-c_d/E", fields={"value": "canary-odd-3333"}),
    )
    absent = (
        "secret/payments/none",
        "access-key/svc-none",
        "role/none",
        "server-certificate/none",
        "certificate/none.example.com",
        "parameter//payments/none",
    )
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(
                kind="secret", name="payments/closed", fields={"key": "canary-closed-4444"}, options={"denied": True}
            )
        ),
        Trouble.DENIED: Fault(name="denied", options=SERVICES),
        Trouble.REFUSED: Fault(name="expired_token", options=SERVICES),
        Trouble.UNREACHABLE: Fault(name="refuse"),
        Trouble.THROTTLED: Fault(name="throttled", options=SERVICES),
        Trouble.BROKEN: Fault(name="garbage", options=SERVICES),
        Trouble.ENDLESS: Fault(
            name="endless_paging", options={"operation": "secretsmanager:ListSecrets"}, kinds=frozenset({"secret"})
        ),
    }
    request_ids = True
    value_options: ClassVar = {"mode": "fingerprint"}
    value_actions = VALUE_ACTIONS
    reasons: ClassVar = {
        "test_missing_scope_is_not_a_missing_item": "an account and a region have no parts that can be missing",
        "test_short_pages_are_followed": "the emulator cuts full pages only",
        "test_an_empty_page_is_not_the_end": "the emulator cuts full pages only",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A small secret."""
        return Seed(kind="secret", name=f"crowd/{number:05d}", fields={"key": "canary-crowd"}, rotated=None)

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """The session, and a page for each hundred."""
        return 2 + -(-size // 100)

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A secret that is planted anew with a later rotation."""
        before = Seed(kind="secret", name="rotated", fields={"key": "canary-before"}, rotated=timedelta(days=9))
        after = Seed(kind="secret", name="rotated", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """API calls of the source."""
        assert isinstance(stand.part, AwsWorld)
        return stand.part.calls(stand.place.path, stand.place.source).total()

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, and nhisync's own key."""
        yield from super().canaries(stand)
        keys = configparser.ConfigParser()
        keys.read(stand.document["auth"]["base"]["file"])
        yield keys["default"]["aws_secret_access_key"]
