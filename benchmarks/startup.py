"""How long ``nhisync --help`` takes, against the floor: importing typer and rich in the same interpreter.

Run: python -m benchmarks.startup [repetitions]
"""

import statistics
import subprocess
import sys
import time

BUDGET = 2.0
"""`nhisync --help` may take this many times the floor."""

COMMANDS = {
    "floor: import typer, rich": ["-c", "import typer, rich"],
    "nhisync --help": ["-c", "import sys; from nhisync.cli import main; sys.exit(main(['--help']))"],
    "nhisync version": ["-c", "import sys; from nhisync.cli import main; sys.exit(main(['version']))"],
    "nhisync diff --help": ["-c", "import sys; from nhisync.cli import main; sys.exit(main(['diff', '--help']))"],
}


def measure(arguments: list[str]) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def medians(repetitions: int) -> dict[str, float]:
    """Median seconds per command, interleaved so that a busy machine slows all of them."""
    runs: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        measure(arguments)  # compile and warm the page cache
    for _ in range(repetitions):
        for name, arguments in COMMANDS.items():
            runs[name].append(measure(arguments))
    return {name: statistics.median(times) for name, times in runs.items()}


def main() -> int:
    """Print a table and answer 1 when the help is over its budget."""
    found = medians(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    floor = next(iter(found.values()))
    for name, seconds in found.items():
        print(f"{name:<28} {seconds * 1000:7.0f} ms   {seconds / floor:4.2f} x")
    return int(found["nhisync --help"] / floor > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
