"""The base of every provider's settings: a pydantic model at the edge, strict, silent about its input."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+\Z")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(value: Any) -> timedelta:
    """Read ``90s``, ``15m``, ``1h30m``, ``7d``; a number without a unit is an error.

    Raises:
        ValueError: when there is no unit or the text is something else.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _DURATION.match(value.strip()):
        raise ValueError("a duration needs a number and a unit: ms, s, m, h, d or w, like 90s or 1h30m")
    try:
        return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in _PART.findall(value)))
    except OverflowError:
        raise ValueError("this duration is longer than anything nhisync can measure") from None


def format_duration(value: timedelta) -> str:
    """The shortest exact text that `parse_duration` reads back (``1h30m``)."""
    rest = round(value.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "examples": ["90s", "15m", "1h30m", "7d"]}),
]
"""A time span with a unit."""


def positive(value: timedelta) -> timedelta:
    """`value`, which must last: a limit of zero would mean "no limit" to a socket.

    Raises:
        ValueError: it is zero (a negative span cannot be written).
    """
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


PositiveDuration = Annotated[Duration, AfterValidator(positive)]
"""A time span with a unit, longer than zero."""


def http_proxy(value: str) -> str:
    """`value`, the URL of an HTTP proxy; what no client could ever tunnel through is told when the file is read.

    Raises:
        ValueError: it is none; the text does not repeat it, because a password may stand in it.
    """
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        sound = sound and parts.path in {"", "/"} and not parts.query and not parts.fragment
    except ValueError:  # brackets that do not match, a port that is none
        sound = False
    if not sound:
        raise ValueError("a proxy is an http or https URL without path, like http://proxy.example:3128")
    return value.rstrip("/")


HttpProxy = Annotated[str, AfterValidator(http_proxy)]
"""URL of an HTTP proxy."""


class Document(BaseModel):
    """Base of all configuration documents: unknown keys are errors, input never shows in error text."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        populate_by_name=True,
        defer_build=True,  # most runs need few of the models; each is built by the first document it validates
    )


class Limits(Document):
    """How much a source may be asked per cycle; every number can be set per source.

    Attributes:
        deadline: end of the cycle for this source.
        calls: most requests in one cycle.
        rates: calls a second by API family (each provider's README lists its families).
    """

    deadline: PositiveDuration = timedelta(seconds=60)
    calls: int = Field(default=100_000, ge=1)
    rates: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)


class SourceSettings(Document):
    """What every source has; a provider's settings class adds its own keys.

    Attributes:
        provider: name of the provider.
        region: fault domain part; defaults to the path's region.
        limits: budget of one cycle.
    """

    provider: str
    region: str | None = None
    limits: Limits = Limits()


SYSTEM_TRUST = "system"
"""In place of a bundle: the operating system's roots."""

ClientTrust = dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")], Path]
"""Name of a group of clients → PEM bundle of the roots they trust, or the word ``system``."""
