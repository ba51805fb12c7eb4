"""Values of secrets: GetSecretValue and BatchGetSecretValue (Secrets Manager API)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.secretsmanager.models import ReplicaSecret

from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.resource_policies import permit
from nhisync_aws.emulator.resources import context_of, secret_arn
from nhisync_aws.emulator.secret_keys import decrypt
from nhisync_aws.emulator.secrets_overlay import (
    AnySecret,
    account_of,
    bad_token,
    extra_of,
    find,
    has_value,
    instant,
    page_size,
    refuse_deleted,
    selected_secrets,
    with_token,
)
from nhisync_aws.emulator.wire import ApiError, Call

_BATCH_LIMIT = 20


def get_secret_value(ctx: Context) -> dict[str, Any]:
    """GetSecretValue: refuses deleted secrets, empty versions and keys that cannot decrypt."""
    return _value(ctx, find(ctx, str(ctx.param("SecretId"))))


def batch_get_secret_value(ctx: Context) -> dict[str, Any]:
    """BatchGetSecretValue: each item is authorized by itself, and one that fails is named in Errors."""
    named, token = _named(ctx)
    values: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for secret_id in named:
        try:
            _authorize(ctx, "GetSecretValue", secret_id)
            values.append(_value(ctx, find(ctx, secret_id)))
        except ApiError as error:
            errors.append({"SecretId": secret_id, "ErrorCode": error.code, "Message": error.message})
    return with_token({"SecretValues": values, "Errors": errors}, token)


def _named(ctx: Context) -> tuple[list[str], str]:
    """The secrets that are asked for, by list or by filters, and the token of the next page."""
    ids = [str(one) for one in ctx.param("SecretIdList", [])]
    filters = ctx.param("Filters", [])
    if ids and filters:
        raise ApiError(
            "InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both."
        )
    if not filters:
        if ctx.param("MaxResults") is not None:
            text = "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided."
            raise ApiError("InvalidParameterException", text)
        if not 1 <= len(ids) <= _BATCH_LIMIT:
            raise ApiError("InvalidParameterException", "SecretIdList must hold 1 to 20 secrets.")
        return ids, ""
    _authorize(ctx, "ListSecrets", "")
    rows = [secret.arn for secret in selected_secrets(ctx)]
    token, size = ctx.param("NextToken"), page_size(ctx, _BATCH_LIMIT)
    found = page(rows, name="BatchGetSecretValue", token=token, size=size, bad_token=bad_token(), endless=ctx.endless)
    return list(found.items), found.token


def _authorize(ctx: Context, operation: str, secret_id: str) -> None:
    call = ctx.call
    single = Call(call.service, operation, call.region, call.access_key, {"SecretId": secret_id}, call.raw)
    arn = secret_arn(ctx.principal.account, call.region, secret_id) if secret_id else "*"
    permit(single, ctx.principal, arn, context_of(single, ctx.principal.account, arn))


def _value(ctx: Context, secret: AnySecret) -> dict[str, Any]:
    refuse_deleted(secret)
    version_id, version = _version(ctx, secret)
    decrypt(ctx, account_of(secret), _key_of(ctx, secret))
    _mark(ctx, secret, version_id, ctx.now.replace(hour=0, minute=0, second=0, microsecond=0))
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version_id,
        "VersionStages": list(version["version_stages"]) or None,
        "CreatedDate": instant(version["createdate"]),
        "SecretString": version.get("secret_string"),
        "SecretBinary": version.get("secret_binary"),
    }


def _mark(ctx: Context, secret: AnySecret, version_id: str, day: datetime) -> None:
    """Remember the day of a read, of the secret and of its version, in the region in which it was read."""
    extra = extra_of(ctx.cloud, secret)
    extra.accessed[secret.region] = day
    extra.version_accessed[secret.region, version_id] = day


def _key_of(ctx: Context, secret: AnySecret) -> str | None:
    if isinstance(secret, ReplicaSecret):
        return extra_of(ctx.cloud, secret).replica_keys.get(secret.region)
    return secret.kms_key_id


def _version(ctx: Context, secret: AnySecret) -> tuple[str, Mapping[str, Any]]:
    wanted, stage = ctx.param("VersionId"), ctx.param("VersionStage")
    if wanted:
        version = secret.versions.get(wanted)
        if version is not None and stage and stage not in version["version_stages"]:
            text = "You provided a VersionStage that is not associated to the provided VersionId."
            raise ApiError("InvalidRequestException", text)
        found = wanted if version is not None and has_value(version) else None
    else:
        stage = str(stage or "AWSCURRENT")
        found = next((k for k, v in secret.versions.items() if stage in v["version_stages"] and has_value(v)), None)
    if found is None:
        what = f"VersionId: {wanted}" if wanted else f"staging label: {stage}"
        text = f"Secrets Manager can't find the specified secret value for {what}"
        raise ApiError("ResourceNotFoundException", text)
    return found, secret.versions[found]


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:GetSecretValue": get_secret_value,
    "secretsmanager:BatchGetSecretValue": batch_get_secret_value,
}
