"""As in production: public names, a proxy, TLS and the challenge's resource verified; nothing but the CA is told."""

import select
import socket
import threading

import pytest

from nhisync.spi import ErrorKind, Presence, ProviderError


class Proxy:
    """A CONNECT proxy that leads public names to loopback ports (RFC 9110 §9.3.6)."""

    def __init__(self, ports, status="200 OK"):
        self.ports, self.status, self.asked = ports, status, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self._stopped.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096) or b"\r\n\r\n"
            host = head.split()[1].decode().partition(":")[0]
            self.asked.append(host)
            port = next((port for suffix, port in self.ports.items() if host.endswith(suffix)), None)
            if port is None or self.status != "200 OK":
                client.sendall(f"HTTP/1.1 {self.status if port else '502 Bad Gateway'}\r\n\r\n".encode())
                return
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as server:
                self._pump(client, server)

    def _pump(self, client, server):
        while not self._stopped.is_set():
            for one in select.select([client, server], [], [], 0.05)[0]:
                data = one.recv(65536)
                if not data:
                    return
                (server if one is client else client).sendall(data)

    def close(self):
        """Stop accepting."""
        self._stopped.set()
        self._thread.join(5)
        self._listener.close()


def port_of(url):
    """The port of a loopback URL."""
    return int(url.rpartition(":")[2])


@pytest.fixture
def public(source_of, azure):
    """A source whose document holds public names only, and the proxy that leads to the world."""
    site = source_of()
    for kind in ("secret", "key", "certificate", "app-secret"):
        site.seed(kind, f"x-{kind}")
    main = port_of(azure.address)
    ports = {
        ".vault.azure.net": port_of(site.document["vault"]),
        "login.microsoftonline.com": main,
        "graph.microsoft.com": main,
        "management.azure.com": main,
    }
    proxy = Proxy(ports)
    azure.cloud.authority = "https://login.microsoftonline.com"
    name = azure.source("backup", "kv").vault.name
    kept = {k: v for k, v in site.document.items() if k not in {"authority", "graph", "arm"}}
    site.document = {**kept, "vault": f"https://{name}.vault.azure.net", "proxy": proxy.address}
    yield site, proxy
    proxy.close()


def test_everything_works_by_its_public_name(public):
    """Token service, vault, Graph and Resource Manager at the cloud's own addresses, challenge verified."""
    site, proxy = public
    provider = site.provider()
    assert provider._settings.real_vault
    seen = site.see(kinds="secret key certificate app-secret", versions="all", provider=provider)
    assert set(seen.status.values()) == {"complete"}
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}
    checks = list(provider.examine("read", (), frozenset({"secret", "app-secret"}), site.budget()))
    assert {check.name: check.state.value for check in checks}["access-model"] == "ok"
    assert set(proxy.asked) == {
        "login.microsoftonline.com",
        site.document["vault"].removeprefix("https://"),
        "graph.microsoft.com",
        "management.azure.com",
    }


@pytest.mark.parametrize("resource", ["https://managedhsm.azure.net", "https://vault.azure.cn"])
def test_a_challenge_of_another_service_is_refused(public, rogue, resource):
    """A server under a vault's name that wants a token for another service gets none."""
    site, proxy = public
    rogue.resource = resource
    rogue.authority = f"https://login.microsoftonline.com/{site.document['auth']['tenant']}"
    proxy.ports = {"rogue.vault.azure.net": rogue.server_port, **proxy.ports}
    seen = site.see("secret/x", kinds="secret", vault="https://rogue.vault.azure.net", vault_id=None)
    assert seen.coverage["secret"].error.kind == "misconfigured"
    assert rogue.led
    assert not any(entry.endswith("True") for entry in rogue.led)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "503 Service Unavailable"])
def test_a_proxy_that_refuses_is_named(public, status):
    """It is the proxy, not Azure, and the fix says so."""
    site, proxy = public
    proxy.status = status
    with pytest.raises(ProviderError, match="proxy") as caught:
        site.provider().identify(site.budget())
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert "proxy" in caught.value.fix


def test_a_deleted_vault_has_no_address(backup):
    """Its name does not resolve any more: unreachable, and its secrets are not absent."""
    item = backup.see("secret/x", vault="https://no-such-vault.invalid", vault_id=None)["secret/x"]
    assert item.presence is Presence.UNREACHABLE
    assert "no address" in item.error.message
