"""One whole process, measured by the kernel: wall clock, processor time and peak memory."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

NHISYNC = str(Path(sys.executable).with_name("nhisync"))
"""The command as a person types it."""


@dataclass(frozen=True)
class Run:
    """One process, once; memory is that of its largest single process."""

    wall: float
    cpu: float
    rss_mb: float
    code: int
    output: str


def environment(**more: str) -> dict[str, str]:
    """Ours, with compiled modules: an installed program has them, and no client is to be measured compiling."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **more}


def run(command: list[str], env: Mapping[str, str], cwd: Path | None = None) -> Run:
    """Run `command` to its end."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        child = subprocess.Popen(command, env=env, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        out.seek(0)
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode, out.read())


def middle(values: Iterable[float], digits: int = 2) -> str:
    """``1.72 [1.69–1.80]``: median, least and most."""
    found = sorted(values)
    return f"{statistics.median(found):,.{digits}f} [{found[0]:,.{digits}f}–{found[-1]:,.{digits}f}]"


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
