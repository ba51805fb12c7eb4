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
    Budget,
    Coverage,
    CoverageStatus,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Moment,
    Observation,
    Precision,
    ProviderError,
    SourceContext,
    Unchanged,
)
from nhisync.spi.fanout import merged, spread
from nhisync.spi.oddities import one_item
from nhisync_aws.connection import Connection
from nhisync_aws.paging import Listing, pages
from nhisync_aws.settings import AwsSettings
from nhisync_aws.trust import Judging, judging

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}

LOGICAL_NAME_TAG = "nhisync:name"


@dataclass(frozen=True, slots=True)
class Tags:
    """What tags say about an item."""

    owner: str
    logical_name: str | None


class Sweep:
    """One listing in progress: counts what it held and keeps why it stopped."""

    def __init__(self) -> None:
        self.items = 0
        self.error: ProviderError | None = None

    @property
    def complete(self) -> bool:
        """Every page came."""
        return self.error is None

    @property
    def status(self) -> CoverageStatus:
        """How far the listing was seen; what was lost in the middle is partial."""
        if self.error is None:
            return CoverageStatus.COMPLETE
        if self.items:
            return CoverageStatus.PARTIAL
        return _STATUS.get(self.error.kind, CoverageStatus.UNREACHABLE)


class Run:
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
        self.settings = settings
        self.context = context
        self.request = request
        self._missed: dict[tuple[str, str], ProviderError] = {}
        self._wanted: dict[str, dict[str, Locator]] = {}
        self._judging: Judging | None = None
        self._lock = threading.Lock()
        for locator in request.wanted:
            item = locator.item
            self._wanted.setdefault(item.kind, {})[item.name] = item

    @property
    def budget(self) -> Budget:
        """The cycle's budget."""
        return self.request.budget

    @property
    def now(self) -> datetime:
        """The instant of an observation, aware UTC."""
        return self.context.clock.now()

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

    def wanted(self, kind: str) -> Mapping[str, Locator]:
        """Name → locator of the items of `kind` that pairs name."""
        return self._wanted.get(kind, {})

    def swept(self, kind: str) -> bool:
        """Whether `kind` is to be listed as a whole or by prefixes."""
        return kind in self.request.kinds

    def touched(self, kind: str) -> bool:
        """Whether anything of `kind` was asked for; what was not is not contacted."""
        return self.swept(kind) or bool(self.wanted(kind))

    def asked_for(self, kind: str, name: str) -> bool:
        """Whether a listed item that no pair names belongs into the answer."""
        if not self.swept(kind):
            return False
        prefixes = self.request.prefixes.get(kind)
        return prefixes is None or name.startswith(prefixes)

    def locator(self, kind: str, name: str) -> Locator:
        """Address of an item of this source."""
        return Locator(self.context.source, kind, name)

    def list(self, listing: Listing, sweep: Sweep) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list; a failing page ends it and is kept in `sweep`."""
        try:
            # The next page is on its way while this one is read: a list is a chain of tokens, so its length is time.
            for page in merged([partial(pages, self.connection, listing, self.budget)], room=1):
                sweep.items += len(page)
                yield from page
        except ProviderError as error:
            sweep.error = error

    def coverage(
        self, kind: str, sweep: Sweep, *, authoritative: bool, scope: str = "", as_of: datetime | None = None
    ) -> Coverage:
        """What a finished listing saw."""
        return Coverage(
            source=self.context.source,
            kind=kind,
            scope=scope,
            status=sweep.status,
            as_of=as_of or self.now,
            items=sweep.items,
            authoritative=authoritative and sweep.complete,
            error=sweep.error.fact if sweep.error else None,
        )

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

    def each(
        self, locators: Iterable[Locator], read: Callable[[Locator], Iterable[Observation]]
    ) -> Iterator[Observation]:
        """Read single items, several at once; one that fails becomes its own typed answer and never ends the run."""
        yield from spread(list(locators), lambda locator: self.guarded(locator, read), self.settings.workers)

    def guarded(self, locator: Locator, read: Callable[[Locator], Iterable[Observation]]) -> Iterator[Observation]:
        """What `read` finds; why it finds nothing is the item's own answer."""
        try:
            found = one_item(lambda: list(read(locator)))
        except ProviderError as error:
            found = [self.failed(locator, error)]
        yield from found

    def row(
        self, locator: Locator, make: Callable[..., Observation], *facts: Any, **more: Any
    ) -> Iterator[Observation]:
        """What `make` makes of a row of a list."""
        yield from self.guarded(locator, lambda one: [make(self, one, *facts, **more)])

    def failed(self, locator: Locator, error: ProviderError) -> Item:
        """Why nothing is known of an item, or that it is not there."""
        fact = None if error.kind is ErrorKind.NOT_FOUND else error.fact
        return Item(locator=locator, observed_at=self.now, presence=error.presence, error=fact)

    def absent(self, locator: Locator) -> Item:
        """An authoritative read said that it is not there."""
        return self.failed(locator, ProviderError(ErrorKind.NOT_FOUND, "AWS has no such item"))

    def known(self, item: Item) -> Item | Unchanged:
        """`item`, or that the stored detail still holds."""
        if item.marker and self.request.known.get(item.locator) == item.marker:
            return Unchanged(locator=item.locator, observed_at=item.observed_at)
        return item

    def tags(self, found: Iterable[Mapping[str, Any]] | None) -> Tags:
        """Owner and logical name out of AWS's tag lists."""
        tags = {str(t.get("Key", "")): str(t.get("Value") or "") for t in found or ()}
        wanted = self.settings.owner_tag.lower()
        owner = next((value for key, value in tags.items() if key.lower() == wanted), "")
        return Tags(owner, tags.get(LOGICAL_NAME_TAG))


def moment(value: Any, precision: Precision = Precision.EXACT) -> Moment | None:
    """A botocore timestamp as an aware UTC instant; None stays None."""
    return Moment(value.astimezone(UTC), precision) if isinstance(value, datetime) else None


def marker(*facts: Any) -> str:
    """Digest of a listing's facts; equal digests mean that the stored detail still holds."""
    text = json.dumps(facts, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def attributes(**facts: str | None) -> tuple[tuple[str, str], ...]:
    """Display facts without the empty ones, sorted by name."""
    return tuple(sorted((name, value) for name, value in facts.items() if value))


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
