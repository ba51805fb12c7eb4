"""Human text of findings: instants, spans and lists, always one line and never dependent on the current time.

A finding of an unchanged pair is taken over until `recheck`; its text therefore names instants, not ages ("ends
2026-12-01T00:00:00Z", never "ends in 3 days").
"""

from collections.abc import Iterable

from nhisync.parity.row import instant

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_DAYS_FROM = 2 * 86_400
"""Spans shorter than this are told in hours: policies say 24h, not 1d."""


def when(seconds: int) -> str:
    """The instant of whole epoch seconds as RFC 3339 in UTC; ``@<seconds>`` outside the calendar of `datetime`."""
    try:
        return f"{instant(seconds).isoformat()[:19]}Z"
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}"


def span(seconds: int) -> str:
    """A span of whole seconds in its two largest units (``72d 4h``, ``24h``, ``1m 30s``)."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    units = _UNITS if seconds >= _DAYS_FROM else _UNITS[1:]
    parts: list[str] = []
    rest = seconds
    for unit, size in units:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0s"


def share(fraction: float) -> str:
    """A share 0..1 as a percentage without trailing zeros (``16.7 %``)."""
    return f"{fraction * 100:.3g} %"


def clean(text: str, limit: int = 160) -> str:
    """`text` on one line, without control characters, cut to `limit` characters with an ellipsis.

    Facts that come from a provider (a distinguished name, an id) may hold what would break a table or a terminal.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def listed(names: Iterable[str], limit: int = 3) -> str:
    """The first `limit` names, and how many more there are (``a, b, c and 4 more``)."""
    kept = [clean(name) for name in names]
    more = len(kept) - limit
    shown = ", ".join(kept[:limit])
    return f"{shown} and {more} more" if more > 0 else shown
