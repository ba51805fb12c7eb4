"""Sockets, TLS and retries, all for real: what is told apart, what is repeated, what is never sent."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import ErrorKind, Locator, Presence, ProviderError
from nhisync_kubernetes.access import resolve
from nhisync_kubernetes.transport import Ask, Session

from .conftest import CANARY, KINDS, Site


def failure(site: Site, **settings: Any) -> ProviderError:
    """Why `identify` fails."""
    with pytest.raises(ProviderError) as caught:
        site.provider(**settings).identify(site.budget())
    return caught.value


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@contextmanager
def proxy(*, refuses: bool = False, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """An HTTP proxy that tunnels (RFC 9110 §9.3.6), and the targets it was asked for."""
    asked: list[str] = []

    class Tunnel(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with self.request if context is None else context.wrap_socket(self.request, server_side=True) as client:
                self.tunnel(client)

        def tunnel(self, client: Any) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            asked.append(head.split(b" ")[1].decode())
            if refuses:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = asked[-1].rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join(5)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1]), asked
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _pump(source: Any, sink: Any) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_ipv6_addresses(make_site: Any) -> None:
    """An IPv6 literal is dialled and verified like any other address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    site = make_site(host="::1")
    assert site.document["address"].startswith("https://[::1]:")
    assert site.provider().identify(site.budget()).endpoint.startswith("[::1]:")


def test_a_refused_connection_is_told(site: Site) -> None:
    """Nothing listens: refused, not denied, with the endpoint."""
    site.fault("unreachable")
    error = failure(site)
    assert (error.kind, error.presence) == (ErrorKind.UNREACHABLE, Presence.UNREACHABLE)
    assert "refused" in error.message
    assert error.fact.resource in site.document["address"]


def test_a_name_that_does_not_resolve_is_told(site: Site) -> None:
    """DNS is another cause with another next step."""
    error = failure(site, address="https://nowhere.invalid:6443")
    assert error.kind is ErrorKind.UNREACHABLE
    assert "resolved" in error.message
    assert "DNS" in error.fix


def test_a_foreign_authority_is_told(site: Site, tmp_path: Path) -> None:
    """A certificate of another CA is a matter of trust, never of credentials."""
    from nhisync.clock import SystemClock, SystemRandomness
    from nhisync_kubernetes.emulator.tls import ListenerAuthority

    folder = tmp_path / "other"
    folder.mkdir()
    other = ListenerAuthority(SystemRandomness(), folder, SystemClock().now())
    error = failure(site, ca_file=str(other.ca_file))
    assert error.kind is ErrorKind.UNREACHABLE
    assert "not trusted" in error.message
    assert "ca_file" in error.fix


def test_a_server_that_says_nothing_is_told(site: Site) -> None:
    """A handshake that never comes ends after the configured time."""
    with silent_port() as port:
        error = failure(site, address=f"https://127.0.0.1:{port}", connect_timeout="100ms", read_timeout="100ms")
    assert error.kind is ErrorKind.UNREACHABLE
    assert "in time" in error.message


def test_a_port_without_tls_is_told(site: Site) -> None:
    """Something that speaks no TLS is no API server."""

    class Plain(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        error = failure(site, address=f"https://127.0.0.1:{server.server_address[1]}", attempts=1)
        server.shutdown()
        thread.join(5)
    assert error.kind is ErrorKind.UNREACHABLE
    assert "TLS" in error.message


def test_the_server_name_is_what_is_verified(make_site: Any) -> None:
    """``server_name`` is checked instead of the address; without it the very same server is not trusted."""
    site = make_site(names=("kubernetes",))
    assert "another name" in failure(site).message
    assert site.provider(server_name="kubernetes").identify(site.budget()).principal
    assert "another name" in failure(site, server_name="other").message


@pytest.mark.parametrize("secured", [False, True])
def test_proxies_tunnel(make_site: Any, world: Any, secured: bool) -> None:
    """Through an http and an https proxy the server is still verified end to end, under its configured name."""
    site = make_site(names=("kubernetes",))
    context = None
    if secured:
        context = world._authority.server_context()
        context.verify_mode = ssl.CERT_NONE
    with proxy(context=context) as (port, asked):
        url = f"{'https' if secured else 'http'}://127.0.0.1:{port}"
        assert site.provider(server_name="kubernetes", proxy=url).identify(site.budget()).principal
        assert "another name" in failure(site, server_name="other", proxy=url).message
    assert set(asked) == {site.document["address"].removeprefix("https://")}


def test_a_proxy_that_refuses_is_told(site: Site) -> None:
    """The proxy's refusal is no denial by the cluster."""
    with proxy(refuses=True) as (port, _):
        error = failure(site, proxy=f"http://127.0.0.1:{port}")
    assert error.kind is ErrorKind.UNREACHABLE
    assert "proxy" in error.message


def test_the_environment_is_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and CAs of the environment change nothing: two paths must not meet by accident."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert site.provider().identify(site.budget()).principal


@pytest.mark.parametrize("auth", ["token_file", "client_certificate", "kubeconfig", "in_cluster"])
def test_every_way_in_works(make_site: Any, auth: str) -> None:
    """Each method authenticates, is named by the server, and can read what its document allows."""
    site = make_site(auth=auth)
    secret = site.seed("secret", "payments/stripe")
    assert site.provider().identify(site.budget()).principal == site.world.source("primary", "cluster").user
    assert site.observe(secret)[secret].presence is Presence.PRESENT


def test_a_client_certificate_that_is_not_accepted(make_site: Any) -> None:
    """A server that lets strangers in answers 403, not 401: that is our credential's fault, and no missing right."""
    site = make_site(auth="client_certificate")
    site.fault("status", code=403, reason="Forbidden", message='x is forbidden: User "system:anonymous" cannot get x')
    error = failure(site)
    assert error.kind is ErrorKind.AUTH_FAILED
    assert "stranger" in error.message


def test_a_rotated_token_is_picked_up(site: Site) -> None:
    """When the token in use is refused and the file holds another one by now, that one is used."""
    secret = site.seed("secret", "payments/stripe")
    provider, file = site.provider(), Path(site.document["auth"]["token_file"])
    good = file.read_text(encoding="ascii")
    file.write_text("eyJhbGciOiJFUzI1NiJ9.e30.AAAA\n", encoding="ascii")
    stream = provider._api(site.budget())
    with stream as api:
        with pytest.raises(ProviderError) as caught:
            api.public("/version")
        assert caught.value.kind is ErrorKind.AUTH_FAILED
    with provider._api(site.budget()) as api:
        assert api.session.access.bearer is not None
        api.session.access.bearer.current()
        file.write_text(good, encoding="ascii")
        assert api.public("/version").status == 200
    assert site.observe(secret)[secret].presence is Presence.PRESENT


def test_a_refused_token_is_not_tried_again(site: Site) -> None:
    """One refusal is the answer of the whole run: no thousand failed logins in the cluster's audit log."""
    wanted = [site.seed("secret", f"payments/s-{number}") for number in range(20)]
    site.fault("token-refused")
    with pytest.raises(ProviderError) as caught:
        site.observe(*wanted)
    assert caught.value.kind is ErrorKind.AUTH_FAILED
    assert len(site.received()) <= 2


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("throttled", {"retry_after": 2}),
        ("unavailable", {"retry_after": 1}),
        ("applied-then-503", {}),
        ("drop", {}),
        ("cut", {}),
        ("status", {"code": 504, "reason": "Timeout"}),
        ("status", {"code": 500, "reason": "InternalError"}),
    ],
)
def test_reads_are_repeated(site: Site, fault: str, options: dict[str, Any]) -> None:
    """What passes by itself costs a pause and one more request, and nothing of the answer."""
    secret = site.seed("secret", "payments/stripe")
    site.fault(fault, times=1, resources=("secrets",), **options)
    seen = site.observe(secret, kinds={"secret"})
    assert seen[secret].presence is Presence.PRESENT
    assert seen.statuses() == {("secret", ""): "complete"}
    assert seen.calls == 3
    slept = sum(site.clock.slept)
    assert slept >= options.get("retry_after", 0.25)


def test_retries_end_within_the_cycle(site: Site) -> None:
    """A wait that is longer than the cycle is not begun, and is told as throttling with the server's own number."""
    secret = site.seed("secret", "payments/stripe")
    site.fault("throttled", retry_after=7200, resources=("secrets",))
    seen = site.observe(secret, kinds={"secret"})
    assert seen[secret].presence is Presence.THROTTLED
    error = seen[secret].error
    assert error is not None
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() == 7200
    assert seen.statuses() == {("secret", ""): "throttled"}


def test_slow_answers_end_with_the_cycle(site: Site) -> None:
    """An answer that comes after the cycle's end is throttling, and what came before it is kept."""
    secret, account = site.seed("secret", "payments/stripe"), site.seed("service-account", "payments/api")
    site.fault("delay", seconds=100, resources=("serviceaccounts",))
    seen = site.observe(secret, account, kinds={"secret", "service-account"})
    assert seen[secret].presence is Presence.PRESENT
    assert seen[account].presence is Presence.THROTTLED
    assert seen.statuses() == {("secret", ""): "complete", ("service-account", ""): "throttled"}


def test_a_dead_server_is_left(site: Site) -> None:
    """After several lost exchanges in a row the rest of a run is not sent at all."""
    wanted = [site.seed("secret", f"payments/s-{number:02}") for number in range(40)]
    site.fault("drop", resources=("secrets",))
    seen = site.observe(*wanted, workers=1)
    assert {item.presence for item in seen.items.values()} == {Presence.UNREACHABLE}
    assert len(seen.items) == 40
    assert len(site.received("/secrets/")) <= 9


def test_redirects_are_refused(site: Site) -> None:
    """The token goes to the configured server and nowhere else."""
    site.fault("redirect", location="https://elsewhere.example/")
    error = failure(site)
    assert error.kind is ErrorKind.MISCONFIGURED
    assert "redirects" in error.message


def test_the_token_is_in_no_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """With everything at DEBUG neither our token nor a value is logged."""
    import logging

    secret = site.seed("secret", "payments/stripe", last_applied=True)
    with caplog.at_level(logging.DEBUG):
        site.observe(secret, kinds=KINDS)
        list(site.provider().values((secret,), site.budget()))
    token = Path(site.document["auth"]["token_file"]).read_text(encoding="ascii").strip()
    assert token not in caplog.text
    assert CANARY not in caplog.text
    assert "/api/v1" not in caplog.text


def test_a_hanging_server_costs_one_read_timeout(site: Site) -> None:
    """A server that stops answering is left after its silence, with the rest of the run untouched."""
    secret = Locator.parse("cluster:secret/payments/stripe")
    site.fault("hang", resources=("secrets",), at_most=5.0)
    seen = site.observe(secret, read_timeout="100ms", attempts=1)
    site.fault("hang", off=True)
    assert seen[secret].presence is Presence.UNREACHABLE


def test_only_its_own_client_is_imported() -> None:
    """The package and its emulator import no HTTP client; the provider imports httpx and no other provider's SDK."""
    import subprocess
    import sys

    script = (
        "import sys, nhisync_kubernetes, nhisync_kubernetes.emulator;"
        "early = 'httpx' in sys.modules;"
        "nhisync_kubernetes.KubernetesProvider;"
        "others = {'boto3', 'botocore', 'hvac', 'requests', 'azure', 'google', 'grpc', 'psycopg', 'moto'};"
        "print(early, 'httpx' in sys.modules, sorted(others & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False True []"


def test_a_request_that_outlives_its_run_leaves_no_socket(site: Site) -> None:
    """A worker is on its way when the consumer goes: nothing new is asked, and its end closes the client."""
    settings, ask = site.settings(), Ask(path="/version")
    session = Session(resolve(settings, site.context()), settings, site.context(), site.budget())
    with session._under_way(ask):
        with session:
            assert session.send(ask).status == 200
        assert not session._client.is_closed
        with pytest.raises(ProviderError, match="closed while it was read"):
            session.send(ask)
    assert session._client.is_closed
