"""gRPC listeners on loopback, over TLS, that can vanish and come back on the same port."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import grpc

from nhisync_gcp.emulator.rpc import Endpoint, Node, Rpc
from nhisync_gcp.emulator.tls import ListenerAuthority

_OPTIONS = (("grpc.so_reuseport", 1),)


class ThreadPerCall:
    """The executor of a gRPC server: a thread for each call, which ends with it, so that idle worlds have none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do `work` at once, however much else is going on."""
        future: Future[Any] = Future()
        thread = threading.Thread(target=_run, args=(future, work, arguments), name="nhisync-gcp-call", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()
        return future

    def wait(self) -> None:
        """Until every call has ended."""
        with self._lock:
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join()


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
        self._running: tuple[grpc.Server, ThreadPerCall] | None = None
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
        pool = ThreadPerCall()
        server = grpc.server(pool, options=_OPTIONS)
        server.add_generic_rpc_handlers(self._endpoint.handlers(self._methods))
        self._port = server.add_secure_port(f"127.0.0.1:{self._port}", self._authority.grpc_credentials())
        server.start()
        self._running = (server, pool)


def _run(future: "Future[Any]", work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        future.set_result(work(*arguments))
    except BaseException as error:  # noqa: BLE001 - the executor's caller gets it, as with every executor
        future.set_exception(error)


def _stop(server: grpc.Server, pool: ThreadPerCall) -> None:
    server.stop(None).wait()
    pool.wait()
