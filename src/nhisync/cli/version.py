"""`nhisync version`."""

import typer

from nhisync import __version__
from nhisync.cli.invocation import current

app = typer.Typer()


@app.command()
def version(ctx: typer.Context) -> None:
    """Print the version.

    Examples:
        nhisync version
        nhisync version --format json     with Python's version, for a bug report
    """
    invocation = current(ctx)
    if invocation.chosen_format("plain", "json") == "plain":
        invocation.write(f"nhisync {__version__}\n")
        return
    import json  # noqa: PLC0415 - only when needed
    import platform  # noqa: PLC0415 - only when needed

    document = {"nhisync": __version__, "python": platform.python_version(), "platform": platform.system()}
    invocation.write(json.dumps(document, indent=2) + "\n")
