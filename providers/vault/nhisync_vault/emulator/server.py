"""Listeners on loopback: HTTP/1.1 with keep-alive, one send per reply, threads that end with the listener.

A reply in two packets costs 40 ms of Nagle and delayed ACK each, so head and body leave in one send on a TCP_NODELAY
socket.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from io import BufferedReader

from nhisync_vault.emulator.node import HttpRequest, Node
from nhisync_vault.emulator.wire import Reply

_MAX_HEAD = 65_536
_IDLE = 30.0


class _ClosedError(Exception):
    """The peer went away or sent something that is no HTTP."""


class Listener:
    """One listening socket of a node.

    Args:
        node: what answers.
        context: TLS, None = plain.
    """

    def __init__(self, node: Node, context: ssl.SSLContext | None) -> None:
        self._node = node
        self._context = context
        self._socket: socket.socket | None = None
        self._port = 0
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>`` or its plain twin."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        if self._socket is not None:
            return
        self._socket = socket.create_server(("127.0.0.1", self._port), reuse_port=False)
        self._port = int(self._socket.getsockname()[1])
        self._start(self._accept, self._socket)

    def close(self) -> None:
        """Stop listening, cut all connections and wait for their threads; safe to call twice."""
        with self._lock:
            listening, self._socket = self._socket, None
            connections = list(self._connections)
        if listening is not None:
            _shut(listening)
        for connection in connections:
            _cut(connection)
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(5.0)
        self._threads.clear()

    def _start(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        with listening:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with self._lock:
                    if self._socket is not listening:
                        connection.close()
                        return
                    self._connections.add(connection)
                self._start(self._converse, connection)

    def _converse(self, raw: socket.socket) -> None:
        connection = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(_IDLE)
            if self._context is not None:
                # Registered before the handshake: a peer that never finishes it must not hold up `close`.
                connection = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                self._swap(raw, connection)
                connection.do_handshake()
            remote = str(connection.getpeername()[0])
            with connection.makefile("rb") as stream:
                while self._exchange(connection, stream, remote):
                    pass
        except (OSError, _ClosedError):
            pass
        finally:
            self._swap(connection, None)
            _shut(connection)

    def _swap(self, old: socket.socket, new: socket.socket | None) -> None:
        """Keep `new` in place of `old`.

        Raises:
            _ClosedError: `close` came in between and has not seen `new`.
        """
        with self._lock:
            self._connections.discard(old)
            if new is None:
                return
            if self._socket is None:
                new.close()
                raise _ClosedError
            self._connections.add(new)

    def _exchange(self, connection: socket.socket, stream: BufferedReader, remote: str) -> bool:
        request, keep = _read_request(stream, remote)
        reply = self._node.serve(request)
        path = request.target.partition("?")[0].removeprefix("/v1/")
        if self._node.faults.hit("drop-after-commit", path) is not None:
            return False
        payload = _payload(reply, head_only=request.method == "HEAD", keep=keep)
        if self._node.faults.hit("half-answer", path) is not None:
            connection.sendall(payload[: max(1, len(payload) - 1 - len(reply.body) // 2)])
            return False
        connection.sendall(payload)
        return keep


def _cut(connection: socket.socket) -> None:
    """End what another thread reads or writes, also in a handshake; that thread closes the socket.

    The plain shutdown, not the one of `ssl.SSLSocket`: that one takes the TLS state away under the other thread's feet.
    """
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _read_request(stream: BufferedReader, remote: str) -> tuple[HttpRequest, bool]:
    line = _line(stream)
    words = line.split(" ")
    if len(words) != 3:
        raise _ClosedError
    headers: dict[str, str] = {}
    while header := _line(stream):
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = _body(stream, headers)
    keep = headers.get("connection", "").lower() != "close"
    return HttpRequest(method=words[0], target=words[1], headers=headers, body=body, remote=remote), keep


def _line(stream: BufferedReader) -> str:
    raw: bytes = stream.readline(_MAX_HEAD)
    if not raw.endswith(b"\n"):
        raise _ClosedError
    return raw.decode("latin-1").rstrip("\r\n")


def _body(stream: BufferedReader, headers: dict[str, str]) -> bytes:
    length = int(headers.get("content-length") or 0)
    raw: bytes = stream.read(length) if length else b""
    if len(raw) != length:
        raise _ClosedError
    return raw


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
