"""Small translations shared by all kinds: instants, durations, markers, names that can be addressed."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import ErrorKind, Moment, ProviderError, format_duration

_GO_ZERO_YEAR = 1
REPLACEMENT = "\ufffd"
"""What Go prints for bytes that are no UTF-8: a name with it cannot be addressed any more."""


def instant(raw: object) -> datetime | None:
    """An RFC 3339 text or Unix seconds as an aware UTC instant; None for "", null, zero and Go's zero time."""
    if isinstance(raw, bool) or raw is None or raw == "":
        return None
    if isinstance(raw, int | float):
        return datetime.fromtimestamp(raw, UTC) if raw > 0 else None
    try:
        parsed = datetime.fromisoformat(_trimmed(str(raw)))
    except ValueError:
        return None
    if parsed.tzinfo is None or parsed.year == _GO_ZERO_YEAR:
        return None
    return parsed.astimezone(UTC)


def moment(raw: object) -> Moment | None:
    """The same as an exact moment."""
    found = instant(raw)
    return None if found is None else Moment(found)


def span(raw: object) -> timedelta | None:
    """Whole seconds as a positive duration; None for zero, null and anything else."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw <= 0:
        return None
    return timedelta(seconds=raw)


def number(raw: object) -> int | None:
    """An integer, or None."""
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def text(raw: object) -> str:
    """A string, "" for anything else."""
    return raw if isinstance(raw, str) else ""


def texts(raw: object) -> tuple[str, ...]:
    """The strings of a list, sorted."""
    return tuple(sorted(one for one in raw if isinstance(one, str))) if isinstance(raw, list) else ()


def mapping(raw: object) -> Mapping[str, Any]:
    """A JSON object, empty for anything else."""
    return raw if isinstance(raw, dict) else {}


def marker(*facts: object) -> str:
    """An opaque word that changes with `facts`."""
    plain = json.dumps(facts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.blake2b(plain.encode(), digest_size=12).hexdigest()


def attributes(**facts: object) -> tuple[tuple[str, str], ...]:
    """Display facts sorted by name; None and "" are left out."""
    shown = {name: _word(value) for name, value in facts.items() if value is not None and value != ""}
    return tuple(sorted(shown.items()))


def check_name(name: str) -> None:
    """Refuse names that would reach another path than they say, or none.

    Raises:
        ProviderError: MISCONFIGURED for ``.``/``..`` and empty segments and unprintable characters, MALFORMED for
            names that the server's own listing garbled.
    """
    if REPLACEMENT in name:
        raise ProviderError(
            ErrorKind.MALFORMED,
            "the name holds bytes that are no UTF-8, so the server cannot be asked for it",
            fix="Rename the item with its owner; a name the API cannot spell cannot be judged.",
        )
    if not name.isprintable() or any(part in ("", ".", "..") for part in name.split("/")):
        raise ProviderError(
            ErrorKind.MISCONFIGURED,
            "the name holds empty or dotted segments or unprintable characters",
            fix="Write the locator as the mount and the path below it, without slashes at its end.",
        )


def _trimmed(raw: str) -> str:
    """Go prints nanoseconds; Python keeps microseconds."""
    head, dot, tail = raw.partition(".")
    if not dot:
        return raw
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    return str(value)
