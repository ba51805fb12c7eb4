"""Run the benchmark: ``python -m benchmarks secretmanager``.

Every client is a whole process, measured by the kernel (wall, CPU, peak memory) and by the server (calls), in rounds:
nhisync, then each loop, so that a slow minute of the machine hits all of them. Ratios are medians of rounds. All must
give the same answer.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.results import write
from benchmarks.secretmanager.server import DELAY_MS, SECRETS, VERSIONS

ROUNDS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "3"))
RATES = {"secretmanager": 10_000, "token": 100}
"""Google's default quota is 600 reads a minute; here the clients are compared, not the quota."""


class Server:
    """The counting Secret Manager in a process of its own."""

    def __init__(self, child: "subprocess.Popen[str]", document: dict[str, Any]) -> None:
        self._child, self.document = child, document

    def did(self) -> tuple[Counter[str], float]:
        """Calls and the server's processor seconds since the last time this was asked."""
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write("count\n")
        self._child.stdin.flush()
        found = json.loads(self._child.stdout.readline())
        return Counter(found["calls"]), float(found["cpu"])


@contextmanager
def serving() -> Iterator[Server]:
    """Start it, end it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.secretmanager.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin
    assert child.stdout
    try:
        yield Server(child, json.loads(child.stdout.readline()))
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


@dataclass(frozen=True)
class Met(measure.Run):
    """One client, once, as the server met it."""

    calls: Counter[str]
    server_cpu: float


def meet(server: Server, command: list[str]) -> Met:
    """Run one client."""
    server.did()
    run = measure.run(command, measure.environment())
    return Met(run.wall, run.cpu, run.rss_mb, run.code, run.output, *server.did())


def clients(folder: Path, document: dict[str, Any]) -> dict[str, list[str]]:
    """Name → command."""
    source = {**document, "workers": 16, "limits": {"deadline": "5m", "rates": RATES}}
    (folder / "source.json").write_text(json.dumps(source), encoding="utf-8")
    paths = {"bench": {"sources": {"gcp": source}}, "other": {"region": "x", "sources": {"edge": {"provider": "tls"}}}}
    app = {"tier": "standard", "owner": "bench", "roles": {"primary": "bench", "backup": ["other"]}}
    config = {"version": 1, "paths": paths, "apps": {"bench": app}}
    (folder / "nhisync.yaml").write_text(json.dumps(config), encoding="utf-8")
    asked = ["inventory", "bench", "--format", "json", "--kind", "secret"]
    loop = [sys.executable, "-m", "benchmarks.secretmanager.loops"]
    return {
        "nhisync": [measure.NHISYNC, "-c", str(folder / "nhisync.yaml"), *asked],
        "SDK, serial loop": [*loop, "serial", str(folder / "source.json")],
        "SDK, 16 threads": [*loop, "pool", str(folder / "source.json")],
    }


def answer(client: str, text: str) -> dict[str, int]:
    """How many secrets there are, and how many values are older than 90 days."""
    found: dict[str, Any] = json.loads(text)
    if client != "nhisync":
        return found
    limit = datetime.now(UTC) - timedelta(days=90)
    items = found["items"]
    rotated = [datetime.fromisoformat(item["rotated"] or item["created"]) for item in items]
    return {"secrets": len(items), "stale": sum(at < limit for at in rotated)}


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as name, serving() as server:
        commands = clients(Path(name), server.document)
        rounds: dict[str, list[Met]] = {client: [] for client in commands}
        for number in range(ROUNDS):
            for client, command in commands.items():
                run = meet(server, command)
                told = f"{run.wall:.1f} s, {run.calls.total()} calls, exit {run.code}"
                measure.say(f"round {number + 1}: {client}: {told}")
                if run.code not in {0, 3}:
                    sys.exit(f"{client} failed with {run.code}")
                rounds[client].append(run)
        twice = [sys.executable, "-m", "benchmarks.secretmanager.second_run", str(Path(name) / "source.json")]
        second = [json.loads(line) for line in meet(server, twice).output.splitlines()]
    answers = {client: answer(client, runs[-1].output) for client, runs in rounds.items()}
    if len({json.dumps(one, sort_keys=True) for one in answers.values()}) != 1:
        sys.exit(f"the clients do not agree: {answers}")
    print(report(rounds, second))


def report(rounds: dict[str, list[Met]], second: list[dict[str, Any]]) -> str:
    """The table: medians, and the median of the round-by-round ratios to nhisync."""
    own = rounds["nhisync"]
    rows, data = [], {}
    for client, runs in rounds.items():
        ratio = statistics.median(run.wall / mine.wall for run, mine in zip(runs, own, strict=True))
        middle: dict[str, Any] = {
            "calls": int(statistics.median(run.calls.total() for run in runs)),
            "wall_s": round(statistics.median(run.wall for run in runs), 2),
            "cpu_s": round(statistics.median(run.cpu for run in runs), 2),
            "server_cpu_s": round(statistics.median(run.server_cpu for run in runs), 2),
            "rss_mb": round(statistics.median(run.rss_mb for run in runs)),
            "times_nhisync": round(ratio, 2),
        }
        data[client] = middle
        rows.append([client, *(f"{value:,}" for value in middle.values())])
    by_method = ", ".join(f"{count:,} {name.rpartition('.')[2]}" for name, count in sorted(own[-1].calls.items()))
    again = second[1]
    notes = (
        f"{SECRETS:,} secrets with {VERSIONS} versions each on a loopback Secret Manager (gRPC over TLS), {DELAY_MS} "
        f"ms a call; medians of {ROUNDS} rounds, all clients in turn in every round, one answer. Calls of nhisync: "
        f"{by_method}. A second run that knows the first costs {again['calls']:,} calls again ({again['unchanged']:,} "
        "unchanged): no list shows a new version, so N and the pages is the minimum (docs/adr/0023)."
    )
    header = ["client", "calls", "wall s", "CPU s", "server's CPU s", "peak RSS MB", "wall / nhisync"]
    title = "Inventory of Google secrets with versions"
    return write("secretmanager", title, header, rows, {"clients": data, "second_run": second}, notes)


if __name__ == "__main__":
    main()
