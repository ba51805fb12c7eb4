"""IAM policy evaluation: explicit deny, then allow, else implicit deny (IAM user guide, "Policy evaluation logic").

Pure: statements, action, resource and context in, decision out: Action, NotAction, Resource and NotResource with
wildcards, and conditions. A condition operator that is not covered makes an Allow not match and a Deny match, so that a
gap shows as a denial and never as a grant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nhisync_aws.emulator.conditions import Values, as_list, condition_keys, conditions_hold, glob


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
    context: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and where the statements stand that made it: (document, statement), counted from 0.

    Where a Deny matches, the Denies that match are all that is told.
    """

    effect: Effect
    statements: tuple[tuple[int, int], ...] = ()


def evaluate(documents: Iterable[Mapping[str, Any]], query: Query) -> Effect:
    """Decide `query` over all policy documents of a principal."""
    return decide(documents, query).effect


def decide(documents: Iterable[Mapping[str, Any]], query: Query) -> Decision:
    """Decide `query`, with the statements that made the outcome."""
    found: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for place, document in enumerate(documents):
        for number, statement in enumerate(as_list(document.get("Statement"))):
            if _matches(statement, query):
                found[statement.get("Effect") == "Deny"].append((place, number))
    if found[True]:
        return Decision(Effect.EXPLICIT_DENY, tuple(found[True]))
    return Decision(Effect.ALLOWED if found[False] else Effect.IMPLICIT_DENY, tuple(found[False]))


def granted_to(document: Mapping[str, Any], principal: str, query: Query) -> Effect:
    """Decide `query` over the statements of a resource's own policy that name `principal`."""
    named = [s for s in as_list(document.get("Statement")) if _names_principal(s.get("Principal"), principal)]
    return evaluate([{"Statement": named}], query)


def trusts(document: Mapping[str, Any], principal: str, query: Query) -> bool:
    """Whether a role's trust policy lets `principal` (an ARN or a federated provider) assume it."""
    return granted_to(document, principal, query) is Effect.ALLOWED


def missing_keys(documents: Iterable[Mapping[str, Any]], query: Query) -> list[str]:
    """Condition keys of statements about the action and resource of `query` that its context does not have."""
    statements = (s for document in documents for s in as_list(document.get("Statement")))
    named = (key for s in statements if _covers(s, query) for key in condition_keys(s.get("Condition") or {}))
    return sorted({key for key in named if key.lower() not in query.context})


def _matches(statement: Mapping[str, Any], query: Query) -> bool:
    return _covers(statement, query) and _conditions_hold(statement, query)


def _covers(statement: Mapping[str, Any], query: Query) -> bool:
    """Whether action and resource are those of the statement."""
    action = query.action.lower()
    if "Action" in statement and not _any(statement["Action"], action):
        return False
    if "NotAction" in statement and _any(statement["NotAction"], action):
        return False
    if "Resource" in statement and not _any(statement["Resource"], query.resource, fold=False):
        return False
    return not ("NotResource" in statement and _any(statement["NotResource"], query.resource, fold=False))


def _any(patterns: Any, text: str, *, fold: bool = True) -> bool:
    return any(glob(str(p).lower() if fold else str(p)).fullmatch(text) for p in as_list(patterns))


def _names_principal(element: Any, principal: str) -> bool:
    if element == "*":
        return True
    if not isinstance(element, Mapping):
        return False
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    names = [name for kind in ("AWS", "Federated") for name in as_list(element.get(kind))]
    its = {"*", principal, account, f"arn:aws:iam::{account}:root"}
    return any(name in its or _is_role_of(name, principal) for name in names)


def _is_role_of(name: str, principal: str) -> bool:
    """Whether `name` is the role whose session `principal` is; a session's ARN does not have the role's path."""
    kind, _, session = principal.partition(":assumed-role/")
    account, role = kind.rpartition(":")[2], session.partition("/")[0]
    return bool(role) and name.startswith(f"arn:aws:iam::{account}:role/") and name.endswith(f"/{role}")


def _conditions_hold(statement: Mapping[str, Any], query: Query) -> bool:
    held = conditions_hold(statement.get("Condition") or {}, query.context)
    return statement.get("Effect") == "Deny" if held is None else held
