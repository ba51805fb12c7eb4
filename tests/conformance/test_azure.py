"""The provider ``azure`` passes the standard tests: a vault by roles, a vault by access policies, a directory."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_azure import AzureProvider
from nhisync_azure.emulator import AzureWorld
from nhisync_azure.permissions import VALUE_ACTIONS
from nhisync_azure.settings import DIRECTORY_KINDS, VAULT_KINDS

NOT_LOGIN = ("kv", "graph")
"""Surfaces that hold items; the token service only says who we are."""


class Azure(ProviderConformance, abstract=True):
    """What all places of Azure share."""

    provider = AzureProvider
    distribution = "nhisync"
    world = AzureWorld
    settings: ClassVar = {"attempts": 1, "connect_timeout": "5s", "read_timeout": "5s"}
    request_ids = True
    reasons: ClassVar = {
        "test_missing_scope_is_not_a_missing_item": "a vault that is gone has no address: tests/providers/azure",
    }

    @classmethod
    def open(cls, directory: Path) -> Stand:
        """A stand that was looked at once: the SDKs keep a vault's challenge for the whole process."""
        stand = super().open(directory)
        stand.look(stand.everything())
        return stand

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests of the source, on all surfaces."""
        assert isinstance(stand.part, AzureWorld)
        return sum(stand.part.calls(stand.place.path, stand.place.source).values())

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, and nhisync's own secret."""
        yield from super().canaries(stand)
        yield Path(stand.document["auth"]["secret_file"]).read_text(encoding="ascii").strip()


class Vault(Azure, abstract=True):
    """One vault."""

    swept = frozenset(VAULT_KINDS)
    seeds = (
        Seed(kind="secret", name="payments-stripe", fields={"api_key": "canary-secret-5511"}),
        Seed(kind="secret", name="payments-adyen", fields={"api_key": "canary-secret-5522"}, rotated=None),
        Seed(kind="secret", name="retired", fields={"k": "canary-secret-5533"}, options={"deleted": timedelta(days=2)}),
        Seed(kind="certificate", name="api-example-com"),
        Seed(kind="certificate", name="www-example-com", options={"issuer": "DigiCert"}),
        Seed(kind="key", name="payments-signing"),
    )
    odd = (
        Seed(kind="secret", name="0-", fields={"key": "canary-odd-1111"}),
        Seed(kind="secret", name="A" * 127, fields={"key": "canary-odd-2222"}),
        Seed(kind="key", name="-Mixed--Case-"),
    )
    absent = ("secret/none", "certificate/none", "key/none")
    faults: ClassVar = {
        Trouble.DENIED: Fault(name="denied", options={"surface": "kv"}),
        Trouble.REFUSED: Fault(name="unauthorized", options={"surface": "kv"}),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="throttled", options={"surface": "kv", "seconds": 7200}),
        Trouble.BROKEN: Fault(name="garbage", options={"surface": "kv"}),
        Trouble.ENDLESS: Fault(name="endless-paging", options={"surface": "kv"}),
        Trouble.SHORT_PAGES: Fault(name="short-pages", options={"surface": "kv", "size": 1}),
        Trouble.EMPTY_PAGE: Fault(name="empty-pages", options={"surface": "kv"}),
    }
    value_actions = VALUE_ACTIONS

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A small secret."""
        return Seed(kind="secret", name=f"crowd-{number:05d}", fields={"key": "canary-crowd"}, rotated=None)

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """Login, challenge, the soft-deleted, and a page for each twenty-five."""
        return 5 + -(-size // 25)

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A secret that is planted anew with a later version."""
        before = Seed(kind="secret", name="rotated", fields={"key": "canary-before"}, rotated=timedelta(days=9))
        after = Seed(kind="secret", name="rotated", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None


@pytest.mark.requirement("R6", "R11", "R32")
class TestAzureRoles(Vault):
    """A vault that authorises by roles; one secret is denied to us by a deny assignment."""

    source_options: ClassVar = {"graph": False}
    faults: ClassVar = {
        **Vault.faults,
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(kind="secret", name="closed", fields={"key": "canary-closed-4444"}, options={"denied": True})
        ),
    }
    value_options: ClassVar = {"mode": "fingerprint"}


@pytest.mark.requirement("R6", "R11", "R32")
class TestAzurePolicies(Vault):
    """A vault that authorises by access policies, which know no single items."""

    source_options: ClassVar = {"graph": False, "access": "policies"}
    value_options: ClassVar = {"mode": "fingerprint", "access": "policies"}
    reasons: ClassVar = {
        **Vault.reasons,
        "test_one_denied_item_ends_nothing": "access policies know no single items",
    }


@pytest.mark.requirement("R6", "R11", "R32")
class TestAzureDirectory(Azure):
    """The tenant's applications."""

    swept = frozenset(DIRECTORY_KINDS)
    source_options: ClassVar = {"keyvault": False}
    settings: ClassVar = {**Azure.settings, "scopes": []}
    seeds = (
        Seed(kind="app-secret", name="payments", fields={"secret": "canary-app-5511"}),
        Seed(kind="app-certificate", name="payments"),
        Seed(kind="app-federation", name="payments/cluster"),
        Seed(kind="sp-secret", name="search", fields={"secret": "canary-app-5522"}),
        Seed(kind="sp-certificate", name="search"),
    )
    odd = (
        Seed(kind="app-secret", name="платежи 'ночь' & 100%", fields={"secret": "canary-odd-1111"}),
        Seed(kind="app-secret", name="a,b;c=d?e+f", fields={"secret": "canary-odd-2222"}),
    )
    absent = ("app-secret/none", "app-certificate/none", "app-federation/none/none", "sp-secret/none")
    faults: ClassVar = {
        Trouble.DENIED: Fault(name="denied", options={"surface": "graph"}),
        Trouble.REFUSED: Fault(name="login-refused"),
        Trouble.UNREACHABLE: Fault(name="drop-before", options={"surface": "graph"}),
        Trouble.THROTTLED: Fault(name="throttled", options={"surface": "graph", "seconds": 7200}),
        Trouble.BROKEN: Fault(name="cut", options={"surface": "graph"}),
        Trouble.ENDLESS: Fault(name="endless-paging", options={"surface": "graph"}),
        Trouble.SHORT_PAGES: Fault(name="short-pages", options={"surface": "graph", "size": 1}),
        Trouble.EMPTY_PAGE: Fault(name="empty-pages", options={"surface": "graph"}),
    }
    value_options: ClassVar = {"mode": "fingerprint"}
    value_actions = VALUE_ACTIONS
    reasons: ClassVar = {
        **Azure.reasons,
        "test_one_denied_item_ends_nothing": "Graph's permissions know no single applications",
        "test_read_document_grants_no_value": "Graph shows the secrets of applications to nobody",
        "test_values_are_answered_and_hidden": "Graph shows the secrets of applications to nobody",
        "test_values_keep_the_budget": "Graph shows the secrets of applications to nobody",
        "test_inventory_identity_cannot_read_values": "Graph shows the secrets of applications to nobody",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A client secret of an application of its own."""
        return Seed(kind="app-secret", name=f"crowd {number:05d}", fields={"secret": "canary-crowd"}, rotated=None)

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """Login, and a page for each 999."""
        return 3 + -(-size // 999)

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """An application that gets a second secret."""
        before = Seed(kind="app-secret", name="rotated", fields={"key": "canary-before"}, rotated=timedelta(days=9))
        after = Seed(kind="app-secret", name="rotated", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None
