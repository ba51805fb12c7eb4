"""The provider ``tls`` passes the standard tests."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_tls import TlsProvider
from nhisync_tls.emulator import TlsWorld

SILENT = "an endpoint has no permissions and no listing; silence is never absence (README)"


@pytest.mark.requirement("R6")
class TestTls(ProviderConformance):
    """Endpoints on loopback. An inventory sweeps the endpoints that the configuration names."""

    provider = TlsProvider
    distribution = "nhisync"
    world = TlsWorld
    source_options: ClassVar = {"client_certificate": True}
    settings: ClassVar = {"connect_timeout": "5s", "handshake_timeout": "5s", "settle": "100ms"}
    seeds = (
        Seed(kind="tls", name="api"),
        Seed(kind="tls", name="web", options={"chain": "missing_intermediate"}),
        Seed(kind="tls", name="mail", options={"starttls": "smtp"}),
        Seed(kind="jwks", name="login", options={"keys": ("2026-10", "2026-11")}),
        Seed(kind="tls", name="mutual", options={"client_certificate": "required"}),
    )
    odd = (
        Seed(kind="tls", name="odd", options={"server_name": "xn--e1afmkfd.xn--80akhbyknj4f"}),
        Seed(kind="tls", name="under", options={"server_name": "a-b.c-d.1.example"}),
    )
    faults: ClassVar = {
        Trouble.UNREACHABLE: Fault(name="refuse"),
        Trouble.BROKEN: Fault(name="plaintext", settings={"handshake_timeout": "1s"}),
    }
    crowd_size = 200
    crowd_reason = "nothing lists endpoints: the configuration names them, and each is a handshake of its own"
    reasons: ClassVar = {
        "test_absence_is_proven_by_a_read": SILENT,
        "test_one_denied_item_ends_nothing": SILENT,
        "test_denied_is_not_absent": SILENT,
        "test_refused_credential_is_not_an_empty_source": "an inventory shows no credential",
        "test_throttled_is_not_absent": "a handshake knows no word for slowing down",
        "test_missing_scope_is_not_a_missing_item": SILENT,
        "test_endless_listing_is_left": "there is no listing",
        "test_short_pages_are_followed": "there is no listing",
        "test_an_empty_page_is_not_the_end": "there is no listing",
        "test_every_request_is_spent": "the endpoints do not count handshakes",
        "test_read_document_grants_no_value": "a handshake gives no value, so there is nothing to grant",
    }

    @classmethod
    def another(
        cls, stand: Stand, source: str, seeds: Iterable[Seed] = (), options: Mapping[str, Any] | None = None
    ) -> Stand:
        """A source whose configuration names what is planted, so that it is swept."""
        made = super().another(stand, source, seeds, options)
        made.document["endpoints"] = [locator.name for locator in made.planted if locator.kind == "tls"]
        made.document["key_sets"] = [locator.name for locator in made.planted if locator.kind == "jwks"]
        return made

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """One of many names of one endpoint."""
        return Seed(kind="tls", name=f"name{number}", options={"endpoint": "crowd", "key_label": "crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """One handshake each."""
        return size

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """An endpoint that gets a new certificate."""
        before, after = (Seed(kind="tls", name="renewed", rotated=timedelta(days=days)) for days in (30, 1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """The key of the client certificate."""
        key = Path(stand.document["client_key_file"]).read_text(encoding="ascii")
        return key.partition("PRIVATE KEY-----\n")[2].splitlines()[:2]
