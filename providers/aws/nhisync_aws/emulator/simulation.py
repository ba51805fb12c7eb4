"""IAM's policy simulator over the emulator's own evaluator.

Source: IAM API reference, SimulatePrincipalPolicy and EvaluationResult: one result for each action, whose decision is
the most restrictive one over all resources; the single resources' own decisions stand in ResourceSpecificResults. As in
AWS no context key is known unless the call gives it, resource policies are not fetched, and roles have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Group, Role, User

from nhisync_aws.emulator.attached import Attached, boundary_of, document_of, policies_of
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.conditions import Values, as_list, condition_keys
from nhisync_aws.emulator.iam_overlay import no_such, paged
from nhisync_aws.emulator.policy import Decision, Effect, Query, decide, evaluate, granted_to, missing_keys
from nhisync_aws.emulator.wire import ApiError

_WORDS = {Effect.ALLOWED: "allowed", Effect.EXPLICIT_DENY: "explicitDeny", Effect.IMPLICIT_DENY: "implicitDeny"}
_STRICTEST = (Effect.EXPLICIT_DENY, Effect.IMPLICIT_DENY, Effect.ALLOWED)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated.

    Attributes:
        policies: identity policies.
        boundary: permissions boundaries; None = there is none.
        resource_policy: the policy of each resource; None = none is given.
        caller: ARN that the resource policy is asked about.
        foreign: whether the resource belongs to another account than the caller, so that both sides must allow.
        context: condition keys, lower case.
        organisation: policies above the account; None = there are none. The keys they miss are not reported.
    """

    policies: tuple[Attached, ...]
    boundary: tuple[Mapping[str, Any], ...] | None
    resource_policy: Mapping[str, Any] | None
    caller: str
    foreign: bool
    context: Mapping[str, Values]
    organisation: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one action and resource, with what led to it."""

    resource: str
    effect: Effect
    statements: tuple[dict[str, Any], ...]
    missing: list[str]
    bounded: bool | None
    above: bool | None = None


def simulate_principal_policy(ctx: Context) -> dict[str, Any]:
    """SimulatePrincipalPolicy: the policies of a user (and its groups), a group or a role, and those that are given."""
    arn = str(ctx.param("PolicySourceArn"))
    entity = entity_of(ctx, arn)
    if isinstance(entity, Role) and ctx.param("ResourcePolicy"):
        raise _invalid("Resource policies are not supported for roles.")
    backend = iam(ctx.account.id)
    own, boundary = tuple(policies_of(backend, entity)), boundary_of(backend, entity)
    given = ctx.param("PermissionsBoundaryPolicyInputList")
    bounds = tuple(_parsed(text) for text in given) if given else None if boundary is None else (boundary,)
    return _simulate(ctx, own + _given(ctx), bounds, arn)


def simulate_custom_policy(ctx: Context) -> dict[str, Any]:
    """SimulateCustomPolicy: only what is given."""
    bounds = tuple(_parsed(text) for text in ctx.param("PermissionsBoundaryPolicyInputList", []))
    if ctx.param("ResourcePolicy") and not ctx.param("CallerArn"):
        raise _invalid("CallerArn is required when a ResourcePolicy is given.")
    return _simulate(ctx, _given(ctx), bounds or None, "")


def context_keys_for_principal_policy(ctx: Context) -> dict[str, Any]:
    """GetContextKeysForPrincipalPolicy: the keys that attached and given policies ask about."""
    entity = entity_of(ctx, str(ctx.param("PolicySourceArn")))
    return _keys(tuple(policies_of(iam(ctx.account.id), entity)) + _given(ctx))


def context_keys_for_custom_policy(ctx: Context) -> dict[str, Any]:
    """GetContextKeysForCustomPolicy: the keys that given policies ask about."""
    return _keys(_given(ctx))


def _simulate(
    ctx: Context, policies: tuple[Attached, ...], bounds: tuple[Mapping[str, Any], ...] | None, source: str
) -> dict[str, Any]:
    caller, text = str(ctx.param("CallerArn") or source), ctx.param("ResourcePolicy")
    owner = str(ctx.param("ResourceOwner") or caller)
    simulation = Simulation(
        policies=policies,
        boundary=bounds,
        resource_policy=_parsed(text) if text else None,
        caller=caller,
        foreign=bool(text) and _account(owner) != _account(caller),
        context=_context(ctx),
        organisation=_organisation(ctx),
    )
    actions = [str(action) for action in ctx.param("ActionNames", [])]
    for action in actions:
        if not all(action.partition(":")[::2]):
            raise _invalid(f"Invalid action name: {action}")
    arns = [str(arn) for arn in ctx.param("ResourceArns", []) or ["*"]]
    return paged(ctx, "EvaluationResults", actions, lambda action: _result(simulation, action, arns))


def _result(simulation: Simulation, action: str, arns: Sequence[str]) -> dict[str, Any]:
    verdicts = [_verdict(simulation, Query(action, arn, simulation.context)) for arn in arns]
    whole = next(effect for effect in _STRICTEST if any(one.effect is effect for one in verdicts))
    deciding = next(one for one in verdicts if one.effect is whole)
    everything = arns == ["*"]
    result = {
        "EvalActionName": action,
        "EvalResourceName": deciding.resource,
        "EvalDecision": _WORDS[whole],
        "MatchedStatements": list(deciding.statements),
        "MissingContextValues": deciding.missing if everything else [],
        "PermissionsBoundaryDecisionDetail": _bounded(deciding),
        "OrganizationsDecisionDetail": None if deciding.above is None else {"AllowedByOrganizations": deciding.above},
    }
    return result if everything else {**result, "ResourceSpecificResults": [_specific(one) for one in verdicts]}


def _specific(verdict: Verdict) -> dict[str, Any]:
    return {
        "EvalResourceName": verdict.resource,
        "EvalResourceDecision": _WORDS[verdict.effect],
        "MatchedStatements": list(verdict.statements),
        "MissingContextValues": verdict.missing,
        "PermissionsBoundaryDecisionDetail": _bounded(verdict),
    }


def _bounded(verdict: Verdict) -> dict[str, bool] | None:
    return None if verdict.bounded is None else {"AllowedByPermissionsBoundary": verdict.bounded}


def _verdict(simulation: Simulation, query: Query) -> Verdict:
    """The identity's policies, then the boundary, then the resource's own policy (policy evaluation logic)."""
    documents = [policy.document for policy in simulation.policies]
    decision = decide(documents, query)
    effect, statements = decision.effect, _told(simulation.policies, decision)
    bound = None if simulation.boundary is None else evaluate(simulation.boundary, query)
    if bound is not None and bound is not Effect.ALLOWED and effect is not Effect.EXPLICIT_DENY:
        effect = bound
    if simulation.resource_policy is not None:
        there = granted_to(simulation.resource_policy, simulation.caller, query)
        effect = _joined(effect, there, both=simulation.foreign)
        if there is not Effect.IMPLICIT_DENY:
            statements += ({"SourcePolicyId": "ResourcePolicy", "SourcePolicyType": "resource"},)
    above = None if simulation.organisation is None else evaluate(simulation.organisation, query)
    if above is not None and above is not Effect.ALLOWED and effect is not Effect.EXPLICIT_DENY:
        effect = above
    asked = [*documents, *(simulation.boundary or ())]
    missing = missing_keys(asked, query)
    bounded, allowed = (None if one is None else one is Effect.ALLOWED for one in (bound, above))
    return Verdict(query.resource, effect, statements, missing, bounded, allowed)


def _joined(here: Effect, there: Effect, *, both: bool) -> Effect:
    """Identity and resource policy together; in one account one Allow is enough."""
    if Effect.EXPLICIT_DENY in {here, there}:
        return Effect.EXPLICIT_DENY
    allows = [one is Effect.ALLOWED for one in (here, there)]
    return Effect.ALLOWED if (all(allows) if both else any(allows)) else Effect.IMPLICIT_DENY


def _told(policies: Sequence[Attached], decision: Decision) -> tuple[dict[str, Any], ...]:
    found = (policies[place] for place, _ in decision.statements)
    return tuple({"SourcePolicyId": one.name, "SourcePolicyType": one.kind} for one in found)


def _context(ctx: Context) -> dict[str, Values]:
    context: dict[str, Values] = {}
    for entry in ctx.param("ContextEntries", []):
        context[str(entry["ContextKeyName"]).lower()] = tuple(str(v) for v in entry.get("ContextKeyValues", []))
    return context


def _organisation(ctx: Context) -> tuple[Mapping[str, Any], ...] | None:
    fault = ctx.cloud.faults.hit(ctx.source, "organisation", ctx.call.name)
    return None if fault is None else tuple(fault.options["policies"])


def _given(ctx: Context) -> tuple[Attached, ...]:
    texts = ctx.param("PolicyInputList", [])
    return tuple(Attached(f"PolicyInputList.{n}", "none", _parsed(text)) for n, text in enumerate(texts, 1))


def _parsed(text: Any) -> Mapping[str, Any]:
    try:
        return document_of(str(text))
    except ValueError:
        raise _invalid("Syntax errors in policy.") from None


def _keys(policies: Sequence[Attached]) -> dict[str, Any]:
    return {"ContextKeyNames": sorted(set(_asked(policies)))}


def _asked(policies: Sequence[Attached]) -> Iterator[str]:
    for policy in policies:
        for statement in as_list(policy.document.get("Statement")):
            yield from condition_keys(statement.get("Condition") or {})


def entity_of(ctx: Context, arn: str) -> User | Group | Role:
    """The user, group or role of an ARN.

    Raises:
        ApiError: InvalidInput, NoSuchEntity.
    """
    kind, _, name = arn.rpartition(":")[2].partition("/")
    backend = iam(ctx.account.id)
    entities: dict[str, Mapping[str, User | Group | Role]] = {
        "user": backend.users,
        "group": backend.groups,
        "role": {role.name: role for role in backend.roles.values()},
    }
    if not name or kind not in entities:
        raise _invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    found = entities[kind].get(name.rpartition("/")[2])
    if found is None or found.arn != arn:
        raise no_such(kind, name)
    return found


def _account(arn: str) -> str:
    return arn.split(":")[4] if arn.count(":") >= 5 else arn


def _invalid(text: str) -> ApiError:
    return ApiError("InvalidInput", text)


HANDLERS: Mapping[str, Handler] = {
    "iam:SimulatePrincipalPolicy": simulate_principal_policy,
    "iam:SimulateCustomPolicy": simulate_custom_policy,
    "iam:GetContextKeysForPrincipalPolicy": context_keys_for_principal_policy,
    "iam:GetContextKeysForCustomPolicy": context_keys_for_custom_policy,
}
