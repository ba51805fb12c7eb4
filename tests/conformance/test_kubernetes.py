"""The provider ``kubernetes`` passes the standard tests."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_kubernetes import KubernetesProvider
from nhisync_kubernetes.emulator import KubernetesWorld

LONG = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 61))
"""253 characters, the longest name there is."""

NAMESPACES = ["payments", "search", "0", "a-0"]


@pytest.mark.requirement("R6", "R11", "R32")
class TestKubernetes(ProviderConformance):
    """One cluster, swept as a whole."""

    provider = KubernetesProvider
    distribution = "nhisync"
    world = KubernetesWorld
    settings: ClassVar = {"connect_timeout": "5s", "read_timeout": "5s", "attempts": 1}
    seeds = (
        Seed(kind="secret", name="payments/stripe", fields={"api_key": "canary-secret-5511"}),
        Seed(
            kind="secret",
            name="payments/adyen",
            fields={"api_key": "canary-secret-5522"},
            rotated=None,
            options={"last_applied": True},
        ),
        Seed(kind="secret", name="search/index", fields={"api_key": "canary-secret-5533"}, owner=None),
        Seed(kind="service-account", name="payments/api"),
        Seed(kind="service-account-token", name="payments/ci", fields={"token": "canary-token-6611"}),
        Seed(
            kind="certificate",
            name="payments/api-tls",
            expires=timedelta(days=60),
            options={"keystore_password": "canary-keystore-7711"},
        ),
        Seed(kind="certificate", name="search/web", expires=timedelta(days=60)),
    )
    odd = (
        Seed(kind="secret", name="0/0", fields={"..key_1-": "canary-odd-1111"}, owner="команда платежей"),
        Seed(kind="secret", name=f"a-0/{LONG}", fields={"key": "canary-odd-2222"}),
        Seed(kind="secret", name="a-0/true", fields={"key": "canary-odd-3333"}),
        Seed(kind="service-account", name="a-0/1e3.null.0x1f"),
    )
    absent = (
        "secret/payments/none",
        "service-account/payments/none",
        "service-account-token/payments/none",
        "certificate/payments/none",
    )
    source_options: ClassVar = {"expected": absent}
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(kind="secret", name="closed/a", fields={"key": "canary-closed-4444"}, options={"denied": True})
        ),
        Trouble.DENIED: Fault(name="denied"),
        Trouble.REFUSED: Fault(name="token-refused"),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="throttled", options={"retry_after": 7200}),
        Trouble.BROKEN: Fault(name="garbage"),
        Trouble.SCOPE_MISSING: Fault(name="namespaces-gone", settings={"namespaces": NAMESPACES}),
        Trouble.ENDLESS: Fault(name="endless"),
        Trouble.SHORT_PAGES: Fault(name="short-pages", settings={"page_size": 2}),
        Trouble.EMPTY_PAGE: Fault(name="empty-page", options={"after": 1, "times": 1}, settings={"page_size": 2}),
    }
    request_ids = True
    value_options: ClassVar = {"mode": "fingerprint"}
    reasons: ClassVar = {
        "test_inventory_identity_cannot_read_values": "RBAC knows no right to metadata alone; what holds instead: "
        "tests/providers/kubernetes/test_permissions.py",
        "test_read_document_grants_no_value": "the same",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A small secret in one of ten namespaces."""
        return Seed(kind="secret", name=f"crowd-{number % 10}/{number:05d}", fields={"key": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """The cluster's id, a listing of each kind, and a page for each 500."""
        return 6 + -(-size // 500)

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A secret that is written anew."""
        before = Seed(
            kind="secret", name="payments/rotated", fields={"key": "canary-before"}, rotated=timedelta(days=9)
        )
        after = Seed(kind="secret", name="payments/rotated", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests that reached the API server."""
        assert isinstance(stand.part, KubernetesWorld)
        return len(stand.part.source(stand.place.path, stand.place.source).cluster.received)

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, the keystore's password, and nhisync's own token."""
        yield from super().canaries(stand)
        yield "canary-keystore-7711"
        yield Path(stand.document["auth"]["token_file"]).read_text(encoding="ascii").strip()
