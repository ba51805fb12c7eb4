"""The listener of a node: what the node answers, as HTTP, and what its faults make of that on the wire."""

import socket
import ssl
from http import HTTPStatus
from io import BufferedReader

from nhisync.testing.loopback import LoopbackListener, receive
from nhisync_vault.emulator.node import HttpRequest, Node
from nhisync_vault.emulator.wire import Reply


class Listener(LoopbackListener):
    """One listening socket of a node.

    Args:
        node: what answers.
        context: TLS, None = plain.
    """

    def __init__(self, node: Node, context: ssl.SSLContext | None) -> None:
        super().__init__(self._answer, context)
        self._node = node

    def _answer(self, connection: socket.socket, stream: BufferedReader, remote: str) -> bool:
        got = receive(stream)
        reply = self._node.serve(
            HttpRequest(method=got.method, target=got.target, headers=got.headers, body=got.body, remote=remote)
        )
        path = got.target.partition("?")[0].removeprefix("/v1/")
        if self._node.faults.hit("drop-after-commit", path) is not None:
            return False
        payload = _payload(reply, head_only=got.method == "HEAD", keep=got.keep)
        if self._node.faults.hit("half-answer", path) is not None:
            connection.sendall(payload[: max(1, len(payload) - 1 - len(reply.body) // 2)])
            return False
        connection.sendall(payload)
        return got.keep


def _payload(reply: Reply, *, head_only: bool, keep: bool) -> bytes:
    phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else "Status"
    lines = [
        f"HTTP/1.1 {reply.status} {phrase}",
        f"Content-Type: {reply.content_type}",
        "Cache-Control: no-store",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if head_only or reply.status == HTTPStatus.NO_CONTENT else head + reply.body
