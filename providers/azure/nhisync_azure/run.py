"""One inventory run: what was asked for, what every collector needs, and how failures become typed answers."""

from collections.abc import Iterable, Iterator
from typing import Any

from nhisync.spi import (
    ErrorFact,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Presence,
    ProviderError,
    SourceContext,
    Unchanged,
    runs,
)
from nhisync_azure.connection import Connection
from nhisync_azure.settings import AzureSettings

HOPELESS = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.NOT_PROPAGATED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})
"""After a list failed so, single reads would fail alike: nothing more is sent."""


class Sweep(runs.Sweep):
    """One listing in progress: counts what it held and keeps why it stopped."""

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


class Run(runs.SourceRun):
    """One run over one source; handed to every collector.

    Vaults and directories are replicated, so no list proves absence (ADR 21).

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
        super().__init__(context, request, settings.workers)
        self.settings = settings

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
