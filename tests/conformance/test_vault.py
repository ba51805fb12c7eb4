"""The provider ``vault`` passes the standard tests, on both flavours of its emulator."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_vault import VaultProvider
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.source_faults import AUTH_MOUNT
from nhisync_vault.grants import read_grants

MOUNTS = {
    "kv": "secret",
    "db-static": "database",
    "db-dynamic": "database",
    "approle": "approle",
    "pki": "pki",
    "transit": "transit",
    "ldap-static": "ldap",
}
KINDS = frozenset(MOUNTS)
"""Swept here. Not tokens: every adapter logs in anew, so no two runs see the same tokens."""

GRANTED = tuple(
    grant.path
    for kind, mount in (*MOUNTS.items(), ("approle", AUTH_MOUNT), ("token", ""))
    for grant in read_grants(kind, mount, (), sweep=True)
    if grant.capabilities != ("deny",)
)


class Both(ProviderConformance, abstract=True):
    """What both flavours share."""

    provider = VaultProvider
    distribution = "nhisync"
    world = VaultWorld
    settings: ClassVar = {"connect_timeout": "5s", "read_timeout": "5s"}
    swept = KINDS
    seeds = (
        Seed(kind="kv", name="secret/payments/stripe", fields={"api_key": "canary-kv-5511aa"}),
        Seed(kind="kv", name="secret/payments/eu/adyen", fields={"api_key": "canary-kv-5522bb"}, rotated=None),
        Seed(kind="kv", name="secret/search", fields={"api_key": "canary-kv-5533cc"}),
        Seed(kind="db-static", name="database/ledger", fields={"password": "canary-static-7711"}),
        Seed(kind="db-dynamic", name="database/app"),
        Seed(kind="approle", name="approle/payments", fields={"secret_id": "canary-secret-id-8822"}),
        Seed(kind="pki", name="pki/cn/api.example.com"),
        Seed(kind="transit", name="transit/payments"),
        Seed(kind="ldap-static", name="ldap/svc-ledger", fields={"password": "canary-ldap-9933"}),
        Seed(kind="token", name="deploy", fields={"token": "canary-token-4400"}, expires=timedelta(days=9)),
    )
    odd = (
        Seed(kind="kv", name="secret/ключи/ключ платежей", fields={"key": "canary-odd-1111"}),
        Seed(kind="kv", name="secret/a b/c=d&e?f%20g'\"+,;!*", fields={"key": "canary-odd-2222"}),
        Seed(kind="kv", name="secret/-rf/~/$HOME", fields={"key": "canary-odd-3333"}),
    )
    absent = ("kv/secret/payments/none", "db-static/database/none", "approle/approle/none", "transit/transit/none")
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            seed=Seed(kind="kv", name="secret/closed/a", fields={"key": "canary-closed-4444"}, options={"denied": True})
        ),
        Trouble.DENIED: Fault(name="denied", options={"paths": GRANTED}),
        Trouble.REFUSED: Fault(name="login-refused"),
        Trouble.UNREACHABLE: Fault(name="unreachable"),
        Trouble.THROTTLED: Fault(name="throttled", options={"retry_after": 7200}),
        Trouble.BROKEN: Fault(name="garbage"),
    }
    value_options: ClassVar = {"fingerprint": True}
    value_actions = ("read*/data/*", "read*/static-creds/*", "read*/static-cred/*", "read*/creds/*", "read*/export/*")
    reasons: ClassVar = {
        "test_missing_scope_is_not_a_missing_item": "a mount is named by the item: tests/providers/vault",
        "test_short_pages_are_followed": "pages are cut by the server's limit: tests/providers/vault",
        "test_an_empty_page_is_not_the_end": "a page of LIST is never empty: OpenBao source, ListPage",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A small secret in one of ten folders."""
        return Seed(kind="kv", name=f"secret/crowd/{number % 10}/{number:05d}", fields={"key": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """Login, health, mounts, a few listings, and a page for each hundred."""
        return 40 + size // 100

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A secret that gets a new version."""
        before = Seed(kind="kv", name="secret/rotated", fields={"key": "canary-before"}, rotated=timedelta(days=9))
        after = Seed(kind="kv", name="secret/rotated", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests of all nodes of the source."""
        assert isinstance(stand.part, VaultWorld)
        return len(stand.part.source(stand.place.path, stand.place.source).node.received)

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, and nhisync's own secret id."""
        yield from super().canaries(stand)
        yield Path(stand.document["auth"]["secret_id_file"]).read_text(encoding="ascii").strip()


@pytest.mark.requirement("R6", "R11", "R32")
class TestOpenBao(Both):
    """Lists in pages and in detail."""

    source_options: ClassVar = {"flavour": "openbao"}
    faults: ClassVar = {
        **Both.faults,
        Trouble.ENDLESS: Fault(name="endless-paging", settings={"max_items": 300, "page_size": 100}),
    }


@pytest.mark.requirement("R6", "R11", "R32")
class TestVault(Both):
    """Lists names only, and all at once."""

    source_options: ClassVar = {"flavour": "vault"}
    reasons: ClassVar = {**Both.reasons, "test_endless_listing_is_left": "Vault has no pages"}
