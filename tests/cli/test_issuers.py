"""Issuability through the whole command: the backup's own issuer mints, and the service that judges lets it in or not.

One world for each issuer, a real configuration, and the real child process that mints and presents.
"""

import io
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from nhisync.cli import main
from nhisync.clock import SystemClock
from nhisync.testing.world import Seed, WorldPart
from nhisync_aws.emulator import AwsWorld
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.seed_iam import account_root
from nhisync_gcp.emulator import GcpWorld
from nhisync_kubernetes.emulator import KubernetesWorld
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.pki_x509 import Subject, key_pem, make_leaf, new_key, pem, public_of
from nhisync_vault.emulator.policy_store import put_policy

SIDES = ("primary", "backup")
REGIONS = {"primary": "eu-west-1", "backup": "eu-north-1"}


class Made(NamedTuple):
    """A world with one short-lived identity on each path.

    Attributes:
        documents: path → its source's document.
        items: path → ``kind/name`` of the item.
        probe: of the backup, but for what all have.
        allow: gives the backup's identity what `nhisync permissions` prints, as its documents.
        fail: makes the issuer fail, and nothing else.
        turn_away: makes the service refuse what was minted; returns what changes in the probe for that.
        missing: part of what the finding says where the identity may not mint.
    """

    documents: dict[str, dict[str, Any]]
    items: dict[str, str]
    probe: dict[str, Any]
    allow: Callable[[list[dict[str, Any]]], None]
    fail: Callable[[], None]
    turn_away: Callable[[], dict[str, str] | None]
    missing: str


class Forgetful(dict[str, Any]):
    """Sessions that STS has made and nobody knows."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep nothing."""


def planted(world: WorldPart, seed: Seed) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Documents and items of both paths."""
    documents = {path: world.add_source(path, "own", region=REGIONS[path], options={}) for path in SIDES}
    return documents, {path: world.seed(path, "own", seed) for path in SIDES}


@contextmanager
def aws(folder: Path) -> Iterator[Made]:
    """Roles that trust their account."""
    world = AwsWorld(clock=SystemClock(), directory=folder)
    world.start()
    try:
        documents, items = {}, {}
        for path in SIDES:
            documents[path] = world.add_source(path, "own", region=REGIONS[path], options={"auth": "keys_file"})
            everybody = {"AWS": account_root(world.account_of(path, "own"))}
            trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": everybody}
            document = {"Version": "2012-10-17", "Statement": [trust]}
            items[path] = world.seed(path, "own", Seed(kind="role", name="task", options={"trust": document}))

        def forget() -> None:
            world._running.cloud.sessions = Forgetful()

        def allow(printed: list[dict[str, Any]]) -> None:
            (user,) = iam(world.account_of("backup", "own")).users.values()
            user.policies.clear()
            user.policies.update({f"printed-{number}": one["text"] for number, one in enumerate(printed)})

        fields = {"user_field": "access_key_id", "secret_field": "secret_access_key", "session_field": "session_token"}
        yield Made(
            documents,
            items,
            {"type": "aws-sts", "url": world.endpoint, "region": REGIONS["backup"], **fields},
            allow,
            lambda: world.fault("backup", "own", "refuse", operation="sts:AssumeRole"),
            forget,
            "denied sts:AssumeRole on arn:aws:iam::",
        )
    finally:
        world.stop()


@contextmanager
def kubernetes(folder: Path) -> Iterator[Made]:
    """Service accounts of two clusters."""
    world = KubernetesWorld(clock=SystemClock(), directory=folder)
    world.start()
    try:
        documents, items = planted(world, Seed(kind="service-account", name="payments/api"))
        backup = documents["backup"]

        def allow(printed: list[dict[str, Any]]) -> None:
            texts = "\n---\n".join(one["text"] for one in printed)
            world.apply("backup", "own", [one for one in YAML(typ="safe").load_all(texts) if one])

        yield Made(
            documents,
            items,
            {"type": "kubernetes-token", "url": backup["address"], "ca_file": backup["ca_file"]},
            allow,
            lambda: world.fault("backup", "own", "unavailable", resources=("serviceaccounts",), verbs=("create",)),
            lambda: {"url": documents["primary"]["address"]},
            "denied create serviceaccounts/token -n payments: api",
        )
    finally:
        world.stop()


@contextmanager
def gcp(folder: Path) -> Iterator[Made]:
    """Service accounts of two projects."""
    world = GcpWorld(clock=SystemClock(), directory=folder)
    world.start()
    try:
        documents, items = planted(world, Seed(kind="service-account", name="payments"))
        backup, endpoint = documents["backup"], world.source("backup", "own").listeners["token"].address

        def allow(printed: list[dict[str, Any]]) -> None:
            held = {
                YAML(typ="safe").load(one["text"])["title"]: one["actions"]
                for one in printed
                if one["language"] == "yaml"
            }
            scripts = (one["actions"] for one in printed if one["language"] == "sh")
            bound = (line.partition(" on ") for actions in scripts for line in actions)
            world.grant("backup", "own", {place: held[role] for role, _, place in bound})

        unknown = {"error": "invalid_token", "description": "Invalid Value"}
        yield Made(
            documents,
            items,
            {"type": "gcp-token", "url": f"{endpoint}/tokeninfo", "ca_file": backup["ca_file"]},
            allow,
            lambda: world.fault("backup", "own", "unavailable", call="IAMCredentials.*"),
            lambda: world.fault("backup", "own", "token-refused", call="/tokeninfo", **unknown),
            "may not mint a token of this account",
        )
    finally:
        world.stop()


@contextmanager
def vault(folder: Path) -> Iterator[Made]:
    """Roles of two PKI engines, and a server that lets in whom the backup's certifies."""
    world = VaultWorld(clock=SystemClock(), directory=folder)
    world.start()
    try:
        documents, items = planted(world, Seed(kind="pki", name="pki/role/svc/robot.example.com"))
        place = world.source("backup", "own")
        chain, roots = certified(place.core.view(place.core.mounts["pki/"]), folder)

        def allow(printed: list[dict[str, Any]]) -> None:
            policies = place.core.policies()
            text = "\n".join(one["text"] for one in printed)
            put_policy(policies, place.policy, text, now=SystemClock().now())
            place.core.storage.commit()

        with serving(chain, roots) as server:
            yield Made(
                documents,
                items,
                {
                    "type": "tls", "address": server.address, "auth": "client-certificate", "ca_file": str(roots),
                    "certificate_field": "certificate", "key_field": "private_key",
                },
                allow,
                lambda: world.fault("backup", "own", "bad-gateway", paths=("pki/sign/",)),
                server.forget,
                'grant it: path "pki/sign/svc" { capabilities = ["update"] }',
            )  # fmt: skip
    finally:
        world.stop()


def certified(view: Any, folder: Path) -> tuple[Path, Path]:
    """Files with a server's chain and key, and with the root of the PKI that it is certified by."""
    issuer = view.get(f"issuer/{view.get('default')}")
    key, now = new_key("ec"), SystemClock().now()
    subject = Subject(common_name="localhost", dns=("localhost",), addresses=("127.0.0.1",))
    until = {"start": now - timedelta(hours=1), "end": now + timedelta(days=1)}
    made = make_leaf(subject, public_of(key), issuer.authority(), serial=7, **until)
    roots, chain = folder / "roots.pem", folder / "server.pem"
    roots.write_text(pem(issuer.certificate))
    chain.write_text(f"{pem(made)}\n{key_pem(key)}\n")
    return chain, roots


class Server:
    """A server, which lets in whom the root in a file certifies."""

    def __init__(self, chain: Path, roots: Path, listener: socket.socket) -> None:
        self._chain, self._listener = chain, listener
        self._context = self._trusting(roots)

    def _trusting(self, *roots: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain)
        context.verify_mode = ssl.CERT_REQUIRED
        for one in roots:
            context.load_verify_locations(one)
        return context

    def forget(self) -> None:
        """Trust nobody any more."""
        self._context = self._trusting()

    @property
    def address(self) -> str:
        """``localhost:<port>``."""
        return f"localhost:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), self._context.wrap_socket(channel, server_side=True) as speaking:
                speaking.recv(4096)
                speaking.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


@contextmanager
def serving(chain: Path, roots: Path) -> Iterator[Server]:
    """A running server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Server(chain, roots, listener)
        thread = threading.Thread(target=made.run, daemon=True)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


ISSUERS: dict[str, Callable[[Path], AbstractContextManager[Made]]] = {
    "aws": aws,
    "gcp": gcp,
    "kubernetes": kubernetes,
    "vault": vault,
}


class Place:
    """A configuration on one world, and the command."""

    def __init__(self, made: Made, folder: Path) -> None:
        self.made, self._file = made, folder / "nhisync.yaml"
        (folder / "policies").mkdir()
        tier = {"version": 1, "tier": "tried", "inherits": "standard", "live": {"min_depth": "auth"}}
        (folder / "policies/tried.yaml").write_text(json.dumps(tier), encoding="utf-8")
        self.configure()
        self.allow("read")

    def configure(self, **changes: str) -> None:
        """Write the configuration."""
        made = self.made
        probe = {**made.probe, "issue": True, **changes}
        pair = {"name": "task", "kind": "identity", "probe": {"backup": probe}}
        pair |= {path: f"own:{item}" for path, item in made.items.items()}
        paths = {path: {"region": REGIONS[path], "sources": {"own": found}} for path, found in made.documents.items()}
        apps = {"wallet": {"tier": "tried", "owner": "wallet-oncall", "pairs": [pair]}}
        text = {"version": 1, "policies": "./policies", "paths": paths, "apps": apps}
        self._file.write_text(json.dumps(text), encoding="utf-8")

    def nhisync(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        stdout, stderr = io.StringIO(), io.StringIO()
        main(["-c", str(self._file), *arguments, "--format", "json"], stdout=stdout, stderr=stderr)
        assert stdout.getvalue(), stderr.getvalue()
        return json.loads(stdout.getvalue())

    def allow(self, *modes: str) -> None:
        """Let the backup's identity have exactly what is printed for these modes."""
        printed = (self.nhisync("permissions", "--path", "backup", "--mode", mode) for mode in modes)
        self.made.allow([one for found in printed for one in found])

    def live(self, *command: str) -> dict[str, dict[str, Any]]:
        """Code → finding of family 8."""
        found = self.nhisync(*command)["findings"]
        return {one["code"]: one for one in found if one["code"].startswith("NHS8")}


@pytest.fixture(params=sorted(ISSUERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """One issuer."""
    with ISSUERS[request.param](tmp_path / "world") as made:
        yield Place(made, tmp_path)


DIFF = ("diff", "--live", "--show-passing")


@pytest.mark.requirement("R48", "R22", "R55")
def test_an_issuer_passes_with_the_printed_permission_and_is_unknown_without(place: Place) -> None:
    """Nobody judged it: unknown, with the next step. With what is printed `sync` and `diff --live` find no fault."""
    found = place.live(*DIFF)
    assert {code: one["state"] for code, one in found.items()} == {"NHS803": "unknown"}
    assert place.made.missing in found["NHS803"]["observed"]
    assert re.search(r"grant it: |what `nhisync permissions --mode probe` prints", found["NHS803"]["observed"])
    place.allow("read", "probe")
    assert place.live("sync") == {}
    found = place.live(*DIFF)
    assert {one["state"] for one in found.values()} == {"pass"}
    assert set(found) >= {"NHS801", "NHS803"}


@pytest.mark.requirement("R48")
def test_an_issuer_that_is_down_is_unknown_and_no_failure(place: Place) -> None:
    """It would mint nothing in the failover, and that is not the credential's fault."""
    place.allow("read", "probe")
    place.made.fail()
    found = place.live(*DIFF)
    assert found["NHS803"]["state"] == "unknown"
    assert place.made.missing not in found["NHS803"]["observed"]
    assert "fail" not in {one["state"] for one in found.values()}


@pytest.mark.requirement("R17", "R48")
def test_what_is_minted_and_turned_away_fails(place: Place) -> None:
    """The issuer mints, and what it mints opens nothing."""
    place.allow("read", "probe")
    place.configure(**(place.made.turn_away() or {}))
    found = place.live(*DIFF)
    assert found["NHS801"]["state"] == "fail"
    assert found["NHS801"]["next"]
