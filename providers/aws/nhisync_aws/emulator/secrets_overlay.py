"""Secrets Manager as AWS answers it; reference: botocore's service model and the Secrets Manager user guide."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.kms.models import kms_backends
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsStore, secretsmanager_backends

from nhisync_aws.emulator.auth import authorize
from nhisync_aws.emulator.cloud import Cloud, Context, Handler, SecretExtra
from nhisync_aws.emulator.forwarded import use_key
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.resources import context_of, key_arn, secret_arn
from nhisync_aws.emulator.wire import ApiError, Call

AnySecret = FakeSecret | ReplicaSecret
_PAGE_LIMIT = 100
_BATCH_LIMIT = 20
_DEFAULT_KEY = "alias/aws/secretsmanager"


class IndexedStore(SecretsStore):
    """moto's store with look-ups in constant time; moto walks all secrets for each, 10,000 of them take minutes."""

    def __init__(self) -> None:
        super().__init__()
        self._by_name: dict[str, AnySecret] = {}

    def __setitem__(self, key: str, value: AnySecret) -> None:
        dict.__setitem__(self, key, value)
        self._by_name[value.name] = value

    def get(self, key: str) -> AnySecret | None:  # type: ignore[override]
        """By name, full ARN, or ARN without the random suffix."""
        if not key.startswith("arn:"):
            return self._live(self._by_name.get(key))
        name = key.split(":", 6)[-1]
        found = self._by_name.get(name) or self._by_name.get(re.sub(r"-[A-Za-z0-9]{6}$", "", name))
        return self._live(found) if found is not None and found.arn.startswith(key) else None

    def _live(self, found: AnySecret | None) -> AnySecret | None:
        """Moto removes replicas behind this class's back, through dict.pop."""
        if found is None:
            return None
        key = found.arn if isinstance(found, ReplicaSecret) else found.name
        return found if dict.__contains__(self, key) else None

    def __getitem__(self, key: str) -> AnySecret:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(str(key)) is not None

    def pop(self, key: str) -> AnySecret | None:  # type: ignore[override]
        """Remove by name or ARN."""
        found = self.get(key)
        if found is None:
            return None
        self._by_name.pop(found.name, None)
        return dict.pop(self, found.arn if isinstance(found, ReplicaSecret) else found.name, None)


def store(account: str, region: str) -> IndexedStore:
    """The secrets of one account and region."""
    backend = secretsmanager_backends[account][region]
    if not isinstance(backend.secrets, IndexedStore):
        indexed = IndexedStore()
        for key, value in dict.items(backend.secrets):
            indexed[key] = value
        backend.secrets = indexed
    return backend.secrets


def find(ctx: Context, secret_id: str) -> AnySecret:
    """The secret named, in the caller's account and region.

    Raises:
        ApiError: ResourceNotFoundException.
    """
    found = store(ctx.principal.account, ctx.call.region).get(secret_id)
    if found is None:
        raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return found


def list_secrets(ctx: Context) -> dict[str, Any]:
    """ListSecrets: pages of at most 100; a lagging list shows an older state."""
    lagging = _lagging(ctx)
    rows: list[dict[str, Any] | AnySecret] = list(_live_rows(ctx)) if lagging is None else [*lagging]
    for given in ctx.param("Filters", []):
        rows = [row for row in rows if _filter_holds(_shown(ctx, row), given)]
    bad = ApiError("InvalidNextTokenException", "The NextToken value is invalid.")
    token, size = ctx.param("NextToken"), _size(ctx, _PAGE_LIMIT)
    found = page(rows, name="ListSecrets", token=token, size=size, bad_token=bad, endless=ctx.endless)
    return _with_token({"SecretList": [_shown(ctx, row) for row in found.items]}, found.token)


def describe_secret(ctx: Context) -> dict[str, Any]:
    """DescribeSecret: the authoritative read of one secret."""
    secret = find(ctx, str(ctx.param("SecretId")))
    result = _entry(ctx.cloud, secret)
    result["VersionIdsToStages"] = result.pop("SecretVersionsToStages")
    source = secret.source if isinstance(secret, ReplicaSecret) else secret
    if source.replicas and isinstance(secret, FakeSecret):
        extra = extra_of(ctx.cloud, source)
        result["ReplicationStatus"] = [
            {
                "Region": replica.region,
                "KmsKeyId": extra.replica_keys.get(replica.region, _DEFAULT_KEY),
                "Status": replica.status,
                "StatusMessage": replica.message,
            }
            for replica in source.replicas
        ]
    return result


def list_secret_version_ids(ctx: Context) -> dict[str, Any]:
    """ListSecretVersionIds: only versions that hold a value; without stages only when IncludeDeprecated."""
    secret = find(ctx, str(ctx.param("SecretId")))
    deprecated = bool(ctx.param("IncludeDeprecated", default=False))
    extra = extra_of(ctx.cloud, secret)
    versions = [
        {
            "VersionId": version_id,
            "VersionStages": list(version["version_stages"]),
            "CreatedDate": _instant(version["createdate"]),
            "LastAccessedDate": extra.last_accessed,
            "KmsKeyIds": extra.version_kms.get(version_id, ["DefaultEncryptionKey"]),
        }
        for version_id, version in secret.versions.items()
        if _has_value(version) and (version["version_stages"] or deprecated)
    ]
    bad = ApiError("InvalidNextTokenException", "The NextToken value is invalid.")
    found = page(
        versions,
        name=f"ListSecretVersionIds:{secret.arn}",
        token=ctx.param("NextToken"),
        size=_size(ctx, _PAGE_LIMIT),
        bad_token=bad,
        endless=ctx.endless,
    )
    return _with_token({"ARN": secret.arn, "Name": secret.name, "Versions": list(found.items)}, found.token)


def get_secret_value(ctx: Context) -> dict[str, Any]:
    """GetSecretValue: refuses deleted secrets, empty versions and keys that cannot decrypt."""
    return _value(ctx, find(ctx, str(ctx.param("SecretId"))))


def batch_get_secret_value(ctx: Context) -> dict[str, Any]:
    """BatchGetSecretValue: each item is authorized by itself, and one that fails is named in Errors."""
    ids = [str(i) for i in ctx.param("SecretIdList", [])]
    if not ids or len(ids) > _BATCH_LIMIT:
        raise ApiError("InvalidParameterException", "SecretIdList must hold 1 to 20 secrets.")
    values: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for secret_id in ids:
        try:
            _authorize_value(ctx, secret_id)
            values.append(_value(ctx, find(ctx, secret_id)))
        except ApiError as error:
            errors.append({"SecretId": secret_id, "ErrorCode": error.code, "Message": error.message})
    return {"SecretValues": values, "Errors": errors}


def _authorize_value(ctx: Context, secret_id: str) -> None:
    call = ctx.call
    single = Call(call.service, "GetSecretValue", call.region, call.access_key, {"SecretId": secret_id}, call.raw)
    arn = secret_arn(ctx.principal.account, call.region, secret_id)
    authorize(single, ctx.principal, arn, context_of(single, ctx.principal.account, arn))


def _value(ctx: Context, secret: AnySecret) -> dict[str, Any]:
    if secret.is_deleted():
        raise ApiError(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    version_id, version = _version(ctx, secret)
    _check_key(ctx, secret)
    extra_of(ctx.cloud, secret).last_accessed = ctx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version_id,
        "VersionStages": list(version["version_stages"]),
        "CreatedDate": _instant(version["createdate"]),
        "SecretString": version.get("secret_string"),
        "SecretBinary": version.get("secret_binary"),
    }


def _version(ctx: Context, secret: AnySecret) -> tuple[str, Mapping[str, Any]]:
    wanted_id = ctx.call.params.get("VersionId")
    stage = str(ctx.param("VersionStage", "AWSCURRENT"))
    for version_id, version in secret.versions.items():
        fits = version_id == wanted_id if wanted_id else stage in version["version_stages"]
        if fits and _has_value(version):
            return version_id, version
    what = f"VersionId: {wanted_id}" if wanted_id else f"staging label: {stage}"
    text = f"Secrets Manager can't find the specified secret value for {what}"
    raise ApiError("ResourceNotFoundException", text)


def _check_key(ctx: Context, secret: AnySecret) -> None:
    """A value under a key that is gone, disabled or not the caller's to use cannot be read (DecryptionFailure)."""
    key_id = _entry(ctx.cloud, secret)["KmsKeyId"]
    if key_id is None or key_id == _DEFAULT_KEY:
        return
    arn = key_arn(ctx.principal.account, ctx.call.region, key_id)
    parts = arn.split(":")
    key = kms_backends[parts[4]][parts[3]].keys.get(parts[5].removeprefix("key/"))
    if key is None or key.key_state != "Enabled" or parts[3] != ctx.call.region:
        text = "Secrets Manager can't decrypt the protected secret text using the provided KMS key."
        raise ApiError("DecryptionFailure", text)
    use_key(ctx, "secretsmanager", arn, "Decrypt")


def _entry(cloud: Cloud, secret: AnySecret) -> dict[str, Any]:
    source = secret.source if isinstance(secret, ReplicaSecret) else secret
    extra = extra_of(cloud, source)
    entry: dict[str, Any] = {
        "ARN": secret.arn,
        "Name": secret.name,
        "Description": source.description or None,
        "KmsKeyId": None if source.kms_key_id == _DEFAULT_KEY else source.kms_key_id,
        "LastChangedDate": _instant(source.last_changed_date),
        "LastAccessedDate": extra.last_accessed,
        "CreatedDate": _instant(source.created_date),
        "DeletedDate": _instant(source.deleted_date),
        "Tags": source.tags,
        "SecretVersionsToStages": {k: list(v["version_stages"]) for k, v in source.versions.items()},
        "OwningService": extra.owning_service or source.owning_service,
        "PrimaryRegion": source.region if source.replicas else None,
    }
    if isinstance(secret, ReplicaSecret):
        entry["KmsKeyId"] = extra.replica_keys.get(secret.region)
    entry.update(_rotation(source, extra))
    return entry


def _rotation(source: FakeSecret, extra: SecretExtra) -> dict[str, Any]:
    """Rotation members; rules stay after rotation was switched off, as AWS's documentation of the entry says."""
    if not source.rotation_requested:
        return {}
    rules: dict[str, Any] = {}
    if source.auto_rotate_after_days:
        rules["AutomaticallyAfterDays"] = source.auto_rotate_after_days
    if extra.schedule:
        rules["ScheduleExpression"] = extra.schedule
    if extra.duration:
        rules["Duration"] = extra.duration
    return {
        "RotationEnabled": source.rotation_enabled,
        "RotationLambdaARN": source.rotation_lambda_arn or None,
        "RotationRules": rules or None,
        "LastRotatedDate": _instant(source.last_rotation_date),
        "NextRotationDate": extra.next_rotation if source.rotation_enabled else None,
    }


def _live_rows(ctx: Context) -> Iterator[AnySecret]:
    """All secrets that a list shows now; they become entries only on the page that is asked for."""
    dying = bool(ctx.param("IncludePlannedDeletion", default=False))
    hidden = ctx.cloud.denied.get(ctx.source, set()) if ctx.source is not None else set()
    for secret in dict.values(store(ctx.principal.account, ctx.call.region)):
        if secret.arn not in hidden and (dying or not secret.is_deleted()):
            yield secret


def _shown(ctx: Context, row: dict[str, Any] | AnySecret) -> dict[str, Any]:
    return row if isinstance(row, dict) else _entry(ctx.cloud, row)


def _lagging(ctx: Context) -> list[dict[str, Any]] | None:
    """The list of an earlier moment while the fault ``list_lag`` is on; None when it is off."""
    if ctx.source is None or not ctx.cloud.faults.hit(ctx.source, "list_lag", ctx.call.name):
        return None
    found = ctx.cloud.snapshots.get(ctx.source) or []
    dying = bool(ctx.param("IncludePlannedDeletion", default=False))
    return [entry for entry in found if dying or entry["DeletedDate"] is None]


def snapshot(cloud: Cloud, account: str, region: str) -> list[dict[str, Any]]:
    """What a list would show now; kept by the world when the fault ``list_lag`` begins."""
    return [_entry(cloud, secret) for secret in dict.values(store(account, region))]


def _filter_holds(entry: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Filters are prefix matches; a leading ``!`` negates (Secrets Manager API, Filter)."""
    tags = {t["Key"]: t["Value"] for t in entry["Tags"] or []}
    texts = {
        "name": [entry["Name"]],
        "description": [entry["Description"] or ""],
        "tag-key": list(tags),
        "tag-value": list(tags.values()),
        "primary-region": [entry["PrimaryRegion"] or ""],
        "owning-service": [entry["OwningService"] or ""],
    }
    have = texts.get(str(given.get("Key")), [entry["Name"], entry["Description"] or "", *tags, *tags.values()])
    return any(_prefix_holds(str(value), have) for value in given.get("Values", []))


def _prefix_holds(value: str, have: list[str]) -> bool:
    pattern = f"{value.removeprefix('!')}*"
    found = any(fnmatch.fnmatchcase(text.lower(), pattern.lower()) for text in have)
    return not found if value.startswith("!") else found


def extra_of(cloud: Cloud, secret: AnySecret) -> SecretExtra:
    """The facts of a secret that moto does not keep; a replica shares its primary's."""
    source = secret.source if isinstance(secret, ReplicaSecret) else secret
    return cloud.account(source.account_id).secret(source.arn)


def _has_value(version: Mapping[str, Any]) -> bool:
    return version.get("secret_string") is not None or version.get("secret_binary") is not None


def _size(ctx: Context, limit: int) -> int:
    size = int(ctx.param("MaxResults", limit))
    if not 1 <= size <= limit:
        raise ApiError("InvalidParameterException", f"MaxResults must be between 1 and {limit}.")
    return size


def _instant(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)


def _with_token(result: dict[str, Any], token: str) -> dict[str, Any]:
    return {**result, "NextToken": token} if token else result


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:ListSecrets": list_secrets,
    "secretsmanager:DescribeSecret": describe_secret,
    "secretsmanager:ListSecretVersionIds": list_secret_version_ids,
    "secretsmanager:GetSecretValue": get_secret_value,
    "secretsmanager:BatchGetSecretValue": batch_get_secret_value,
}
