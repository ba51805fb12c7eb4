"""Rows in key order, each read as far as it is needed.

Reading is what a million pairs cost most. So a stream carries the columns that the asked rules read of every row, as
plain tuples; the rest of a row is fetched when something asks for it. Nobody gets None for a column that was not read:
it is no attribute, and the engine then judges the pair on whole rows.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, cast

from nhisync.parity.row import Row

Cells = tuple[Any, ...]
"""One row of a stream: its columns, in the order of the stream. A `Row` may stand for it anywhere."""

STAMPED = frozenset({"group", "probe", "consumers", "digest"})
"""Columns of `nhisync.parity.engine.stamp`."""

SHOWN = frozenset({"locator", "presence", "domain", "version", "created", "rotated", "observed"})
"""Columns that a finding shows or rests on."""

AHEAD = 256
"""Most whole rows that are read ahead."""

_ALWAYS = frozenset({"key", "observed"})
"""Columns without which no row is even looked at."""


class Facts:
    """One row as rules read it: an object that is filled again for row after row.

    An attribute of a named tuple takes three times as long, and rules read a hundred of them in a pair.
    """

    __slots__ = Row._fields


Following = Callable[[str, int], Iterable[Row]]
"""(key, how many) → the whole rows from that key on, in key order, at most so many."""


class Stream:
    """The rows of one path in bytewise order of their keys.

    Args:
        cells: one tuple a row.
        columns: their names; ``key`` is the first one.
        whole: reads whole rows of the same snapshot; not needed when all columns are read.
    """

    def __init__(
        self, cells: Iterator[Cells], columns: tuple[str, ...] = Row._fields, whole: Following | None = None
    ) -> None:
        self.cells = cells
        self.columns = columns
        self.fill = _filler(columns)(Facts())
        self._observed = columns.index("observed")
        self._ahead = None if whole is None or columns == Row._fields else _Ahead(whole)

    def row(self, cells: Cells) -> Row:
        """The whole row of these cells; rows are asked for in key order."""
        if isinstance(cells, Row):
            return cells
        return Row._make(cells) if self._ahead is None else self._ahead.row(cells[0])

    def observed(self, cells: Cells) -> int:
        """When the row of these cells was observed, in epoch seconds."""
        seen: int = cells.observed if isinstance(cells, Row) else cells[self._observed]
        return seen

    def read(self, cells: Cells) -> Row:
        """The row of these cells, as far as it was read."""
        return cells if isinstance(cells, Row) else _filler(self.columns)(Facts())(cells)


class _Ahead:
    """Whole rows on demand; the denser the questions, the more rows are read at once."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self._rows: dict[str, Row] = {}
        self._most = 0

    def row(self, key: str) -> Row:
        """The row with this key."""
        if key not in self._rows:
            unused = len(self._rows)
            self._most = min(2 * self._most or 1, AHEAD) if 2 * unused <= self._most else max(1, self._most // 2)
            self._rows = {row.key: row for row in self._following(key, self._most)}
        return self._rows.pop(key)


def ordered(columns: Collection[str]) -> tuple[str, ...]:
    """`columns`, and those without which no row is looked at, in the order of `Row`.

    Raises:
        KeyError: a row has no such column.
    """
    wanted = _ALWAYS.union(columns)
    if unknown := wanted.difference(Row._fields):
        raise KeyError(min(unknown))
    return tuple(name for name in Row._fields if name in wanted)


@lru_cache
def _filler(columns: tuple[str, ...]) -> Callable[[Facts], Callable[[Cells], Row]]:
    """For facts, a function that fills them with cells and returns them; to rules they look like the row.

    It is one assignment, ``facts.key, facts.observed, … = cells``: loops and setattr would cost more than judging.
    """
    targets = ", ".join(f"facts.{name}" for name in columns)
    body = f"def filler(facts):\n def fill(cells):\n  ({targets},) = cells\n  return facts\n return fill"
    made: dict[str, Any] = {}
    exec(body, made)  # noqa: S102 - names of our own
    return cast("Callable[[Facts], Callable[[Cells], Row]]", made["filler"])
