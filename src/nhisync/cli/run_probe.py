"""`nhisync run-probe`."""

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import current

app = typer.Typer()

MOST = 4_000_000
"""Characters of a task that are read."""


@app.command()
def run_probe(ctx: typer.Context) -> ExitCode:
    """Make one probe on this host for a nhisync elsewhere: a task on stdin, its result on stdout.

    Examples:
        runner: {command: [ssh, nhisync@probe.eu-north.example, nhisync, run-probe]}     of a path, in nhisync.yaml

    Nobody types this. A pair whose probe says `run_from: backup` is tried from where the backup's consumers stand:
    nhisync starts the path's runner command, this reads the task, presents the credential, tells what the service
    said and forgets it. The task holds the credential, so the channel must be one that nobody else reads. Needs no
    configuration and keeps nothing. Answers 2 when stdin holds no task of this version.
    """
    from nhisync.app.reuse import harden  # noqa: PLC0415 - only this command needs it
    from nhisync.app.runner import run_here  # noqa: PLC0415

    invocation = current(ctx)
    harden()
    task = invocation.stdin.read(MOST).encode(errors="replace")
    invocation.write(f"{run_here(task, invocation.clock)}\n")
    return ExitCode.OK
