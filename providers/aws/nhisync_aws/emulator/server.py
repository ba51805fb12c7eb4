"""The HTTP server: loopback only, HTTP/1.1 with kept-alive connections, one thread a connection, a clean stop.

Each answer leaves in one send. The faults of the transport live here: they need the socket.
"""

import contextlib
import http.server
import socket
import socketserver
import threading
from http import HTTPStatus
from typing import Any

from nhisync_aws.emulator.cloud import Cloud
from nhisync_aws.emulator.wire import RawRequest, Reply


class EmulatorServer:
    """Serves one cloud on an ephemeral loopback port."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._server = _Server(cloud)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Answer requests; the port is bound since construction, so no client can come too early."""
        self._thread.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for all threads."""
        self._cloud.closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    allow_reuse_address = False

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that stopping can close it."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection when its thread is done with it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake every thread that waits for a next request."""
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are everyday; nothing is printed (the base class writes a traceback)."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = RawRequest(self.command, self.path, headers, body)
        outcome = self.server.cloud.answer(raw)
        if outcome.reply is None:
            self.close_connection = True
            return
        self._send(outcome.reply, cut=outcome.cut)

    def _send(self, reply: Reply, *, cut: bool) -> None:
        head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        fields = {**reply.headers, "Content-Length": str(len(reply.body))}
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        body = reply.body[: len(reply.body) // 2] if cut else reply.body
        self.wfile.write(head.encode("latin-1") + b"\r\n" + body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - names are the base class's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No access log: a test's output must hold nothing of a request."""
