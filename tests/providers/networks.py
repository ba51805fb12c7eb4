"""Networks as users have them: a proxy that is the only way out, and a service that only has an IPv6 address."""

import abc
import contextlib
import re
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class _Listener(abc.ABC):
    """A listening socket; each connection is served by a thread of its own."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._served, args=(client,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _served(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            self._serve(client)

    @abc.abstractmethod
    def _serve(self, client: socket.socket) -> None: ...


class Proxy(_Listener):
    """An HTTP proxy on loopback: tunnels for TLS (CONNECT, RFC 9110 §9.3.6), absolute URLs for plain HTTP."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(socket.create_server(("127.0.0.1", 0), backlog=64))

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (some := client.recv(65536)):
                return
            head += some
        method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        self.asked.append(f"{parts.hostname}:{parts.port}")
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10) as server:
            if tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head.replace(target.encode(), target.partition(parts.netloc)[2].encode() or b"/", 1))
            shovel(client, server)


class Relay(_Listener):
    """A port that stands open at ::1 only and leads to the same port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.port, self.taken = port, 0
        super().__init__(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=64))

    def _serve(self, client: socket.socket) -> None:
        self.taken += 1
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as server:
            shovel(client, server)


def shovel(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side is done."""
    across = {one: other, other: one}
    while True:
        for source in select.select(list(across), [], [], 10)[0] or [None]:
            if source is None or not (some := source.recv(65536)):
                return
            across[source].sendall(some)


@contextlib.contextmanager
def over_ipv6(text: str) -> Iterator[list[Relay]]:
    """Everything that `text` names at 127.0.0.1 stands at ::1, too."""
    with contextlib.ExitStack() as stack:
        relays = []
        for port in sorted({int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}):
            relays.append(Relay(port))
            stack.callback(relays[-1].close)
        yield relays
