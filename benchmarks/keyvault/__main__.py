"""Run the Key Vault benchmark: ``python -m benchmarks keyvault``.

The emulated vault is a process of its own. `nhisync inventory` with all versions answers the very question of the SDK
loops, at the same width, and must find the same. Beside them nhisync does its real job: `nhisync sync` over 2,000
pairs, whose other half is an empty folder; then again with nothing changed, and again with 20 secrets changed. Every
client is a whole process, measured by the kernel (wall, CPU, peak memory) and by the vault (requests, its own CPU), in
rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from benchmarks import measure
from benchmarks.keyvault.server import DELAY, SECRETS
from benchmarks.results import write

ROUNDS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "3"))
CHANGED = 20
OWN = "nhisync inventory, 16 workers"
SERIAL, POOL = "azure-keyvault-secrets, serial loop", "azure-keyvault-secrets, 16 threads"
FIRST, AGAIN, MOVED = "nhisync sync, first", "nhisync sync, nothing changed", f"nhisync sync, {CHANGED} changed"


@dataclass(frozen=True)
class Met(measure.Run):
    """One client, once, as the vault met it."""

    calls: int
    vault_cpu: float


class Vault:
    """The vault's process."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin, self._stdout = stdin, stdout
        self.document: dict[str, Any] = json.loads(stdout.readline())

    def tell(self, command: str) -> dict[str, Any]:
        """One command; what the vault did since the last reset."""
        self._stdin.write(f"{command}\n")
        self._stdin.flush()
        found: dict[str, Any] = json.loads(self._stdout.readline())
        return found

    def measure(self, command: list[str], codes: set[int]) -> Met:
        """Run one client.

        Raises:
            RuntimeError: it ended with another code.
        """
        self.tell("reset")
        run = measure.run(command, measure.environment())
        if run.code not in codes:
            raise RuntimeError(f"{command[:4]} ended with {run.code}: {run.output[-2000:]}")
        did = self.tell("count")
        return Met(run.wall, run.cpu, run.rss_mb, run.code, run.output, did["calls"], did["cpu"])


@contextmanager
def vault(folder: Path) -> Iterator[Vault]:
    """The vault, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.keyvault.server", str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    try:
        yield Vault(child.stdin, child.stdout)
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


def configure(folder: Path, document: dict[str, Any]) -> tuple[Path, Path]:
    """Configurations without pairs and with one for each secret (JSON is YAML); rates as high as the vendor allows."""
    (folder / "empty").mkdir(parents=True)
    vault = {**document, "workers": 16, "limits": {"deadline": "10m", "rates": {"keyvault": 400}}}
    backup = {"region": "northeurope", "sources": {"files": {"provider": "file", "root": str(folder / "empty")}}}
    pairs = [
        {"name": f"p{n:05d}", "kind": "secret", "primary": f"vault:secret/svc-{n:05d}", "backup": f"files:pem/{n}.pem"}
        for n in range(SECRETS)
    ]
    made = []
    for name, source, more in (("all", {**vault, "versions": "all"}, {}), ("pairs", vault, {"pairs": pairs})):
        paths = {"primary": {"region": "westeurope", "sources": {"vault": source}}, "backup": backup}
        app = {"tier": "standard", "owner": "bench", **more}
        store = {"url": f"sqlite:///{folder}/{name}.db"}
        body = {"version": 1, "store": store, "paths": paths, "apps": {"bench": app}}
        made.append(folder / f"{name}.yaml")
        made[-1].write_text(json.dumps(body), encoding="utf-8")
    return made[0], made[1]


def one_round(place: Vault, folder: Path) -> dict[str, Met]:
    """Every client once, nhisync from an empty store on; those that answer one question must agree."""
    (everything, pairs), source = configure(folder, place.document), folder / "document.json"
    source.write_text(json.dumps(place.document), encoding="utf-8")
    loop = [sys.executable, "-m", "benchmarks.keyvault.sdk_loop"]
    asked = [measure.NHISYNC, "-c", str(everything), "inventory", "primary", "--kind", "secret", "--format", "json"]
    sync = [measure.NHISYNC, "-c", str(pairs), "sync"]
    found = {
        OWN: place.measure(asked, {0}),
        SERIAL: place.measure([*loop, "serial", str(source)], {0}),
        POOL: place.measure([*loop, "pool", str(source)], {0}),
    }
    answers = [_answer(found[OWN].output), *(json.loads(found[client].output) for client in (SERIAL, POOL))]
    if answers[0] != answers[1] or answers[1] != answers[2]:
        sys.exit(f"the clients do not agree: {answers}")
    found[FIRST] = place.measure(sync, {1})
    found[AGAIN] = place.measure(sync, {1})
    place.tell(f"change {CHANGED}")
    found[MOVED] = place.measure(sync, {1})
    return found


def _answer(output: str) -> dict[str, int]:
    """How many secrets there are, and how many have a newest enabled version older than 90 days."""
    limit, items = datetime.now(UTC) - timedelta(days=90), json.loads(output)["items"]
    made = [datetime.fromisoformat(item["rotated"] or item["created"]) for item in items]
    return {"secrets": len(items), "stale": sum(at < limit for at in made)}


def main() -> None:
    """Measure, print, write."""
    rounds: list[dict[str, Met]] = []
    with tempfile.TemporaryDirectory() as name, vault(Path(name) / "world") as place:
        for number in range(ROUNDS):
            rounds.append(one_round(place, Path(name) / f"round-{number}"))
            for client, run in rounds[-1].items():
                measure.say(f"round {number + 1}: {client}: {run.wall:.1f} s, {run.calls} requests")
    print(report(rounds))


def report(rounds: list[dict[str, Met]]) -> str:
    """The table: medians, and the median of the round-by-round ratios to nhisync's inventory."""
    rows, data = [], {}
    for client in rounds[0]:
        runs = [found[client] for found in rounds]
        middle: dict[str, Any] = {
            "requests": int(statistics.median(run.calls for run in runs)),
            "wall_s": round(statistics.median(run.wall for run in runs), 2),
            "cpu_s": round(statistics.median(run.cpu for run in runs), 2),
            "vault_cpu_s": round(statistics.median(run.vault_cpu for run in runs), 2),
            "rss_mb": round(statistics.median(run.rss_mb for run in runs)),
            "times_inventory": round(statistics.median(found[client].wall / found[OWN].wall for found in rounds), 2),
        }
        data[client] = middle
        rows.append([client, *(f"{value:,}" for value in middle.values())])
    header = ["client", "requests", "wall s", "CPU s", "vault's CPU s", "peak RSS MB", "wall / nhisync inventory"]
    notes = (
        f"{SECRETS:,} secrets with two versions each in the emulated vault over TLS on loopback, "
        f"{DELAY * 1000:.0f} ms a call; the least is one request for each secret and one for each page of 25, "
        f"{SECRETS + SECRETS // 25:,}. The inventory and the loops give the same answer. `sync` has 16 workers "
        f"too, reads a configuration of {SECRETS:,} pairs, judges and keeps them besides. Medians of {ROUNDS} rounds."
    )
    return write("keyvault", "Key Vault inventory beside a plain SDK loop", header, rows, data, notes)


if __name__ == "__main__":
    main()
