"""Small lists of commands: a table for a person, the same table unwrapped in a pipe, JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nhisync.cli.invocation import Invocation
from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.style import Painter
from nhisync.cli.safe import cell


def painter(invocation: Invocation) -> Painter:
    """A painter for what `invocation` writes to."""
    terminal = invocation.to_terminal
    color = terminal and invocation.colored(invocation.stdout)
    return Painter(RenderOptions(terminal=terminal, color=color, width=invocation.width))


def table(
    invocation: Invocation, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None
) -> str:
    """Rows of foreign text below `columns`; `styles` colours the first column."""
    cells = [[cell(value) for value in row] for row in rows]
    return painter(invocation).table(columns, cells, styles or [""] * len(cells))


def as_json(document: Any) -> str:
    """One indented document, ASCII only."""
    return json.dumps(document, indent=2) + "\n"


def as_json_lines(document: Mapping[str, Any], name: str, entries: Iterable[Any]) -> Iterator[str]:
    """`document` as `as_json` has it, with `entries` as its last member `name`, one entry a line, as they come."""
    opening = json.dumps({**document, name: []}, indent=2)
    yield opening[: -len("]\n}")]
    between = "\n    "
    for entry in entries:
        yield between + json.dumps(entry)
        between = ",\n    "
    yield "]\n}\n" if between[0] != "," else "\n  ]\n}\n"
