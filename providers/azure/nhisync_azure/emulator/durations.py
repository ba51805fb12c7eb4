"""ISO 8601 durations as Key Vault's policies use them, and months on the calendar."""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_FORM = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?)?")


@dataclass(frozen=True, slots=True)
class Span:
    """Calendar months plus an exact duration."""

    months: int
    rest: timedelta

    def after(self, instant: datetime) -> datetime:
        """`instant` plus this span."""
        return add_months(instant, self.months) + self.rest

    def before(self, instant: datetime) -> datetime:
        """`instant` minus this span."""
        return add_months(instant, -self.months) - self.rest


def parse(text: str) -> Span:
    """A duration of years, months, days and hours.

    Raises:
        ValueError: it is none.
    """
    match = _FORM.fullmatch(text)
    if match is None or not any(match.groups()):
        msg = f"no ISO 8601 duration: {text!r}"
        raise ValueError(msg)
    years, months, days, hours = (int(part or 0) for part in match.groups())
    return Span(12 * years + months, timedelta(days=days, hours=hours))


def add_months(instant: datetime, months: int) -> datetime:
    """The same day so many months later, or that month's last day."""
    index = instant.year * 12 + instant.month - 1 + months
    year, month = divmod(index, 12)
    day = min(instant.day, calendar.monthrange(year, month + 1)[1])
    return instant.replace(year=year, month=month + 1, day=day)
