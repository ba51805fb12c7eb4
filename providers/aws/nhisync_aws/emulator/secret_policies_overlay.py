"""Resource policies of secrets: read, attached, removed and validated (Secrets Manager API)."""

import json
from collections.abc import Mapping
from typing import Any

from moto.secretsmanager.models import FakeSecret

from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.conditions import as_list
from nhisync_aws.emulator.policy import Effect, Query
from nhisync_aws.emulator.resource_policies import effect_of, identity_of
from nhisync_aws.emulator.secrets_overlay import account_of, find, primary_of, writable
from nhisync_aws.emulator.wire import ApiError

_SYNTAX = "This policy has invalid syntax."
_BROAD = (
    "The BlockPublicPolicy parameter is set to true, "
    "and the resource policy did not prevent broad access to the secret."
)


def get_resource_policy(ctx: Context) -> dict[str, Any]:
    """GetResourcePolicy: also of a replica, which has its primary's."""
    secret = find(ctx, str(ctx.param("SecretId")))
    return {"ARN": secret.arn, "Name": secret.name, "ResourcePolicy": primary_of(secret).policy}


def put_resource_policy(ctx: Context) -> dict[str, Any]:
    """PutResourcePolicy: a document that is no policy, or (when asked) a public one, is refused."""
    secret, text = writable(ctx), str(ctx.param("ResourcePolicy", ""))
    document = _document(text)
    if document is None:
        raise ApiError("MalformedPolicyDocumentException", _SYNTAX)
    if ctx.param("BlockPublicPolicy", default=False) and _public(document):
        raise ApiError("PublicPolicyException", _BROAD)
    secret.policy = text
    return _named(secret)


def delete_resource_policy(ctx: Context) -> dict[str, Any]:
    """DeleteResourcePolicy: no policy is left, and no error when there was none."""
    secret = writable(ctx)
    secret.policy = None
    return _named(secret)


def validate_resource_policy(ctx: Context) -> dict[str, Any]:
    """ValidateResourcePolicy: the three checks of the API, with an error entry for each that fails."""
    if ctx.param("SecretId") is not None:
        owner = account_of(find(ctx, str(ctx.param("SecretId"))))
    else:
        owner = ctx.principal.account
    document = _document(str(ctx.param("ResourcePolicy", "")))
    errors = []
    if document is None:
        errors.append({"CheckName": "SYNTAX", "ErrorMessage": _SYNTAX})
    else:
        if _public(document):
            errors.append({"CheckName": "ZELKOVA", "ErrorMessage": "The policy gives broad access to the secret."})
        query = Query("secretsmanager:PutResourcePolicy", "*", {"aws:principalarn": identity_of(ctx.principal)})
        if effect_of(document, ctx.principal, owner, query) is Effect.EXPLICIT_DENY:
            errors.append({"CheckName": "LOCKOUT", "ErrorMessage": "The policy locks out the caller."})
    return {"PolicyValidationPassed": not errors, "ValidationErrors": errors}


def _named(secret: FakeSecret) -> dict[str, Any]:
    return {"ARN": secret.arn, "Name": secret.name}


def _document(text: str) -> Mapping[str, Any] | None:
    """The policy, None when it is not one: statements with effect, principal, action and resource."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    statements = as_list(document.get("Statement")) if isinstance(document, dict) else []
    return document if statements and all(_whole(one) for one in statements) else None


def _whole(statement: Any) -> bool:
    if not isinstance(statement, dict) or statement.get("Effect") not in {"Allow", "Deny"}:
        return False
    pairs = (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource"))
    return all(any(name in statement for name in pair) for pair in pairs)


def _public(document: Mapping[str, Any]) -> bool:
    """Whether a statement allows everybody something without a condition."""
    for statement in as_list(document.get("Statement")):
        principal = statement.get("Principal")
        named = as_list(principal.get("AWS")) if isinstance(principal, dict) else as_list(principal)
        if statement["Effect"] == "Allow" and "*" in named and not statement.get("Condition"):
            return True
    return False


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:GetResourcePolicy": get_resource_policy,
    "secretsmanager:PutResourcePolicy": put_resource_policy,
    "secretsmanager:DeleteResourcePolicy": delete_resource_policy,
    "secretsmanager:ValidateResourcePolicy": validate_resource_policy,
}
