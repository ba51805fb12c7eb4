"""gRPC listeners on loopback, over TLS, that can vanish and come back on the same port."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from nhisync_gcp.emulator.rpc import Endpoint, Node, Rpc
from nhisync_gcp.emulator.tls import ListenerAuthority

_THREADS = 32
_OPTIONS = (("grpc.so_reuseport", 1),)


class GrpcListener:
    """One listening port.

    Args:
        node: what answers.
        location: of a regional endpoint; "" = global.
        methods: what it serves.
        authority: issues its certificate.
    """

    def __init__(self, node: Node, location: str, methods: Sequence[Rpc], authority: ListenerAuthority) -> None:
        self._endpoint = Endpoint(node, location)
        self._methods = methods
        self._authority = authority
        self._lock = threading.Lock()
        self._running: tuple[grpc.Server, ThreadPoolExecutor] | None = None
        self._bounces: list[threading.Thread] = []
        self._port = 0

    @property
    def address(self) -> str:
        """``https://127.0.0.1:<port>``."""
        return f"https://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen; a reopened listener keeps its port."""
        with self._lock:
            if self._running is None:
                self._open()

    def close(self) -> None:
        """End every connection and wait for all threads; safe to call twice."""
        with self._lock:
            old, self._running = self._running, None
            bounces, self._bounces = self._bounces, []
        if old is not None:
            _stop(*old)
        for thread in bounces:
            thread.join()

    def bounce(self) -> None:
        """End every connection, as a dying front end does; another one answers on the port before that."""
        thread = threading.Thread(target=self._bounce, daemon=True)
        with self._lock:
            self._bounces = [each for each in self._bounces if each.is_alive()]
            self._bounces.append(thread)
        thread.start()

    def _bounce(self) -> None:
        with self._lock:
            old = self._running
            if old is not None:
                self._open()
        if old is not None:
            _stop(*old)

    def _open(self) -> None:
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="nhisync-gcp")
        server = grpc.server(pool, options=_OPTIONS)
        server.add_generic_rpc_handlers(self._endpoint.handlers(self._methods))
        self._port = server.add_secure_port(f"127.0.0.1:{self._port}", self._authority.grpc_credentials())
        server.start()
        self._running = (server, pool)


def _stop(server: grpc.Server, pool: ThreadPoolExecutor) -> None:
    server.stop(None).wait()
    pool.shutdown(wait=True)
