"""IAM policy documents as rights (pure).

Source: IAM user guide, "IAM JSON policy elements reference" and "Policy evaluation logic". Organisation policies,
resource policies and session policies are not part of an identity and are not looked at.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import BOUNDARY, HELD, TRUST, Effect, Right

_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal", "NotPrincipal"}
)
_OWN = frozenset({"dynamodb", "kinesis", "kms", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm"})
"""Services whose actions work on ARNs of that very service only, so that a statement that lists actions and ARNs of
several of them says nothing about an action of one on an ARN of another (service authorization reference)."""

_ACCOUNT = re.compile(r"\d{12}")
_ARN_PARTS = 6


def statements_of(
    documents: Iterable[tuple[str, Any]], *, layer: str = HELD, variables: Mapping[str, str] | None = None
) -> tuple[tuple[Right, ...], tuple[str, ...]]:
    """The rights of these policies, and what of them has no meaning here.

    Args:
        documents: name and document, decoded.
        layer: `HELD`, `BOUNDARY` or `TRUST`.
        variables: policy variable → its value, where the identity fixes it (``aws:username``).
    """
    rights: list[Right] = []
    gaps: set[str] = set()
    for name, document in documents:
        for statement in _listed(document.get("Statement") if isinstance(document, Mapping) else None):
            problem = _problem(statement, layer)
            if problem:
                gaps.add(f"policy {name}: {problem}")
            else:
                rights += _rights(statement, layer, variables or {})
        if not isinstance(document, Mapping) or "Statement" not in document:
            gaps.add(f"policy {name}: holds no statements")
    return tuple(sorted(set(rights))), tuple(sorted(gaps))


def bounded() -> Right:
    """What says that there is a boundary, even one that allows nothing."""
    return Right(Effect.ALLOW, (), (), layer=BOUNDARY)


def _problem(statement: Any, layer: str) -> str:
    """Why a statement cannot be understood; "" = it can."""
    if not isinstance(statement, Mapping):
        return "a statement is no object"
    unknown = sorted(set(statement) - _ELEMENTS)
    if unknown:
        return f"the element {unknown[0]} has no meaning here"
    if statement.get("Effect") not in {"Allow", "Deny"}:
        return "a statement has no effect"
    if "NotPrincipal" in statement:
        return "NotPrincipal cannot be compared"
    if "Action" not in statement and "NotAction" not in statement:
        return "a statement has no action"
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, Mapping) or not all(isinstance(keys, Mapping) for keys in conditions.values()):
        return "a condition is no object"
    target = ("Principal",) if layer == TRUST else ("Resource", "NotResource")
    return "" if any(name in statement for name in target) else f"a statement has no {target[0].lower()}"


def _rights(statement: Mapping[str, Any], layer: str, variables: Mapping[str, str]) -> Iterator[Right]:
    effect = Effect.ALLOW if statement["Effect"] == "Allow" else Effect.DENY
    conditions = tuple(sorted(_conditions(statement.get("Condition") or {}, variables)))
    actions, but_actions = _texts(statement, "Action", "NotAction")
    named = tuple(sorted(_principals(statement["Principal"]))) if layer == TRUST else ()
    targets = (named, ()) if layer == TRUST else _texts(statement, "Resource", "NotResource")
    resources, but_resources = (tuple(_filled(one, variables) for one in texts) for texts in targets)
    actions = tuple("*" if one == "*:*" else one for one in actions)
    for some, on in (
        _by_service(actions, resources) if not but_actions and not but_resources else [(actions, resources)]
    ):
        yield Right(effect, some, on, but_actions, but_resources, conditions, layer)


def _texts(statement: Mapping[str, Any], plain: str, negated: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if plain in statement:
        return tuple(sorted(map(str, _listed(statement[plain])))), ()
    return ("*",), tuple(sorted(map(str, _listed(statement[negated]))))


def _by_service(actions: Sequence[str], resources: tuple[str, ...]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Actions with those resources that they can work on, grouped; a pair that means nothing is left out."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for action in actions:
        service = action.partition(":")[0].lower()
        fitting = tuple(one for one in resources if service not in _OWN or _service(one) in {service, ""})
        if fitting:
            groups.setdefault(fitting, []).append(action)
    return [(tuple(some), on) for on, some in sorted(groups.items())]


def _service(resource: str) -> str:
    """The service of an ARN, where it is one of `_OWN`; "" = another one, or not certain."""
    parts = resource.split(":", 3)
    return parts[2] if len(parts) > 3 and parts[0] == "arn" and parts[2] in _OWN else ""


def _principals(principal: Any) -> Iterator[str]:
    if not isinstance(principal, Mapping):
        yield str(principal)
        return
    for kind, values in principal.items():
        for value in _listed(values):
            text = str(value)
            if _ACCOUNT.fullmatch(text):
                text = f"arn:aws:iam::{text}:root"
            yield "*" if (kind, text) == ("AWS", "*") else f"{kind}:{text}"


def _conditions(blocks: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[str]:
    """One word per operator and key; keys have no letter case, values are alternatives in no order."""
    for operator, keys in blocks.items():
        for key, values in keys.items():
            told = sorted({_filled(_value(one), variables) for one in _listed(values)})
            yield f"{operator} {key.lower()}={'|'.join(told)}"


def _value(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
