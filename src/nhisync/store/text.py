"""Text that every engine can hold: providers name things as they like, databases do not take everything."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from nhisync.parity.row import Row
from nhisync.store.schema import NUMBERS

_T = TypeVar("_T")

_TEXTS = itemgetter(*(place for place, name in enumerate(Row._fields) if name not in NUMBERS))


def storable(text: str) -> str:
    """`text` with lone surrogates and NUL written out (PostgreSQL refuses both, SQLite refuses surrogates)."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def storable_rows(rows: Iterable[Row]) -> list[Row]:
    """`rows` with all texts storable; those that already are, which is nearly all, pass untouched."""
    return [row if _plain(row) else _written_out(row) for row in rows]


def _plain(row: Row) -> bool:
    text = "".join(filter(None, _TEXTS(row)))
    return text.isascii() and "\0" not in text


def _written_out(row: Row) -> Row:
    return Row._make(storable(value) if isinstance(value, str) else value for value in row)


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def batches(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """`values` in lists of at most `size`; takes no more of them than the list at hand needs."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch
