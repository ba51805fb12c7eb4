"""One inventory run: what was asked for, what every collector needs, and how failures become typed answers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from nhisync.spi import (
    Budget,
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    Presence,
    ProviderError,
    SourceContext,
    Unchanged,
)
from nhisync.spi.fanout import Todo, listed, spread
from nhisync.spi.oddities import one_item
from nhisync_azure.connection import Connection
from nhisync_azure.settings import AzureSettings

HOPELESS = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.NOT_PROPAGATED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})
"""After a list failed so, single reads would fail alike: nothing more is sent."""

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}


class Sweep:
    """One listing in progress: counts what it held and keeps why it stopped."""

    def __init__(self, error: ProviderError | None = None) -> None:
        self.items = 0
        self.error = error

    @property
    def status(self) -> CoverageStatus:
        """How far the listing was seen; what was lost in the middle is partial."""
        if self.error is None:
            return CoverageStatus.COMPLETE
        if self.items:
            return CoverageStatus.PARTIAL
        return _STATUS.get(self.error.kind, CoverageStatus.UNREACHABLE)

    @property
    def hopeless(self) -> bool:
        """Asking for single items makes no sense any more."""
        return self.error is not None and self.error.kind in HOPELESS

    def rows(self, pages: Iterable[list[Any]]) -> Iterator[Any]:
        """Yield the rows of a list; a failing page ends it and is kept."""
        try:
            for page in pages:
                yield from page
        except ProviderError as error:
            self.error = error


class Run:
    """One run over one source; handed to every collector.

    Attributes:
        connection: the source's connection.
        settings: the source's settings.
        context: the source's place, clock included.
        request: what was asked for.
    """

    def __init__(
        self, connection: Connection, settings: AzureSettings, context: SourceContext, request: InventoryRequest
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.context = context
        self.request = request
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

    def wanted(self, kind: str) -> Mapping[str, Locator]:
        """Name → locator of the items of `kind` that pairs name."""
        return self._wanted.get(kind, {})

    def swept(self, kind: str) -> bool:
        """Whether `kind` is to be listed."""
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

    def coverage(self, kind: str, sweep: Sweep) -> Coverage:
        """What a finished listing saw; never authoritative, because vaults and directories are replicated."""
        return Coverage(
            source=self.context.source,
            kind=kind,
            scope="",
            status=sweep.status,
            as_of=self.now,
            items=sweep.items,
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

    def failed(self, locator: Locator, error: ProviderError) -> Item:
        """Why nothing is known of an item, or that it is not there."""
        fact = None if error.kind is ErrorKind.NOT_FOUND else error.fact
        return Item(locator=locator, observed_at=self.now, presence=error.presence, error=fact)

    def absent(self, locator: Locator) -> Item:
        """An authoritative read said that it is not there."""
        return Item(locator=locator, observed_at=self.now, presence=Presence.ABSENT)

    def ambiguous(self, locator: Locator, count: int) -> Item:
        """Several items answer to the name."""
        error = ErrorFact(
            kind=ErrorKind.MISCONFIGURED.value,
            message=f"{count} applications carry this display name; name one by its application (client) id",
        )
        return Item(locator=locator, observed_at=self.now, presence=Presence.AMBIGUOUS, error=error)

    def is_known(self, locator: Locator, marker: str) -> bool:
        """Whether the stored detail of an item still holds."""
        return bool(marker) and self.request.known.get(locator) == marker

    def unchanged(self, locator: Locator) -> Unchanged:
        """The stored detail still holds."""
        return Unchanged(locator=locator, observed_at=self.now)
