"""Putting text on a terminal with rich, or plainly into a pipe; foreign text is never markup."""

import io
import re
from collections.abc import Sequence

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.safe import printable
from nhisync.model import State, Word

STATE_STYLES = {State.FAIL: "bold red", State.UNKNOWN: "bold yellow", State.WAIVED: "cyan", State.PASS: "green"}
WORD_STYLES = {Word.NOT_READY: "bold red", Word.UNKNOWN: "bold yellow", Word.READY: "bold green"}
"""Colour repeats what the word says and adds nothing."""

GAP = "  "
_TRAILING = re.compile(r" +((?:\x1b\[0m)?)$", re.MULTILINE)


class Painter:
    """Lines and tables for one reader."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options

    def line(self, text: str, style: str = "") -> str:
        """One line that is never wrapped: a command must stay copyable."""
        return self._paint(printable(text), style, wrap=False) if self._options.color else printable(text) + "\n"

    def prose(self, text: str, style: str = "") -> str:
        """A sentence, wrapped on a terminal only."""
        if not self._options.terminal:
            return printable(text) + "\n"
        return self._paint(printable(text), style, wrap=True)

    def hanging(self, head: str, text: str) -> str:
        """`text` after `head`, wrapped under itself on a terminal."""
        if not self._options.terminal:
            return f"{head}{printable(text)}\n"
        from rich.table import Table  # noqa: PLC0415 - only for a terminal
        from rich.text import Text  # noqa: PLC0415

        grid = Table.grid(padding=0)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(head), Text(printable(text)))
        return self._render(grid)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> str:
        """A table without lines; cells are already printable."""
        return self._rich_table(columns, rows, styles) if self._options.terminal else aligned([columns, *rows])

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> str:
        from rich.table import Table  # noqa: PLC0415 - only for a terminal
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for index, name in enumerate(columns):
            table.add_column(name, overflow="fold", no_wrap=index < 2)
        for row, style in zip(rows, styles, strict=True):
            first, *rest = row
            table.add_row(Text(first, style=style), *(Text(value) for value in rest))
        return self._render(table)

    def _paint(self, text: str, style: str, *, wrap: bool) -> str:
        from rich.text import Text  # noqa: PLC0415 - only for a terminal

        return self._render(Text(text, style=style, no_wrap=not wrap, overflow="fold" if wrap else "ignore"), crop=wrap)

    def _render(self, renderable: object, *, crop: bool = True) -> str:
        from rich.console import Console  # noqa: PLC0415 - only for a terminal

        out = io.StringIO()
        Console(
            file=out,
            force_terminal=self._options.color,
            color_system="standard" if self._options.color else None,
            width=self._options.width,
            height=24,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        ).print(renderable, crop=crop, soft_wrap=not crop)
        return _TRAILING.sub(r"\1", out.getvalue())


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded with blanks, nothing wrapped, nothing cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (GAP.join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)
