"""A mount with very many entries: read page by page, left at the limit, never called complete when it is not."""

from typing import Any

import pytest

from nhisync.spi import CoverageStatus, InventoryRequest, Item
from nhisync_vault.emulator.crowd import fill

SCOPE = ("kv", "secret/")


def crowded(make_site: Any, count: int, flavour: str = "openbao") -> Any:
    """A site whose mount ``secret/`` holds `count` entries."""
    site = make_site(flavour=flavour)
    site.seed("kv", "secret/one")
    fill(site.world.source(site.path, "vault").core, "secret/", count)
    return site


def listings(site: Any) -> int:
    """Listings of the mount that the server answered."""
    return sum(one.startswith("LIST secret/") for one in site.node.received)


@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_every_entry_is_seen_once(make_site: Any, flavour: str) -> None:
    """Pages of OpenBao and the one answer of Vault hold the same items, and the coverage counts them."""
    site = crowded(make_site, 2_500, flavour)
    seen = site.observe(kinds=("kv",), provider=site.provider(page_size=1_000))
    assert len(seen.items) == seen.coverage[SCOPE].items == 2_500
    assert seen.coverage[SCOPE].status is CoverageStatus.COMPLETE
    assert listings(site) == (3 if flavour == "openbao" else 1)


def test_pages_are_not_read_far_ahead(make_site: Any) -> None:
    """Items come while the listing goes on: memory holds a few pages, however many there are."""
    site = crowded(make_site, 5_000)
    provider = site.provider(page_size=50, workers=2)
    stream = provider.inventory(InventoryRequest(budget=site.budget(), kinds=frozenset({"kv"})))
    first = next(stream)
    assert isinstance(first, Item)
    assert listings(site) < 10
    stream.close()
    assert listings(site) < 10


@pytest.mark.requirement("R4b", "R6")
@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_a_listing_beyond_the_limit_is_left(make_site: Any, flavour: str) -> None:
    """`max_items` holds whether entries come in pages or all at once; what was seen is told, absence is not claimed."""
    site = crowded(make_site, 1_000, flavour)
    seen = site.observe(kinds=("kv",), provider=site.provider(max_items=300, page_size=100))
    coverage = seen.coverage[SCOPE]
    assert (coverage.status, coverage.items, len(seen.items)) == (CoverageStatus.PARTIAL, 300, 300)
    assert not coverage.authoritative
    assert "more than 300 entries" in coverage.error.message


@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_a_listing_as_long_as_the_limit_is_complete(make_site: Any, flavour: str) -> None:
    """The limit itself is no excess."""
    site = crowded(make_site, 300, flavour)
    seen = site.observe(kinds=("kv",), provider=site.provider(max_items=300, page_size=200))
    assert seen.coverage[SCOPE].status is CoverageStatus.COMPLETE
    assert seen.coverage[SCOPE].items == 300


def test_pages_that_came_before_a_lost_one_count(make_site: Any) -> None:
    """A listing that breaks in the middle is partial: its first pages are evidence of presence, not of absence."""
    site = crowded(make_site, 1_000)
    budget = site.budget(calls=12)
    seen = site.observe(kinds=("kv",), provider=site.provider(page_size=100), budget=budget)
    coverage = seen.coverage[SCOPE]
    assert coverage.status in {CoverageStatus.PARTIAL, CoverageStatus.THROTTLED}
    assert 0 < len(seen.items) == coverage.items < 1_000
    assert not coverage.authoritative
