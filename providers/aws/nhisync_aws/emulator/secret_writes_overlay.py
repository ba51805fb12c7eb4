"""Writes of secrets: CreateSecret, PutSecretValue, UpdateSecret, UpdateSecretVersionStage (Secrets Manager API).

moto dates them by the machine's clock, never asks the KMS key, and moves labels by three ways that disagree.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moto.secretsmanager.models import FakeSecret

from nhisync_aws.emulator import labels
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.replicas_overlay import add_replicas, check_regions, resync
from nhisync_aws.emulator.secret_keys import encrypt
from nhisync_aws.emulator.secrets_overlay import account_of, extra_of, has_value, store, writable
from nhisync_aws.emulator.wire import ApiError

Value = dict[str, str | bytes]
_MEMBERS = ("secret_string", "secret_binary")
_SHORTEST, _LONGEST = 32, 64


def create_secret(ctx: Context) -> dict[str, Any]:
    """CreateSecret: with or without a first value, with replicas."""
    name, value = str(ctx.param("Name")), _value(ctx)
    here = store(ctx.principal.account, ctx.call.region)
    existing = here.get(name)
    if existing is not None:
        return _created_before(ctx, existing, name, value)
    regions = ctx.param("AddReplicaRegions", [])
    check_regions(regions, {ctx.call.region})
    encrypt(ctx, ctx.principal.account, ctx.param("KmsKeyId"))
    token = token_of(ctx) if value else ""
    secret = FakeSecret(
        account_id=ctx.principal.account,
        region_name=ctx.call.region,
        secret_id=name,
        secret_version={},
        version_id="",
        description=ctx.param("Description"),
        tags=ctx.param("Tags"),
        kms_key_id=ctx.param("KmsKeyId"),
        created_date=ctx.now.timestamp(),  # type: ignore[arg-type]  # moto says int and keeps what it is given
        last_changed_date=ctx.now.timestamp(),  # type: ignore[arg-type]
    )
    here[name] = secret
    if value:
        _store(ctx, secret, token, value, [labels.CURRENT])
    result: dict[str, Any] = {"ARN": secret.arn, "Name": name, "VersionId": token or None}
    if regions:
        started = add_replicas(ctx, secret, regions, overwrite=bool(ctx.param("ForceOverwriteReplicaSecret", False)))
        result["ReplicationStatus"] = started
    return result


def put_secret_value(ctx: Context) -> dict[str, Any]:
    """PutSecretValue: idempotent by token; moves AWSCURRENT unless other labels are named."""
    secret, value, token = writable(ctx), _value(ctx), token_of(ctx)
    if not value:
        raise ApiError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    stages = [str(one) for one in ctx.param("VersionStages", [labels.CURRENT])]
    if labels.holder(secret, labels.CURRENT) is None:
        stages = [*stages, labels.CURRENT]
    if not _repeated(secret, token, value):
        _store(ctx, secret, token, value, stages)
    held = list(secret.versions[token]["version_stages"])
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": held}


def update_secret(ctx: Context) -> dict[str, Any]:
    """UpdateSecret: description, key and value, whatever of them is given."""
    secret, value = writable(ctx), _value(ctx)
    token = token_of(ctx) if value else ""
    if value and _repeated(secret, token, value):
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}
    key_id = ctx.param("KmsKeyId")
    if key_id is not None:
        encrypt(ctx, account_of(secret), key_id)
        secret.kms_key_id = key_id
        _reencrypt(ctx, secret)
    if ctx.param("Description") is not None:
        secret.description = str(ctx.param("Description"))
    touch(ctx, secret)
    if value:
        _store(ctx, secret, token, value, [labels.CURRENT])
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token or None}


def update_secret_version_stage(ctx: Context) -> dict[str, Any]:
    """UpdateSecretVersionStage: moves or removes one label."""
    secret = writable(ctx)
    label = str(ctx.param("VersionStage"))
    take, give = ctx.param("RemoveFromVersionId"), ctx.param("MoveToVersionId")
    for version_id in (take, give):
        if version_id is not None and version_id not in secret.versions:
            raise ApiError("InvalidParameterException", f"Not a valid version: {version_id}")
    _check_move(secret, label, take, give)
    if give is None:
        labels.detach(secret, label)
    else:
        labels.attach(secret, label, give)
    touch(ctx, secret)
    return {"ARN": secret.arn, "Name": secret.name}


def token_of(ctx: Context, code: str = "InvalidRequestException") -> str:
    """ClientRequestToken of the call; the SDK always sends one.

    Raises:
        ApiError: `code`, when there is none; InvalidParameterException for a length outside 32 to 64.
    """
    token = str(ctx.param("ClientRequestToken", ""))
    if not token:
        raise ApiError(code, "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    if not _SHORTEST <= len(token) <= _LONGEST:
        raise ApiError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    return token


def touch(ctx: Context, secret: FakeSecret) -> None:
    """Date a change by the world's clock."""
    secret.last_changed_date = ctx.now.timestamp()  # type: ignore[assignment]  # as in create_secret


def _check_move(secret: FakeSecret, label: str, take: str | None, give: str | None) -> None:
    held = labels.holder(secret, label)
    if take is None and give is None:
        raise ApiError("InvalidParameterException", "You must provide RemoveFromVersionId or MoveToVersionId.")
    if take is not None and take != held:
        text = f"Version stage {label} not found in version {take}"
        raise ApiError("InvalidParameterException", text)
    if take is None and held is not None and held != give:
        text = (
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version "
            f"{held}, so you must explicitly reference that version in RemoveFromVersionId."
        )
        raise ApiError("InvalidParameterException", text)
    if give is None and label == labels.CURRENT:
        text = (
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed."
        )
        raise ApiError("InvalidParameterException", text)


def _created_before(ctx: Context, existing: Any, name: str, value: Value) -> dict[str, Any]:
    """The same request again is answered again; anything else is refused."""
    if existing.is_deleted():
        text = "You can't create this secret because a secret with this name is already scheduled for deletion."
        raise ApiError("InvalidRequestException", text)
    token = str(ctx.param("ClientRequestToken", ""))
    if not isinstance(existing, FakeSecret) or not value or token not in existing.versions:
        raise ApiError("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
    _repeated(existing, token, value)
    return {"ARN": existing.arn, "Name": name, "VersionId": token}


def _repeated(secret: FakeSecret, token: str, value: Value) -> bool:
    """Whether the version is there with this value already.

    Raises:
        ApiError: ResourceExistsException, when it is there with another.
    """
    version = secret.versions.get(token)
    if version is None or not has_value(version):
        return False
    if {name: version[name] for name in _MEMBERS if version.get(name) is not None} == value:
        return True
    text = f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret "
    raise ApiError("ResourceExistsException", f"{text}{secret.arn}.")


def _store(ctx: Context, secret: FakeSecret, token: str, value: Value, stages: list[str]) -> None:
    encrypt(ctx, account_of(secret), secret.kms_key_id)
    extra = extra_of(ctx.cloud, secret)
    version = secret.versions.get(token) or labels.new_version(secret, token, ctx.now.timestamp())
    version.update(value)
    for label in stages:
        labels.attach(secret, label, token)
    if secret.kms_key_id:
        extra.version_kms[token] = [secret.kms_key_id]
    if labels.CURRENT in stages and secret.rotation_enabled and secret.auto_rotate_after_days:
        # A value set by hand counts as a rotation for the next date (API, RotationRulesType).
        extra.next_rotation = ctx.now + timedelta(days=secret.auto_rotate_after_days)
    touch(ctx, secret)
    resync(ctx.cloud, secret)


def _reencrypt(ctx: Context, secret: FakeSecret) -> None:
    """Versions with a label go under the new key, deprecated ones stay (API, UpdateSecret)."""
    extra = extra_of(ctx.cloud, secret)
    for version_id, version in secret.versions.items():
        if version["version_stages"]:
            extra.version_kms[version_id] = [str(secret.kms_key_id)]


def _value(ctx: Context) -> Value:
    """The value of the call under moto's names, {} when it carries none."""
    text, binary = ctx.param("SecretString"), ctx.param("SecretBinary")
    if text is not None and binary is not None:
        raise ApiError("InvalidParameterException", "You can't specify both a binary and a string value.")
    if text is not None:
        return {"secret_string": str(text)}
    if binary is None:
        return {}
    try:
        return {"secret_binary": base64.b64decode(str(binary), validate=True)}
    except binascii.Error:
        raise ApiError("SerializationException", "SecretBinary is not base64.") from None


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:CreateSecret": create_secret,
    "secretsmanager:PutSecretValue": put_secret_value,
    "secretsmanager:UpdateSecret": update_secret,
    "secretsmanager:UpdateSecretVersionStage": update_secret_version_stage,
}
