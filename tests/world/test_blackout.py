"""The blackout clock against the world itself: nobody renews, time runs, each identity is tried until it is refused.

What is predicted comes from the rows of one run. What is observed comes from servers and clients: an OpenBao emulator
that judges logins by its own clock, and OpenSSL, which verifies a real handshake as of the world's time.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import hvac
import pytest
from OpenSSL import SSL

from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.model import AppReport, Finding
from nhisync.parity.rules.blackout import ending
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.embedded import EmbeddedWorld
from nhisync.testing.scenario import PlannedApp, PlannedPair, PlannedSource, Plant, Scenario
from nhisync.testing.world import Seed

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]

PROBE = timedelta(minutes=20)
"""How often each identity is tried."""

BEGIN = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASKED = {"version": 1, "tier": "asked", "inherits": "high"}
TOKEN, ROLE_ID, SECRET_ID = "canary-token-7f3a9c51", "worker-backup", "canary-secret-id-7f3a9c51"


class Site(NamedTuple):
    """The running world and what nhisync said of it before the lights went out."""

    clock: FakeClock
    world: EmbeddedWorld
    directory: Path
    findings: tuple[Finding, ...]
    report: AppReport
    predicted: dict[str, datetime]
    places: dict[str, str]


def plant(source: str, kind: str, name: str, expires: timedelta, **seed: Any) -> Plant:
    """A credential that ends `expires` from now."""
    seed = {"created": 2 * HOUR, "rotated": HOUR, "owner": None, **seed}
    return Plant(source=source, seed=Seed(kind=kind, name=name, expires=expires, **seed))


def scenario(ask: str) -> Scenario:
    """Three identities with three different ends; the issuer of one of them ends before its own certificates do."""
    sources = []
    for path, region in (("primary", "eu-west-1"), ("backup", "eu-north-1")):
        for name, provider in (("bao", "vault"), ("edge", "tls"), ("old", "tls")):
            options: dict[str, Any] = {"census": True} if provider == "vault" else {"authority": f"{path} {name}"}
            if name == "old":
                options["intermediate_expires"] = 9 * HOUR
            sources.append(PlannedSource(path=path, name=name, provider=provider, region=region, options=options))

    def pair(name: str, *place: Any, **seed: Any) -> PlannedPair:
        primary, backup = plant(*place, **seed), plant(*place, **seed)
        return PlannedPair(name=name, kind="identity", primary=primary, backup=backup)

    pairs = (
        pair("door", "edge", "tls", "door.example.com", 15 * HOUR + timedelta(minutes=7), fields={}),
        pair("gate", "old", "tls", "gate.example.com", 60 * 24 * HOUR, fields={}),
        PlannedPair(
            name="robot",
            kind="identity",
            primary=plant("bao", "token", "robot", 30 * HOUR, fields={"token": f"{TOKEN}-p"}),
            backup=plant("bao", "token", "robot", 4 * HOUR + timedelta(minutes=33), fields={"token": TOKEN}),
        ),
        PlannedPair(
            name="worker",
            kind="identity",
            primary=plant("bao", "approle", "approle/worker", 30 * HOUR),
            backup=plant(
                "bao",
                "approle",
                "approle/worker",
                6 * HOUR + timedelta(minutes=1),
                fields={"secret_id": SECRET_ID},
                options={"role_id": ROLE_ID},
            ),
        ),
    )
    app = PlannedApp(name="yard", tier="asked", owner="yard", runbook="https://wiki.example/yard", pairs=pairs)
    blackout = {"ask": True, "rto": ask, "longest_stay": "0s", "margin": "0s"}
    return Scenario(sources=tuple(sources), apps=(app,), policies={"asked.yaml": {**ASKED, "blackout": blackout}})


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """One run of nhisync on a world whose time only this test moves."""
    clock = FakeClock(BEGIN)
    with EmbeddedWorld(scenario(request.param), directory=tmp_path, clock=clock) as world:
        session = Session.open(world.config_file, clock=clock, randomness=CountingRandomness())
        desk = MemoryDesk()
        report = diff(session, DiffOptions(primary="primary", backup="backup"), desk)
        rows = {row.key.partition("/")[2]: row for row in desk.rows("backup")}
        ends = {name: ending(row, int(clock.now().timestamp())).end for name, row in rows.items()}
        assert None not in ends.values()
        predicted = {name: datetime.fromtimestamp(cast("int", end), UTC) for name, end in ends.items()}
        places = {name: row.locator for name, row in rows.items()}
        yield Site(clock, world, tmp_path, report.findings, report.apps[0], predicted, places)


Tried = Callable[[], bool]
"""Whether an identity is accepted at this moment of the world."""


def bao(site: Site, token: str = "") -> hvac.Client:
    """A client of the backup's OpenBao."""
    place = site.world.part("vault").source("backup", "bao")  # type: ignore[attr-defined]
    return hvac.Client(url=place.node.address, token=token, verify=str(site.directory / "world/vault/ca.pem"))


def worker(site: Site) -> Tried:
    """An AppRole login with the secret ID of the row; the server judges it."""

    def tried() -> bool:
        with suppress(hvac.exceptions.InvalidRequest):
            return bool(bao(site).auth.approle.login(role_id=ROLE_ID, secret_id=SECRET_ID))
        return False

    return tried


def robot(site: Site) -> Tried:
    """A token that looks itself up."""

    def tried() -> bool:
        with suppress(hvac.exceptions.Forbidden):
            return bool(bao(site, TOKEN).auth.token.lookup_self())
        return False

    return tried


def handshake(site: Site, pair: str) -> Tried:
    """A TLS client that trusts the path's root and verifies what is served as of the world's time."""
    source, _, rest = site.places[pair].partition(":")
    address = urlsplit(f"//{rest.partition('/')[2]}")
    name = parse_qs(address.query)["name"][0]

    def tried() -> bool:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.load_verify_locations(str(site.directory / f"world/tls/backup/{source}/roots.pem"))
        context.set_verify(SSL.VERIFY_PEER)
        store = context.get_cert_store()
        assert store is not None
        store.set_time(site.clock.now())
        with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as wire:
            wire.setblocking(True)
            client = SSL.Connection(context, wire)
            client.set_tlsext_host_name(name.encode())
            client.set_connect_state()
            try:
                client.do_handshake()
            except SSL.Error:
                return False
        return True

    return tried


def watched(site: Site) -> dict[str, datetime]:
    """Nobody renews anything any more. Each identity is tried every `PROBE` until all are refused.

    Returns:
        Pair → when it was first refused.
    """
    tries = {"worker": worker(site), "robot": robot(site), "door": handshake(site, "door")}
    tries["gate"] = handshake(site, "gate")
    assert all(tried() for tried in tries.values()), "every identity works when the lights go out"
    refused: dict[str, datetime] = {}
    while tries:
        site.clock.advance(PROBE)
        assert site.clock.now() < BEGIN + 48 * HOUR, f"never refused: {sorted(tries)}"
        for name in [name for name, tried in tries.items() if not tried()]:
            refused[name] = site.clock.now()
            del tries[name]
    return refused


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("site", ["5h"], indirect=True)
def test_predicted_is_what_happens(site: Site) -> None:
    """Each identity is refused within one probe interval of its prediction, and the one named first goes first."""
    clock = site.report.blackout
    assert clock is not None
    assert (clock.first, clock.until) == ("robot", site.predicted["robot"])
    assert (clock.unknown, clock.endless, clock.pairs) == (0, 0, 4)
    refused = watched(site)
    late = {name: at - site.predicted[name] for name, at in refused.items()}
    assert late.keys() == site.predicted.keys()
    assert all(timedelta(0) <= span <= PROBE for span in late.values()), late
    assert min(refused, key=lambda name: refused[name]) == clock.first
    assert refused["gate"] < refused["door"], "the issuer ends before its own certificate"


@pytest.mark.parametrize(
    ("site", "codes"), [("4h", set()), ("5h", {"robot"}), ("7h", {"robot", "worker"})], indirect=["site"]
)
def test_ready_needs_the_horizon(site: Site, codes: set[str]) -> None:
    """Exactly the identities that would be refused before the asked time is over fail."""
    found = {f.pair for f in site.findings if f.code == "NHS307"}
    assert found == codes
