"""The Condition element of a policy statement (IAM user guide, "IAM JSON policy elements: Condition operators").

Pure. A key that the request does not have makes a condition false, a negated one true; ``IfExists`` makes either true,
``Null`` asks for the absence itself. Values in one list are alternatives; a negated operator wants none of them.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Test = Callable[[str, str], bool]
Values = str | Sequence[str]


def conditions_hold(blocks: Mapping[str, Any], context: Mapping[str, Values]) -> bool | None:
    """Whether all conditions hold; None = all that can be judged do, and one operator is not known here."""
    unknown = False
    for operator, keys in blocks.items():
        for key, wanted in keys.items():
            held = _holds(operator, _values(context.get(key.lower())), [str(one) for one in as_list(wanted)])
            if held is False:
                return False
            unknown = unknown or held is None
    return None if unknown else True


def condition_keys(blocks: Mapping[str, Any]) -> Iterator[str]:
    """The keys that the conditions ask about, as they are written."""
    for keys in blocks.values():
        yield from keys


def as_list(value: Any) -> list[Any]:
    """A policy element that may be one or many, as many."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A policy's pattern: ``*`` is any text, ``?`` any one character."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _values(found: Values | None) -> list[str] | None:
    return None if found is None else [found] if isinstance(found, str) else list(found)


def _holds(operator: str, have: list[str] | None, wanted: Sequence[str]) -> bool | None:
    """One operator on one key."""
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name == "Null":
        return (have is None) is (",".join(wanted).lower() == "true")
    test, negated = _test(name)
    if test is None or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        return None
    if have is None:
        return rest != name or quantifier == "ForAllValues" or (negated and not quantifier)
    fits = [any(test(one, want) for want in wanted) is not negated for one in have]
    return all(fits) if quantifier == "ForAllValues" or (negated and not quantifier) else any(fits)


def _test(name: str) -> tuple[Test | None, bool]:
    """The comparison of an operator, and whether its outcome is turned round."""
    negated = name.replace("Not", "", 1)
    return _TESTS.get(negated), negated != name


def _number(test: Callable[[float, float], bool]) -> Test:
    def compare(have: str, want: str) -> bool:
        with suppress(ValueError):
            return test(float(have), float(want))
        return False

    return compare


def _date(test: Callable[[float, float], bool]) -> Test:
    def compare(have: str, want: str) -> bool:
        with suppress(ValueError):
            return test(_instant(have), _instant(want))
        return False

    return compare


def _instant(text: str) -> float:
    """ISO 8601 or seconds since 1970, as seconds."""
    with suppress(ValueError):
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _address(have: str, want: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(have) in ipaddress.ip_network(want, strict=False)
    return False


def _equal(have: str, want: str) -> bool:
    return have == want


def _fold(have: str, want: str) -> bool:
    return have.lower() == want.lower()


def _like(have: str, want: str) -> bool:
    return bool(glob(want).fullmatch(have))


_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "Equals": lambda have, want: have == want,
    "LessThan": lambda have, want: have < want,
    "LessThanEquals": lambda have, want: have <= want,
    "GreaterThan": lambda have, want: have > want,
    "GreaterThanEquals": lambda have, want: have >= want,
}

_TESTS: Mapping[str, Test] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _fold,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "BinaryEquals": _equal,
    "Bool": _fold,
    "IpAddress": _address,
    **{f"Numeric{name}": _number(test) for name, test in _ORDERS.items()},
    **{f"Date{name}": _date(test) for name, test in _ORDERS.items()},
}
"""Operator without its negation → comparison of one value of the request with one of the policy."""
