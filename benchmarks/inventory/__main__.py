"""Run the inventory benchmark: ``python -m benchmarks inventory`` (needs a package index once, for Cloud Custodian).

Every client is a whole process, measured by the kernel (wall, CPU, peak memory) and by the server (API calls), in
rounds: nhisync, then each peer, so that a slow minute of the machine hits all of them. Ratios are medians of rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import write

HERE = Path(__file__).parent
DELAY_MS = 25
ROUNDS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "3"))
CUSTODIAN = "c7n==0.9.53"

CONFIG = """
version: 1
paths:
  bench:
    region: us-east-1
    sources:
      aws: {{provider: aws, endpoint: "http://127.0.0.1:{port}", auth: {{method: keys_file, file: {keys}}}{batch},
            limits: {{rates: {{iam: 200, secretsmanager: 200, secretsmanager-list: 200, acm: 200, sts: 200}}}}}}
  other:
    region: eu-north-1
    sources: {{edge: {{provider: tls}}}}
apps:
  bench:
    tier: standard
    owner: bench
    roles: {{primary: bench, backup: [other]}}
"""


@dataclass(frozen=True)
class Run:
    """One client, once."""

    wall: float
    cpu: float
    rss_mb: float
    calls: int
    code: int
    output: str


@contextmanager
def server() -> Iterator[int]:
    """The counting AWS in a process of its own."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.inventory.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert child.stdin
    try:
        yield int(json.loads(child.stdout.readline())["port"])
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def control(port: int, path: str) -> dict[str, int]:
    """Ask the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        found: dict[str, int] = json.load(answer)
        return found


def measure(port: int, command: list[str], env: dict[str, str]) -> Run:
    """Run one client with the artificial delay."""
    control(port, f"/__reset?delay={DELAY_MS}")
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        child = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        out.seek(0)
        text = out.read()
    calls = sum(control(port, "/__count").values())
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, calls, child.returncode, text)


def custodian(folder: Path) -> Path:
    """Cloud Custodian in a virtual environment of its own; made once per machine."""
    home = Path(os.environ.get("NHISYNC_BENCH_HOME", folder)) / "c7n"
    if not (home / "bin" / "custodian").exists():
        print(f"installing {CUSTODIAN} into {home} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", CUSTODIAN], check=True)
    return home / "bin" / "custodian"


def clients(folder: Path, port: int) -> dict[str, list[str]]:
    """Name → command."""
    keys = folder / "keys"
    keys.write_text("[default]\naws_access_key_id = AKIABENCHBENCHBENCH0\naws_secret_access_key = bench\n")
    config = folder / "nhisync.yaml"
    config.write_text(CONFIG.format(port=port, keys=keys, batch=""))
    nhisync = Path(sys.executable).with_name("nhisync")
    kinds = [part for kind in ("secret", "access-key", "certificate") for part in ("--kind", kind)]
    custodian_run = ["run", "--cache-period", "0", "--region", "us-east-1", "-s", str(folder / "out")]
    return {
        "nhisync": [str(nhisync), "-c", str(config), "inventory", "bench", "--format", "json", *kinds],
        "Cloud Custodian 0.9.53": [str(custodian(folder)), *custodian_run, str(HERE / "custodian.yml")],
        "boto3, serial loop": [sys.executable, "-m", "benchmarks.inventory.boto_loops", "serial"],
        "boto3, 16 threads": [sys.executable, "-m", "benchmarks.inventory.boto_loops", "pool"],
    }


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        env = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
        }
        commands = clients(folder, port)
        rounds: dict[str, list[Run]] = {client: [] for client in commands}
        for number in range(ROUNDS):
            for client, command in commands.items():
                run = measure(port, command, env)
                print(
                    f"round {number + 1}: {client}: {run.wall:.1f} s, {run.calls} calls, exit {run.code}",
                    file=sys.stderr,
                )
                if run.code not in {0, 3}:
                    sys.exit(f"{client} failed with {run.code}: {run.output[-2000:]}")
                rounds[client].append(run)
    print(report(rounds))


def report(rounds: dict[str, list[Run]]) -> str:
    """The table: medians, and the median of the round-by-round ratios to nhisync."""
    own = rounds["nhisync"]
    rows, data = [], {}
    for client, runs in rounds.items():
        ratio = statistics.median(run.wall / mine.wall for run, mine in zip(runs, own, strict=True))
        middle: dict[str, Any] = {
            "calls": int(statistics.median(run.calls for run in runs)),
            "wall_s": round(statistics.median(run.wall for run in runs), 2),
            "cpu_s": round(statistics.median(run.cpu for run in runs), 2),
            "rss_mb": round(statistics.median(run.rss_mb for run in runs)),
            "times_nhisync": round(ratio, 1),
        }
        data[client] = middle
        rows.append([client, *(f"{value:,}" for value in middle.values())])
    header = ["client", "API calls", "wall s", "CPU s", "peak RSS MB", "wall / nhisync"]
    notes = (
        f"2,000 secrets, 300 IAM users with two keys each, 50 certificates on a loopback AWS, {DELAY_MS} ms a call; "
        f"medians of {ROUNDS} rounds, all clients in turn in every round."
    )
    return write("inventory", "Inventory beside peers", header, rows, data, notes)


if __name__ == "__main__":
    main()
