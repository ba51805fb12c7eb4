"""The command line: one file per command, loaded only when its command is called.

A command is a module ``nhisync.cli.<name>`` with an ``app = typer.Typer()`` and one line in `nhisync.cli.catalogue`.
With one ``@app.command()`` it is a command, with several a group. Its functions take ``ctx: typer.Context``, get
streams, clock and global options from `nhisync.cli.invocation.current(ctx)`, write the result with `Invocation.write`,
and return an `ExitCode` (None = 0) or raise the errors of `nhisync.errors`. Heavy imports stand inside the functions.

The first line of a docstring is what the help says first, then its ``Examples:`` section, then the rest.
"""

import sys

TYPE_CHECKING = False
"""What `typing` says; loading it here would be time in which a Ctrl-C is a traceback."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["main"]


def main(argv: "Sequence[str] | None" = None, **world: "Any") -> int:
    """Run one command line, as `nhisync.cli.entry.main` does; a Ctrl-C while that is being loaded is no traceback.

    Args:
        argv: arguments without the program's name; None = those of the process.
        world: further arguments of `nhisync.cli.entry.main`.
    """
    try:
        from nhisync.cli.entry import main as run  # noqa: PLC0415 - loading it takes long enough for a Ctrl-C

        return run(argv, **world)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
