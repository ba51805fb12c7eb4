"""Progress goes to stderr, to people only, and never outlives its block."""

import io
import threading
from typing import Any

import pytest

from nhisync.cli import progress as module
from nhisync.cli.invocation import GlobalOptions, Invocation
from nhisync.cli.progress import Spinner, progress
from nhisync.testing.clocks import CountingRandomness, FakeClock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return True


def invocation(stream: io.StringIO, environ: dict[str, str] | None = None, **options: Any) -> Invocation:
    """An invocation that writes to `stream`."""
    return Invocation(
        stdin=io.StringIO(),
        stdout=io.StringIO(),
        stderr=stream,
        environ=environ or {},
        clock=FakeClock(),
        randomness=CountingRandomness(),
        options=GlobalOptions(**options),
    )


def test_pipe_sees_nothing() -> None:
    """In a pipe there is no spinner and, without -v, no line."""
    stream = io.StringIO()
    with progress(invocation(stream)) as say:
        say("primary/vault", "reading")
    assert stream.getvalue() == ""


def test_verbose_pipe_sees_lines() -> None:
    """-v prints one line per event, with names made safe."""
    stream = io.StringIO()
    with progress(invocation(stream, verbose=1)) as say:
        say("primary/\x1b[2J", "reading")
    assert stream.getvalue() == "primary/\\x1b[2J: reading\n"


@pytest.mark.parametrize(("environ", "quiet"), [({"TERM": "dumb"}, False), ({}, True)])
def test_dumb_terminal_and_quiet_see_nothing(environ: dict[str, str], quiet: bool) -> None:
    """No animation on a dumb terminal, and none with --quiet."""
    stream = Terminal()
    with progress(invocation(stream, environ, quiet=quiet)) as say:
        say("primary/vault", "reading")
        assert threading.active_count() == 1 or "nhisync" not in stream.getvalue()
    assert stream.getvalue() == ""


def test_person_sees_who_is_slow() -> None:
    """After a second the terminal shows which sources are still busy; at the end the line is cleared."""
    stream = Terminal()
    spinner = Spinner(invocation(stream), animated=True)
    spinner("primary/vault", "reading")
    spinner("backup/aws", "done")
    spinner._show()
    spinner("primary/vault", "confirming")
    spinner.stop()
    text = stream.getvalue()
    assert "1 of 2 done; primary/vault confirming" in text
    assert module.PATIENCE == 1.0
    assert not [t for t in threading.enumerate() if isinstance(t, threading.Timer) and t.is_alive()]
