"""Measure: ``python -m benchmarks.parity [--size N] [--rounds N] [--no-write]``.

One round runs all programs one after the other, each in a process of its own (`child`); the ratio of a round compares
programs that ran beside each other, and the median of the ratios is published. Ratios are of CPU seconds: all programs
are single-threaded and read from the page cache, so on an idle machine that is the wall clock's ratio, and on a busy
one it is still about theirs. Imports count. Their byte code is compiled before, in a round on a few pairs, as it is in
an installation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.parity import engine, loading, reference
from benchmarks.parity.child import PROGRAMS, url_of
from benchmarks.parity.inventories import COUNTERS, EXPECTED

ROOT = Path(__file__).parents[2]
SIZE, ROUNDS, WARM = 1_000_000, 3, 200
RATIO, MEGABYTES = 2.0, 64
"""The targets: times the reference, and peak resident memory."""

TITLES = {
    "reference": "reference: two ordered SQLite cursors merged in plain Python",
    "engine": "nhisync: the same questions, engine over the store's cursors",
    "all rules": f"nhisync: all {len(engine.RULES)} rules",
    "first run": "nhisync: the questions, findings and memories kept durably",
    "second run": "nhisync: the next run, unchanged pairs taken over",
}

Round = dict[str, dict[str, Any]]
"""Program → what its process told."""


def main() -> int:
    """Measure, print, write; answer 1 when a count is wrong or, at full size, a target is missed."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="nhisync-benchmark-", dir=os.environ.get("BENCH_TMP")) as name:
        warm, folder = Path(name, "warm"), Path(name, "full")
        _prepare(warm, WARM)
        _round(warm, WARM)
        loaded = _prepare(folder, options.size)
        rounds = [_round(folder, options.size) for _ in range(options.rounds)]
    wrong = [problem for one in rounds for problem in _wrong(one, options.size)]
    for problem in wrong:
        _say(f"WRONG: {problem}")
    summary = {name: _summary(name, rounds) for name in PROGRAMS}
    if not (options.no_write or wrong):
        _write(summary, loaded, rounds, options)
    return int(bool(wrong) or (options.size == SIZE and _missed(summary)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description="The parity engine's figures.")
    parser.add_argument("--size", type=int, default=SIZE, help="primary items")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds; the median counts")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser.parse_args()


def _prepare(folder: Path, size: int) -> dict[str, float]:
    """Both inventories in both forms; returns what loading the store took."""
    _say(f"making {size:,} pairs")
    folder.mkdir()
    reference.build(folder / "reference.sqlite", size)
    groups = reference.classes(folder / "reference.sqlite")
    began = time.perf_counter()
    rows = loading.load(url_of(folder), size, groups)
    seconds = time.perf_counter() - began
    return {"rows": rows, "seconds": seconds, "megabytes": (folder / "store.db").stat().st_size / 1e6}


def _round(folder: Path, size: int) -> Round:
    """Every program once, in a process of its own."""
    loading.forget(url_of(folder))
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found = {}
    for name in PROGRAMS:
        command = [sys.executable, "-m", "benchmarks.parity.child", name, str(folder), str(size)]
        child = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        told = found[name] = json.loads(child.stdout)
        _say(f"{name:<11} cpu {told['cpu']:6.2f} s  wall {told['wall']:6.2f} s  {told['megabytes']:4.0f} MB")
    return found


def _summary(name: str, rounds: list[Round]) -> dict[str, Any]:
    ratios = [one[name]["cpu"] / one["reference"]["cpu"] for one in rounds]
    return {
        "cpu": statistics.median(one[name]["cpu"] for one in rounds),
        "wall": statistics.median(one[name]["wall"] for one in rounds),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "megabytes": max(one[name]["megabytes"] for one in rounds),
    }


def _missed(summary: dict[str, dict[str, Any]]) -> bool:
    """Whether the engine is too slow, any program too big, or taking over no faster than judging."""
    ratio, most = summary["engine"]["ratio"], max(row["megabytes"] for row in summary.values())
    slower = summary["second run"]["ratio"] >= summary["first run"]["ratio"]
    missed = ratio > RATIO or most > MEGABYTES or slower
    if missed:
        _say(f"target missed: {ratio:.2f} of {RATIO} times, {most:.0f} of {MEGABYTES} MB, second run slower: {slower}")
    return bool(missed)


def _wrong(one: Round, size: int) -> list[str]:
    """Every program must agree with the reference, and the reference with what is published."""
    counts = one["reference"]["counts"]
    published = {name: count for name, count in EXPECTED.get(size, {}).items() if name in COUNTERS}
    problems = [f"reference {counts}, published {published}"] if published and counts != published else []
    for name in ("engine", "first run", "second run"):
        found = engine.answers({code: count for code, count in one[name]["counts"].items() if code != "unchanged"})
        if found != counts:
            problems.append(f"{name} {found}, reference {counts}")
    unchanged = [one[name]["counts"].get("unchanged", 0) for name in ("first run", "second run")]
    both = size - counts["missing"]
    if unchanged != [0, both]:
        problems.append(f"unchanged pairs {unchanged}, expected [0, {both}]")
    return problems


def _write(
    summary: dict[str, dict[str, Any]], loaded: dict[str, float], rounds: list[Round], options: argparse.Namespace
) -> None:
    header = ["program", "CPU seconds", "wall seconds", "times the reference [min–max]", "peak memory"]
    table = [_row(TITLES[name], row) for name, row in summary.items()]
    data = {"size": options.size, "load": loaded, "programs": summary, "counts": rounds[0]["reference"]["counts"]}
    notes = _notes(loaded, rounds[0], options)
    print(results.write("parity", f"Parity engine, {options.size:,} pairs", header, table, data, notes))


def _row(title: str, row: dict[str, Any]) -> list[str]:
    spread = f"{row['ratio']:.2f} [{min(row['ratios']):.2f}–{max(row['ratios']):.2f}]"
    return [title, f"{row['cpu']:.1f}", f"{row['wall']:.1f}", spread, f"{row['megabytes']:.0f} MB"]


def _notes(loaded: dict[str, float], one: Round, options: argparse.Namespace) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in one["reference"]["counts"].items())
    unchanged = one["second run"]["counts"]["unchanged"]
    per_second = loaded["rows"] / loaded["seconds"]
    return (
        f"Medians of {options.rounds} rounds; every program is a process of its own, imports included; ratios are of "
        f"CPU seconds within a round. All programs find the same: {counts}. The second run takes over {unchanged:,} "
        f"pairs by the digests of their rows.\n\n"
        f"Loading both paths through the store's writer (durable batches): {loaded['rows']:,.0f} rows in "
        f"{loaded['seconds']:.0f} s ({per_second:,.0f} a second), {loaded['megabytes']:.0f} MB."
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
