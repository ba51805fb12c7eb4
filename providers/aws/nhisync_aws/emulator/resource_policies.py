"""Policies on secrets: they grant within the account, are needed across accounts, and deny everywhere.

Source: IAM user guide, "Policy evaluation logic" (identity and resource policies) and "Cross-account policy evaluation
logic"; Secrets Manager user guide, "Resource-based policies". The policy of a replica is its primary's.
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.secretsmanager.models import ReplicaSecret, secretsmanager_backends

from nhisync_aws.emulator.auth import Principal, authorize, denial, iam, iam_action
from nhisync_aws.emulator.conditions import as_list
from nhisync_aws.emulator.policy import Effect, Query, evaluate
from nhisync_aws.emulator.resources import account_in
from nhisync_aws.emulator.wire import Call

_KIND = "resource-based policy"


def permit(call: Call, principal: Principal, resource: str, context: Mapping[str, str]) -> None:
    """Evaluate the caller's policies together with that of the secret.

    Raises:
        ApiError: AccessDenied(Exception) with AWS's text.
    """
    if call.service != "secretsmanager":
        authorize(call, principal, resource, context)
        return
    owner = account_in(resource, principal.account)
    context = {**context, "aws:principalarn": identity_of(principal)}
    query = Query(iam_action(call), resource, context)
    effect = effect_of(policy_of(owner, call.region, resource), principal, owner, query)
    if effect is Effect.EXPLICIT_DENY:
        raise denial(call, principal, resource, effect, policy=_KIND)
    foreign = owner != principal.account
    authorize(call, principal, resource, context, granted=effect is Effect.ALLOWED and not foreign)
    if foreign and effect is not Effect.ALLOWED:
        raise denial(call, principal, resource, effect, policy=_KIND)


def policy_of(account: str, region: str, arn: str) -> Mapping[str, Any]:
    """The policy document on a secret, {} when there is none or no such secret."""
    found = secretsmanager_backends[account][region].secrets.get(arn) if account.isdigit() else None
    text = (found.source if isinstance(found, ReplicaSecret) else found).policy if found is not None else None
    document = json.loads(text) if text else {}
    return document if isinstance(document, dict) else {}


def effect_of(document: Mapping[str, Any], principal: Principal, owner: str, query: Query) -> Effect:
    """What the policy says of this caller; a grant to the caller's account leaves it to that account."""
    names = {principal.arn, identity_of(principal)}
    account = {principal.account, f"arn:aws:iam::{principal.account}:root"}
    kept = []
    for statement in as_list(document.get("Statement")):
        wide = statement.get("Effect") == "Deny" or owner != principal.account
        if _meant(statement, names | account if wide else names):
            kept.append(statement)
    return evaluate([{"Statement": kept}], query)


def identity_of(principal: Principal) -> str:
    """ARN of the user, or of the role behind a session (global condition key ``aws:PrincipalArn``)."""
    if ":assumed-role/" not in principal.arn:
        return principal.arn
    name = principal.arn.split("/")[1]
    roles = iam(principal.account).roles.values()
    return next((str(one.arn) for one in roles if one.name == name), principal.arn)


def _meant(statement: Mapping[str, Any], names: set[str]) -> bool:
    if "NotPrincipal" in statement:
        return not _listed(statement["NotPrincipal"], names)
    return _listed(statement.get("Principal"), names)


def _listed(element: Any, names: set[str]) -> bool:
    listed = as_list(element.get("AWS")) if isinstance(element, Mapping) else as_list(element)
    return "*" in listed or not names.isdisjoint(listed)
