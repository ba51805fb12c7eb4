"""The listener process: `Site` behind a socket, `Watcher` beside it."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nhisync.clock import Clock
from nhisync.server.answers import unpublished
from nhisync.server.protocol import PollerProtocol
from nhisync.server.serving import HttpServer, TlsFiles
from nhisync.server.site import Site
from nhisync.server.watch import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """All that a listener is told; it reads no configuration itself.

    Attributes:
        file: the publication.
        instance: which nhisync speaks, for answers before anything is published.
        places: app → role words and path names.
        tls: certificate files, or None for plain HTTP.
        not_before: boot clock (seconds) before which an evaluation belongs to an earlier start, or None.
    """

    file: Path
    instance: str
    places: dict[str, tuple[str, ...]]
    tls: TlsFiles | None = None
    not_before: float | None = None


class Listener(HttpServer):
    """One listener process.

    Args:
        settings: what to serve.
        clock: decides staleness.
        protocol: the connection's protocol; tests shorten its deadline.
    """

    def __init__(
        self, settings: ListenerSettings, clock: Clock, *, protocol: type[PollerProtocol] = PollerProtocol
    ) -> None:
        self.site = Site(clock, unpublished(settings.places, settings.instance))
        super().__init__(self.site, settings.tls, protocol=protocol)
        self.watcher = Watcher(settings.file, self.site, clock, not_before=settings.not_before, on_death=self.stop)

    def run(self, sockets: Sequence[socket.socket], hang_up: Callable[[], None] | None = None) -> None:
        """Serve what is published until `stop`.

        Raises:
            UsageError: the TLS files cannot be used.
        """
        self.watcher.start()
        try:
            super().run(sockets, hang_up)
        finally:
            self.watcher.stop()
