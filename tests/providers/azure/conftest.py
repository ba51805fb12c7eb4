"""One emulated Azure for each test, the real SDKs against it over loopback TLS, everything closed at the end."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Budget, Coverage, InventoryRequest, Item, Locator, SourceContext, Unchanged
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_azure import AzureProvider, AzureSettings
from nhisync_azure.emulator import AzureWorld
from nhisync_azure.emulator.server import fresh_port

REGION = "northeurope"


class Seen:
    """What one inventory brought, sorted by what it is."""

    def __init__(self, observations: list[Any]) -> None:
        self.all = observations
        self.items = {f"{i.locator.kind}/{i.locator.name}": i for i in observations if isinstance(i, Item)}
        self.unchanged = [f"{u.locator.kind}/{u.locator.name}" for u in observations if isinstance(u, Unchanged)]
        self.coverage = {c.kind: c for c in observations if isinstance(c, Coverage)}

    @property
    def status(self) -> dict[str, str]:
        """Kind to coverage word."""
        return {kind: coverage.status.value for kind, coverage in self.coverage.items()}

    @property
    def markers(self) -> dict[Locator, str]:
        """What a store would send back as known."""
        return {item.locator: item.marker for item in self.items.values() if item.marker}

    def __getitem__(self, name: str) -> Item:
        return self.items[name]


class Source:
    """One source of the world; every call to `see` is a new process in small."""

    def __init__(self, world: AzureWorld, clock: FakeClock, base: Path, path: str, name: str, options: Any) -> None:
        self.world, self.clock, self.base, self.path, self.name = world, clock, base, path, name
        self.document = world.add_source(path, name, region=REGION, options=options)
        self._open: list[AzureProvider] = []

    def seed(self, kind: str, name: str, **facts: Any) -> str:
        """Plant one item; facts that `Seed` does not have become its options."""
        known = {k: facts.pop(k) for k in ("fields", "created", "rotated", "expires", "owner", "tags") if k in facts}
        known.setdefault("fields", {"value": f"canary-{name}-5b1e"})
        return self.world.seed(self.path, self.name, Seed(kind=kind, name=name, options=facts, **known))

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of this source on, or off."""
        self.world.fault(self.path, self.name, name, **options)

    @property
    def calls(self) -> dict[str, int]:
        """Requests since the last reset."""
        return dict(self.world.calls(self.path, self.name))

    def provider(self, *, clock: Any = None, **settings: Any) -> AzureProvider:
        """A fresh adapter; one attempt unless told otherwise, so that faults show at once."""
        document = {**self.document, "attempts": 1, **settings}
        context = SourceContext(
            path=self.path,
            source=self.name,
            region=REGION,
            base=self.base,
            clock=clock or self.clock,
            randomness=CountingRandomness(),
        )
        made = AzureProvider(AzureSettings.model_validate(document), context)
        self._open.append(made)
        return made

    def budget(self, seconds: float = 600, calls: int = 100_000) -> Budget:
        """A budget on the world's clock."""
        return Budget(self.clock, seconds=seconds, calls=calls)

    def locator(self, name: str) -> Locator:
        """``kind/name`` as a locator of this source."""
        return Locator.parse(f"{self.name}:{name}")

    def see(
        self,
        *wanted: str,
        kinds: str = "",
        known: Mapping[Locator, str] | None = None,
        prefixes: Mapping[str, tuple[str, ...]] | None = None,
        budget: Budget | None = None,
        provider: AzureProvider | None = None,
        **settings: Any,
    ) -> Seen:
        """Run one inventory; `kinds` are blank-separated."""
        request = InventoryRequest(
            budget=budget or self.budget(),
            kinds=frozenset(kinds.split()),
            wanted=tuple(self.locator(name) for name in wanted),
            known=known or {},
            prefixes=prefixes or {},
        )
        return Seen(list((provider or self.provider(**settings)).inventory(request)))

    def close(self) -> None:
        """Close all adapters, twice, as a caller may."""
        for made in self._open:
            made.close()
            made.close()


@pytest.fixture
def clock() -> FakeClock:
    """The world's clock, and the adapters'."""
    return FakeClock()


@pytest.fixture
def azure(tmp_path: Path, clock: FakeClock) -> Iterator[AzureWorld]:
    """A started world with no source yet."""
    world = AzureWorld(clock=clock, directory=tmp_path / "azure-world")
    world.start()
    try:
        yield world
    finally:
        world.stop()


@pytest.fixture
def source_of(azure: AzureWorld, clock: FakeClock, tmp_path: Path) -> Iterator[Callable[..., Source]]:
    """A factory: add a source with options and get the adapter on it."""
    made: list[Source] = []

    def factory(path: str = "backup", name: str = "kv", **options: Any) -> Source:
        made.append(Source(azure, clock, tmp_path, path, name, options))
        return made[-1]

    yield factory
    for held in made:
        held.close()


@pytest.fixture
def backup(source_of: Callable[..., Source]) -> Source:
    """``backup/kv``: a vault and a directory, by client secret, with what reading needs."""
    return source_of()


class Rogue(ThreadingHTTPServer):
    """A vault that answers as a test likes: whose token it wants, and where its first page leads.

    Attributes:
        led: requests, and whether they carried a token.
        authority: token service that its challenge names, with the tenant.
        resource: service that its challenge wants a token for.
        link: the next page of its empty list.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RogueHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = fresh_port()  # the SDK remembers challenges by port for the life of the process
        self.server_name, self.server_port = "127.0.0.1", int(self.socket.getsockname()[1])
        self.led: list[str] = []
        self.authority = self.link = ""
        self.resource = "https://vault.azure.net"


class _RogueHandler(BaseHTTPRequestHandler):
    server: Rogue

    def do_GET(self) -> None:
        """One page, or the challenge."""
        token = self.headers.get("Authorization", "")
        self.server.led.append(f"{self.path} {bool(token)}")
        body = json.dumps({"value": [], "nextLink": self.server.link}).encode()
        self.send_response(200 if token else 401)
        if not token:
            challenge = f'Bearer authorization="{self.server.authority}", resource="{self.server.resource}"'
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of the base class
        """Quiet."""


@pytest.fixture
def rogue(azure: AzureWorld) -> Iterator[Rogue]:
    """A rogue vault with a certificate that the source trusts."""
    server = Rogue()
    assert azure._authority is not None
    server.socket = azure._authority.server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)
