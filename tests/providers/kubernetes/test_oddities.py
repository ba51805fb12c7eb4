"""One object that cannot be read costs itself: a listing is then not whole, and what it holds beside is answered."""

from typing import Any

from nhisync.spi import CoverageStatus, ErrorKind, InventoryRequest, Presence
from nhisync_kubernetes.inventory import _Listing
from nhisync_kubernetes.kinds import ALL
from nhisync_kubernetes.run import Run

KIND = "service-account"


class Slipping(dict[str, Any]):
    """A part of an answer that nobody foresaw."""

    def get(self, *_: object) -> Any:
        """Trip."""
        raise OverflowError("canary-text")


class Twisted(list[Any]):
    """A list that cannot be walked."""

    def __iter__(self) -> Any:
        """Trip."""
        raise OverflowError("canary-text")


class Listed:
    """An API that lists.

    Args:
        objects: what the API server lists.
    """

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._objects = objects

    def listed(self, *_: object, **__: object) -> list[dict[str, Any]]:
        """All of them."""
        return self._objects


def account(name: str) -> dict[str, Any]:
    """A ServiceAccount."""
    return {"metadata": {"namespace": "pay", "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}}


def listing_of(site: Any, objects: list[dict[str, Any]]) -> _Listing:
    """The service accounts of a cluster that lists `objects`."""
    api: Any = Listed(objects)
    request = InventoryRequest(budget=site.budget(), kinds=frozenset({KIND}))
    run = Run(api=api, settings=site.settings(), context=site.context(), request=request, cluster="")
    return _Listing(run, ALL[KIND], "", {})


def test_metadata_that_cannot_be_read_leaves_the_listing_open(site: Any) -> None:
    """It may be any item of the cluster, so the listing proves no absence; its neighbours are answered."""
    listing = listing_of(site, [account("a"), {"metadata": Slipping()}, account("b")])
    assert [item.locator.name for item in listing.items()] == ["pay/a", "pay/b"]
    coverage = listing.coverage()
    assert (coverage.status, coverage.authoritative) == (CoverageStatus.PARTIAL, False)
    assert coverage.error is not None
    assert coverage.error.kind == ErrorKind.MALFORMED.value
    assert "canary" not in str(coverage)


def test_a_whole_listing_is_complete(site: Any) -> None:
    """What the test above breaks is whole."""
    listing = listing_of(site, [account("a"), account("b")])
    assert len(list(listing.items())) == 2
    assert (listing.coverage().status, listing.coverage().items) == (CoverageStatus.COMPLETE, 2)


def test_an_object_whose_facts_cannot_be_read_is_unknown(site: Any) -> None:
    """Its name is known, so it costs itself alone, and the listing is whole."""
    odd = {**account("odd"), "automountServiceAccountToken": None, "secrets": Twisted()}
    listing = listing_of(site, [odd, account("b")])
    items = {item.locator.name: item for item in listing.items()}
    assert (items["pay/odd"].presence, items["pay/odd"].error.kind) == (Presence.UNKNOWN, ErrorKind.MALFORMED.value)
    assert "canary" not in str(items["pay/odd"])
    assert items["pay/b"].presence is Presence.PRESENT
    assert listing.coverage().status is CoverageStatus.COMPLETE
