"""One inventory run: what was asked for, what every collector needs, and how failures become typed answers."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from nhisync.spi import (
    Coverage,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Moment,
    Observation,
    Precision,
    Protection,
    ProviderError,
    PublicId,
    SourceContext,
)
from nhisync.spi.fanout import merged
from nhisync.spi.runs import SourceRun, Sweep
from nhisync_aws.connection import Connection
from nhisync_aws.paging import Listing, pages
from nhisync_aws.settings import AwsSettings
from nhisync_aws.trust import Judging, judging

LOGICAL_NAME_TAG = "nhisync:name"


@dataclass(frozen=True, slots=True)
class Tags:
    """What tags say about an item."""

    owner: str
    logical_name: str | None


class Run(SourceRun):
    """One run over one source; handed to every collector.

    Attributes:
        connection: the source's connection.
        settings: the source's settings.
        context: the source's place, clock included.
        request: what was asked for.
    """

    def __init__(
        self, connection: Connection, settings: AwsSettings, context: SourceContext, request: InventoryRequest
    ) -> None:
        self.connection = connection
        super().__init__(context, request, settings.workers)
        self.settings = settings
        self._missed: dict[tuple[str, str], ProviderError] = {}
        self._judging: Judging | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The source's region."""
        return self.connection.region

    @property
    def judging(self) -> Judging:
        """How chains are judged; read when the first one is."""
        with self._lock:
            if self._judging is None:
                self._judging = judging(self.settings, self.context)
            return self._judging

    def list(self, listing: Listing, sweep: Sweep) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list; a failing page ends it and is kept in `sweep`."""
        try:
            # The next page is on its way while this one is read: a list is a chain of tokens, so its length is time.
            for page in merged([partial(pages, self.connection, listing, self.budget)], room=1):
                sweep.items += len(page)
                yield from page
        except ProviderError as error:
            sweep.error = error

    def miss(self, kind: str, error: ProviderError) -> None:
        """Note a denial that hides facts or costs more calls, but hides no item, so that it is not silent."""
        if error.kind is ErrorKind.DENIED:
            self._missed.setdefault((kind, error.fact.action), error)  # atomic: collectors are threads

    def shortfalls(self) -> Iterator[Coverage]:
        """One entry for each kind and action that was missed; its scope is the action."""
        for (kind, action), error in sorted(self._missed.items()):
            sweep = Sweep()
            sweep.error = error
            yield self.coverage(kind, sweep, authoritative=False, scope=action)

    def row(
        self, locator: Locator, make: Callable[..., Observation], *facts: Any, **more: Any
    ) -> Iterator[Observation]:
        """What `make` makes of a row of a list."""
        yield from self.guarded(locator, lambda one: [make(self, one, *facts, **more)])

    def absent(self, locator: Locator) -> Item:
        """An authoritative read said that it is not there."""
        return self.failed(locator, ProviderError(ErrorKind.NOT_FOUND, "AWS has no such item"))

    def tags(self, found: Iterable[Mapping[str, Any]] | None) -> Tags:
        """Owner and logical name out of AWS's tag lists."""
        tags = {str(t.get("Key", "")): str(t.get("Value") or "") for t in found or ()}
        wanted = self.settings.owner_tag.lower()
        owner = next((value for key, value in tags.items() if key.lower() == wanted), "")
        return Tags(owner, tags.get(LOGICAL_NAME_TAG))


def itself(name: object) -> tuple[PublicId, ...]:
    """An item by its own name in the whole of AWS: equal on both paths, there is one item."""
    return (PublicId("resource", str(name)),) if name else ()


def moment(value: Any, precision: Precision = Precision.EXACT) -> Moment | None:
    """A botocore timestamp as an aware UTC instant; None stays None."""
    return Moment(value.astimezone(UTC), precision) if isinstance(value, datetime) else None


def marker(*facts: Any) -> str:
    """Digest of a listing's facts; equal digests mean that the stored detail still holds."""
    text = json.dumps(facts, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def guarded(protection: Protection | None) -> tuple[str, ...]:
    """What a marker holds of an item's key, where the request asks about it."""
    return () if protection is None else (repr(protection),)


def attributes(**facts: str | None) -> tuple[tuple[str, str], ...]:
    """Display facts without the empty ones, sorted by name."""
    return tuple(sorted((name, value) for name, value in facts.items() if value))


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
