"""Behind a proxy: tokens and calls both go through it, and TLS is end to end."""

import select
import socket
import socketserver
import threading

import pytest

from .conftest import REGION


class _Tunnel(socketserver.StreamRequestHandler):
    """CONNECT (RFC 9110 §9.3.6), and nothing else."""

    def handle(self):
        """Open a tunnel and move bytes until one side ends."""
        method, target, _ = self.rfile.readline().decode("ascii").split(" ", 2)
        while self.rfile.readline().strip():
            pass
        self.server.seen.append((method, target))
        if method != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 No\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as far:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            sides = {self.connection: far, far: self.connection}
            while True:
                for ready in select.select(list(sides), [], [], 10)[0]:
                    try:
                        data = ready.recv(65536)
                    except ConnectionError:
                        return
                    if not data:
                        return
                    sides[ready].sendall(data)


@pytest.fixture
def proxy():
    """A proxy on loopback: its port, and what was asked of it."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel)
    server.daemon_threads = True
    server.block_on_close = False
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], server.seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_tokens_and_calls_go_through_the_proxy(gcp, proxy):
    """One setting for both libraries; the tunnels lead to the token endpoint, the API and the location's endpoint."""
    port, asked = proxy
    gcp.seed("secret", "stripe")
    gcp.seed("regional-secret", f"{REGION}/ledger")
    settings = {"proxy": f"http://127.0.0.1:{port}"}
    seen = gcp.see("secret/stripe", f"regional-secret/{REGION}/ledger", settings=settings)
    assert {item.presence.value for item in seen.items.values()} == {"present"}
    assert {method for method, _ in asked} == {"CONNECT"}
    addresses = [gcp.document["endpoints"]["secretmanager"], gcp.document["regional_endpoints"][REGION]]
    assert {url.removeprefix("https://") for url in addresses} <= {target for _, target in asked}
    assert len({target for _, target in asked}) == 3


def test_the_environments_proxy_is_taken_where_none_is_named(gcp, proxy, monkeypatch):
    """HTTPS_PROXY and NO_PROXY count for both libraries, and a named proxy goes before them."""
    port, asked = proxy
    gcp.seed("secret", "stripe")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert gcp.see("secret/stripe")["secret/stripe"].presence.value == "present"
    assert len({target for _, target in asked}) == 2
    asked.clear()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert gcp.see("secret/stripe")["secret/stripe"].presence.value == "present"
    assert asked == []
