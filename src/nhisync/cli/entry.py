"""`main`: parse, run, and end with a code of contracts.md whatever happens.

Bare Typer answers 1 for a crash and for a closed pipe, which here would read as "drift"; so the tree is run by hand.
"""

import contextlib
import gc
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.failures import answer
from nhisync.cli.group import root
from nhisync.cli.invocation import Invocation
from nhisync.clock import Clock, Randomness, SystemClock, SystemRandomness

if TYPE_CHECKING:
    from nhisync.registry import Registry

COMPLETION_VARIABLE = "_NHISYNC_COMPLETE"
"""Set by the shell's completion script."""

YOUNG = 5_000
"""Objects between two garbage collections of a process of ours; Python's 700 are too few for one that mostly loads."""


def main(
    argv: Sequence[str] | None = None,
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
    registry: "Registry | None" = None,
    tree: Any = None,
) -> int:
    """Run one command line and return the process's exit code; never raises, never exits.

    Args:
        argv: arguments without the program's name; None = those of the process.
        stdin: where answers come from.
        stdout: where the result goes.
        stderr: where progress, hints and errors go.
        environ: environment variables.
        clock: the only time of the run.
        randomness: the only randomness of the run.
        registry: providers to use; None = those installed.
        tree: command tree to run; None = all of nhisync's commands.
    """
    invocation = Invocation(
        stdin=stdin or sys.stdin or io.StringIO(),
        stdout=stdout or _forgiving(sys.stdout),
        stderr=stderr or _forgiving(sys.stderr),
        environ=os.environ if environ is None else environ,
        clock=clock or SystemClock(),
        randomness=randomness or SystemRandomness(),
        registry=registry,
    )
    if argv is None:
        gc.set_threshold(YOUNG)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if COMPLETION_VARIABLE in invocation.environ:
        _complete(arguments, invocation)
    with contextlib.redirect_stdout(invocation.stdout), contextlib.redirect_stderr(invocation.stderr):
        code = int(_guarded(arguments, invocation, tree or root()))
    _settle(invocation)
    if argv is None:
        gc.freeze()  # the process ends: nothing is gained by looking through all of it once more
    return code


def _complete(arguments: list[str], invocation: Invocation) -> None:
    """Answer the shell's question and end the process; Typer does both."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # noqa: PLC0415 - only when asked

    completion_init()
    root().main(arguments, prog_name="nhisync", complete_var=COMPLETION_VARIABLE, obj=invocation)


def _guarded(arguments: list[str], invocation: Invocation, tree: Any) -> int:
    try:
        code = _run(arguments, invocation, tree)
        invocation.finish()
    except BrokenPipeError:
        _abandon(invocation)
        return ExitCode.PIPE_CLOSED
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            invocation.warn("interrupted")
        return ExitCode.INTERRUPTED
    except SystemExit as leaving:
        said = leaving.code or 0
        return said if isinstance(said, int) else ExitCode.BUG
    except BaseException as failure:  # noqa: BLE001 - the last line of defence: every end has its code
        return _told(failure, invocation)
    return code


def _told(failure: BaseException, invocation: Invocation) -> int:
    try:
        return answer(failure, invocation)
    except OSError:
        _abandon(invocation)  # nobody can be told
        return ExitCode.PIPE_CLOSED


def _run(arguments: list[str], invocation: Invocation, tree: Any) -> int:
    if not arguments:
        from nhisync.cli.helptext import render_help  # noqa: PLC0415 - only when needed

        context = tree.make_context("nhisync", [], resilient_parsing=True, obj=invocation)
        invocation.stderr.write(render_help(context))
        return ExitCode.USAGE
    try:
        with tree.make_context("nhisync", arguments, obj=invocation) as context:
            result: Any = tree.invoke(context)
    except typer.Exit as done:
        result = done.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    return int(result) if isinstance(result, int) else ExitCode.OK


def _forgiving(stream: TextIO | None) -> TextIO:
    """A standard stream that writes out what its encoding lacks instead of failing; a closed one swallows."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream or io.StringIO()


def _settle(invocation: Invocation) -> None:
    """Flush for the last time; what cannot be written was told already and must not change the exit code."""
    try:
        invocation.stdout.flush()
        invocation.stderr.flush()
    except (OSError, ValueError):
        _abandon(invocation)


def _abandon(invocation: Invocation) -> None:
    """Point the closed pipes to nowhere, so that the interpreter's last flush does not complain."""
    for stream in (invocation.stdout, invocation.stderr):
        if stream in {sys.__stdout__, sys.__stderr__}:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
