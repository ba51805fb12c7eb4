"""The counting AWS as a process of its own, and clients measured against it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measure


@dataclass(frozen=True)
class Met(measure.Run):
    """One client, once, as the server met it: calls by operation, seconds in which at least one was under way."""

    calls: Mapping[str, int]
    busy: float

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())


@contextmanager
def server() -> Iterator[int]:
    """Its port, while the block lasts."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.inventory.server"],
        env=measure.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdin
    try:
        yield int(json.loads(child.stdout.readline())["port"])
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def meet(
    port: int, command: list[str], env: Mapping[str, str], delay_ms: int, codes: set[int], cwd: Path | None = None
) -> Met:
    """Run `command` with `delay_ms` a call; it must end with one of `codes`."""
    _ask(port, f"/__reset?delay={delay_ms}")
    run = measure.run(command, env, cwd)
    if run.code not in codes:
        sys.exit(f"{' '.join(command)} ended with {run.code}: {run.output[-2000:]}")
    found = _ask(port, "/__count")
    return Met(run.wall, run.cpu, run.rss_mb, run.code, run.output, found["calls"], found["busy"])


def _ask(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return json.load(answer)
