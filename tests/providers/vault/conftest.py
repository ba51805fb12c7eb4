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

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.core import Core

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
