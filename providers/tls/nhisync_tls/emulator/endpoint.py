"""A TLS listener on an ephemeral loopback port that serves any chain and misbehaves on demand."""

import contextlib
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nhisync_tls.emulator.pki import Issued, pem
from nhisync_tls.emulator.starttls import PREAMBLES, PreambleError

_IDLE_LIMIT = 10.0
"""Seconds a connection may stay silent before the emulator drops it, so that no test leaves a thread behind."""

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: the world's dates come from the injected clock, not from the machine."""

FAULTS = frozenset({"refuse", "hang", "close", "slow", "plaintext", "starttls_refused"})
"""Faults of an endpoint: see `Endpoint.fault`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an endpoint presents to clients that ask for one name.

    Attributes:
        leaf: certificate and key of the endpoint.
        others: further certificates, sent after the leaf in exactly this order.
        alpn: protocols offered, most wanted first; empty = no ALPN.
        client_ca: PEM file of the authority whose client certificates are asked for; None = none asked for.
        client_certificate: ``none``, ``requested`` or ``required``.
        version: the only protocol version spoken, ``1.2`` or ``1.3``; "" = both.
    """

    leaf: Issued
    others: tuple[Any, ...] = ()
    alpn: tuple[str, ...] = ()
    client_ca: Path | None = None
    client_certificate: str = "none"
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One completed handshake as the server saw it.

    Attributes:
        server_name: name the client asked for (SNI); None when it sent none.
        alpn: protocol agreed on; None without one.
        version: protocol version, for example ``TLSv1.3``.
        client_certificate: whether the client showed a certificate.
    """

    server_name: str | None
    alpn: str | None
    version: str | None
    client_certificate: bool


@dataclass(slots=True)
class _State:
    """What the handler threads share; guarded by `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)
    contexts: dict[str | None, ssl.SSLContext] = field(default_factory=dict)
    open: set[socket.socket] = field(default_factory=set)
    seen: list[Handshake] = field(default_factory=list)
    names: dict[int, str | None] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


class Endpoint:
    """One port: any number of identities chosen by SNI, optional STARTTLS, switchable faults.

    The first identity added is the default one, sent to clients that send no or an unknown name. The port stays
    reserved while the fault ``refuse`` is on, so that no other process can take it.
    """

    def __init__(self, directory: Path, *, starttls: str = "") -> None:
        self._directory = directory
        self._starttls = starttls
        self._state = _State()
        self._fault: str = ""
        self._delay = 0.0
        self._reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; known after `open`."""
        port: int = self._reservation.getsockname()[1]
        return port

    @property
    def handshakes(self) -> tuple[Handshake, ...]:
        """Completed handshakes, oldest first."""
        with self._state.lock:
            return tuple(self._state.seen)

    @property
    def requests(self) -> tuple[bytes, ...]:
        """What clients sent after their handshakes, oldest first."""
        with self._state.lock:
            return tuple(self._state.requests)

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted."""
        with self._state.lock:
            return self._state.connections

    def add(self, identity: Identity, *, server_name: str | None) -> None:
        """Serve `identity` to clients that ask for `server_name`; the first one added is also the default."""
        context = self._context(identity, len(self._state.contexts))
        with self._state.lock:
            self._state.contexts.setdefault(None, context)
            if server_name is not None:
                self._state.contexts[server_name] = context

    def publish(self, path: str, body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> None:
        """Answer requests for `path` with this; every other path gets an empty page."""
        lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers)
        self.publish_raw(path, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def page(self, path: str) -> bytes:
        """What is answered to requests for `path`, headers included."""
        with self._state.lock:
            return self._state.pages[path]

    def publish_raw(self, path: str, answer: bytes) -> None:
        """Answer requests for `path` with exactly these bytes, then end the connection."""
        with self._state.lock:
            self._state.pages[path] = answer

    def open(self) -> None:
        """Reserve a port and listen on it."""
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self._listen()

    def fault(self, name: str, *, off: bool = False, delay: float = 0.2) -> None:
        """Switch one fault on or off.

        Args:
            name: one of `FAULTS`: ``refuse`` (nobody listens), ``hang`` (accepts, never answers the ClientHello),
                ``close`` (closes in the handshake), ``slow`` (waits `delay` first), ``plaintext`` (answers in HTTP),
                ``starttls_refused``.
            off: switch it off again.
            delay: seconds, for ``slow``.

        """
        self._fault, self._delay = ("" if off else name), delay
        if self._fault == "refuse":
            self._unlisten()
        elif self._server is None:
            self._listen()

    def close(self) -> None:
        """Stop listening, end every connection and free the port."""
        self._unlisten()
        self._reservation.close()

    def _listen(self) -> None:
        self._state.stopped.clear()
        self._server = _Server(("127.0.0.1", self.port), self._serve)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _unlisten(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._state.stopped.set()
        self._server.shutdown()
        with self._state.lock:
            for connection in self._state.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    def _context(self, identity: Identity, number: int) -> ssl.SSLContext:
        """A server context that presents exactly the chain of `identity`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
        if identity.version:
            version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[identity.version]
            context.minimum_version = context.maximum_version = version
        if identity.alpn:
            context.set_alpn_protocols(list(identity.alpn))
        if identity.client_ca is not None and identity.client_certificate != "none":
            required = identity.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.verify_flags |= _NO_CHECK_TIME
            context.load_verify_locations(cafile=str(identity.client_ca))
        file = self._directory / f"served-{number}.pem"
        file.touch(mode=0o600)
        file.write_bytes(identity.leaf.key_pem() + pem(identity.leaf.certificate) + pem(*identity.others))
        context.load_cert_chain(str(file))
        context.sni_callback = self._choose
        return context

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        """SNI callback: the identity of `name`, else the default one."""
        with self._state.lock:
            self._state.names[id(tls)] = name
            chosen = self._state.contexts.get(name, self._state.contexts[None])
        tls.context = chosen

    def _serve(self, connection: socket.socket) -> None:
        """One connection, in its own thread; a client's rudeness ends it quietly."""
        connection.settimeout(_IDLE_LIMIT)
        with self._state.lock:
            self._state.connections += 1
        with self._tracked(connection), contextlib.suppress(OSError, PreambleError):
            if not self._misbehave(connection) and self._before_tls(connection):
                self._speak(connection)

    def _misbehave(self, connection: socket.socket) -> bool:
        """Act out the current fault; returns whether the connection is over."""
        fault = self._fault
        if fault == "hang":
            self._state.stopped.wait(_IDLE_LIMIT)
        elif fault == "slow":
            self._state.stopped.wait(self._delay)
        elif fault == "close":
            connection.recv(64)
        elif fault == "plaintext":
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        return fault in {"hang", "close", "plaintext"}

    def _before_tls(self, connection: socket.socket) -> bool:
        """The STARTTLS exchange, when this endpoint has one; returns whether TLS follows."""
        if not self._starttls:
            return True
        return PREAMBLES[self._starttls](connection, refuse=self._fault == "starttls_refused")

    def _speak(self, connection: socket.socket) -> None:
        """Handshake, then answer whatever the client sends until it leaves."""
        with self._state.lock:
            default = self._state.contexts[None]
        tls = default.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._tracked(tls):
            tls.do_handshake()
            self._record(tls)
            while heard := tls.recv(4096):
                page = self._page(heard)
                tls.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n" if page is None else page)
                if page is not None:
                    return

    def _page(self, request: bytes) -> bytes | None:
        """What was published for the path of this request."""
        words = request.split(b" ", 2)
        path = words[1].decode("ascii", "replace") if words[0] == b"GET" and len(words) == 3 else ""
        with self._state.lock:
            self._state.requests.append(request)
            return self._state.pages.get(path)

    def _record(self, tls: ssl.SSLSocket) -> None:
        shown = tls.getpeercert(binary_form=True) is not None
        with self._state.lock:
            name = self._state.names.pop(id(tls), None)
            agreed = tls.selected_alpn_protocol()
            self._state.seen.append(
                Handshake(server_name=name, alpn=agreed, version=tls.version(), client_certificate=shown)
            )

    @contextlib.contextmanager
    def _tracked(self, connection: socket.socket) -> Any:
        """Keep `connection` reachable for `close`, and close it at the end."""
        with self._state.lock:
            self._state.open.add(connection)
        try:
            yield
        finally:
            with self._state.lock:
                self._state.open.discard(connection)
            connection.close()


class _Server(socketserver.ThreadingTCPServer):
    """A threading server whose connections are plain function calls and whose close waits for them."""

    allow_reuse_port = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], serve: Any) -> None:
        self._serve_connection = serve
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Hand the accepted socket to the endpoint."""
        del client_address
        self._serve_connection(request)
