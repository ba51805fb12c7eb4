"""IAM documents, their mutants, and the emulator's evaluator as the independent judge of them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.rights.case import Mutant, Outcome, outcome, replaced, texts, without
from nhisync.parity.rights import Rights, compare
from nhisync.spi import BOUNDARY, Syntax
from nhisync_aws.emulator.policy import Effect, Query, evaluate
from nhisync_aws.rights import bounded, statements_of

ACCOUNT = "111122223333"
OWN = ("dynamodb", "kms", "s3", "secretsmanager", "sqs")
"""Services of the base documents whose actions work on their own ARNs only."""

Condition = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, frozen, so that mutants share what they did not change."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    negated: tuple[bool, bool] = (False, False)

    def document(self) -> dict[str, Any]:
        """As IAM reads it."""
        blocks: dict[str, dict[str, list[str]]] = {}
        for operator, key, values in self.conditions:
            blocks.setdefault(operator, {})[key] = list(values)
        return {
            "Effect": self.effect,
            "NotAction" if self.negated[0] else "Action": list(self.actions),
            "NotResource" if self.negated[1] else "Resource": list(self.resources),
            **({"Condition": blocks} if blocks else {}),
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """An identity: its statements, and its boundary's (None = none)."""

    held: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None = None


def _arn(service: str, name: str) -> str:
    place = "" if service == "s3" else f"eu-west-1:{ACCOUNT}"
    return f"arn:aws:{service}:{place}:{name}" if place else f"arn:aws:{service}:::{name}"


def _allow(actions: str, *resources: str, conditions: tuple[Condition, ...] = ()) -> Statement:
    return Statement("Allow", tuple(actions.split()), resources, conditions)


def _deny(actions: str, *resources: str, conditions: tuple[Condition, ...] = ()) -> Statement:
    return Statement("Deny", tuple(actions.split()), resources, conditions)


_TEAM: Condition = ("StringEquals", "aws:ResourceTag/team", ("payments",))
_VIA: Condition = ("StringLike", "kms:ViaService", ("secretsmanager.*",))
_MFA: Condition = ("Bool", "aws:MultiFactorAuthPresent", ("true",))
_PASSED: Condition = ("StringEquals", "iam:PassedToService", ("ecs-tasks.amazonaws.com", "lambda.amazonaws.com"))

BASES = (
    Policy(
        held=(
            _allow("s3:GetObject s3:PutObject", _arn("s3", "pay-data/*")),
            _allow("s3:ListBucket", _arn("s3", "pay-data")),
            _allow("sqs:SendMessage sqs:GetQueue*", _arn("sqs", "pay-out"), _arn("sqs", "pay-dlq")),
            _allow("dynamodb:*Item dynamodb:Query", _arn("dynamodb", "table/pay-*"), conditions=(_TEAM,)),
            _allow("secretsmanager:GetSecretValue", _arn("secretsmanager", "secret:pay/*"), conditions=(_TEAM,)),
            _allow("kms:Decrypt", _arn("kms", "key/1234"), conditions=(_VIA,)),
            _deny("s3:PutObject", _arn("s3", "pay-data/archive/*")),
        ),
        boundary=(_allow("s3:* sqs:* dynamodb:* secretsmanager:* kms:*", "*"), _deny("kms:ScheduleKeyDeletion", "*")),
    ),
    Policy(
        held=(
            _allow("ecs:* ecr:Get* ecr:BatchGetImage", "*"),
            _allow("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/deploy-*", conditions=(_PASSED,)),
            _allow("cloudformation:*Stack", f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/pay-*/*"),
            replace(_deny("iam:* organizations:*", "*"), conditions=(("Bool", _MFA[1], ("false",)),)),
        ),
    ),
    Policy(
        held=(
            replace(_allow("iam:* organizations:* account:*", "*", conditions=(_MFA,)), negated=(True, False)),
            replace(_deny("s3:Delete*", _arn("s3", "scratch/*")), negated=(False, True)),
        ),
    ),
)
"""A task role under a boundary, a deployer, a power user: with tags, ViaService, PassRole, MFA and both negations."""


def mutants() -> Iterator[Mutant[Policy]]:
    """Every fault at every place it fits."""
    for base in BASES:
        for operator, held in _of_statements(base.held):
            yield Mutant(operator, base, replace(base, held=held))
        if base.boundary is None:
            yield Mutant("boundary added", base, replace(base, boundary=(_allow("s3:* ecs:*", "*"),)))
            continue
        yield Mutant("boundary removed", base, replace(base, boundary=None))
        for operator, boundary in _of_statements(base.boundary):
            yield Mutant(f"boundary: {operator}", base, replace(base, boundary=boundary))


def _of_statements(held: tuple[Statement, ...]) -> Iterator[tuple[str, tuple[Statement, ...]]]:
    for rest in without(held):
        yield "statement dropped", rest
    for index, statement in enumerate(held):
        head, tail = held[:index], held[index + 1 :]
        for operator, changed in _of_one(statement):
            yield operator, (*head, changed, *tail)
        for operator, more in _beside(statement):
            yield operator, (*held, more)
        first, rest = (
            replace(statement, actions=statement.actions[:1]),
            replace(statement, actions=statement.actions[1:]),
        )
        if rest.actions and not statement.negated[0]:
            yield "statement split", (*head, first, rest, *tail)
    yield "statements reordered", held[::-1]


def _of_one(one: Statement) -> Iterator[tuple[str, Statement]]:
    yield "effect flipped", replace(one, effect="Deny" if one.effect == "Allow" else "Allow")
    for at, name in ((0, "Action"), (1, "Resource")):
        flipped = (one.negated[0] != (at == 0), one.negated[1] != (at == 1))
        yield f"{name} and Not{name} swapped", replace(one, negated=flipped)
    for rest in without(one.actions):
        if rest:
            yield "action dropped", replace(one, actions=rest)
    for rest in without(one.resources):
        if rest:
            yield "resource dropped", replace(one, resources=rest)
    yield "action added", replace(one, actions=(*one.actions, "sts:AssumeRole"))
    yield "resource added", replace(one, resources=(*one.resources, _arn("s3", "other/*")))
    for operator, change in _ACTIONS.items():
        yield from ((operator, replace(one, actions=some)) for some in replaced(one.actions, change))
    for operator, change in _RESOURCES.items():
        yield from ((operator, replace(one, resources=some)) for some in replaced(one.resources, change))
    yield from _of_conditions(one)


def _of_conditions(one: Statement) -> Iterator[tuple[str, Statement]]:
    for rest in without(one.conditions):
        yield "condition dropped", replace(one, conditions=rest)
    for some in replaced(one.conditions, lambda c: (c[0], c[1], ("elsewhere",))):
        yield "condition value changed", replace(one, conditions=some)
    for some in replaced(one.conditions, lambda c: (c[0], c[1], (*c[2], "elsewhere"))):
        yield "condition value added", replace(one, conditions=some)
    for some in replaced(one.conditions, lambda c: (c[0], c[1].upper(), c[2][::-1])):
        yield "condition respelt", replace(one, conditions=some)
    yield "condition added", replace(one, conditions=(*one.conditions, ("StringEquals", "aws:SourceVpc", ("vpc-1",))))


def _beside(one: Statement) -> Iterator[tuple[str, Statement]]:
    plain = replace(one, effect="Deny", conditions=(), negated=(False, False))
    yield "deny added", plain
    yield "deny added on one action", replace(plain, actions=one.actions[:1], resources=one.resources[:1])
    yield "deny added under a condition", replace(plain, conditions=(("StringEquals", "aws:SourceVpc", ("vpc-1",)),))
    yield "statement repeated", one


_ACTIONS = {
    "action widened to its service": lambda text: f"{text.partition(':')[0]}:*",
    "action narrowed": lambda text: text.replace("*", "One"),
    "action misspelt": lambda text: text if text.endswith("*") else f"{text}s",
    "action in other case": str.swapcase,
    "action widened by one character": lambda text: text if text.endswith("*") else f"{text[:-1]}?",
}
_RESOURCES = {
    "resource widened to all": lambda _: "*",
    "resource widened": lambda text: text if text.endswith("*") else f"{text}*",
    "resource narrowed": lambda text: text.replace("*", "one", 1) if len(text) > 1 else _arn("s3", "one/*"),
    "resource narrowed to a folder": lambda text: text.replace("/*", "/one/*"),
    "resource of another account": lambda text: text.replace(ACCOUNT, "444455556666"),
    "resource of another region": lambda text: text.replace("eu-west-1", "eu-north-1"),
}


def judged(mutant: Mutant[Policy]) -> Outcome:
    """The comparison beside brute force over all requests that base and mutant could tell apart."""
    asked = list(_requests(mutant.base, mutant.policy))
    found = compare(_rights(mutant.base), _rights(mutant.policy))
    return outcome(mutant.operator, _allowed(mutant.base, asked), _allowed(mutant.policy, asked), found)


def _rights(policy: Policy) -> Rights:
    held, _ = statements_of([("held", _document(policy.held))])
    if policy.boundary is not None:
        limit, _ = statements_of([("boundary", _document(policy.boundary))], layer=BOUNDARY)
        held = (*held, bounded(), *limit)
    return Rights(0, "aws", Syntax.GLOB, held)


def _document(statements: tuple[Statement, ...]) -> dict[str, Any]:
    return {"Statement": [one.document() for one in statements]}


def _allowed(policy: Policy, asked: list[Query]) -> list[bool]:
    held = [_document(policy.held)]
    limit = None if policy.boundary is None else [_document(policy.boundary)]
    return [
        evaluate(held, query) is Effect.ALLOWED and (limit is None or evaluate(limit, query) is Effect.ALLOWED)
        for query in asked
    ]


def _requests(*policies: Policy) -> Iterator[Query]:
    every = [one for policy in policies for one in (*policy.held, *(policy.boundary or ()))]
    actions = texts({a.lower() for one in every for a in one.actions} | {"ec2:runinstances"}, ("", "x", "one"), "*?")
    resources = texts({r for one in every for r in one.resources}, ("", "x", "one", "one/x"), "*?")
    values: dict[str, set[str]] = {}
    for _, key, some in (condition for one in every for condition in one.conditions):
        values.setdefault(key.lower(), {"neither"}).update(text.replace("*", "x") for text in some)
    contexts = [
        dict(zip(values, some, strict=True)) for some in itertools.product(*(sorted(v) for v in values.values()))
    ]
    for action, resource in itertools.product(actions, resources):
        if _meaningful(action, resource):
            yield from (Query(action, resource, context) for context in contexts)


def _meaningful(action: str, resource: str) -> bool:
    """An action of one service never works on an ARN of another one."""
    service, parts = action.partition(":")[0], resource.split(":")
    return service not in OWN or len(parts) < 4 or parts[2] not in OWN or parts[2] == service
