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

from nhisync_azure.emulator.wire import DropError, Reply, Request

_MAX_HEAD = 65_536
_IDLE = 30.0
_PORTS: set[int] = set()
_PORTS_LOCK = threading.Lock()
Handler = Callable[[Request], Reply]


class _ClosedError(Exception):
    """The peer went away or sent something that is no HTTP."""


class Listener:
    """One listening socket.

    Args:
        handler: what answers.
        context: TLS, None = plain (the instance metadata service is plain HTTP in Azure, too).
    """

    def __init__(self, handler: Handler, context: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._context = context
        self._socket: socket.socket | None = None
        self._port = 0
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def authority(self) -> str:
        """``127.0.0.1:<port>``."""
        return f"127.0.0.1:{self._port}"

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>`` or its plain twin."""
        return f"{'https' if self._context else 'http'}://{self.authority}"

    def present(self, context: ssl.SSLContext | None) -> None:
        """Show another certificate to connections made from now on."""
        self._context = context

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        if self._socket is not None:
            return
        self._socket = socket.create_server(("127.0.0.1", self._port), reuse_port=False) if self._port else fresh_port()
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
            _shut(connection)
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
                # The wrapped socket must be known before the handshake waits, or close() could not end the wait.
                connection = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                self._swap(raw, connection)
                connection.do_handshake()
            remote = str(connection.getpeername()[0])
            with connection.makefile("rb") as stream:
                while self._exchange(connection, stream, remote):
                    pass
        except (OSError, DropError, _ClosedError):
            pass
        finally:
            self._swap(connection, None)
            _shut(connection)

    def _swap(self, old: socket.socket, new: socket.socket | None) -> None:
        with self._lock:
            self._connections.discard(old)
            if new is not None and self._socket is None:
                raise _ClosedError
            if new is not None:
                self._connections.add(new)

    def _exchange(self, connection: socket.socket, stream: BufferedReader, remote: str) -> bool:
        request, keep = _read_request(stream, remote)
        reply = self._handler(request)
        payload = _payload(reply, keep=keep and not reply.cut)
        if reply.cut:
            connection.sendall(payload[: max(1, len(payload) - 1 - len(reply.body or b"") // 2)])
            return False
        connection.sendall(payload)
        return keep


def fresh_port() -> socket.socket:
    """A listening socket on a port that no listener of this process had.

    The Key Vault SDKs remember challenges by host and port for the life of the process, tenant included.
    """
    passed: list[socket.socket] = []
    try:
        while True:
            made = socket.create_server(("127.0.0.1", 0), reuse_port=False)
            port = int(made.getsockname()[1])
            with _PORTS_LOCK:
                if port not in _PORTS:
                    _PORTS.add(port)
                    return made
            passed.append(made)
    finally:
        for each in passed:
            each.close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _read_request(stream: BufferedReader, remote: str) -> tuple[Request, bool]:
    words = _line(stream).split(" ")
    if len(words) != 3:
        raise _ClosedError
    headers: dict[str, str] = {}
    while header := _line(stream):
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = _body(stream, headers)
    keep = headers.get("connection", "").lower() != "close"
    host = headers.get("host", "").lower()
    return Request(method=words[0], target=words[1], headers=headers, body=body, host=host, remote=remote), keep


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
