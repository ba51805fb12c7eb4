"""`nhisync graph`."""

from typing import TYPE_CHECKING

import typer

from nhisync.cli.diff import Apps, Backup, Cached, Primary
from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.graph import Drawn

app = typer.Typer()

NAMED = 5
"""Most nodes named in one hint."""


@app.command()
def graph(
    ctx: typer.Context,
    primary: Primary = "primary",
    backup: Backup = "backup",
    apps: Apps = None,
    cached: Cached = False,
) -> ExitCode:
    """Draw what the identities of both paths rest on.

    Examples:
        nhisync graph --app payments > payments.mmd            Mermaid, as wikis and forges show it
        nhisync graph --app payments --format dot | dot -Tsvg -o payments.svg
        nhisync graph --cached --format json                   what the last sync saw

    Stores, endpoints, encryption keys, issuers, rotators and identity providers, each with its fault domain, and on
    every line what it is needed for: read, issue, rotate, authenticate. What both paths share and what ties the
    backup to a fault domain of the primary is marked; NHS701 to NHS706 judge the same facts. Nothing is judged here,
    and no value is read. Answers 3 when an identity could not be seen, 4 when none could. Formats: mermaid, dot, json.
    """
    from nhisync.app.desks import private_desk, stored_desk  # noqa: PLC0415 - only this command needs it
    from nhisync.app.graph import draw  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("mermaid", "dot", "json")
    session = open_session(invocation)
    with (stored_desk if cached else private_desk)(session) as desk, progress(invocation) as say:
        drawn = draw(session, desk, primary=primary, backup=backup, apps=tuple(apps or ()), cached=cached, progress=say)
    _tell(drawn, invocation)
    _write(drawn, fmt, invocation)
    return seen(drawn)


def seen(drawn: "Drawn") -> ExitCode:
    """0 every identity was seen to be there or not, 3 one was not, 4 none was."""
    known = [node.seen in {"", "absent"} for graph in drawn.graphs for node in graph.nodes if node.kind == "identity"]
    if all(known) and known:
        return ExitCode.OK
    return ExitCode.UNKNOWN if any(known) else ExitCode.UNREACHABLE


def _write(drawn: "Drawn", fmt: str, invocation: Invocation) -> None:
    from nhisync.cli.output.diagram import render_dot, render_graph_json, render_mermaid  # noqa: PLC0415

    if fmt == "json":
        invocation.write(render_graph_json(drawn.apps, drawn.graphs))
    else:
        invocation.write((render_dot if fmt == "dot" else render_mermaid)(drawn.graphs))


def _tell(drawn: "Drawn", invocation: Invocation) -> None:
    """Say on stderr what could not be seen, what both paths share, and what ties the backup."""
    from nhisync.cli.output.trouble import describe, troubles_of  # noqa: PLC0415 - only this command needs it
    from nhisync.parity.graph import bound, shared  # noqa: PLC0415
    from nhisync.parity.text import listed  # noqa: PLC0415

    for path, sources in drawn.sources.items():
        for line in (line for one in troubles_of(path, sources, drawn.coverage[path]) for line in describe(one)):
            invocation.warn(line)
    for graph in drawn.graphs:
        ties = [f"{node.kind} {node.name} in {node.domain}" for node in bound(graph)]
        both = [f"{node.kind} {node.name}" for node in shared(graph)]
        for text, names in (("tied to the primary", ties), ("shared by both paths", both)):
            if names:
                invocation.hint(f"{graph.backup}: {text}: {listed(names, NAMED)}")
