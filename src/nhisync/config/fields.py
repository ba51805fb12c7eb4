"""Types of single values in configuration and policy documents: validation, JSON schema and wording in one place."""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction as Exact
from typing import Annotated, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from nhisync.model import Locator
from nhisync.spi import Document, parse_duration, positive

T = TypeVar("T")

PART = "$part"
"""Key that stands in a half-made JSON schema for a reference to another document."""


class Apart:
    """Metadata of a value that is validated on its own; the JSON schema shows it as a whole."""

    def __get_pydantic_core_schema__(self, source: type[BaseModel], handler: GetCoreSchemaHandler) -> Any:
        """Anything goes here; `nhisync.config.schema` puts the reference."""
        reference = {PART: source.__name__}
        return core_schema.any_schema(metadata={"pydantic_js_functions": [lambda _schema, _handler: reference]})


Part = Annotated[T, Apart()]
"""A document that is validated on its own, so that one wrong entry hides no problem of another."""

_DURATION = r"^\s*(\d+(\.\d+)?(ms|s|m|h|d|w))+\s*$"
_SHARE = re.compile(r"(\d+)\s*/\s*(\d+)|(\d+(?:\.\d+)?)\s*(%?)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_BIND = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})\Z")
_FORBIDDEN = "nhisync-ready"


class Strict(Document):
    """Base of our own documents: a number is not a text and ``"yes"`` is not true, as in the JSON schema."""

    model_config = ConfigDict(strict=True)


@dataclass(frozen=True)
class Matching:
    """Metadata of a text that must match `pattern` as a whole; `wording` says so to a person."""

    pattern: str
    wording: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after the text itself."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The same pattern."""
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.wording}")
        return value


def no_signal_word(value: str) -> str:
    """Names go into answers that controllers search for ``nhisync-ready`` (contracts.md §4)."""
    if _FORBIDDEN in value.lower():
        raise ValueError(f"must not contain `{_FORBIDDEN}`: controllers search answers for it")
    return value


_SPAN_SCHEMA = WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["90s", "15m", "1h30m", "7d"]})

LONGEST = timedelta(days=36_525)
"""A century: what is added to a date must stay in the calendar."""


def _measurable(value: timedelta) -> timedelta:
    if value > LONGEST:
        raise ValueError("is longer than a century (36525d)")
    return value


Span = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_measurable), _SPAN_SCHEMA]
"""A time span with a unit, zero included."""

PositiveSpan = Annotated[Span, AfterValidator(positive)]
"""A time span with a unit, longer than zero."""


def parse_share(value: Any) -> float:
    """Read ``1/6``, ``17%`` or ``0.17``.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[2] is not None and int(match[2]) == 0):
        raise ValueError("must be a share like 1/6, 17% or 0.17")
    if match[2] is not None:
        return float(Exact(int(match[1]), int(match[2])))
    return float(Exact(match[3]) / (100 if match[4] else 1))


def _within(low: Callable[[float], bool], high: Callable[[float], bool], wording: str) -> AfterValidator:
    def check(value: float) -> float:
        if not (low(value) and high(value)):
            raise ValueError(f"must be {wording}")
        return value

    return AfterValidator(check)


_SHARE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": f"^({_SHARE.pattern})$"},
        ],
        "examples": ["1/6", "17%", 0.17],
    }
)

Fraction = Annotated[
    float,
    BeforeValidator(parse_share),
    _within(lambda v: v > 0, lambda v: v < 1, "more than 0 and less than 1"),
    _SHARE_SCHEMA,
]
"""A share between 0 and 1, both excluded."""

ShareBelowOne = Annotated[
    float,
    BeforeValidator(parse_share),
    _within(lambda v: v >= 0, lambda v: v < 1, "at least 0 and less than 1"),
    _SHARE_SCHEMA,
]
"""A share from 0 to 1, 1 excluded."""

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    _within(lambda v: v >= 0, lambda v: v <= 1, "from 0 to 1"),
    _SHARE_SCHEMA,
]
"""A share from 0 to 1."""


def _iso_date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.match(value.strip()):
        raise ValueError("must be a date like 2026-12-15")
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("is no day of the calendar") from None


IsoDate = Annotated[
    date,
    BeforeValidator(_iso_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-12-15"]}),
]
"""A day; what ends on it holds through it (UTC)."""


def _end_date(value: Any) -> date:
    if isinstance(value, str) and value.strip() == "never":
        return date.max
    if not isinstance(value, str) or not _DATE.match(value.strip()):
        raise ValueError("must be `never` or a date like 2026-12-15")
    return _iso_date(value)


EndDate = Annotated[
    date,
    BeforeValidator(_end_date),
    WithJsonSchema({"type": "string", "pattern": r"^(never|\d{4}-\d{2}-\d{2})$", "examples": ["never", "2027-06-30"]}),
]
"""A last day (UTC), or ``never``, which is `date.max`."""


def _file_name(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a character that no file name has")
    if value.startswith("~") and value[1:2] not in {"", "/"}:
        raise ValueError("names another user's home; only ~/ is expanded")
    return value


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        _ = parts.port  # a property that raises
    except ValueError:
        return None
    return parts


def _http_url(value: str) -> str:
    parts = _split(value)
    if parts is None or not value.startswith(("http://", "https://")) or not parts.hostname:
        raise ValueError("must be a URL that begins with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; name a file for them")
    return value


HttpUrl = Annotated[
    str, AfterValidator(_http_url), WithJsonSchema({"type": "string", "pattern": r"^https?://[^/?#@\s][^\s]*$"})
]
"""A web address without credentials."""


def _store_url(value: str) -> str:
    file = value.removeprefix("sqlite:///")
    if file and file != value and ":memory:" not in file:
        return f"sqlite:///{_file_name(file)}"
    parts = _split(value)
    if parts is None or parts.scheme != "postgresql+psycopg" or not parts.hostname:
        raise ValueError("must be sqlite:///<file> or postgresql+psycopg://<user>@<host>/<database>")
    if parts.password is not None or "password=" in (parts.query or ""):
        raise ValueError("must not hold a password; use a password file (?passfile=… of libpq)")
    return value


StoreUrl = Annotated[
    str,
    AfterValidator(_store_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(sqlite:///.+|postgresql\+psycopg://[^\s]+)$",
            "examples": ["sqlite:///nhisync.db", "postgresql+psycopg://nhisync@db.example/nhisync"],
        }
    ),
]
"""Where the store is."""


def split_bind(value: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` in two parts.

    Raises:
        ValueError: there is no host, or no port from 0 to 65535.
    """
    match = _BIND.match(value)
    if match is None or int(match[2]) > 65535:
        raise ValueError("must be <address>:<port>, like 127.0.0.1:8443 or [::]:8443")
    return match[1].strip("[]"), int(match[2])


def _bind(value: str) -> str:
    split_bind(value)
    return value


BindText = Annotated[
    str, AfterValidator(_bind), WithJsonSchema({"type": "string", "pattern": f"^{_BIND.pattern[:-2]}$"})
]
"""An address to listen on or to connect to."""


def _resolver(value: str) -> str:
    host = value
    if not value.count(":") > 1 or value.startswith("["):
        host = split_bind(value)[0] if ":" in value else value
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("must be an IP address, with or without a port") from None
    return value


def _ip(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("must be an IP address") from None
    return value


IpAddress = Annotated[
    str, AfterValidator(_ip), WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
]
"""An IPv4 or IPv6 address."""

ResolverAddress = Annotated[
    str, AfterValidator(_resolver), WithJsonSchema({"type": "string", "pattern": r"^[0-9A-Fa-f:.\[\]]+$"})
]
"""A resolver's IP address, with or without a port."""


def _locator(value: str) -> str:
    Locator.parse(value)
    return value


LocatorText = Annotated[
    str,
    AfterValidator(_locator),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[a-z0-9][a-z0-9_-]*:[a-z0-9][a-z0-9-]*/[^#]+(#.+)?$",
            "examples": ["vault:kv/secret/payments/stripe#api_key"],
        }
    ),
]
"""``<source>:<kind>/<name>[#field]``; ``{app}`` stands for the app's name."""

_NO_SIGNAL = AfterValidator(no_signal_word)

_PLAIN = rf"(?!.*{_FORBIDDEN})"

AppName = Annotated[str, _NO_SIGNAL, Matching(_PLAIN + r"[a-z0-9-]+", "lower-case letters, digits and hyphens")]
"""Name of an app; it is part of URLs and of what controllers search for."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_WORDING = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit"

PathName = Annotated[str, _NO_SIGNAL, Matching(_PLAIN + _NAME, _WORDING)]
"""Name of a path; it is part of URLs."""

PairName = Annotated[str, Matching(_NAME, _WORDING)]
"""Name of a pair, unique in its app."""

PairKey = Annotated[str, Matching(r"[a-z0-9-]+/\S+", "<app>/<pair>, like payments/stripe-api")]
"""A pair of any app; pairs that templates make may have any name."""

SourceName = Annotated[str, Matching(r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, `_` and `-`")]
"""Name of a source; locators begin with it."""

Word = Annotated[str, Matching(r"[a-z0-9][a-z0-9-]*", "lower-case letters, digits and hyphens")]
"""A word of the user's, like a kind."""

RULE_CODE = r"NHS[1-9]\d\d"
"""How a rule's code is written."""

Code = Annotated[str, Matching(RULE_CODE, "a rule code like NHS201")]
"""A rule's code."""

FaultDomain = Annotated[str, Matching(r"[A-Za-z0-9_-]+/\S+", "<provider>/<region>, like aws/eu-north-1")]
"""What fails together."""

Somewhere = Annotated[
    str, Matching(r"[A-Za-z0-9_-]+/\S+|everywhere", "<provider>/<region>, like aws/eu-north-1, or everywhere")
]
"""Where something fails, or that no place takes it along."""

NonEmpty = Annotated[str, Field(min_length=1)]
"""Some text."""

FileName = Annotated[NonEmpty, AfterValidator(_file_name)]
"""A file; relative names are resolved against the configuration's folder."""
