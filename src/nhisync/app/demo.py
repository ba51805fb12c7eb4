"""`nhisync demo`: the main job on an embedded world, in two processes like in real life."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nhisync.app.desk import StoreDesk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.live import digest_of
from nhisync.app.session import Session
from nhisync.clock import Clock, Randomness
from nhisync.collect.cycle import Progress, silent
from nhisync.errors import NhisyncError
from nhisync.model import Report
from nhisync.store import Store
from nhisync.testing.checklist import discrepancies
from nhisync.testing.demo import scenario
from nhisync.testing.demo_history import remember


@contextmanager
def running_world(directory: Path, *, remove: bool = False) -> Iterator[Path]:
    """Start the embedded world in a child process; yields its configuration file, stops the world afterwards.

    Args:
        directory: where its files go.
        remove: the folder goes with the world, also when this process is killed and can remove nothing.

    Raises:
        NhisyncError: the world could not be started (an extra is missing, a port is refused).
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", "nhisync.testing.host", str(directory), *(["--remove"] if remove else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield _config(child)
    finally:
        _end(child)


def _config(child: "subprocess.Popen[str]") -> Path:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        raise NhisyncError(
            "the embedded world ended before it answered",
            fix="Install the extras it needs: pip install 'nhisync[all,demo]'",
        )
    answer = json.loads(line)
    if "error" in answer:
        raise NhisyncError(answer["error"], fix=answer.get("fix", ""))
    return Path(answer["config"])


def _end(child: "subprocess.Popen[str]") -> None:
    """Closing its stdin ends the world; a world that hangs is killed."""
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw.

    Attributes:
        report: the real report of the real run.
        planted: how many faults the world holds.
        rules: how many different rules they concern.
        differences: what was planted and not found, or found and not planted.
    """

    report: Report
    planted: int
    rules: int
    differences: tuple[str, ...]


def run(config: Path, *, clock: Clock, randomness: Randomness, progress: Progress = silent) -> DemoResult:
    """Run the main job on a running embedded world and hold its report against what was planted.

    The world's own store is used, with what it remembers of yesterday.
    """
    planned = scenario()
    session = Session.open(config, clock=clock, randomness=randomness)
    with Store.open(session.configuration.store_url, clock=clock, randomness=randomness, purpose="demo") as store:
        remember(store, clock, digest_of(session.configuration.details["wallet"].probes["vouchers"]["backup"]))
        with store.run("diff", config_digest=session.configuration.digest) as handle:
            options = DiffOptions(primary="primary", backup="backup", live=True)
            report = diff(session, options, StoreDesk(session, store, handle), progress)
    expected = [code for app in planned.apps for pair in app.pairs for code in pair.expects]
    expected += [code for app in planned.apps for code in app.expects]
    return DemoResult(report, len(expected), len(set(expected)), tuple(discrepancies(planned, report)))
