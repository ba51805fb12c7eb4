"""A signal ends a command in order: nothing that was made for the run stays behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nhisync.cli.leaving import orderly

_BLOCK = """
import sys, tempfile, time
from pathlib import Path
from nhisync.cli.leaving import orderly
with orderly(), tempfile.TemporaryDirectory(dir=sys.argv[1]) as own:
    Path(own, "secret").write_text("canary")
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_made_is_removed(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP unwind the block and answer with the shell's code."""
    with subprocess.Popen([sys.executable, "-c", _BLOCK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.send_signal(number)
        assert child.wait(timeout=60) == 128 + number
    assert list(tmp_path.iterdir()) == []


@contextmanager
def kept_demo(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A `nhisync demo --keep` whose world has begun to make its files in `folder`."""
    command = [str(Path(sys.executable).with_name("nhisync")), "demo", "--keep"]
    environ = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while not list(folder.glob("nhisync-demo-*/*")):
            assert child.poll() is None, "the demo ended by itself"
            assert time.monotonic() < deadline, "the demo made no world"
            time.sleep(0.05)
        yield child


def test_the_kept_demo_leaves_no_credential_behind(tmp_path: Path) -> None:
    """A `nhisync demo` that is terminated takes its folder, which holds credential files, and its servers with it."""
    with kept_demo(tmp_path) as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=120) == 128 + signal.SIGTERM
    assert list(tmp_path.glob("nhisync-demo-*")) == []


def test_a_killed_demo_leaves_no_world_behind(tmp_path: Path) -> None:
    """Whoever is killed removes nothing: the world ends by itself, also in the middle of its start, and tidies up."""
    with kept_demo(tmp_path) as child:
        (world,) = tmp_path.glob("nhisync-demo-*")
        child.kill()
    deadline = time.monotonic() + 100
    while world.exists():
        assert time.monotonic() < deadline, "the world outlived its demo"
        time.sleep(0.05)


def test_other_threads_leave_signals_alone() -> None:
    """Only the main thread may listen: elsewhere the block runs as it is."""
    ran: list[bool] = []

    def run() -> None:
        with orderly():
            ran.append(True)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ran == [True]
    assert signal.getsignal(signal.SIGTERM) is before
