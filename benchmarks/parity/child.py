"""One measured program in a process of its own: ``python -m benchmarks.parity.child NAME FOLDER SIZE``.

Prints seconds of CPU and of the wall clock, peak memory, and the counts. Only what the program needs is imported.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def reference(folder: Path, _size: int) -> dict[str, int]:
    """Two ordered cursors merged in plain Python."""
    from benchmarks.parity.reference import counts  # noqa: PLC0415 - memory is measured

    return counts(folder / "reference.sqlite")


def engine(folder: Path, size: int) -> dict[str, int]:
    """The same questions through the real engine."""
    from benchmarks.parity.engine import counts  # noqa: PLC0415 - memory is measured

    return counts(url_of(folder), size)


def all_rules(folder: Path, size: int) -> dict[str, int]:
    """Every rule there is."""
    from benchmarks.parity.engine import RULES, counts  # noqa: PLC0415 - memory is measured

    return counts(url_of(folder), size, RULES)


def recorded(folder: Path, size: int) -> dict[str, int]:
    """The questions, with findings and memories kept."""
    from benchmarks.parity.engine import recorded as kept  # noqa: PLC0415 - memory is measured

    return kept(url_of(folder), size)


PROGRAMS: dict[str, Callable[[Path, int], dict[str, int]]] = {
    "reference": reference,
    "engine": engine,
    "all rules": all_rules,
    "first run": recorded,
    "second run": recorded,
}
"""Name → program; what was kept is dropped before each first run."""


def url_of(folder: Path) -> str:
    """The store of a benchmark."""
    return f"sqlite:///{folder / 'store.db'}"


def main() -> None:
    """Measure one program."""
    program, folder, size = PROGRAMS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    began, wall = time.process_time(), time.perf_counter()
    counts = program(folder, size)
    told = {"cpu": time.process_time() - began, "wall": time.perf_counter() - wall, "megabytes": peak()}
    print(json.dumps({**told, "counts": counts}))


def peak() -> float:
    """Peak resident memory of this process, MB. Not `ru_maxrss`: on Linux that begins with the parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
