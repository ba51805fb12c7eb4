"""What HTTP emulators listen with: HTTP/1.1 on loopback with keep-alive, threads that end with the listener.

An emulator sends a reply, head and body, in one call: in two packets it costs 40 ms of Nagle and delayed ACK each.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BufferedReader

_MAX_HEAD = 65_536
_IDLE = 30.0


class GoneError(Exception):
    """The peer went away, sent something that is no HTTP, or shall get no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came from the socket.

    Attributes:
        method: as sent.
        target: path and query, as sent.
        headers: names in lower case.
        body: raw body; may hold secrets, hence hidden.
        keep: the peer keeps the connection.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    keep: bool


Exchange = Callable[[socket.socket, BufferedReader, str], bool]
"""Reads one request of a peer (by address) and answers it; False = the connection ends."""


def any_port() -> socket.socket:
    """A listening socket on a free port."""
    return socket.create_server(("127.0.0.1", 0), reuse_port=False)


class LoopbackListener:
    """One listening socket.

    Args:
        exchange: what answers; `GoneError` ends the connection, too.
        context: TLS, None = plain.
        first: makes the socket when it opens for the first time.
    """

    def __init__(
        self, exchange: Exchange, context: ssl.SSLContext | None, *, first: Callable[[], socket.socket] = any_port
    ) -> None:
        self._exchange, self._context, self._first = exchange, context, first
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
        made = socket.create_server(("127.0.0.1", self._port), reuse_port=False) if self._port else self._first()
        self._socket = made
        self._port = int(made.getsockname()[1])
        self._start(self._accept, made)

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
        except (OSError, GoneError):
            pass
        finally:
            self._swap(connection, None)
            _shut(connection)

    def _swap(self, old: socket.socket, new: socket.socket | None) -> None:
        """Keep `new` in place of `old`.

        Raises:
            GoneError: `close` came in between and has not seen `new`.
        """
        with self._lock:
            self._connections.discard(old)
            if new is None:
                return
            if self._socket is None:
                new.close()
                raise GoneError
            self._connections.add(new)


def receive(stream: BufferedReader) -> Received:
    """The next request of a connection.

    Raises:
        GoneError: there is none, or it is no HTTP.
    """
    words = _line(stream).split(" ")
    if len(words) != 3:
        raise GoneError
    headers: dict[str, str] = {}
    while header := _line(stream):
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = _body(stream, headers.get("content-length") or "0")
    keep = headers.get("connection", "").lower() != "close"
    return Received(method=words[0], target=words[1], headers=headers, body=body, keep=keep)


def _line(stream: BufferedReader) -> str:
    raw: bytes = stream.readline(_MAX_HEAD)
    if not raw.endswith(b"\n"):
        raise GoneError
    return raw.decode("latin-1").rstrip("\r\n")


def _body(stream: BufferedReader, length: str) -> bytes:
    if not (length.isascii() and length.isdigit()):
        raise GoneError
    raw: bytes = stream.read(int(length))
    if len(raw) != int(length):
        raise GoneError
    return raw


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
