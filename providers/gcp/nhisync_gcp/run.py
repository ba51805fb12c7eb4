"""One inventory run: what was asked for, what every collector needs, and how failures become typed answers."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nhisync.spi import (
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    ProviderError,
    SourceContext,
)
from nhisync.spi.runs import SourceRun, Sweep
from nhisync_gcp.connection import Connection
from nhisync_gcp.settings import GcpSettings

if TYPE_CHECKING:
    from nhisync_gcp.guarding import Guard

T = TypeVar("T")

HOPELESS = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})
"""Failures of a list after which single reads of the same service are not worth a try."""

_BREAKER = 3


class Run(SourceRun):
    """One run over one source; handed to every collector.

    Attributes:
        settings: the source's settings.
        context: the source's place, clock included.
        request: what was asked for.
        guard: what guards secrets, where the request asks.
    """

    def __init__(
        self, connection: Connection, settings: GcpSettings, context: SourceContext, request: InventoryRequest
    ) -> None:
        self._connection = connection
        self.guard: Guard | None = None
        super().__init__(context, request, settings.workers)
        self.settings = settings
        self._lock = threading.Lock()
        self._lost: dict[tuple[str, str], int] = {}
        self._sharing = threading.Lock()
        self._shared: dict[str, Any] = {}

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

    def asked_for(self, kind: str, name: str) -> bool:
        """Whether a listed item belongs into the answer: a pair names it, or the sweep reaches it."""
        if name in self.wanted(kind):
            return True
        if not self.swept(kind):
            return False
        prefixes = self.request.prefixes.get(kind)
        return prefixes is None or name.startswith(tuple(prefixes))

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

    def row(self, locator: Locator, make: Callable[..., Item], *facts: Any) -> Iterator[Observation]:
        """The item that `make` makes of a row of a list, or that the stored detail still holds."""
        yield from self.guarded(locator, lambda one: [self.known(make(self, one, *facts))])

    def absent(self, locator: Locator) -> Item:
        """An authoritative read said that it is not there."""
        return self.failed(locator, ProviderError(ErrorKind.NOT_FOUND, "Google has no such item"))

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
