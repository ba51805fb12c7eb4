"""Listeners of the emulated cloud: what its services answer, as HTTP, each on a port of its own."""

import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from io import BufferedReader

from nhisync.testing.loopback import GoneError, LoopbackListener, any_port, receive
from nhisync_azure.emulator.wire import DropError, Reply, Request

_PORTS: set[int] = set()
_PORTS_LOCK = threading.Lock()
Handler = Callable[[Request], Reply]


class Listener(LoopbackListener):
    """One listening socket.

    Args:
        handler: what answers.
        context: TLS, None = plain (the instance metadata service is plain HTTP in Azure, too).
    """

    def __init__(self, handler: Handler, context: ssl.SSLContext | None) -> None:
        super().__init__(self._answer, context, first=fresh_port)
        self._handler = handler

    def _answer(self, connection: socket.socket, stream: BufferedReader, remote: str) -> bool:
        got = receive(stream)
        host = got.headers.get("host", "").lower()
        request = Request(
            method=got.method, target=got.target, headers=got.headers, body=got.body, host=host, remote=remote
        )
        try:
            reply = self._handler(request)
        except DropError:
            raise GoneError from None
        payload = _payload(reply, keep=got.keep and not reply.cut)
        if reply.cut:
            connection.sendall(payload[: max(1, len(payload) - 1 - len(reply.body or b"") // 2)])
            return False
        connection.sendall(payload)
        return got.keep


def fresh_port() -> socket.socket:
    """A listening socket on a port that no listener of this process had.

    The Key Vault SDKs remember challenges by host and port for the life of the process, tenant included.
    """
    passed: list[socket.socket] = []
    try:
        while True:
            made = any_port()
            port = int(made.getsockname()[1])
            with _PORTS_LOCK:
                if port not in _PORTS:
                    _PORTS.add(port)
                    return made
            passed.append(made)
    finally:
        for each in passed:
            each.close()


def _payload(reply: Reply, *, keep: bool) -> bytes:
    phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else "Status"
    lines = [
        f"HTTP/1.1 {reply.status} {phrase}",
        "Cache-Control: no-store, no-cache",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    if reply.body is not None:
        lines.append(f"Content-Type: {reply.content_type}")
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(reply.body or b'')}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (reply.body or b"")
