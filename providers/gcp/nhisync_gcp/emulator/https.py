"""The HTTPS listener: HTTP/1.1 with kept connections on loopback, and threads that end with it."""

import contextlib
import http.server
import socket
import socketserver
import ssl
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from nhisync_gcp.emulator.web import Web, WebReply, WebRequest

_IDLE = 30.0


class HttpListener:
    """One listening port.

    Args:
        web: what answers.
        context: TLS; None = plain HTTP, which only metadata servers speak.
    """

    def __init__(self, web: Web, context: ssl.SSLContext | None) -> None:
        self._web = web
        self._context = context
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>`` or its plain twin."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        if self._server is not None:
            return
        self._server = _Server(self._port, self._web, self._context)
        self._port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the listener and every connection, and wait for all threads; safe to call twice."""
        server, self._server = self._server, None
        thread, self._thread = self._thread, None
        if server is not None:
            server.shutdown()
            server.cut()
            server.server_close()
        if thread is not None:
            thread.join()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, port: int, web: Web, context: ssl.SSLContext | None) -> None:
        self.web = web
        self.context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = False
        super().__init__(("127.0.0.1", port), _Handler)

    def remember(self, connection: socket.socket) -> None:
        """Keep the connection at hand, so that `cut` can end it."""
        with self._lock:
            self._open.add(connection)
        if self._closing:
            _shut(connection)

    def forget(self, connection: socket.socket) -> None:
        """Its thread is done with it."""
        with self._lock:
            self._open.discard(connection)

    def cut(self) -> None:
        """Wake every thread that waits for a next request."""
        self._closing = True
        with self._lock:
            for connection in self._open:
                _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are everyday; nothing is printed (the base class writes a traceback)."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE
    server: _Server

    def setup(self) -> None:
        """TLS begins in the connection's own thread, so that a slow client holds up no other."""
        raw: socket.socket = self.request
        self.server.remember(raw)
        try:
            if self.server.context is not None:
                raw.settimeout(_IDLE)
                self.request = self.server.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                self.server.remember(self.request)
                self.request.do_handshake()
        except OSError:
            self.close()
            raise
        finally:
            self.server.forget(raw)
        super().setup()

    def finish(self) -> None:
        """Flush, and close the TLS socket, which the base class does not know."""
        with contextlib.suppress(OSError):
            super().finish()
        self.close()

    def close(self) -> None:
        """End this connection."""
        self.server.forget(self.request)
        _shut(self.request)
        self.request.close()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        fields = dict(parse_qsl(query))
        request = WebRequest(method=self.command, path=path, query=fields, headers=headers, body=body)
        reply = self.server.web.answer(request)
        if reply is None:
            self.close_connection = True
            return
        self._send(reply)

    def _send(self, reply: WebReply) -> None:
        fields = {
            "Content-Type": reply.content_type,
            "Date": self.server.web.date(),
            **reply.headers,
            "Content-Length": str(len(reply.body)),
        }
        head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
        self.wfile.write(head.encode("latin-1") + b"\r\n" + body)
        self.wfile.flush()
        self.close_connection = self.close_connection or reply.cut

    do_GET = do_POST = _serve  # noqa: N815 - names are the base class's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No access log: a test's output must hold nothing of a request."""


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
