"""`nhisync inventory`."""

from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.inventory import Inventory

app = typer.Typer()


@app.command()
def inventory(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Path to list.")],
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only this kind (secret, kv, tls …); repeatable.")
    ] = None,
) -> ExitCode:
    """List what is known of a path, with age and coverage.

    Examples:
        nhisync inventory backup
        nhisync inventory primary --format json
        nhisync inventory primary --kind secret --kind certificate
        nhisync inventory backup --format cbom -o backup.cdx.json   CycloneDX 1.6

    Every kind that every source of the path can list is swept, by metadata alone. What no pair claims is marked
    unmapped. Answers 3 when coverage is incomplete, 4 when no source answered. Formats: table, json, cbom.
    """
    from nhisync.app.inventory import inventories  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.output.stock import render_cbom, render_json, render_table  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "json", "cbom")
    session = open_session(invocation)
    with progress(invocation) as say:
        found = inventories(session, [path], say, only=frozenset(kinds or ()))[path]
    warn_of_gaps(found, invocation)
    if fmt == "table":
        invocation.write(render_table(found, invocation))
    elif fmt == "json":
        invocation.write(render_json(found))
    else:
        invocation.write(render_cbom(found, session.randomness.hex(16)))
    return seen(found)


def seen(found: "Inventory") -> ExitCode:
    """0 everything was seen, 3 something was not, 4 nothing was."""
    if found.blind:
        return ExitCode.UNREACHABLE
    return ExitCode.OK if found.complete else ExitCode.UNKNOWN


def warn_of_gaps(found: "Inventory", invocation: Invocation) -> None:
    """Say on stderr what kept the sweep from seeing, grouped by cause."""
    from nhisync.cli.output.trouble import describe, troubles_of  # noqa: PLC0415 - only this command needs it

    for trouble in troubles_of(found.path, found.sources, found.coverage):
        for line in describe(trouble, "discover"):
            invocation.warn(line)
