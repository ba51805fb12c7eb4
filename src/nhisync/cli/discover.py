"""`nhisync discover`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.discover import Discovery, Suggestion
    from nhisync.app.inventory import Held

app = typer.Typer()

_COLUMNS = ("ITEM", "PAIRS", "OWNER")


@app.command()
def discover(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Path to look at.")],
    unmapped: Annotated[bool, typer.Option("--unmapped", help="List only what no pair claims.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Add the suggested pairs to the configuration.")] = False,
) -> ExitCode:
    """List the identities of a path and suggest pairs.

    Examples:
        nhisync discover primary
        nhisync discover backup --unmapped
        nhisync discover primary --write      adds the suggested pairs, touches nothing else

    Counterparts are suggested by the words of their names, only where each is the other's single best match; a person
    decides. Answers 3 when coverage is incomplete, 4 when no source answered. Formats: table, json.
    """
    from nhisync.app.discover import discover as look  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.inventory import seen, warn_of_gaps  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.output.listing import as_json  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "json")
    session = open_session(invocation)
    with progress(invocation) as say:
        found = look(session, path, say)
    for one in (found.inventory, *found.others.values()):
        warn_of_gaps(one, invocation)
    items = found.inventory.unmapped if unmapped else found.inventory.present
    invocation.write(as_json(_document(found, items)) if fmt == "json" else _lines(found, items, invocation))
    if write:
        add_to_configuration(found.suggestions, invocation)
    return seen(found.inventory)


def add_to_configuration(suggestions: "Sequence[Suggestion]", invocation: Invocation) -> None:
    """Write the suggested pairs into the configuration and say what was done."""
    from pathlib import Path  # noqa: PLC0415 - only when asked for

    from nhisync.app.pairs_file import add_pairs  # noqa: PLC0415
    from nhisync.cli.output.prose import plural  # noqa: PLC0415

    folder = invocation.options.policies
    added = add_pairs(invocation.config, suggestions, policies=Path(folder) if folder else None)
    left = len(suggestions) - added
    invocation.hint(f"{plural(added, 'pair')} added to {invocation.config}")
    if left:
        invocation.warn(f"{plural(left, 'pair')} not added: no configured app is clearly theirs")


def _lines(found: "Discovery", items: "Sequence[Held]", invocation: Invocation) -> Iterator[str]:
    from nhisync.app.pairs_file import line_of  # noqa: PLC0415 - only for a person
    from nhisync.cli.output.listing import painter, table  # noqa: PLC0415
    from nhisync.cli.output.stock import summary  # noqa: PLC0415

    paint = painter(invocation)
    if items:
        rows = [(h.row.locator, ", ".join(h.pairs) or "unmapped", h.row.owner or "") for h in items]
        yield table(invocation, _COLUMNS, rows)
        yield "\n"
    yield paint.line(summary(found.inventory))
    if not found.suggestions:
        yield paint.line("No pair to suggest: what is unmapped has no clear counterpart on the other path.")
        return
    yield paint.line("Suggested pairs (check them; equal words are no proof):")
    for app in sorted({suggestion.app for suggestion in found.suggestions}):
        yield paint.line(f"  {app or 'app not clear'}:")
        for suggestion in found.suggestions:
            if suggestion.app == app:
                same = "" if suggestion.score == 1.0 else f"   # {suggestion.score:.0%} of the words are common"
                yield paint.line(f"    {line_of(suggestion)}{same}")
    yield paint.line(f"Next: nhisync discover {found.inventory.path} --write")


def _document(found: "Discovery", items: "Sequence[Held]") -> dict[str, Any]:
    from nhisync.cli.output.prose import zulu  # noqa: PLC0415 - only for JSON

    return {
        "schema_version": "1.0",
        "path": found.inventory.path,
        "generated_at": zulu(found.inventory.taken_at),
        "complete": found.inventory.complete,
        "items": [
            {"locator": h.row.locator, "pairs": list(h.pairs), "owner": h.row.owner, "presence": h.row.presence}
            for h in items
        ],
        "suggestions": [
            {
                "app": s.app,
                "name": s.name,
                "kind": s.kind,
                "primary": str(s.primary),
                "backup": str(s.backup),
                "score": round(s.score, 2),
            }
            for s in found.suggestions
        ],
    }
