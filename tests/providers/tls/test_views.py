"""Client bundles and revocation lists of a source, on real endpoints."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import AccessMode, CheckState, Item, Locator
from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed
from nhisync_tls.emulator import TlsWorld

from .conftest import Edge, Make

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
CLIENTS: dict[str, Any] = {"client_trust": {"new": "Demo", "old": "Elsewhere"}, "lists_end": 5 * DAY}


class Watched(Edge):
    """A source whose clients and revocation lists are configured."""

    def __init__(self, world: TlsWorld, make: Make, clock: FakeClock) -> None:
        self.world, self.clock = world, clock
        self._make = make
        self.document = world.add_source("primary", "edge", region="eu-west-1", options=CLIENTS)


@pytest.fixture
def watched(world: TlsWorld, make: Make, clock: FakeClock) -> Watched:
    """Such a source and its adapter."""
    return Watched(world, make, clock)


def seen(item: Item) -> dict[str, Any]:
    """The outlooks of the item's chain by store."""
    assert item.chain is not None, item.error
    return {one.store: one for one in item.chain.outlooks}


@pytest.mark.requirement("R30")
def test_every_store_is_asked(watched: Watched) -> None:
    """The source's roots, the system's and each bundle must have an answer of their own, exact to the second."""
    (item,) = watched.look(watched.plant(expires=30 * DAY))
    found = seen(item)
    assert list(found) == ["own", "system", "client:new", "client:old"]
    ends = watched.clock.now().replace(microsecond=0) + 30 * DAY + SECOND
    assert (found["own"].fails_at, found["own"].role, found["own"].culprit) == (
        ends,
        "leaf",
        "CN=api.example.com,O=Example",
    )
    assert (found["client:new"].fails_at, found["client:new"].accepts) == (ends, (found["own"].anchor,))
    assert (found["client:old"].fails_at, found["system"].fails_at) == (None, None)
    assert len(found["client:old"].accepts) == 1


@pytest.mark.requirement("R30")
def test_the_first_failing_second_and_its_culprit_are_facts(watched: Watched) -> None:
    """An intermediate that ends before its leaf must be named with the second after its last one."""
    (item,) = watched.look(watched.plant(chain="expiring_intermediate"))
    own = seen(item)["own"]
    assert (own.culprit, own.role) == ("CN=Ending Issuing CA,O=Example", "intermediate")
    assert own.fails_at == watched.clock.now().replace(microsecond=0) + DAY + SECOND
    shown = dict(item.attributes)
    assert shown["chain-holds-until"] == f"{own.fails_at - SECOND:%Y-%m-%dT%H:%M:%SZ}"
    assert shown["chain-ends-with"] == own.culprit


def test_lists_speak_about_every_endpoint(watched: Watched) -> None:
    """The revoked leaf must be named, and the good one must not."""
    good, bad = watched.look(watched.plant("good"), watched.plant("bad", revoked=True))
    assert good.chain is not None
    assert bad.chain is not None
    assert good.chain.revocation is not None
    assert (good.chain.revocation.revoked, good.chain.revocation.unknown) == ("", "")
    assert good.chain.revocation.until == watched.clock.now().replace(microsecond=0) + 5 * DAY
    assert bad.chain.revocation is not None
    assert bad.chain.revocation.revoked.startswith("CN=bad.example.com,O=Example is revoked since ")
    assert bad.chain.builds


def test_unusable_bundles_and_lists_are_unknown_and_told(watched: Watched) -> None:
    """A file that is gone must leave a reason in the facts and fail in doctor; the chain itself is still verified."""
    planted = watched.plant()
    broken: dict[str, Any] = {"client_trust": {"old": "gone.pem"}, "crl_files": ["gone.pem"]}
    (item,) = watched.look(planted, **broken)
    assert item.chain is not None
    assert item.chain.builds
    assert seen(item)["client:old"].problem == "client_trust old cannot be read"
    assert item.chain.revocation is not None
    assert item.chain.revocation.unknown == "file 1 of crl_files cannot be read"
    checks = {
        check.name: check
        for check in watched.provider(**broken).examine(AccessMode.READ, [planted], frozenset(), watched.budget())
    }
    assert checks["client_trust:old"].state is checks["crl_files"].state is CheckState.FAILED
    assert checks["client_trust:old"].fix
    assert checks["crl_files"].fix


def test_doctor_and_permissions_know_the_files(watched: Watched) -> None:
    """Good files are OK, ended lists a warning, and every file is in the document of permissions."""

    def checks() -> dict[str, Any]:
        found = watched.provider().examine(AccessMode.READ, [], frozenset(), watched.budget())
        return {check.name: (check.state, check.observed) for check in found}

    healthy = checks()
    assert healthy["client_trust:new"] == (CheckState.OK, "1 roots")
    assert healthy["crl_files"] == (CheckState.OK, "2 lists, 0 of them ended")
    watched.clock.advance(6 * DAY)
    assert checks()["crl_files"] == (CheckState.WARNING, "2 lists, 2 of them ended")
    provider = watched.provider(client_trust={**watched.document["client_trust"], "browsers": "system"})
    wanted = [Locator("edge", "tls", "192.0.2.10:443?name=a.example")]
    _, files = provider.permissions(AccessMode.READ, wanted, frozenset())
    names = {Path(action.partition(":")[2]).name for action in files.actions}
    assert names == {"roots.pem", "intermediates.pem", "clients-new.pem", "clients-old.pem", "lists.pem"}


def test_sources_of_one_authority_may_have_lists_of_their_own(world: TlsWorld, make: Make, clock: FakeClock) -> None:
    """What is revoked in one source of the world must not be in another that shares its authority."""
    first = Watched(world, make, clock)
    world.add_source("backup", "edge", region="eu-north-1", options={"lists_end": 3 * DAY})
    world.seed("backup", "edge", Seed(kind="tls", name="gone", options={"revoked": True}))
    (item,) = first.look(first.plant("gone"))
    assert item.chain is not None
    assert item.chain.revocation is not None
    assert item.chain.revocation.revoked == ""
