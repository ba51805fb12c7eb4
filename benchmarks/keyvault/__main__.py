"""Run the Key Vault benchmark: ``python -m benchmarks keyvault``.

The emulated vault is a process of its own. nhisync does its real job: `nhisync sync` over 2,000 pairs, whose other half
is an empty folder; then again with nothing changed, and again with 20 secrets changed. Every client is a whole process,
measured by the kernel (wall, CPU, peak memory) and by the vault (requests), in rounds. Ratios are medians of rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from benchmarks.keyvault.server import DELAY, SECRETS
from benchmarks.results import write

ROUNDS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "3"))
CHANGED = 20
FIRST, AGAIN, MOVED = "nhisync, first run", "nhisync, nothing changed", f"nhisync, {CHANGED} changed"
SERIAL, POOL = "azure-keyvault-secrets, serial loop", "azure-keyvault-secrets, 16 threads"


@dataclass(frozen=True)
class Run:
    """One client, once."""

    calls: int
    wall: float
    cpu: float
    rss_mb: float


class Vault:
    """The vault's process."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin, self._stdout = stdin, stdout
        self.document: dict[str, Any] = json.loads(stdout.readline())

    def tell(self, command: str) -> int:
        """One command; requests since the last reset."""
        self._stdin.write(f"{command}\n")
        self._stdin.flush()
        return int(self._stdout.readline())

    def measure(self, command: list[str], codes: set[int]) -> Run:
        """Run one client.

        Raises:
            RuntimeError: it ended with another code.
        """
        self.tell("reset")
        with tempfile.TemporaryFile("w+") as out:
            started = time.perf_counter()
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            if child.returncode not in codes:
                raise RuntimeError(f"{command[:4]} ended with {child.returncode}: {out.read()[-2000:]}")
        return Run(self.tell("count"), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


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


def configure(folder: Path, document: dict[str, Any]) -> Path:
    """A configuration with one pair for each secret (JSON is YAML); rates as high as the vendor allows."""
    (folder / "empty").mkdir(exist_ok=True)
    limits = {"deadline": "10m", "rates": {"keyvault": 400}}
    pairs = [
        {"name": f"p{n:05d}", "kind": "secret", "primary": f"vault:secret/svc-{n:05d}", "backup": f"files:pem/{n}.pem"}
        for n in range(SECRETS)
    ]
    paths = {
        "primary": {"region": "westeurope", "sources": {"vault": {**document, "workers": 16, "limits": limits}}},
        "backup": {"region": "northeurope", "sources": {"files": {"provider": "file", "root": str(folder / "empty")}}},
    }
    app = {"tier": "standard", "owner": "bench", "pairs": pairs}
    file = folder / "nhisync.yaml"
    store = {"url": f"sqlite:///{folder}/nhisync.db"}
    body = {"version": 1, "store": store, "paths": paths, "apps": {"bench": app}}
    file.write_text(json.dumps(body), encoding="utf-8")
    return file


def one_round(place: Vault, folder: Path) -> dict[str, Run]:
    """Every client once, nhisync from an empty store on."""
    folder.mkdir()
    config, source = configure(folder, place.document), folder / "document.json"
    source.write_text(json.dumps(place.document), encoding="utf-8")
    sync = [str(Path(sys.executable).with_name("nhisync")), "-c", str(config), "sync"]
    loop = [sys.executable, "-m", "benchmarks.keyvault.sdk_loop"]
    found = {FIRST: place.measure(sync, {0, 1}), AGAIN: place.measure(sync, {0, 1})}
    place.tell(f"change {CHANGED}")
    found[MOVED] = place.measure(sync, {0, 1})
    found[SERIAL] = place.measure([*loop, "serial", str(source)], {0})
    found[POOL] = place.measure([*loop, "pool", str(source)], {0})
    return found


def main() -> None:
    """Measure, print, write."""
    rounds: list[dict[str, Run]] = []
    with tempfile.TemporaryDirectory() as name, vault(Path(name) / "world") as place:
        for number in range(ROUNDS):
            rounds.append(one_round(place, Path(name) / f"round-{number}"))
            for client, run in rounds[-1].items():
                print(f"round {number + 1}: {client}: {run.wall:.1f} s, {run.calls} requests", file=sys.stderr)
    print(report(rounds))


def report(rounds: list[dict[str, Run]]) -> str:
    """The table: medians, and the median of the round-by-round ratios to the first run."""
    rows, data = [], {}
    for client in rounds[0]:
        runs = [found[client] for found in rounds]
        middle: dict[str, Any] = {
            "requests": int(statistics.median(run.calls for run in runs)),
            "wall_s": round(statistics.median(run.wall for run in runs), 2),
            "cpu_s": round(statistics.median(run.cpu for run in runs), 2),
            "rss_mb": round(statistics.median(run.rss_mb for run in runs)),
            "times_first": round(statistics.median(found[client].wall / found[FIRST].wall for found in rounds), 2),
        }
        data[client] = middle
        rows.append([client, *(f"{value:,}" for value in middle.values())])
    header = ["client", "requests", "wall s", "CPU s", "peak RSS MB", "wall / first run"]
    notes = (
        f"{SECRETS:,} secrets with two versions each in the emulated vault over TLS on loopback, "
        f"{DELAY * 1000:.0f} ms a call; the least is one request for each secret and one for each page of 25, "
        f"{SECRETS + SECRETS // 25:,}. nhisync: `sync` with 16 workers, judging and storing {SECRETS:,} pairs besides. "
        f"Medians of {ROUNDS} rounds."
    )
    return write("keyvault", "Key Vault inventory beside a plain SDK loop", header, rows, data, notes)


if __name__ == "__main__":
    main()
