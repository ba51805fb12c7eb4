"""Looking for planted values in everything that an adapter shows."""

import base64
import io
import json
import logging
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from nhisync.spi import ProviderError

SHORTEST = 8
"""Values shorter than this would be found by chance."""


@lru_cache
def spellings(value: str) -> frozenset[str]:
    """How `value` may hide in a text: plain, escaped, quoted, reversed, in hex, in base64 at any alignment."""
    raw = value.encode()
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    quoted = {quote(value, safe=""), quote_plus(value)}
    return frozenset({value, value[::-1], raw.hex(), raw.hex().upper(), *escaped, *quoted, *_base64(raw)})


def _base64(raw: bytes) -> Iterator[str]:
    """The characters that only depend on `raw`, wherever it begins inside a longer text."""
    for before in range(3):
        whole = bytes(before) + raw
        first, last = -(-before * 8 // 6), len(whole) * 8 // 6
        yield base64.b64encode(whole).decode()[first:last]
        yield base64.urlsafe_b64encode(whole).decode()[first:last]


def leaks(text: str, values: Iterable[str]) -> int:
    """How many of `values` are in `text` in any spelling; the values themselves are not repeated anywhere."""
    return sum(any(spelling in text for spelling in spellings(value)) for value in values)


def shown(value: Any) -> str:
    """Every way in which a value shows itself: str, repr, format, and the parts below it. It must not hold itself."""
    texts: dict[str, None] = {}
    _collect(value, texts)
    return "\n".join(texts)


def _collect(value: Any, texts: dict[str, None]) -> None:
    texts.update(dict.fromkeys((str(value), repr(value), f"{value}")))
    for part in _parts(value):
        _collect(part, texts)


def _parts(value: Any) -> Iterable[Any]:
    """What is inside of observations, errors and containers."""
    if isinstance(value, ProviderError):
        return (value.fact, value.fix, "".join(traceback.format_exception(value)))
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, one.name) for one in fields(value)]
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if isinstance(value, bytes):
        return [value.decode("latin1")]
    return value if isinstance(value, (tuple, list, set, frozenset)) else ()


@dataclass(slots=True)
class Heard:
    """What was said while somebody listened.

    Attributes:
        records: log records.
        warned: warnings.
        out: standard output and error.
    """

    records: list[logging.LogRecord] = field(default_factory=list)
    warned: list[warnings.WarningMessage] = field(default_factory=list)
    out: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """Everything as one text, arguments and tracebacks of log records included."""
        return "\n".join(
            (self.out.getvalue(), *map(_recorded, self.records), *(shown(str(one.message)) for one in self.warned))
        )


def _recorded(record: logging.LogRecord) -> str:
    trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return f"{record.getMessage()}\n{vars(record)}\n{trace}"


class _Collector(logging.Handler):
    """Keeps every record."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.NOTSET)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._records.append(record)


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear log records of all levels, warnings, standard output and error."""
    heard, root = Heard(), logging.getLogger()
    collector, level = _Collector(heard.records), root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned, redirect_stdout(heard.out), redirect_stderr(heard.out):
            warnings.simplefilter("always")
            yield heard
            heard.warned = list(warned)
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
