"""How long nhisync takes to start, and what is left of that in a diff of 40 pairs.

Run: ``python -m benchmarks startup``. The floor of a start is importing typer and rich in the same interpreter. The
diff compares 40 pairs (20 secrets, 10 users' keys, 10 certificates) of a loopback AWS with files, at several delays a
call; "network" is the share of its wall time in which at least one call was under way, as the server saw it.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure
from benchmarks.inventory import estate
from benchmarks.inventory.host import Met, meet, server
from benchmarks.results import write

BUDGET = 2.0
"""`nhisync --help` may take this many times the floor."""

HALF = 0.5
"""A diff is dominated by what takes at least this share of its time."""

REPETITIONS = int(os.environ.get("NHISYNC_BENCH_ROUNDS", "15"))
DELAYS_MS = (25, 50, 100)
FLOOR, HELP = "python -c 'import typer, rich'", "nhisync --help"
COMMANDS = {
    FLOOR: [sys.executable, "-c", "import typer, rich"],
    HELP: [measure.NHISYNC, "--help"],
    "nhisync version": [measure.NHISYNC, "version"],
    "nhisync diff --help": [measure.NHISYNC, "diff", "--help"],
}


def starts() -> dict[str, list[measure.Run]]:
    """All commands in turn, after one run that compiles and fills the page cache."""
    env = measure.environment()
    runs: dict[str, list[measure.Run]] = {name: [] for name in COMMANDS}
    for number in range(REPETITIONS + 1):
        for name, command in COMMANDS.items():
            run = measure.run(command, env)
            if number:
                runs[name].append(run)
    return runs


def diffs() -> dict[int, list[Met]]:
    """Delay → runs of the diff."""
    command = [measure.NHISYNC, "-c", "forty.yaml", "diff", "primary", "backup"]
    runs: dict[int, list[Met]] = {delay: [] for delay in DELAYS_MS}
    with tempfile.TemporaryDirectory() as name, server() as port:
        folder = Path(name)
        estate.write(folder, port, *estate.PAIRS.values())
        for number in range(REPETITIONS + 1):
            for delay in DELAYS_MS:
                met = meet(port, command, measure.environment(), delay, {1}, folder)
                if number:
                    runs[delay].append(met)
    return runs


def main() -> int:
    """Measure, print, write; 1 when a target was missed."""
    started, compared = starts(), diffs()
    times = {
        name: [run.wall / floor.wall for run, floor in zip(runs, started[FLOOR], strict=True)]
        for name, runs in started.items()
    }
    shares = {delay: [one.busy / one.wall for one in met] for delay, met in compared.items()}
    rows = [[f"`{name}`", *_shown(runs), measure.middle(times[name]), "", ""] for name, runs in started.items()]
    for delay, met in compared.items():
        share = f"{statistics.median(shares[delay]):.0%}"
        rows.append([f"`nhisync diff`, 40 pairs, {delay} ms a call", *_shown(met), "", f"{met[-1].total}", share])
    data = {
        **{name: {"wall_s": _walls(runs), "times_floor": _rounded(times[name])} for name, runs in started.items()},
        **{
            f"diff, {delay} ms": {"wall_s": _walls(met), "network_share": _rounded(shares[delay])}
            for delay, met in compared.items()
        },
    }
    targets = _targets(statistics.median(times[HELP]), {d: statistics.median(found) for d, found in shares.items()})
    notes = (
        f"Medians [min–max] of {REPETITIONS} repetitions, all commands in turn. Network: share of the wall time in "
        "which at least one call was under way; the rest is starting, judging and printing.\n\nTargets: "
    )
    told = "; ".join(f"{text} ({'met' if met else 'MISSED'})" for text, met in targets)
    header = ["command", "wall s", "CPU s", "times the floor", "API calls", "network"]
    print(write("startup", "Start-up", header, rows, data, f"{notes}{told}."))
    return int(not all(met for _, met in targets))


def _targets(times: float, shares: dict[int, float]) -> list[tuple[str, bool]]:
    reached = [delay for delay, share in shares.items() if share >= HALF]
    where = f"from {reached[0]} ms a call" if reached else "at none of these delays"
    return [
        (f"help at most {BUDGET:g} times the floor: {times:.2f}", times <= BUDGET),
        (f"a diff of 40 pairs dominated by the network (half of its time): {where}", bool(reached)),
    ]


def _shown(runs: Sequence[measure.Run]) -> list[str]:
    return [measure.middle(run.wall for run in runs), measure.middle(run.cpu for run in runs)]


def _walls(runs: Sequence[measure.Run]) -> list[float]:
    return _rounded([run.wall for run in runs])


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 3) for value in values]


if __name__ == "__main__":
    sys.exit(main())
