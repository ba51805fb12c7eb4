"""IAM policy evaluation: explicit deny, then allow, else implicit deny (IAM user guide, "Policy evaluation logic").

Pure: statements, action, resource and context in, decision out. Covers what this product's documents use: Action,
NotAction, Resource, NotResource with wildcards, and the condition operators below. An operator that is not covered
makes an Allow not match and a Deny match, so that a gap shows as a denial and never as a grant.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any


class Effect(Enum):
    """Outcome of an evaluation."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


@dataclass(frozen=True, slots=True)
class Query:
    """What a principal asks for.

    Attributes:
        action: ``service:Operation``.
        resource: full ARN, or ``*`` for calls that have no resource.
        context: condition keys, lower case, with their values.
    """

    action: str
    resource: str
    context: Mapping[str, str]


def evaluate(documents: Iterable[Mapping[str, Any]], query: Query) -> Effect:
    """Decide `query` over all policy documents of a principal."""
    effect = Effect.IMPLICIT_DENY
    for document in documents:
        for statement in as_list(document.get("Statement")):
            if not _matches(statement, query):
                continue
            if statement.get("Effect") == "Deny":
                return Effect.EXPLICIT_DENY
            effect = Effect.ALLOWED
    return effect


def trusts(document: Mapping[str, Any], principal: str, query: Query) -> bool:
    """Whether a role's trust policy lets `principal` (an ARN or a federated provider) assume it."""
    allowed = False
    for statement in as_list(document.get("Statement")):
        if not _names_principal(statement.get("Principal"), principal):
            continue
        if not _any(statement.get("Action"), query.action.lower()):
            continue
        if not _conditions_hold(statement, query):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = True
    return allowed


def as_list(value: Any) -> list[Any]:
    """A policy element that may be one or many, as many."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _matches(statement: Mapping[str, Any], query: Query) -> bool:
    action = query.action.lower()
    if "Action" in statement and not _any(statement["Action"], action):
        return False
    if "NotAction" in statement and _any(statement["NotAction"], action):
        return False
    if "Resource" in statement and not _any(statement["Resource"], query.resource, fold=False):
        return False
    if "NotResource" in statement and _any(statement["NotResource"], query.resource, fold=False):
        return False
    return _conditions_hold(statement, query)


def _any(patterns: Any, text: str, *, fold: bool = True) -> bool:
    return any(_glob(str(p).lower() if fold else str(p)).fullmatch(text) for p in as_list(patterns))


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _names_principal(element: Any, principal: str) -> bool:
    if element == "*":
        return True
    if not isinstance(element, Mapping):
        return False
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    names = [name for kind in ("AWS", "Federated") for name in as_list(element.get(kind))]
    return any(name in {"*", principal, account} or name == f"arn:aws:iam::{account}:root" for name in names)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda have, want: have == want,
    "StringNotEquals": lambda have, want: have != want,
    "StringLike": lambda have, want: bool(_glob(want).fullmatch(have)),
    "ArnLike": lambda have, want: bool(_glob(want).fullmatch(have)),
    "ArnEquals": lambda have, want: bool(_glob(want).fullmatch(have)),
    "Bool": lambda have, want: have.lower() == want.lower(),
}


def _conditions_hold(statement: Mapping[str, Any], query: Query) -> bool:
    conditions = statement.get("Condition") or {}
    for operator, keys in conditions.items():
        test = _OPERATORS.get(operator)
        if test is None:
            return statement.get("Effect") == "Deny"
        for key, wanted in keys.items():
            have = query.context.get(key.lower())
            if have is None or not _one_holds(test, have, wanted, negated=operator.startswith("StringNot")):
                return False
    return True


def _one_holds(test: Callable[[str, str], bool], have: str, wanted: Any, *, negated: bool) -> bool:
    results = [test(have, str(value)) for value in as_list(wanted)]
    return all(results) if negated else any(results)
