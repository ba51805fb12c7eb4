"""One inventory run over one source: what adapters that list first and then read single items have in common.

For adapters. `nhisync.spi` itself does not import it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from nhisync.model import Coverage, CoverageStatus, Item, Locator
from nhisync.spi.errors import ErrorKind, ProviderError
from nhisync.spi.fanout import Todo, listed, spread
from nhisync.spi.limits import Budget
from nhisync.spi.oddities import one_item
from nhisync.spi.protocols import InventoryRequest, Observation, SourceContext, Unchanged

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


class SourceRun:
    """One run over one source; an adapter's own run adds its connection and settings.

    Attributes:
        context: the source's place, clock included.
        request: what was asked for.
        workers: single items read at once.
    """

    def __init__(self, context: SourceContext, request: InventoryRequest, workers: int) -> None:
        self.context = context
        self.request = request
        self.workers = workers
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

    def coverage(
        self, kind: str, sweep: Sweep, *, authoritative: bool = False, scope: str = "", as_of: datetime | None = None
    ) -> Coverage:
        """What a finished listing saw; it proves absence where a complete one is `authoritative`."""
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

    def each(
        self, locators: Iterable[Locator], read: Callable[[Locator], Iterable[Observation]]
    ) -> Iterator[Observation]:
        """Read single items, several at once; one that fails becomes its own typed answer and never ends the run."""
        yield from spread(list(locators), lambda locator: self.guarded(locator, read), self.workers)

    def along(
        self,
        listing: Callable[[], Iterable[Observation | Todo[Locator]]],
        read: Callable[[Locator], Iterable[Observation]],
    ) -> Iterator[Observation]:
        """`each` for what a listing finds, while it goes on."""

        def one(locator: Locator) -> Iterator[Observation]:
            return self.guarded(locator, read)

        yield from listed(listing, one, self.workers)

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

    def known(self, item: Item) -> Item | Unchanged:
        """`item`, or that the stored detail still holds."""
        if item.marker and self.request.known.get(item.locator) == item.marker:
            return Unchanged(locator=item.locator, observed_at=item.observed_at)
        return item
