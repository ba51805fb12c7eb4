"""`nhisync serve`: keep two processes alive, a listener and a sync process, and end them together.

Each may die without the other. A dead or frozen sync process leaves the listener, which turns to 503 at the
``valid_until`` of what it serves; a dead listener is started again on the same listening socket, which the supervisor
keeps, so the kernel holds the pollers' connections meanwhile. When the supervisor itself is gone, both leave.
"""

import logging
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nhisync.clock import Clock

LOOK_EVERY = 0.1
"""Seconds between two looks at the children."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a child that died is started again: the first time, doubled each time, at most."""

SETTLED = 60.0
"""A child that lived so many seconds has settled; its next death starts with the first pause again."""

STOP_PATIENCE = 20.0
"""Seconds that children have to end after SIGTERM, before SIGKILL."""

FINAL_CODES = frozenset({2, 5})
"""Exit codes of a first start that no second start would change: configuration, and a lock that others hold."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """One process that is to live.

    Attributes:
        name: for messages.
        start: starts it; called again after each death.
    """

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    _process: "subprocess.Popen[bytes] | None" = None
    _starts: int = 0
    _since: float = 0.0
    _pause: float = FIRST_PAUSE
    _not_before: float = field(default=0.0)

    def tend(self, now: float) -> int | None:
        """Start it when it is due; an exit code when its end is final.

        Args:
            now: seconds on the monotonic clock.
        """
        if self._process is None:
            if now >= self._not_before:
                self._process, self._since = self.start(), now
                self._starts += 1
            return None
        code = self._process.poll()
        if code is None:
            return None
        self.close()
        if self._starts == 1 and code in FINAL_CODES:
            return code
        if now - self._since >= SETTLED:
            self._pause = FIRST_PAUSE
        _log.error("the %s process ended with %d; it is started again in %.1f s", self.name, code, self._pause)
        self._not_before = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return None

    def send(self, number: signal.Signals) -> None:
        """Pass a signal on, when it lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for its end; kill it when it does not come."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            _log.error("the %s process did not end within %.0f s and is killed", self.name, seconds)
            self._process.kill()
        self.close()

    def close(self) -> None:
        """Let go of an ended process."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
            self._process = None


class Supervisor:
    """Tends children until it is told to stop.

    Args:
        children: in the order in which they are started; they are stopped in reverse.
        clock: for pauses.
    """

    def __init__(self, children: Sequence[Child], clock: Clock) -> None:
        self._children = tuple(children)
        self._clock = clock
        self._stop = threading.Event()
        self._hung_up = threading.Event()

    def take_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP is passed on to the children; for the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        signal.signal(signal.SIGHUP, lambda *_: self._hung_up.set())

    def stop(self) -> None:
        """End all children and `run`; from any thread."""
        self._stop.set()

    def run(self) -> int:
        """Tend the children; 0 after a stop, or the code of a child whose first start failed for good."""
        code: int | None = None
        try:
            while code is None and not self._stop.wait(LOOK_EVERY):
                self._pass_on()
                codes = [child.tend(self._clock.monotonic()) for child in self._children]
                code = next((one for one in codes if one is not None), None)
        finally:
            self._end()
        return code or 0

    def _pass_on(self) -> None:
        if self._hung_up.is_set():
            self._hung_up.clear()
            for child in self._children:
                child.send(signal.SIGHUP)

    def _end(self) -> None:
        for child in reversed(self._children):
            child.send(signal.SIGTERM)
        for child in reversed(self._children):
            child.wait(STOP_PATIENCE)
