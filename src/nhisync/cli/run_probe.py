"""`nhisync run-probe`."""

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import current

app = typer.Typer()

MOST = 4_000_000
"""Characters of a task that are read."""


@app.command()
def run_probe(ctx: typer.Context) -> ExitCode:
    """Make one probe here for a nhisync elsewhere, which starts it.

    Examples:
        ssh probe.eu-north.example nhisync run-probe < task.json

    Nobody types this: nhisync does, with what a path names as its runner, such as
    runner: {command: [ssh, nhisync@probe.eu-north.example, nhisync, run-probe]}
    The task comes on stdin, the result goes to stdout. A pair whose probe says `run_from: backup` is tried from where
    the backup's consumers stand: this presents the credential, tells what the service said and forgets it. The task
    holds the credential, so the channel must be one that nobody else reads. Needs no configuration and keeps nothing.
    Answers 2 when stdin holds no task of this version.
    """
    from nhisync.app.reuse import harden  # noqa: PLC0415 - only this command needs it
    from nhisync.app.runner import run_here  # noqa: PLC0415

    invocation = current(ctx)
    harden()
    task = invocation.stdin.read(MOST).encode(errors="replace")
    invocation.write(f"{run_here(task, invocation.clock)}\n")
    return ExitCode.OK
