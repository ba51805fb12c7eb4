"""A cluster to test against: the emulator, or a real API server named by the environment.

``NHISYNC_KUBERNETES_URL``, ``NHISYNC_KUBERNETES_TOKEN_FILE`` (a token of a cluster administrator) and
``NHISYNC_KUBERNETES_CA`` point the contract tests at a throw-away cluster. Tests that need a fault switch or a clock to
step are the emulator's only: against a real server each of them is reported as skipped, with that reason.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nhisync.spi import (
    AccessMode,
    Budget,
    Clock,
    Coverage,
    InventoryRequest,
    Item,
    Locator,
    SourceContext,
    SystemClock,
    Unchanged,
)
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.world import Seed
from nhisync_kubernetes import KubernetesProvider
from nhisync_kubernetes.access import resolve
from nhisync_kubernetes.emulator import KubernetesWorld
from nhisync_kubernetes.emulator.cluster import Cluster
from nhisync_kubernetes.settings import KubernetesSettings

CANARY = "canary-9b1d7e-never-printed"
"""Planted as every value; no output may hold it."""

KINDS = frozenset(kind.name for kind in KubernetesProvider.info.kinds)
REAL_URL = os.environ.get("NHISYNC_KUBERNETES_URL", "")
ONLY_EMULATED = "needs fault switches or a clock to step: the emulator's only"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Seen:
    """What one run yielded, sorted into its parts."""

    def __init__(self, observations: list[Any], calls: int) -> None:
        self.all, self.calls = observations, calls
        self.items = {one.locator: one for one in observations if isinstance(one, Item)}
        self.unchanged = {one.locator for one in observations if isinstance(one, Unchanged)}
        self.coverage = {(one.kind, one.scope): one for one in observations if isinstance(one, Coverage)}

    def __getitem__(self, locator: Locator) -> Item:
        """The item of one locator."""
        return self.items[locator]

    def attribute(self, locator: Locator, name: str) -> str:
        """One display fact, "" when there is none."""
        return dict(self.items[locator].attributes).get(name, "")

    def statuses(self) -> dict[tuple[str, str], str]:
        """Coverage in words."""
        return {key: entry.status.value for key, entry in self.coverage.items()}


class Adapted:
    """An adapter on some document."""

    def __init__(self, document: dict[str, Any], clock: Clock) -> None:
        self.document, self.clock = document, clock

    def context(self) -> SourceContext:
        """Where the adapter stands."""
        return SourceContext(
            path="primary",
            source="cluster",
            region="eu-west-1",
            base=Path("/"),
            clock=self.clock,
            randomness=CountingRandomness(),
        )

    def settings(self, **more: Any) -> KubernetesSettings:
        """The validated settings."""
        return KubernetesSettings.model_validate({**self.document, **more})

    def provider(self, **settings: Any) -> KubernetesProvider:
        """An adapter configured by the document and `settings`."""
        return KubernetesProvider(self.settings(**settings), self.context())

    def budget(self, seconds: float = 60.0, calls: int = 100_000) -> Budget:
        """A cycle's budget."""
        return Budget(self.clock, seconds=seconds, calls=calls)

    def observe(
        self,
        *wanted: Locator,
        kinds: Any = (),
        known: dict[Locator, str] | None = None,
        prefixes: dict[str, tuple[str, ...]] | None = None,
        budget: Budget | None = None,
        provider: KubernetesProvider | None = None,
        **settings: Any,
    ) -> Seen:
        """One inventory run."""
        request = InventoryRequest(
            budget=budget or self.budget(),
            wanted=wanted,
            kinds=frozenset(kinds),
            known=known or {},
            prefixes=prefixes or {},
        )
        stream = (provider or self.provider(**settings)).inventory(request)
        return Seen(list(stream), request.budget.spent)

    def checks(self, *wanted: Locator, kinds: Any = (), mode: AccessMode = AccessMode.READ, **settings: Any) -> Any:
        """The doctor's checks by name."""
        found = self.provider(**settings).examine(mode, wanted, frozenset(kinds), self.budget())
        return {check.name: check for check in found}


class Site(Adapted):
    """One emulated source with adapters on it."""

    def __init__(self, world: KubernetesWorld, clock: FakeClock, *, path: str = "primary", **options: Any) -> None:
        self.world, self.path = world, path
        settings = options.pop("settings", {})
        document = world.add_source(path, "cluster", region="eu-west-1", options=options)
        super().__init__({**document, **settings}, clock)
        self.step = clock.advance

    def seed(self, kind: str, name: str, **seed: Any) -> Locator:
        """Plant one credential and return its locator; every value is the canary."""
        seed.setdefault("fields", {"token": CANARY} if kind == "service-account-token" else {"api_key": CANARY})
        options = {key: seed.pop(key) for key in list(seed) if key not in Seed.__dataclass_fields__}
        planted = self.world.seed(self.path, "cluster", Seed(kind=kind, name=name, options=options, **seed))
        return Locator.parse(f"cluster:{planted}")

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of this source."""
        self.world.fault(self.path, "cluster", name, **options)

    @property
    def cluster(self) -> Cluster:
        """The emulated cluster."""
        return self.world.source(self.path, "cluster").cluster

    def received(self, text: str = "") -> list[str]:
        """Paths that were asked for and contain `text`."""
        return [target for _, target in self.cluster.received if text in target]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only moves when told to."""
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock, tmp_path: Path) -> Iterator[KubernetesWorld]:
    """An empty emulated world."""
    made = KubernetesWorld(clock=clock, directory=tmp_path / "world")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def make_site(world: KubernetesWorld, clock: FakeClock) -> Any:
    """Makes sources; the first argument is the path."""

    def make(path: str = "primary", **options: Any) -> Site:
        return Site(world, clock, path=path, **options)

    return make


@pytest.fixture
def site(make_site: Any) -> Site:
    """One source."""
    made: Site = make_site()
    return made


class Target:
    """One API server with an administrator on it, and the HTTP client that the adapter uses, bare."""

    def __init__(self, *, document: dict[str, Any], folder: Path, clock: Clock, emulated: bool) -> None:
        self.document, self.folder, self.clock, self.emulated = document, folder, clock, emulated
        self._admin = Adapted(document, clock)
        self._undo: list[str] = []
        self._clients: list[httpx.Client] = []
        self.admin = self.client(Path(document["auth"]["token_file"]).read_text(encoding="ascii").strip())

    def client(self, token: str = "") -> httpx.Client:
        """A client with an explicit identity; nothing is taken from the environment."""
        access = resolve(self._admin.settings(), self._admin.context())
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        made = httpx.Client(base_url=access.address, verify=access.tls, trust_env=False, headers=headers, timeout=30)
        self._clients.append(made)
        return made

    def namespace(self) -> str:
        """A fresh namespace, removed at the end."""
        name = f"nhisync-{uuid4().hex[:10]}"
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create one object; it is removed at the end when it stands in no fresh namespace."""
        answer = self.admin.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        if "/namespaces/" not in path:
            self._undo.append(f"{path}/{made['metadata']['name']}")
        return made

    def secret(self, namespace: str, name: str, **more: Any) -> dict[str, Any]:
        """A Secret with the canary."""
        body = {"metadata": {"name": name}, "stringData": {"api_key": CANARY}, **more}
        return self.create(f"/api/v1/namespaces/{namespace}/secrets", body)

    def account(self, namespace: str, name: str = "nhisync") -> str:
        """A service account and a token of it."""
        self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        return self.token(namespace, name)

    def token(self, namespace: str, name: str, seconds: int = 172_800) -> str:
        """A bound token."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = self.admin.post(path, json={"spec": {"expirationSeconds": seconds}})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["status"]["token"])

    def apply(self, manifests: list[dict[str, Any]]) -> None:
        """Create roles and bindings, as ``kubectl apply`` would."""
        for manifest in manifests:
            namespace = manifest["metadata"].get("namespace")
            plural = f"{manifest['kind'].lower()}s"
            self.create(f"{RBAC}/namespaces/{namespace}/{plural}" if namespace else f"{RBAC}/{plural}", manifest)

    def adapted(self, token: str, **settings: Any) -> Adapted:
        """An adapter with this identity."""
        file = self.folder / f"token-{uuid4().hex}"
        file.touch(mode=0o600)
        file.write_text(token, encoding="ascii")
        auth = {"method": "token_file", "token_file": str(file)}
        return Adapted({**self.document, "auth": auth, **settings}, self.clock)

    def close(self) -> None:
        """Remove what was made and close all clients."""
        for path in reversed(self._undo):
            self.admin.delete(path)
        for client in self._clients:
            client.close()


@pytest.fixture
def target(world: KubernetesWorld, clock: FakeClock, tmp_path: Path) -> Iterator[Target]:
    """The real server that the environment names, else an emulated one."""
    if REAL_URL:
        auth = {"method": "token_file", "token_file": os.environ["NHISYNC_KUBERNETES_TOKEN_FILE"]}
        ca = os.environ.get("NHISYNC_KUBERNETES_CA")
        document: dict[str, Any] = {"provider": "kubernetes", "address": REAL_URL, "auth": auth}
        made = Target(
            document={**document, **({"ca_file": ca} if ca else {})},
            folder=tmp_path,
            clock=SystemClock(),
            emulated=False,
        )
    else:
        document = world.add_source("primary", "admin", region="eu-west-1", options={})
        file = tmp_path / "admin-token"
        file.write_text(world.admin_token("primary", "admin"), encoding="ascii")
        document = {**document, "auth": {"method": "token_file", "token_file": str(file)}}
        made = Target(document=document, folder=tmp_path, clock=clock, emulated=True)
    yield made
    made.close()


@pytest.fixture
def emulated(target: Target) -> Target:
    """The emulator; skips, and says so, when the suite runs against a real server."""
    if not target.emulated:
        pytest.skip(ONLY_EMULATED)
    return target
