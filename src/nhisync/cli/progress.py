"""What takes long is shown on stderr: a spinner on a terminal after a second, one line per event with ``-v``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nhisync.cli.invocation import Invocation
from nhisync.cli.safe import printable

if TYPE_CHECKING:
    from rich.status import Status

PATIENCE = 1.0
"""Seconds before anything is shown."""

FINISHED = "done"
"""The last thing that is said of a source."""


class Spinner:
    """Collects what every source is doing; `nhisync.collect.cycle.Progress` is its call."""

    def __init__(self, invocation: Invocation, *, animated: bool) -> None:
        self._invocation, self._animated = invocation, animated
        self._doing: dict[str, str] = {}
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True

    def __call__(self, where: str, what: str) -> None:
        """`where` (path/source) is now doing `what`."""
        with self._lock:
            self._doing[where] = what
            if self._status is not None:
                self._status.update(self._text())
        if not self._animated:
            self._invocation.detail(f"{where}: {what}")

    def start(self) -> None:
        """Begin to wait for something to show."""
        if self._animated:
            self._timer.start()

    def stop(self) -> None:
        """Clear what is shown."""
        self._timer.cancel()
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def _show(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only when it takes long
        from rich.status import Status  # noqa: PLC0415

        console = Console(
            file=self._invocation.stderr,
            force_terminal=True,
            no_color=not self._invocation.colored(self._invocation.stderr),
            highlight=False,
            markup=False,
            emoji=False,
        )
        with self._lock:
            self._status = Status(self._text(), console=console)
            self._status.start()

    def _text(self) -> str:
        busy = [f"{where} {what}" for where, what in self._doing.items() if what != FINISHED]
        done = len(self._doing) - len(busy)
        return printable(f"{done} of {len(self._doing)} done; {', '.join(busy)}")


@contextmanager
def progress(invocation: Invocation) -> Iterator[Spinner]:
    """A progress display for the time of the block; silent in a pipe, on a dumb terminal and with ``--quiet``."""
    person = invocation.stderr.isatty() and invocation.environ.get("TERM") != "dumb"
    spinner = Spinner(invocation, animated=person and not invocation.options.quiet)
    spinner.start()
    try:
        yield spinner
    finally:
        spinner.stop()
