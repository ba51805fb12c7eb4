"""The HTTPS listener: HTTP/1.1 with keep-alive, one send per reply, threads that end with it."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

from nhisync.spi import Clock
from nhisync_kubernetes.emulator.wire import Reply, Request

_IDLE = 30.0

Handle = Callable[[Request], "Delivery"]


class Delivery:
    """A reply, and how much of it reaches the client.

    Args:
        reply: what would be sent.
        dropped: the connection closes instead of it.
        cut: the connection closes in the middle of the body.
    """

    def __init__(self, reply: Reply, *, dropped: bool = False, cut: bool = False) -> None:
        self.reply, self.dropped, self.cut = reply, dropped, cut


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, handle: Handle, clock: Clock) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.handle_api, self.clock = handle, clock
        self._context = context
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of our own name that the base class makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread each, which is waited for at the end."""
        work = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._workers = {one for one in self._workers if one.is_alive()} | {work}
            self._connections.add(request)
        work.start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's thread: a client that hangs in it must not stop others."""
        with contextlib.suppress(OSError):
            request.settimeout(_IDLE)
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secured = self._context.wrap_socket(request, server_side=True)
            with self._lock:
                self._connections.discard(request)
                self._connections.add(secured)
            try:
                super().finish_request(secured, client_address)
            finally:
                self.shutdown_request(secured)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection."""
        with self._lock:
            self._connections.discard(request)
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away; what the cluster raises is a bug and must be seen."""
        del request, client_address
        import sys  # noqa: PLC0415 - only here

        failure = sys.exc_info()[1]
        if failure is not None and not isinstance(failure, OSError | ValueError):
            raise failure

    def cut(self) -> None:
        """Close every connection and wait for its thread."""
        with self._lock:
            connections, workers = list(self._connections), list(self._workers)
        for one in connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for work in workers:
            if work is not threading.current_thread():
                work.join(5.0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]  # the base declares no ClassVar
    wbufsize = -1  # head and body in one send: two packets cost 40 ms of Nagle and delayed ACK

    def _serve(self) -> None:
        server = cast("_Server", self.server)
        length = int(self.headers.get("Content-Length") or 0)
        peer = cast("ssl.SSLSocket", self.connection).getpeercert() or {}
        delivery = server.handle_api(
            Request(
                method=self.command,
                target=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length) if length else b"",
                certificate=peer,
            )
        )
        if delivery.dropped:
            self.close_connection = True
            return
        self._send(delivery, format_datetime(server.clock.now(), usegmt=True))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base's names

    def _send(self, delivery: Delivery, date: str) -> None:
        reply = delivery.reply
        self.send_response_only(reply.status)
        headers = {"Date": date, "Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
        for name, value in {**headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if delivery.cut else reply.body)
        self.close_connection = self.close_connection or delivery.cut

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing is logged."""


class Listener:
    """One listening socket.

    Args:
        host: loopback address.
        context: TLS.
        handle: what answers.
        clock: for the Date header.
    """

    def __init__(self, host: str, context: ssl.SSLContext, handle: Handle, clock: Clock) -> None:
        self._host, self._context, self._handle, self._clock = host, context, handle, clock
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"https://{host}:{self._port}"

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        if self._server is not None:
            return
        self._server = _Server((self._host, self._port), self._context, self._handle, self._clock)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, cut all connections and wait for their threads; safe to call twice."""
        server, thread, self._server, self._thread = self._server, self._thread, None, None
        if server is None or thread is None:
            return
        server.shutdown()
        thread.join(5.0)
        server.socket.close()
        server.cut()
