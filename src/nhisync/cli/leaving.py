"""Signals that end a process end it like any error: what was opened is closed, what was made for the run is removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def orderly() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an orderly end with the shell's code (128 + number) while the block runs.

    By default they end the process where it stands, and a temporary folder stays. Only the main thread may listen to
    signals (Python docs, ``signal``); elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)  # a second one must not cut the cleaning short
    raise SystemExit(128 + number)
