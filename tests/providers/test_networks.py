"""Every adapter works in its user's network: behind a proxy, over IPv6, with a private authority; and only as told."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from nhisync.cli import main
from nhisync.clock import SystemClock
from nhisync.testing.world import Seed

from .networks import Proxy, over_ipv6

SEEDS = {
    "acme": Seed(kind="certificate", name="edge"),
    "aws": Seed(kind="secret", name="payments/stripe", fields={"key": "canary-network-1"}),
    "azure": Seed(kind="secret", name="stripe", fields={"key": "canary-network-2"}),
    "gcp": Seed(kind="secret", name="stripe", fields={"key": "canary-network-3"}),
    "kubernetes": Seed(kind="secret", name="payments/stripe", fields={"key": "canary-network-4"}),
    "tls": Seed(kind="tls", name="api.example.net"),
    "vault": Seed(kind="kv", name="secret/stripe", fields={"key": "canary-network-5"}),
}
PRIVATE = ("acme", "azure", "gcp", "kubernetes", "vault")
"""Speak TLS to a private authority's certificate here."""


class Place:
    """One source of one provider, and what an inventory of it says."""

    def __init__(self, provider: str, folder: Path, seed: Seed | None = None) -> None:
        (point,) = entry_points(group="nhisync.worlds", name=provider)
        self.folder = folder
        self.world = point.load()(clock=SystemClock(), directory=folder / "world")
        self.world.start()
        self.document = self.world.add_source("primary", "x", region="eu-west-1", options={})
        self.name = self.world.seed("primary", "x", seed or SEEDS[provider])

    def inventory(self, **changes: Any) -> tuple[int, set[str], str]:
        """Exit code, names of items, and everything that was printed."""
        document = {key: value for key, value in (self.document | changes).items() if value is not None}
        return self.run(json.dumps(document))

    def run(self, document: str) -> tuple[int, set[str], str]:
        """An inventory of the source that `document` describes."""
        pair = {"name": "a", "kind": "key", "primary": f"x:{self.name}", "backup": f"y:{self.name}"}
        config = {
            "version": 1,
            "paths": {
                "primary": {"region": "eu-west-1", "sources": {"x": json.loads(document)}},
                "backup": {"region": "eu-north-1", "sources": {"y": json.loads(document)}},
            },
            "apps": {"payments": {"tier": "standard", "pairs": [pair]}},
        }
        file = self.folder / "nhisync.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        out, errors = io.StringIO(), io.StringIO()
        call = ["-c", str(file), "--timeout", "20s", "inventory", "primary", "--format", "json"]
        code = main(call, stdout=out, stderr=errors, environ={})
        text = out.getvalue()
        found = json.loads(text) if text else {}
        return (
            code,
            {item["locator"] for item in found.get("items", ()) if item["presence"] == "present"},
            text + errors.getvalue(),
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Make a world of one provider."""
    made: list[Place] = []

    def make(provider: str, seed: Seed | None = None) -> Place:
        made.append(Place(provider, tmp_path, seed))
        return made[-1]

    yield make
    for one in made:
        one.world.stop()


@pytest.fixture
def nobody() -> str:
    """URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return f"http://127.0.0.1:{held.getsockname()[1]}"


PROXIED = ("acme", "aws", "azure", "gcp", "kubernetes", "vault")


@pytest.mark.parametrize("provider", PROXIED)
def test_a_proxy_is_the_only_way(place: Callable[..., Place], provider: str, nobody: str) -> None:
    """With a proxy everything goes through it, logins included; where it is down nothing goes past it."""
    here = place(provider)
    proxy = Proxy()
    try:
        code, found, said = here.inventory(proxy=proxy.url)
    finally:
        proxy.close()
    assert (code, f"x:{here.name}" in found) == (0, True), said
    assert proxy.asked
    code, found, said = here.inventory(proxy=nobody)
    assert (code, f"x:{here.name}" in found) == (4, False), said


ENVIRONMENT = {"aws", "gcp"}
"""Their SDKs take the environment's proxy when the source names none, as their READMEs say."""


@pytest.mark.parametrize("provider", PROXIED)
def test_a_proxy_of_the_environment_is_used_where_the_readme_says_so(
    place: Callable[..., Place], provider: str, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes where is in the configuration: elsewhere a variable sends no credential to a proxy."""
    here = place(provider)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, nobody)
    code, found, said = here.inventory()
    used = provider in ENVIRONMENT
    assert (code, f"x:{here.name}" in found) == ((4, False) if used else (0, True)), said
    readme = Path(__file__).parents[2] / "providers" / provider / "README.md"
    assert ("| `proxy` | `HTTPS_PROXY`" in readme.read_text(encoding="utf-8")) is used


@pytest.mark.parametrize("provider", sorted(SEEDS))
def test_services_with_an_ipv6_address_only(place: Callable[..., Place], provider: str) -> None:
    """Addresses in brackets work, and certificates are verified for them."""
    # Key Vault's answers name the vault by its address, and no token follows to another one: Entra stands for it here.
    directory = provider == "azure"
    here = place(provider, Seed(kind="app-secret", name="payments") if directory else None)
    document = json.dumps(here.document)
    if directory:
        document = json.dumps({key: value for key, value in here.document.items() if key not in VAULT_ONLY})
    with over_ipv6(document + here.name) as relays:
        here.name = here.name.replace("127.0.0.1", "[::1]")
        code, found, said = here.run(document.replace("127.0.0.1", "[::1]"))
    assert (code, f"x:{here.name}" in found) == (0, True), said
    assert sum(relay.taken for relay in relays) > 0


VAULT_ONLY = ("vault", "vault_id", "access")
"""Settings of an Azure source that it has only with a vault."""


@pytest.mark.parametrize("provider", PRIVATE)
def test_only_the_named_authority_is_trusted(place: Callable[..., Place], provider: str) -> None:
    """Without its `ca_file` a service with a private authority is unreachable, and told so; nothing is sent to it."""
    here = place(provider)
    code, found, said = here.inventory(ca_file=None)
    assert (code, f"x:{here.name}" in found) == (4, False), said
    assert "TLS handshake" in said or "certificate is not trusted" in said or "no trusted authority" in said
