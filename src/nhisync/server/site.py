"""The poller port as raw ASGI: choose finished bytes by URL and by the clocks. No lock, no file, no evaluation."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nhisync.clock import Clock
from nhisync.server.answers import ALIVE, NOT_FOUND, Answer, Table

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Site:
    """The ASGI application.

    The table is replaced as a whole by the watcher's thread; one attribute assignment is atomic in CPython and a
    request reads it once, so nobody ever sees half of two publications.

    Args:
        clock: whose wall and boot clocks decide staleness, at each request.
        table: what is answered before anything was published.
    """

    def __init__(self, clock: Clock, table: Table) -> None:
        self._clock = clock
        self.table = table

    def answer(self, method: str, path: str) -> Answer:
        """The answer to one request; whatever is no GET or HEAD of a known URL is 404."""
        if method not in {"GET", "HEAD"}:
            return NOT_FOUND
        if not path.startswith("/"):  # absolute form, which servers must accept (RFC 9112 section 3.2.2)
            path = "/" + path.partition("://")[2].partition("/")[2]
        gate = self.table.get(path)
        if gate is not None:
            return gate.at(self._clock.now(), self._clock.boottime())
        return ALIVE if path == "/livez" else NOT_FOUND

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3, ``http`` scopes; lifespan and websocket are switched off in the server)."""
        answer = self.answer(scope["method"], scope["path"])
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})
