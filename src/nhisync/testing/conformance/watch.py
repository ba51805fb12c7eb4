"""Seeing input and output: what an adapter's constructor and its permission documents must not do."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EVENTS = (
    "open",
    "os.listdir",
    "os.mkdir",
    "os.scandir",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "socket.",
    "sqlite3.connect",
    "subprocess.Popen",
    "_thread.start_new_thread",
)
"""Audit events (or their beginnings) that are input or output (Python's "Audit events table"); a thread counts as one,
because what it does cannot be seen here."""

_watched: dict[int, list[str]] = {}
_installed = threading.Lock()


@contextmanager
def watching() -> Iterator[list[str]]:
    """The names of input and output events of this thread while the block runs.

    The interpreter offers no way to take an audit hook back: the first use installs one for the rest of the process,
    which looks at nothing outside such a block.
    """
    if _installed.acquire(blocking=False):  # never released: once per process
        sys.addaudithook(_hook)
    me = threading.get_ident()
    _watched[me] = []
    try:
        yield _watched[me]
    finally:
        del _watched[me]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event.startswith(EVENTS):
        found = _watched.get(threading.get_ident())
        if found is not None:
            found.append(f"{event} {arguments[0]!r}"[:200] if event == "open" else event)
