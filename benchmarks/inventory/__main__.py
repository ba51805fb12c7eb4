"""Run the inventory benchmark: ``python -m benchmarks inventory`` (needs a package index once, for Cloud Custodian).

Every client is a whole process, measured by the kernel (wall, CPU, peak memory) and by the server (API calls). First
each runs once unmeasured and without delay, so that modules are compiled and files cached for all. Then rounds: all
clients in turn, each round beginning with another one, so that a slow minute of the machine hits all of them. Ratios
are taken within a round; their median counts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.inventory import estate
from benchmarks.inventory.host import Met, meet, server
from benchmarks.inventory.server import CERTIFICATES, SECRETS, USERS
from benchmarks.results import write

HERE = Path(__file__).parent
DELAY_MS = 25
ROUNDS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "3"))
CUSTODIAN = "c7n==0.9.53"

OWN, PEER, SERIAL, POOL = "nhisync inventory", "Cloud Custodian 0.9.53", "boto3, serial loop", "boto3, 16 threads"
FIRST, SECOND = "nhisync sync, first run, 40 pairs by name", "nhisync sync, second run"
REUSE = "nhisync diff with reuse digests of all secrets"
SWEEP_CALLS, REUSE_CALLS, TIMES_PEER, TIMES_SERIAL, MEGABYTES = 25, 125, 15, 30, 120

Clients = Mapping[str, list[str]]
Rounds = Mapping[str, list[Met]]


def custodian(folder: Path) -> Path:
    """Cloud Custodian in a virtual environment of its own; made once per machine."""
    home = Path(os.environ.get("NHISYNC_BENCH_HOME", folder)) / "c7n"
    if not (home / "bin" / "custodian").exists():
        measure.say(f"installing {CUSTODIAN} into {home} ...")
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", CUSTODIAN], check=True)
    return home / "bin" / "custodian"


def compared(folder: Path) -> Clients:
    """Clients that answer the same questions."""
    kinds = [part for kind in estate.KINDS for part in ("--kind", kind)]
    custodian_run = ["run", "--cache-period", "0", "--region", "us-east-1", "-s", str(folder / "out")]
    return {
        OWN: [measure.NHISYNC, "-c", "plain.yaml", "inventory", "primary", "--format", "json", *kinds],
        PEER: [str(custodian(folder)), *custodian_run, str(HERE / "custodian.yml")],
        SERIAL: [sys.executable, "-m", "benchmarks.inventory.boto_loops", "serial"],
        POOL: [sys.executable, "-m", "benchmarks.inventory.boto_loops", "pool"],
    }


def own() -> Clients:
    """What nhisync does besides; the order matters, the second run finds the store of the first."""
    return {
        FIRST: [measure.NHISYNC, "-c", "named.yaml", "sync"],
        SECOND: [measure.NHISYNC, "-c", "named.yaml", "sync"],
        REUSE: [measure.NHISYNC, "-c", "reuse.yaml", "diff", "primary", "backup"],
    }


def main() -> int:
    """Measure, print, write; 1 when a target was missed."""
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        estate.write(folder, port, SECRETS, USERS, CERTIFICATES)
        rounds = _measured(folder, port)
    targets = _targets(rounds)
    print(_report(rounds, targets))
    return int(not all(met for _, met in targets))


def _measured(folder: Path, port: int) -> Rounds:
    env = measure.environment(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_CONFIG_FILE=os.devnull,
        PYTHONPATH=str(HERE.parents[1]),
    )
    peers, ours = compared(folder), own()
    rounds: dict[str, list[Met]] = {client: [] for client in (*peers, *ours)}

    def once(client: str, command: list[str], delay: int) -> Met:
        met = meet(port, command, env, delay, {0, 1} if client in ours else {0}, folder)
        measure.say(f"{client}: {met.wall:.2f} s, CPU {met.cpu:.2f} s, {met.total} calls")
        return met

    for client, command in {**peers, **ours}.items():
        once(client, command, 0)
    for number in range(ROUNDS):
        measure.say(f"round {number + 1}")
        order = list(peers)
        for client in order[number % len(order) :] + order[: number % len(order)]:
            rounds[client].append(once(client, peers[client], DELAY_MS))
        _agree(folder, {client: rounds[client][-1] for client in peers})
        for file in folder.glob("named.db*"):
            file.unlink()
        for client, command in ours.items():
            rounds[client].append(once(client, command, DELAY_MS))
    return rounds


def _agree(folder: Path, one: Mapping[str, Met]) -> None:
    """All clients must have found the same stale secrets and ending certificates."""
    read: dict[str, Callable[[str], tuple[int, int]]] = {
        OWN: _of_inventory,
        PEER: lambda _output: _of_custodian(folder / "out"),
        SERIAL: _of_loop,
        POOL: _of_loop,
    }
    found = {client: read[client](met.output) for client, met in one.items()}
    if len(set(found.values())) != 1:
        sys.exit(f"the clients disagree about (stale secrets, ending certificates): {found}")


def _of_loop(output: str) -> tuple[int, int]:
    told = json.loads(output)
    return told["stale_secrets"], told["expiring_certificates"]


def _of_custodian(out: Path) -> tuple[int, int]:
    stale, ending = (
        len(json.loads((out / policy / "resources.json").read_text()))
        for policy in ("stale-secrets", "expiring-certificates")
    )
    return stale, ending


def _of_inventory(output: str) -> tuple[int, int]:
    """The two questions that a list of items answers by itself; all users must be there as well."""
    document = json.loads(output)
    now = datetime.now(UTC)
    items = {kind: [i for i in document["items"] if i["locator"].startswith(f"aws:{kind}/")] for kind in estate.KINDS}
    if not document["complete"] or len(items["access-key"]) != USERS:
        sys.exit(f"the inventory is not complete: {output[:2000]}")
    stale = sum(now - _instant(i["rotated"] or i["created"]) > timedelta(days=90) for i in items["secret"])
    return stale, sum(_instant(i["expires"]) - now < timedelta(days=30) for i in items["certificate"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ratios(rounds: Rounds, client: str) -> list[float]:
    return [met.wall / mine.wall for met, mine in zip(rounds[client], rounds[OWN], strict=True)]


def _targets(rounds: Rounds) -> list[tuple[str, bool]]:
    """What the project promised, with what was measured."""
    sweep, reuse = (max(met.total for met in rounds[client]) for client in (OWN, REUSE))
    again = rounds[SECOND][0].calls
    single = sum(again.values()) - SWEEP_CALLS - again.get("iam:ListAccessKeys", 0)
    memory = max(met.rss_mb for met in rounds[OWN])
    peer, serial = (statistics.median(_ratios(rounds, client)) for client in (PEER, SERIAL))
    return [
        (f"at most {SWEEP_CALLS} calls a sweep: {sweep}", sweep <= SWEEP_CALLS),
        (f"at most {REUSE_CALLS} with reuse digests: {reuse}", reuse <= REUSE_CALLS),
        (f"second run without calls for what did not change: {single}", single == 0),
        (f"at least {TIMES_PEER} times faster than Cloud Custodian: {peer:.1f}", peer >= TIMES_PEER),
        (f"at least {TIMES_SERIAL} times faster than the serial loop: {serial:.1f}", serial >= TIMES_SERIAL),
        (f"at most {MEGABYTES} MB: {memory:.0f}", memory <= MEGABYTES),
    ]


def _report(rounds: Rounds, targets: list[tuple[str, bool]]) -> str:
    rows, data = [], {}
    for client, runs in rounds.items():
        middle: dict[str, Any] = {
            "calls": int(statistics.median(met.total for met in runs)),
            "wall_s": [round(met.wall, 3) for met in runs],
            "cpu_s": [round(met.cpu, 3) for met in runs],
            "rss_mb": [round(met.rss_mb) for met in runs],
            "by_operation": dict(runs[-1].calls),
        }
        times = _ratios(rounds, client) if client in {PEER, SERIAL, POOL} else []
        data[client] = {**middle, "times_nhisync": [round(ratio, 2) for ratio in times]}
        shown = [measure.middle(middle["wall_s"]), measure.middle(middle["cpu_s"]), f"{max(middle['rss_mb'])}"]
        rows.append([client, f"{middle['calls']:,}", *shown, measure.middle(times, 1) if times else ""])
    header = ["client", "API calls", "wall s", "CPU s", "peak MB", "times nhisync inventory"]
    named = estate.PAIRS["access-key"]
    notes = (
        f"{SECRETS:,} secrets, {USERS} IAM users with two keys each, {CERTIFICATES} certificates on a loopback AWS, "
        f"{DELAY_MS} ms a call; medians [min–max] of {ROUNDS} rounds, all clients in turn in every round; ratios of "
        f"wall time within a round. All clients find the same stale secrets and ending certificates. Both runs of "
        f"sync sweep everything and judge {sum(estate.PAIRS.values())} pairs by name besides; the second asks again "
        f"only for the keys of the {named} users that pairs name (ListAccessKeys), which no list tells.\n\nTargets: "
    )
    told = "; ".join(f"{text} ({'met' if met else 'MISSED'})" for text, met in targets)
    return write("inventory", "Inventory beside peers", header, rows, data, f"{notes}{told}.")


if __name__ == "__main__":
    sys.exit(main())
