"""Canonical bytes of a publication and their strict reading.

The reader refuses whatever it does not know: an unknown version or key, a wrong type, a cut file, a name that could
smuggle the ready token into a blocked answer. What it refuses was never published (`admit` judges time and order).
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from nhisync.errors import NhisyncError
from nhisync.model import Mode, Word
from nhisync.statement.publication import (
    BLOCK_WORDS,
    FORBIDDEN,
    SCHEMA_VERSION,
    Publication,
    Role,
    Signal,
    SignalState,
)

LARGEST = 16 * 1024 * 1024
"""Bytes a publication may have; some 50,000 signals. More is no publication of ours."""

_APP = re.compile(r"[a-z0-9-]{1,63}")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(?<!\.txt)")  # `.txt` is an ending of the URL itself
_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
_BOOT_ID = re.compile(r"[0-9a-f-]{0,36}")
_INSTANT = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
_MOST_BLOCKS = 5
_LARGEST_SEQUENCE = 2**63 - 1

_E = TypeVar("_E", bound=StrEnum)


class StatementError(NhisyncError):
    """Bytes that are no publication, or one that must not be believed now."""


def encode(publication: Publication) -> bytes:
    """The canonical bytes: JSON, keys sorted, no blanks, ASCII, one line.

    Raises:
        StatementError: when a listener would refuse the bytes; so nobody can publish what nobody may read.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "instance": publication.instance,
        "sequence": publication.sequence,
        "at": _stamp(publication.at),
        "boot_id": publication.boot_id,
        "boottime": publication.boottime,
        "public_profile": publication.public_profile,
        "signals": [_signal_document(signal) for signal in publication.signals],
    }
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    parse(data)
    return data


def parse(data: bytes) -> Publication:
    """The publication that `data` holds.

    Raises:
        StatementError: the bytes are not exactly one publication of this version.
    """
    document = _load(data)
    publication = Publication(
        instance=_text(document, "instance", _NAME),
        sequence=_sequence(document),
        at=_instant(document, "at"),
        boot_id=_text(document, "boot_id", _BOOT_ID),
        boottime=_boottime(document),
        public_profile=_typed(document, "public_profile", bool),
        signals=tuple(_signal(entry) for entry in _typed(document, "signals", list)),
    )
    _refuse_incoherent(publication)
    return publication


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _signal_document(signal: Signal) -> dict[str, Any]:
    return {
        "app": signal.app,
        "path": signal.path,
        "role": signal.role,
        "tier": signal.tier,
        "mode": signal.mode,
        "word": signal.word,
        "state": signal.state,
        "evaluated_at": _stamp(signal.evaluated_at),
        "valid_until": _stamp(signal.valid_until),
        "blocks": list(signal.blocks),
    }


_KEYS = frozenset(("schema_version", "instance", "sequence", "at", "boot_id", "boottime", "public_profile", "signals"))
_SIGNAL_KEYS = frozenset(Signal.__dataclass_fields__)


def _load(data: bytes) -> Mapping[str, Any]:
    if len(data) > LARGEST:
        raise StatementError(f"the publication is larger than {LARGEST} bytes")
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise StatementError("the publication is cut short or not JSON") from None
    if not isinstance(document, dict):
        raise StatementError("the publication is not a JSON object")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StatementError(f"the publication has a version other than {SCHEMA_VERSION}, the only one known here")
    if document.keys() != _KEYS:
        raise StatementError("the publication has missing or unknown keys")
    return document


def _refuse_constant(_: str) -> float:
    raise ValueError("no JSON number")


def _signal(entry: object) -> Signal:
    if not isinstance(entry, dict) or entry.keys() != _SIGNAL_KEYS:
        raise StatementError("a signal has missing or unknown keys")
    return Signal(
        app=_text(entry, "app", _APP),
        path=_text(entry, "path", _PATH),
        role=_word(entry, "role", Role),
        tier=_text(entry, "tier", _NAME),
        mode=_word(entry, "mode", Mode),
        word=_word(entry, "word", Word),
        state=_word(entry, "state", SignalState),
        evaluated_at=_instant(entry, "evaluated_at"),
        valid_until=_instant(entry, "valid_until"),
        blocks=_blocks(entry),
    )


def _typed(document: Mapping[str, Any], key: str, wanted: type[Any]) -> Any:
    value = document[key]
    if type(value) is not wanted:
        raise StatementError(f"{key} has the wrong type")
    return value


def _text(document: Mapping[str, Any], key: str, shape: re.Pattern[str]) -> str:
    value: str = _typed(document, key, str)
    if not shape.fullmatch(value):
        raise StatementError(f"{key} is not of the form {shape.pattern}")
    if FORBIDDEN in value.lower():
        raise StatementError(f"{key} holds the ready token, which could then reach a blocked answer")
    return value


def _word(document: Mapping[str, Any], key: str, words: type[_E]) -> _E:
    return _told(key, lambda: words(_typed(document, key, str)))


def _instant(document: Mapping[str, Any], key: str) -> datetime:
    text = _text(document, key, _INSTANT)
    return _told(key, lambda: datetime.fromisoformat(text))


_T = TypeVar("_T")


def _told(key: str, convert: Callable[[], _T]) -> _T:
    """The converted value; the converter's own words are dropped, for they quote the input."""
    try:
        return convert()
    except ValueError:
        raise StatementError(f"{key} holds a value that is not known") from None


def _sequence(document: Mapping[str, Any]) -> int:
    value: int = _typed(document, "sequence", int)
    if not 0 <= value <= _LARGEST_SEQUENCE:
        raise StatementError("sequence is negative, or larger than 63 bits")
    return value


def _boottime(document: Mapping[str, Any]) -> float:
    value: float = _typed(document, "boottime", float)
    if not math.isfinite(value) or value < 0:
        raise StatementError("boottime is not a count of seconds since boot")
    return value


def _blocks(entry: Mapping[str, Any]) -> tuple[str, ...]:
    words = _typed(entry, "blocks", list)
    if len(words) > _MOST_BLOCKS or not all(isinstance(word, str) and word in BLOCK_WORDS for word in words):
        raise StatementError("blocks holds an unknown word, or more than five")
    return tuple(words)


def _refuse_incoherent(publication: Publication) -> None:
    seen: set[tuple[str, str]] = set()
    primaries: set[str] = set()
    for signal in publication.signals:
        if (signal.app, signal.path) in seen or (signal.role is Role.PRIMARY and signal.app in primaries):
            raise StatementError("an app has two signals for one path, or two primaries")
        seen.add((signal.app, signal.path))
        if signal.role is Role.PRIMARY:
            primaries.add(signal.app)
        if signal.valid_until < signal.evaluated_at or signal.evaluated_at > publication.at:
            raise StatementError("a signal ends before it begins, or is younger than its publication")
