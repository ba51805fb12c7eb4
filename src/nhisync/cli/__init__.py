"""The command line: one file per command, loaded only when its command is called.

A command is a module ``nhisync.cli.<name>`` with an ``app = typer.Typer()`` and one line in `nhisync.cli.catalogue`.
With one ``@app.command()`` it is a command, with several a group. Its functions take ``ctx: typer.Context``, get
streams, clock and global options from `nhisync.cli.invocation.current(ctx)`, write the result with `Invocation.write`,
and return an `ExitCode` (None = 0) or raise the errors of `nhisync.errors`. Heavy imports stand inside the functions.

The first line of a docstring is what the help says first, then its ``Examples:`` section, then the rest.
"""

from nhisync.cli.entry import main

__all__ = ["main"]
