"""The provider ``gcp`` passes the standard tests."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, Place, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_gcp import GcpProvider
from nhisync_gcp.emulator import GcpWorld
from nhisync_gcp.permissions import READ, RIGHTS

REGION = "europe-north1"
NOBODY = "nobody@acme-primary-one.iam.gserviceaccount.com"
CALLS = {"call": "[!/]*"}
"""Every gRPC call, but not the token endpoint."""


@pytest.mark.requirement("R6", "R11", "R32")
class TestGcp(ProviderConformance):
    """One project, reached by a service account with the adapter's own documents for reading metadata and rights."""

    provider = GcpProvider
    distribution = "nhisync"
    world = GcpWorld
    place = Place(region=REGION)
    source_options: ClassVar = {
        "permissions": sorted({one for kind in READ.values() for one in kind} | {*RIGHTS}),
        "above": ["folders/7", "organizations/9"],
        "rights": True,
    }
    settings: ClassVar = {"attempts": 1, "timeout": "5s"}
    seeds = (
        Seed(kind="secret", name="payments-stripe", fields={"api_key": "canary-secret-5511"}),
        Seed(kind="secret", name="payments-adyen", fields={"api_key": "canary-secret-5522"}, rotated=None),
        Seed(kind="regional-secret", name=f"{REGION}/ledger", fields={"password": "canary-regional-6611"}),
        Seed(kind="service-account", name="payments-runtime"),
        Seed(kind="service-account-key", name="payments-export"),
        Seed(kind="certificate", name="global/www"),
        Seed(kind="cas-certificate", name=f"{REGION}/payments/cn/api.example.com"),
    )
    odd = (
        Seed(kind="secret", name="-_-", fields={"key": "canary-odd-1111"}),
        Seed(kind="secret", name="X" * 255, fields={"key": "canary-odd-2222"}),
        Seed(kind="regional-secret", name=f"{REGION}/0__0--Z", fields={"key": "canary-odd-3333"}),
        Seed(
            kind="cas-certificate",
            name=f"{REGION}/payments/cn/Zahlung Straße/+='\"",
            options={"names": ["pay.example.com"]},
        ),
    )
    absent = (
        "secret/payments-none",
        f"regional-secret/{REGION}/none",
        f"service-account/{NOBODY}",
        f"service-account-key/{NOBODY}",
        "certificate/global/none",
        f"cas-certificate/{REGION}/payments/cn/none.example.com",
    )
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(
                kind="secret", name="payments-closed", fields={"key": "canary-closed-4444"}, options={"denied": True}
            )
        ),
        Trouble.DENIED: Fault(name="denied"),
        Trouble.REFUSED: Fault(name="token-refused"),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="exhausted", options=CALLS),
        Trouble.BROKEN: Fault(name="garbage", options=CALLS),
        Trouble.ENDLESS: Fault(
            name="endless-paging",
            options={"call": "SecretManagerService.ListSecrets"},
            kinds=frozenset({"secret", "regional-secret"}),
        ),
        Trouble.SHORT_PAGES: Fault(name="short-pages", options={"size": 2}),
        Trouble.EMPTY_PAGE: Fault(name="short-pages", options={"size": 3}),
    }
    request_ids = True
    value_options: ClassVar = {"fingerprint": True}
    value_actions = ("secretmanager.versions.access*", "iam.serviceAccounts.getAccessToken*", "nhisyncCompare on *")
    reasons: ClassVar = {
        "test_missing_scope_is_not_a_missing_item": "a project is not named by an item; its API: tests/providers/gcp",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """An account: a secret is a call of its own (ADR 23); ten thousand of them are in tests/providers/gcp."""
        return Seed(kind="service-account", name=f"crowd-{number:05d}")

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """The token, and a page for each hundred."""
        return 2 + size // 100

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A key that is made anew for an account that has one."""
        before = Seed(kind="service-account-key", name="rotated", rotated=None)
        after = Seed(kind="service-account-key", name="rotated", rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Calls of the source, tokens included."""
        assert isinstance(stand.part, GcpWorld)
        return stand.part.calls(stand.place.path, stand.place.source).total()

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, and a piece of nhisync's own private key."""
        yield from super().canaries(stand)
        document = json.loads(Path(stand.document["auth"]["file"]).read_text(encoding="utf-8"))
        yield document["private_key"].splitlines()[3]
