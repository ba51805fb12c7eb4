"""One inventory run: what was asked for, what every collector needs, and how failures become typed answers."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, cast

from nhisync.spi import (
    Budget,
    Coverage,
    CoverageStatus,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    ProviderError,
    SourceContext,
    Unchanged,
)
from nhisync.spi.fanout import Todo, listed, spread
from nhisync.spi.oddities import one_item
from nhisync_gcp.connection import Connection
from nhisync_gcp.settings import GcpSettings

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}

T = TypeVar("T")

HOPELESS = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})
"""Failures of a list after which single reads of the same service are not worth a try."""

_BREAKER = 3


class Sweep:
    """One listing in progress: counts what it held and keeps why it stopped."""

    def __init__(self) -> None:
        self.items = 0
        self.error: ProviderError | None = None

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
        settings: the source's settings.
        context: the source's place, clock included.
        request: what was asked for.
    """

    def __init__(
        self, connection: Connection, settings: GcpSettings, context: SourceContext, request: InventoryRequest
    ) -> None:
        self._connection = connection
        self.settings = settings
        self.context = context
        self.request = request
        self._lock = threading.Lock()
        self._lost: dict[tuple[str, str], int] = {}
        self._sharing = threading.Lock()
        self._shared: dict[str, Any] = {}
        self._wanted: dict[str, dict[str, Locator]] = {}
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
    def project(self) -> str:
        """The source's project."""
        return self.settings.project

    @property
    def region(self) -> str | None:
        """The source's region, if it has one."""
        return self.settings.region or self.context.region

    @property
    def locations(self) -> tuple[str, ...]:
        """Locations that are swept: the configured ones, else the source's region.

        Raises:
            ProviderError: MISCONFIGURED, there are none.
        """
        found = self.settings.locations or ((self.region,) if self.region else ())
        if not found:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "the source has no location to sweep",
                fix="Add locations: […] to the source, or region: … to it or its path.",
            )
        return tuple(dict.fromkeys(found))

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
        """Whether a listed item belongs into the answer: a pair names it, or the sweep reaches it."""
        if name in self.wanted(kind):
            return True
        if not self.swept(kind):
            return False
        prefixes = self.request.prefixes.get(kind)
        return prefixes is None or name.startswith(tuple(prefixes))

    def locator(self, kind: str, name: str) -> Locator:
        """Address of an item of this source."""
        return self.wanted(kind).get(name) or Locator(self.context.source, kind, name)

    def call(self, name: str, /, *, location: str = "", **request: Any) -> Any:
        """One read; `Connection.call`.

        Raises:
            ProviderError: every failure, typed.
        """
        with self._asking(name, location):
            return self._connection.call(name, self.budget, location=location, **request)

    def shared(self, what: str, make: Callable[[], T]) -> T:
        """What several kinds need, made once in a run by whoever comes first."""
        with self._sharing:
            if what not in self._shared:
                self._shared[what] = make()
            return cast("T", self._shared[what])

    def pages(self, name: str, items: str, /, *, location: str = "", **request: Any) -> Iterator[list[Any]]:
        """The pages of a list; `Connection.pages`.

        Raises:
            ProviderError: any page failed.
        """
        with self._asking(name, location):
            yield from self._connection.pages(name, self.budget, items, location=location, **request)

    def rows(self, sweep: Sweep, name: str, items: str, /, *, location: str = "", **request: Any) -> Iterator[Any]:
        """Yield the rows of a list; a failing page ends it and is kept in `sweep`."""
        try:
            for page in self.pages(name, items, location=location, **request):
                sweep.items += len(page)
                yield from page
        except ProviderError as error:
            sweep.error = error

    def coverage(self, kind: str, sweep: Sweep, *, authoritative: bool, scope: str = "") -> Coverage:
        """What a finished listing saw."""
        return Coverage(
            source=self.context.source,
            kind=kind,
            scope=scope,
            status=sweep.status,
            as_of=self.now,
            items=sweep.items,
            authoritative=authoritative and sweep.error is None,
            error=sweep.error.fact if sweep.error else None,
        )

    def each(
        self, locators: Iterable[Locator], read: Callable[[Locator], Iterable[Observation]]
    ) -> Iterator[Observation]:
        """Read single items, several at once; one that fails becomes its own typed answer and never ends the run."""
        yield from spread(list(locators), lambda locator: self.guarded(locator, read), self.settings.workers)

    def along(
        self,
        listing: Callable[[], Iterable[Observation | Todo[Locator]]],
        read: Callable[[Locator], Iterable[Observation]],
    ) -> Iterator[Observation]:
        """`each` for what a listing finds, while it goes on."""

        def one(locator: Locator) -> Iterator[Observation]:
            return self.guarded(locator, read)

        yield from listed(listing, one, self.settings.workers)

    def guarded(self, locator: Locator, read: Callable[[Locator], Iterable[Observation]]) -> Iterator[Observation]:
        """What `read` finds; why it finds nothing is the item's own answer."""
        try:
            found = one_item(lambda: list(read(locator)))
        except ProviderError as error:
            found = [self.failed(locator, error)]
        yield from found

    def row(self, locator: Locator, make: Callable[..., Item], *facts: Any) -> Iterator[Observation]:
        """The item that `make` makes of a row of a list, or that the stored detail still holds."""
        yield from self.guarded(locator, lambda one: [self.known(make(self, one, *facts))])

    def failed(self, locator: Locator, error: ProviderError) -> Item:
        """Why nothing is known of an item, or that it is not there."""
        fact = None if error.kind is ErrorKind.NOT_FOUND else error.fact
        return Item(locator=locator, observed_at=self.now, presence=error.presence, error=fact)

    def absent(self, locator: Locator) -> Item:
        """An authoritative read said that it is not there."""
        return self.failed(locator, ProviderError(ErrorKind.NOT_FOUND, "Google has no such item"))

    def known(self, item: Item) -> Item | Unchanged:
        """`item`, or that the stored detail still holds."""
        if item.marker and self.request.known.get(item.locator) == item.marker:
            return Unchanged(locator=item.locator, observed_at=item.observed_at)
        return item

    @contextmanager
    def _asking(self, name: str, location: str) -> Iterator[None]:
        """A service that did not answer three times in a row is not asked again in this run.

        Raises:
            ProviderError: UNREACHABLE, without asking.
        """
        place = (name.partition(".")[0], location)
        with self._lock:
            if self._lost.get(place, 0) >= _BREAKER:
                raise ProviderError(
                    ErrorKind.UNREACHABLE,
                    f"{place[0]} did not answer {_BREAKER} times in a row and was not asked again in this cycle",
                    fix="See the first failures of this source; the next cycle asks again.",
                )
        lost = False
        try:
            yield
        except ProviderError as error:
            lost = error.kind is ErrorKind.UNREACHABLE
            raise
        finally:
            with self._lock:
                self._lost[place] = self._lost.get(place, 0) + 1 if lost else 0


def marker(*facts: Any) -> str:
    """Digest of an item's facts; equal digests mean that the stored detail still holds."""
    text = json.dumps(facts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def attributes(**facts: str | None) -> tuple[tuple[str, str], ...]:
    """Display facts without the empty ones, sorted by name."""
    return tuple(sorted((name, value) for name, value in facts.items() if value))
