"""Two clusters as the two paths of a real diff: everything planted is found, and nothing else."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.desk import StoreDesk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.errors import GuardError
from nhisync.model import Report
from nhisync.spi import Locator
from nhisync.store import Store
from nhisync.testing.checklist import discrepancies
from nhisync.testing.clocks import FakeClock
from nhisync.testing.demo_parts import DAY, HOUR, NORTH, WEST, canary, nothing, pair, plant
from nhisync.testing.embedded import EmbeddedWorld
from nhisync.testing.scenario import PlannedApp, PlannedPair, PlannedSource, Plant, Scenario
from nhisync.testing.world import Seed
from nhisync_kubernetes.emulator import KubernetesWorld
from nhisync_kubernetes.emulator.faults import NAMES

from .conftest import CANARY


def tls(name: str, *, rotated: timedelta = 30 * DAY, expires: timedelta = 60 * DAY, **seed: Any) -> Plant:
    """A Certificate a third through its life."""
    return plant("west", "certificate", f"payments/{name}", created=200 * DAY, rotated=rotated, expires=expires, **seed)


def other(planted: Plant) -> Plant:
    """The same on the backup."""
    return Plant(source="north", seed=planted.seed, locator=planted.locator, field=planted.field)


def both(name: str, kind: str, primary: Plant, backup: Plant, story: str, *expects: str) -> PlannedPair:
    """A pair whose backup stands in the other cluster."""
    return pair(name, kind, primary, other(backup), story, *expects)


OWN = {"nhisync/lifecycle": "own"}


def young(name: str, **seed: Any) -> Plant:
    """A Secret whose creation already proves its age: its last write alone is an upper bound, and proves none."""
    facts: dict[str, Any] = {"created": 5 * DAY, "rotated": 5 * DAY, "annotations": OWN, **seed}
    return plant("west", "secret", f"payments/{name}", field="password", **facts)


PAIRS = (
    both(
        "stripe",
        "api-key",
        young("stripe"),
        young("stripe", fields={"password": canary("n")}),
        "Two Secrets, each rotated by its own cluster's operator.",
    ),
    both(
        "api",
        "workload",
        plant("west", "service-account", "payments/api"),
        plant("west", "service-account", "payments/api"),
        "How it should be.",
    ),
    both(
        "web-tls",
        "certificate",
        tls("web", key_label="w"),
        tls("web", key_label="n", names=("web.example.com",)),
        "Two issuances.",
    ),
    both(
        "none",
        "api-key",
        plant("west", "secret", "payments/none"),
        nothing("west", "secret/payments/none"),
        "Never created.",
        "NHS101",
    ),
    both(
        "ci",
        "token",
        plant(
            "west", "service-account-token", "payments/ci", created=5 * DAY, rotated=None, fields={"token": canary("w")}
        ),
        plant(
            "west",
            "service-account-token",
            "payments/ci",
            created=5 * DAY,
            rotated=None,
            fields={"token": canary("n2")},
        ),
        "Both sides use tokens without an end.",
        "NHS408",
        "NHS405",
    ),
    both(
        "copied-tls",
        "certificate",
        tls("copied", key_label="one"),
        tls("copied", key_label="one"),
        "One private key on both clusters.",
        "NHS402",
    ),
    both(
        "off-tls",
        "certificate",
        tls("off", key_label="a"),
        tls("off", key_label="b", disabled=True),
        "Never renewed.",
        "NHS206",
    ),
    both(
        "stuck-tls",
        "certificate",
        tls("stuck", key_label="c"),
        tls("stuck", key_label="d", issuing=30 * HOUR),
        "Ready, and its renewal hangs.",
        "NHS205",
    ),
    both(
        "failing-tls",
        "certificate",
        tls("failing", key_label="e"),
        tls("failing", key_label="f", rotated=61 * DAY, expires=29 * DAY, failed_attempts=4),
        "Ready, and its renewal fails since yesterday.",
        "NHS205",
        "NHS304",
        "NHS305",
    ),
    both(
        "issuer-tls",
        "certificate",
        tls("issuer", key_label="g"),
        tls("issuer", key_label="h", cluster_issuer=False, issuer="broken", issuer_ready=False),
        "The issuer that would renew it is not ready, and is another CA.",
        "NHS705",
        "NHS607",
    ),
    both(
        "keystore-tls",
        "certificate",
        tls("keystore", key_label="i"),
        tls("keystore", key_label="j", keystore_password=canary("keystore")),
        "The keystore's password stands in the Certificate.",
        "NHS510",
    ),
)


def scenario(pairs: tuple[PlannedPair, ...] = PAIRS, **backup: Any) -> Scenario:
    """Two clusters and one app."""
    options: Mapping[str, Any] = {"mode": "fingerprint", "expected": ("secret/payments/none",)}
    west = PlannedSource(path="primary", name="west", provider="kubernetes", region=WEST, options=options)
    north = PlannedSource(
        path="backup", name="north", provider="kubernetes", region=NORTH, options={**options, **backup}
    )
    app = PlannedApp(name="payments", tier="critical", owner="o", runbook="https://wiki.example", pairs=pairs)
    policies = {"critical.yaml": {"version": 1, "tier": "critical", "evidence": {"compare_values": True}}}
    return Scenario(sources=(west, north), apps=(app,), policies=policies)


def report_of(planned: Scenario, directory: Path) -> Report:
    """The report of one real diff."""
    clock, randomness = SystemClock(), SystemRandomness()
    with EmbeddedWorld(planned, directory=directory) as world:
        session = Session.open(world.config_file, clock=clock, randomness=randomness)
        url = session.configuration.store_url
        with Store.open(url, clock=clock, randomness=randomness, purpose="test") as store, store.run("diff") as handle:
            return diff(session, DiffOptions(primary="primary", backup="backup"), StoreDesk(session, store, handle))


@pytest.mark.requirement("R13", "R31", "R41", "R44")
def test_everything_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    """Every family that this provider has facts for speaks, through the whole main job over real sockets."""
    planned = scenario()
    report = report_of(planned, tmp_path)
    assert list(discrepancies(planned, report)) == []
    assert not [value for value in (*planned.canaries, canary("keystore")) if value in repr(report)]


@pytest.mark.requirement("R42")
def test_one_cluster_on_both_paths_is_refused(tmp_path: Path) -> None:
    """A backup in a namespace of the primary's cluster is no backup, whoever nhisync is there."""
    one = (
        both(
            "api",
            "workload",
            plant("west", "service-account", "payments/api"),
            plant("west", "service-account", "standby/api"),
            "One cluster.",
            "NHS403",
        ),
    )
    with pytest.raises(GuardError) as refused:
        report_of(scenario(one, cluster_of="primary/west"), tmp_path)
    assert refused.value.guard == "same-cluster"


def test_worlds_name_what_they_do_not_know(world: KubernetesWorld) -> None:
    """Unknown kinds, names without a namespace, options and faults are errors with the known ones beside them."""
    world.add_source("primary", "a", region=WEST, options={})
    for seed in (Seed(kind="pod", name="a/b"), Seed(kind="secret", name="a")):
        with pytest.raises(ValueError, match="service-account-token"):
            world.seed("primary", "a", seed)
    with pytest.raises(TypeError):
        world.seed("primary", "a", Seed(kind="secret", name="a/b", options={"colour": "red"}))
    with pytest.raises(TypeError):
        world.add_source("primary", "b", region=WEST, options={"colour": "red"})
    with pytest.raises(ValueError, match="unreachable"):
        world.fault("primary", "a", "colour")


def test_worlds_leave_nothing_behind(tmp_path: Path) -> None:
    """After stopping, twice, no thread is left and nobody answers; files are private."""
    import threading

    before = set(threading.enumerate())
    world = KubernetesWorld(clock=FakeClock(), directory=tmp_path / "world")
    world.start()
    document = world.add_source("primary", "a", region=WEST, options={})
    world.seed("primary", "a", Seed(kind="secret", name="p/a", fields={"k": CANARY}))
    assert Path(document["auth"]["token_file"]).stat().st_mode & 0o077 == 0
    assert CANARY not in "".join(f.read_text("latin1") for f in tmp_path.rglob("*") if f.is_file())
    world.stop()
    world.stop()
    assert set(threading.enumerate()) - before == set()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_fault_can_be_switched(world: KubernetesWorld, name: str) -> None:
    """Each fault can be queued twice and be taken away at once."""
    world.add_source("primary", "a", region=WEST, options={})
    for _ in range(2):
        world.fault("primary", "a", name, seconds=1, code=500, location="/", times=1)
    cluster = world.source("primary", "a").cluster
    assert cluster.faults.on(name) is not None
    world.fault("primary", "a", name, off=True)
    assert cluster.faults.on(name) is None


def test_locators_of_seeds_read_back(world: KubernetesWorld) -> None:
    """What planting returns is the part of a locator behind its source."""
    world.add_source("primary", "a", region=WEST, options={})
    text = world.seed("primary", "a", Seed(kind="secret", name="payments/stripe"))
    assert Locator.parse(f"a:{text}").name == "payments/stripe"
