"""A server to test against: the emulator in both flavours, or a real one named by the environment.

``NHISYNC_OPENBAO_ADDR`` and ``NHISYNC_OPENBAO_TOKEN`` (a root token of a throw-away server; optional
``NHISYNC_OPENBAO_CACERT``) point the contract tests at a real server. Tests that need a fault switch, a clock to step
or the fake database are the emulator's only: against a real server each of them is reported as skipped, with that
reason, at the end of the run.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hvac
import pytest
import requests
from hvac.adapters import RawAdapter

from nhisync.spi import Budget, Coverage, InventoryRequest, Item, Locator, SourceContext, Unchanged
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_vault import VaultProvider
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.core import Core
from nhisync_vault.emulator.node import Node
from nhisync_vault.settings import VaultSettings

REAL_ADDRESS = os.environ.get("NHISYNC_OPENBAO_ADDR", "")
ONLY_EMULATED = "needs fault switches, a clock to step or the fake database: the emulator's only"


class Target:
    """One server with a root token, and the real hvac client for it."""

    def __init__(self, *, address: str, token: str, verify: str | bool, world: VaultWorld | None) -> None:
        self.address, self.token, self.verify, self.world = address, token, verify, world
        self._clients: list[hvac.Client] = []
        self._mounts: list[tuple[str, str]] = []
        self.root = self.client(token)

    @property
    def core(self) -> Core:
        """The emulated cluster."""
        assert self.world is not None
        return self.world.source("primary", "vault").core

    @property
    def openbao(self) -> bool:
        """Whether it pages, scans and lists in detail."""
        return self.world is None or self.core.flavour.name == "openbao"

    def client(self, token: str = "", *, raw: bool = False) -> hvac.Client:
        """A client with an explicit identity; nothing is taken from the environment."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        extra: dict[str, Any] = {"adapter": RawAdapter} if raw else {}
        made = hvac.Client(url=self.address, token=token, verify=self.verify, session=session, **extra)
        self._clients.append(made)
        return made

    def raw(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """One request through hvac's raw adapter, with its status code."""
        client = self.client(self.token if token is None else token, raw=True)
        return client.adapter.request(method, f"/v1/{path}", raise_exception=False, **options)

    def mount(self, kind: str, **options: Any) -> str:
        """A fresh secret engine."""
        path = f"nhisync-{kind}-{uuid4().hex[:8]}"
        self.root.sys.enable_secrets_engine(kind, path=path, **options)
        self._mounts.append(("secret", path))
        return path

    def mount_kv(self) -> str:
        """A fresh KV v2 engine."""
        return self.mount("kv", options={"version": "2"})

    def mount_approle(self) -> str:
        """A fresh AppRole."""
        path = f"nhisync-approle-{uuid4().hex[:8]}"
        self.root.sys.enable_auth_method("approle", path=path)
        self._mounts.append(("auth", path))
        return path

    def policy(self, text: str) -> str:
        """A fresh policy."""
        name = f"nhisync-{uuid4().hex[:8]}"
        self.root.sys.create_or_update_policy(name, text)
        return name

    def limited(self, text: str, **options: Any) -> str:
        """A token with exactly one policy of this text."""
        name = self.policy(text)
        answer = self.root.auth.token.create_orphan(policies=[name], no_default_policy=True, **options)
        return str(answer["auth"]["client_token"])

    def close(self) -> None:
        """Remove what was mounted and close all clients."""
        if self.world is None:
            for kind, path in self._mounts:
                undo = self.root.sys.disable_auth_method if kind == "auth" else self.root.sys.disable_secrets_engine
                undo(path)
        for client in self._clients:
            client.adapter.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only moves when told to."""
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock, tmp_path: Path) -> Iterator[VaultWorld]:
    """An empty emulated world."""
    made = VaultWorld(clock=clock, directory=tmp_path / "world")
    made.start()
    yield made
    made.stop()


def open_target(flavour: str, world: VaultWorld) -> Target:
    """The real server for ``real``, else an emulated one of this flavour."""
    if flavour == "real":
        verify: str | bool = os.environ.get("NHISYNC_OPENBAO_CACERT") or True
        return Target(address=REAL_ADDRESS, token=os.environ["NHISYNC_OPENBAO_TOKEN"], verify=verify, world=None)
    document = world.add_source("primary", "vault", region="eu-west-1", options={"flavour": flavour})
    core = world.source("primary", "vault").core
    return Target(address=document["address"], token=core.root_token, verify=document["ca_file"], world=world)


@pytest.fixture(params=["real"] if REAL_ADDRESS else ["openbao", "vault"])
def server(request: pytest.FixtureRequest, world: VaultWorld) -> Iterator[Target]:
    """A server with a root token: a real one when the environment names it, else both emulated flavours."""
    target = open_target(request.param, world)
    yield target
    target.close()


@pytest.fixture
def openbao(world: VaultWorld) -> Iterator[Target]:
    """A server that pages, scans and lists in detail."""
    target = open_target("real" if REAL_ADDRESS else "openbao", world)
    yield target
    target.close()


@pytest.fixture
def emulated(server: Target) -> Target:
    """The emulator; skips, and says so, when the suite runs against a real server."""
    if server.world is None:
        pytest.skip(ONLY_EMULATED)
    return server


@pytest.fixture
def seeded(emulated: Target) -> Target:
    """The emulator with one planted KV secret, ``secret/payments/stripe``."""
    assert emulated.world is not None
    emulated.world.seed(
        "primary", "vault", Seed(kind="kv", name="secret/payments/stripe", fields={"api_key": "canary"})
    )
    return emulated


CANARY = "canary-4c1f9e-never-printed"
"""Planted as every value; no output may hold it."""


class Site:
    """One emulated source with an adapter on it."""

    def __init__(self, world: VaultWorld, clock: FakeClock, *, path: str = "primary", **options: Any) -> None:
        self.world, self.clock, self.path = world, clock, path
        self._settings = options.pop("settings", {})
        self.document = world.add_source(path, "vault", region="eu-west-1", options=options)
        self.providers: list[VaultProvider] = []

    def seed(self, kind: str, name: str, **seed: Any) -> Locator:
        """Plant one credential and return its locator; every value is the canary."""
        seed.setdefault("fields", dict.fromkeys(("api_key", "password", "secret_id", "token"), CANARY))
        options = {k: seed.pop(k) for k in list(seed) if k not in Seed.__dataclass_fields__}
        return Locator.parse(
            f"vault:{self.world.seed(self.path, 'vault', Seed(kind=kind, name=name, options=options, **seed))}"
        )

    def provider(self, **settings: Any) -> VaultProvider:
        """An adapter configured by the world's document and `settings`."""
        document = {**self.document, **self._settings, **settings}
        context = SourceContext(
            path=self.path,
            source="vault",
            region="eu-west-1",
            base=Path("/"),
            clock=self.clock,
            randomness=CountingRandomness(),
        )
        made = VaultProvider(VaultSettings.model_validate(document), context)
        self.providers.append(made)
        return made

    def budget(self, seconds: float = 60.0, calls: int = 100_000) -> Budget:
        """A cycle's budget."""
        return Budget(self.clock, seconds=seconds, calls=calls)

    def observe(
        self,
        *wanted: Locator,
        kinds: tuple[str, ...] = (),
        known: dict[Locator, str] | None = None,
        prefixes: dict[str, tuple[str, ...]] | None = None,
        budget: Budget | None = None,
        provider: VaultProvider | None = None,
        protection: bool = False,
    ) -> "Seen":
        """One inventory run."""
        request = InventoryRequest(
            budget=budget or self.budget(),
            wanted=wanted,
            kinds=frozenset(kinds),
            known=known or {},
            prefixes=prefixes or {},
            protection=protection,
        )
        return Seen(list((provider or self.provider()).inventory(request)), request.budget.spent)

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of this source."""
        self.world.fault(self.path, "vault", name, **options)

    @property
    def node(self) -> Node:
        """The node behind the configured address."""
        return self.world.source(self.path, "vault").node

    def close(self) -> None:
        """Close all adapters."""
        for provider in self.providers:
            provider.close()


class Seen:
    """What one run yielded, sorted into its parts."""

    def __init__(self, observations: list[Any], calls: int) -> None:
        self.all = observations
        self.calls = calls
        self.items = {one.locator: one for one in observations if isinstance(one, Item)}
        self.unchanged = {one.locator for one in observations if isinstance(one, Unchanged)}
        self.coverage = {(one.kind, one.scope): one for one in observations if isinstance(one, Coverage)}

    def __getitem__(self, locator: Locator) -> Item:
        """The item at `locator`."""
        return self.items[locator]

    def markers(self) -> dict[Locator, str]:
        """What the store would keep for the next run."""
        return {locator: item.marker for locator, item in self.items.items() if item.marker}


@pytest.fixture(params=["openbao", "vault"])
def site(request: pytest.FixtureRequest, world: VaultWorld, clock: FakeClock) -> Iterator[Site]:
    """A source of either flavour, AppRole login, with least privilege."""
    made = Site(world, clock, flavour=request.param)
    yield made
    made.close()


@pytest.fixture
def make_site(world: VaultWorld, clock: FakeClock) -> Iterator[Any]:
    """A function that makes sources with options of their own."""
    made: list[Site] = []

    def make(path: str = "primary", **options: Any) -> Site:
        made.append(Site(world, clock, path=path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
