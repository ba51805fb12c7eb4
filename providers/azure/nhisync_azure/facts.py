"""Small pure pieces of every item: instants, tags, markers, ISO 8601 durations."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import Lifecycle, Moment, Precision, parse_duration

NAME_TAG = "nhisync:name"
LIFECYCLE_TAG = "nhisync:lifecycle"
INTERVAL_TAG = "nhisync:rotation-interval"

_LIFECYCLES = {word.value: word for word in (Lifecycle.OWN, Lifecycle.STATIC, Lifecycle.SHARED)}
_ISO_DURATION = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?\Z")
_MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True)
class Tags:
    """What tags say about an item.

    Attributes:
        owner: who answers for it, "" = nobody is named.
        logical_name: the pair's name, or None.
        lifecycle: who rotates it, where somebody declared it.
        interval: how often, where somebody declared it.
    """

    owner: str = ""
    logical_name: str | None = None
    lifecycle: Lifecycle | None = None
    interval: timedelta | None = None


def tags_of(found: Any, owner_tag: str) -> Tags:
    """Read a vault's tags; odd ones say nothing."""
    tags = {str(name): str(value or "") for name, value in found.items()} if isinstance(found, Mapping) else {}
    owner = next((value for name, value in tags.items() if name.lower() == owner_tag.lower()), "")
    return Tags(
        owner=owner,
        logical_name=tags.get(NAME_TAG) or None,
        lifecycle=_LIFECYCLES.get(tags.get(LIFECYCLE_TAG, "").strip().lower()),
        interval=_declared(tags.get(INTERVAL_TAG, "")),
    )


def moment(value: Any, precision: Precision = Precision.EXACT) -> Moment | None:
    """An SDK's datetime as an aware UTC instant; everything else is none."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return Moment(value.astimezone(UTC), precision)


def instant(text: Any) -> datetime | None:
    """An ISO 8601 instant of Microsoft Graph; without an offset it is UTC."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def span(text: Any) -> timedelta | None:
    """An ISO 8601 duration in years, months, weeks and days, as key rotation policies have it (``P90D``, ``P2Y``)."""
    match = _ISO_DURATION.match(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        return None
    years, months, weeks, days = (int(group or 0) for group in match.groups())
    return timedelta(days=weeks * 7 + days) + _MONTH * (years * 12 + months)


def months(count: Any) -> timedelta | None:
    """A validity in months."""
    return _MONTH * count if isinstance(count, int) and 0 < count < 10_000 else None


def marker(*facts: Any) -> str:
    """Digest of a listing's facts; equal digests mean that the stored detail still holds."""
    text = json.dumps(facts, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def attributes(**facts: str | None) -> tuple[tuple[str, str], ...]:
    """Display facts without the empty ones, sorted by name."""
    return tuple(sorted((name, value) for name, value in facts.items() if value))


def _declared(text: str) -> timedelta | None:
    try:
        found = parse_duration(text)
    except ValueError:
        return None
    return found or None


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
