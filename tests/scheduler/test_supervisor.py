"""Two processes that may die without each other, and end together."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.clock import SystemClock
from nhisync.server.supervisor import FIRST_PAUSE, LONGEST_PAUSE, SETTLED, Child, Supervisor

PATIENT = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(60)"


def python(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """A Python process."""
    return subprocess.Popen([sys.executable, "-c", code, *arguments])


def until(condition: Callable[[], bool]) -> None:
    """Poll `condition` for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Counted:
    """Starts the same process again and again, and counts."""

    def __init__(self, code: str) -> None:
        self.code, self.started = code, list["subprocess.Popen[bytes]"]()

    def __call__(self) -> "subprocess.Popen[bytes]":
        """Start one."""
        self.started.append(python(self.code))
        return self.started[-1]


class Running:
    """A supervisor in a thread."""

    def __init__(self, *starts: Counted) -> None:
        children = [Child(f"child {number}", start) for number, start in enumerate(starts)]
        self.supervisor = Supervisor(children, SystemClock())
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.code = self.supervisor.run()

    def end(self) -> int | None:
        """Stop it and wait; its exit code."""
        self.supervisor.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.code


@pytest.mark.requirement("R9")
def test_a_killed_child_is_started_again_and_the_other_one_lives(caplog: pytest.LogCaptureFixture) -> None:
    """A death is logged and repaired; the sibling does not notice; a stop ends both cleanly."""
    one, two = Counted(PATIENT), Counted(PATIENT)
    running = Running(one, two)
    until(lambda: len(one.started) == len(two.started) == 1)
    one.started[0].kill()
    until(lambda: len(one.started) == 2)
    assert "child 0 process ended with -9" in caplog.text
    assert two.started[0].poll() is None
    assert running.end() == 0
    assert all(child.poll() is not None for child in (*one.started, *two.started))


@pytest.mark.parametrize("code", [2, 5])
def test_first_start_that_cannot_succeed_ends_everything(code: int) -> None:
    """A bad configuration or a held lock at the first start is the answer, not a reason to try for ever."""
    good, bad = Counted(PATIENT), Counted(f"exit({code})")
    running = Running(good, bad)
    running.thread.join(20)
    assert running.code == code
    assert len(bad.started) == 1
    assert good.started[0].poll() is not None


def test_other_failures_are_tried_again() -> None:
    """A crash at the first start is repaired like any other."""
    crashing = Counted("exit(70)")
    running = Running(crashing)
    until(lambda: len(crashing.started) == 3)
    assert running.end() == 0


DEAF = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(60)"


def test_child_that_ignores_sigterm_is_killed(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A child that does not end is killed when its patience is over, so a stop always comes to an end."""
    ready = tmp_path / "ready"
    child = Child("deaf", lambda: python(DEAF, str(ready)))
    child.tend(0.0)
    until(ready.exists)
    child.send(signal.SIGTERM)
    child.wait(0.1)
    assert "did not end within" in caplog.text


class Ended:
    """A process that has ended, without a process."""

    stdin = None

    def poll(self) -> int:
        """It ended with 1."""
        return 1

    def wait(self) -> int:
        """At once."""
        return 1


def test_pauses_double_up_to_a_bound_and_begin_anew_after_a_long_life() -> None:
    """A child that dies again and again is started ever more rarely; one that had settled is started soon."""
    starts: list[float] = []
    now = 0.0

    def start() -> Ended:
        starts.append(now)
        return Ended()

    child = Child("dying", start)  # type: ignore[arg-type]
    while len(starts) < 12:
        child.tend(now)
        now += 0.1
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == LONGEST_PAUSE
    now += SETTLED
    child.tend(now)
    child.tend(now + 2 * FIRST_PAUSE)
    assert len(starts) == 13
