"""Go's textual forms of instants and durations, as Vault and OpenBao print and accept them.

Source: Go package ``time`` (RFC3339Nano, Duration.String) and go-secure-stdlib ``parseutil.ParseDurationSecond``.
"""

import re
from datetime import UTC, datetime, timedelta

ZERO_TIME = "0001-01-01T00:00:00Z"
"""How Go's JSON prints an unset ``time.Time``; AppRole shows it as the expiration of an unlimited secret ID."""

_UNITS = {
    "ns": timedelta(microseconds=0.001),
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")


def rfc3339(moment: datetime | None) -> str:
    """Go's RFC3339Nano: no trailing zeros in the fraction, "" for None."""
    if moment is None:
        return ""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def go_duration(length: timedelta) -> str:
    """Go's ``Duration.String`` for whole seconds (``24h0m0s``, ``90s`` is ``1m30s``)."""
    seconds = int(length.total_seconds())
    if seconds == 0:
        return "0s"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}h{minutes}m{rest}s"
    return f"{sign}{minutes}m{rest}s" if minutes else f"{sign}{rest}s"


def parse_duration(raw: object) -> timedelta:
    """Seconds as a number, digits, or a Go duration such as ``1h30m``.

    Raises:
        ValueError: the text is not a duration.
    """
    if isinstance(raw, timedelta):
        return raw
    if isinstance(raw, int | float):
        return timedelta(seconds=raw)
    text = str(raw).strip()
    if not text:
        return timedelta()
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    if re.fullmatch(r"\d+", text):
        return sign * timedelta(seconds=int(text))
    terms = _TERM.findall(text)
    if "".join(number + unit for number, unit in terms) != text:
        msg = f'time: invalid duration "{text}"'
        raise ValueError(msg)
    return sign * sum((float(number) * _UNITS[unit] for number, unit in terms), timedelta())


def unix(moment: datetime) -> int:
    """Seconds since 1970, whole."""
    return int(moment.timestamp())
