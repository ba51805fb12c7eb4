"""uvicorn's HTTP/1 protocol with the two things a public poller port needs besides: a deadline, and a plain 400."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTION_SECONDS = 10.0
"""The longest life of a connection. Pollers wait 2 to 10 seconds for an answer; every answer closes its connection."""

REQUEST_BYTES = 8192
"""The longest request head; pollers send some 200 bytes."""


class PollerProtocol(H11Protocol):
    """One connection, one answer, and an end.

    uvicorn starts its only timer after the first answer, so a client that never finishes its request would hold its
    descriptor for ever (measured; docs/adr/0010). The deadline covers silence, dripping bytes and unread answers alike.
    """

    seconds = CONNECTION_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Start the deadline with the connection."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.seconds, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the deadline with the connection."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request: sized and not cacheable like every other answer (uvicorn's is neither)."""
        if self.cycle is not None:  # garbage inside a request that is being answered: the answer would come second
            self.cycle.disconnected = True
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for event in _bad_request(msg.encode("ascii")):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _bad_request(body: bytes) -> tuple[h11.Event, ...]:
    headers = [
        (b"content-type", b"text/plain; charset=us-ascii"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    head = h11.Response(status_code=400, reason=b"Bad Request", headers=headers)
    return head, h11.Data(data=body), h11.EndOfMessage()
