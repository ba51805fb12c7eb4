"""Four times the entries, hardly more memory: a listing goes through, it is not collected."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.spi import SystemClock
from nhisync.testing.world import Seed
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.crowd import fill

FEW, MANY = 5_000, 20_000

PROGRAM = """
import sys
from nhisync.cli import main
code = main(["-c", sys.argv[1], "diff", "--format", "json", "-o", sys.argv[2]])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(code, peak.split()[1])
"""
"""VmHWM is the peak of this very program; getrusage would count the parent's memory before the exec as well."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[VaultWorld]:
    """A world on the real clock, which the program's own clock can be compared with."""
    made = VaultWorld(clock=SystemClock(), directory=tmp_path / "world")
    made.start()
    yield made
    made.stop()


def peak(world: VaultWorld, folder: Path, count: int) -> tuple[int, int, int]:
    """Exit code, peak in KiB and counted entries of one diff whose template needs the whole mount listed."""
    document = world.add_source(str(count), "vault", region="eu-west-1", options={})
    world.seed(str(count), "vault", Seed(kind="kv", name="secret/one"))
    fill(world.source(str(count), "vault").core, "secret/", count)
    (folder / "backup").mkdir(exist_ok=True, mode=0o700)
    match = {"kind": "login", "primary": "vault:kv/secret/{name}-login", "backup": "files:json/{name}.json"}
    config = {
        "version": 1,
        "paths": {
            "primary": {"region": "eu-west-1", "sources": {"vault": document}},
            "backup": {"region": "eu-north-1", "sources": {"files": {"provider": "file", "root": "backup"}}},
        },
        "apps": {"crowd": {"tier": "standard", "owner": "crowd", "match": [match]}},
    }
    file, report = folder / "nhisync.yaml", folder / f"{count}.json"
    file.write_text(json.dumps(config))
    command = [sys.executable, "-c", PROGRAM, str(file), str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, kib = done.stdout.split()
    (entry,) = [one for one in json.loads(report.read_text())["coverage"] if one["kind"] == "kv"]
    assert entry["status"] == "complete"
    return int(code), int(kib), entry["items"]


@pytest.mark.requirement("R4b")
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_a_listing(world: VaultWorld, tmp_path: Path) -> None:
    """Every entry is counted, and 15,000 more of them, about 2 KB each as objects, cost less than a third of that."""
    _, few, counted = peak(world, tmp_path, FEW)
    assert counted == FEW
    _, many, counted = peak(world, tmp_path, MANY)
    assert counted == MANY
    assert many - few < (MANY - FEW) * 2 / 3, (few, many)
