"""Secrets Manager as AWS answers it; reference: botocore's service model and the Secrets Manager user guide."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsStore, secretsmanager_backends

from nhisync_aws.emulator.cloud import Cloud, Context, Handler, SecretExtra
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.resources import account_in
from nhisync_aws.emulator.secret_keys import DEFAULT_KEY
from nhisync_aws.emulator.wire import ApiError

AnySecret = FakeSecret | ReplicaSecret
_PAGE_LIMIT = 100
_SORT_KEYS = {
    "created-date": "CreatedDate",
    "last-accessed-date": "LastAccessedDate",
    "last-changed-date": "LastChangedDate",
    "name": "Name",
}


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
    """The secret named; by name in the caller's account, by ARN in that of the ARN.

    Raises:
        ApiError: ResourceNotFoundException.
    """
    account = account_in(secret_id, ctx.principal.account)
    found = store(account, ctx.call.region).get(secret_id) if account in ctx.cloud.accounts else None
    if found is None:
        raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return found


def account_of(secret: AnySecret) -> str:
    """The account that the secret lives in."""
    return str(primary_of(secret).account_id)


def primary_of(secret: AnySecret) -> FakeSecret:
    """The secret itself, or what a replica is one of."""
    return secret.source if isinstance(secret, ReplicaSecret) else secret


def writable(ctx: Context) -> FakeSecret:
    """The secret of the call, when it may be changed here and now.

    Raises:
        ApiError: no such secret, a replica, or one that is marked for deletion.
    """
    secret = find(ctx, str(ctx.param("SecretId")))
    if isinstance(secret, ReplicaSecret):
        text = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
        raise ApiError("InvalidParameterException", text)
    refuse_deleted(secret)
    return secret


def refuse_deleted(secret: AnySecret) -> None:
    """Refuse a secret in its recovery window.

    Raises:
        ApiError: InvalidRequestException.
    """
    if secret.is_deleted():
        text = "You can't perform this operation on the secret because it was marked for deletion."
        raise ApiError("InvalidRequestException", text)


def list_secrets(ctx: Context) -> dict[str, Any]:
    """ListSecrets: pages of at most 100; a lagging list shows an older state."""
    lagging = _lagging(ctx)
    rows: list[dict[str, Any] | AnySecret] = list(_live_rows(ctx)) if lagging is None else [*lagging]
    rows = _sorted(ctx, [row for row in rows if _selected(ctx, row)])
    token, size = ctx.param("NextToken"), page_size(ctx, _PAGE_LIMIT)
    found = page(rows, name="ListSecrets", token=token, size=size, bad_token=bad_token(), endless=ctx.endless)
    return with_token({"SecretList": [_shown(ctx, row) for row in found.items]}, found.token)


def selected_secrets(ctx: Context) -> list[AnySecret]:
    """All secrets that the call's filters let through, in the order of a list."""
    return [row for row in _live_rows(ctx) if _selected(ctx, row)]


def describe_secret(ctx: Context) -> dict[str, Any]:
    """DescribeSecret: the authoritative read of one secret."""
    secret = find(ctx, str(ctx.param("SecretId")))
    result = entry_of(ctx.cloud, secret)
    result["VersionIdsToStages"] = result.pop("SecretVersionsToStages")
    if isinstance(secret, FakeSecret) and secret.replicas:
        result["ReplicationStatus"] = replication_status(ctx.cloud, secret)
    return result


def replication_status(cloud: Cloud, secret: FakeSecret) -> list[dict[str, Any]]:
    """One entry for each replica, failed ones included."""
    extra = extra_of(cloud, secret)
    return [
        {
            "Region": replica.region,
            "KmsKeyId": extra.replica_keys.get(replica.region, DEFAULT_KEY),
            "Status": replica.status,
            "StatusMessage": replica.message,
            "LastAccessedDate": extra.accessed.get(replica.region),
        }
        for replica in secret.replicas
    ]


def list_secret_version_ids(ctx: Context) -> dict[str, Any]:
    """ListSecretVersionIds: only versions that hold a value; without stages only when IncludeDeprecated."""
    secret = find(ctx, str(ctx.param("SecretId")))
    deprecated = bool(ctx.param("IncludeDeprecated", default=False))
    extra = extra_of(ctx.cloud, secret)
    versions = [
        {
            "VersionId": version_id,
            "VersionStages": list(version["version_stages"]) or None,
            "CreatedDate": instant(version["createdate"]),
            "LastAccessedDate": extra.version_accessed.get((ctx.call.region, version_id)),
            "KmsKeyIds": extra.version_kms.get(version_id, ["DefaultEncryptionKey"]),
        }
        for version_id, version in secret.versions.items()
        if has_value(version) and (version["version_stages"] or deprecated)
    ]
    found = page(
        versions,
        name=f"ListSecretVersionIds:{secret.arn}",
        token=ctx.param("NextToken"),
        size=page_size(ctx, _PAGE_LIMIT),
        bad_token=bad_token(),
        endless=ctx.endless,
    )
    return with_token({"ARN": secret.arn, "Name": secret.name, "Versions": list(found.items)}, found.token)


def entry_of(cloud: Cloud, secret: AnySecret) -> dict[str, Any]:
    """The secret as a list shows it."""
    source = primary_of(secret)
    extra = extra_of(cloud, source)
    entry: dict[str, Any] = {
        "ARN": secret.arn,
        "Name": secret.name,
        "Description": source.description or None,
        "KmsKeyId": None if source.kms_key_id == DEFAULT_KEY else source.kms_key_id,
        "LastChangedDate": instant(source.last_changed_date),
        "LastAccessedDate": extra.accessed.get(secret.region),
        "CreatedDate": instant(source.created_date),
        "DeletedDate": instant(source.deleted_date),
        "Tags": source.tags,
        "SecretVersionsToStages": {k: list(s) for k, v in source.versions.items() if (s := v["version_stages"])},
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
        "LastRotatedDate": instant(source.last_rotation_date),
        "NextRotationDate": extra.next_rotation if source.rotation_enabled else None,
    }


def _live_rows(ctx: Context) -> Iterator[AnySecret]:
    """All secrets that a list shows now; they become entries only on the page that is asked for."""
    dying = bool(ctx.param("IncludePlannedDeletion", default=False))
    hidden = ctx.cloud.denied.get(ctx.source, set()) if ctx.source is not None else set()
    for secret in dict.values(store(ctx.principal.account, ctx.call.region)):
        if secret.arn not in hidden and (dying or not secret.is_deleted()):
            yield secret


def _selected(ctx: Context, row: dict[str, Any] | AnySecret) -> bool:
    given = ctx.param("Filters", [])
    return all(_filter_holds(_shown(ctx, row), one) for one in given)


def _sorted(ctx: Context, rows: list[dict[str, Any] | AnySecret]) -> list[dict[str, Any] | AnySecret]:
    """By CreatedDate unless told otherwise; what has no such date comes first (API, ListSecrets)."""
    order, by = str(ctx.param("SortOrder", "asc")), str(ctx.param("SortBy", "created-date"))
    if order not in {"asc", "desc"} or by not in _SORT_KEYS:
        raise ApiError("ValidationException", "1 validation error detected: SortOrder or SortBy has no such value.")

    def key(row: dict[str, Any] | AnySecret) -> Any:
        if by == "created-date" and not isinstance(row, dict):
            return float(primary_of(row).created_date or 0)  # no entry is built for a row of another page
        value = _shown(ctx, row)[_SORT_KEYS[by]]
        return value.timestamp() if isinstance(value, datetime) else value or 0

    return sorted(rows, key=key, reverse=order == "desc")


def _shown(ctx: Context, row: dict[str, Any] | AnySecret) -> dict[str, Any]:
    return row if isinstance(row, dict) else entry_of(ctx.cloud, row)


def _lagging(ctx: Context) -> list[dict[str, Any]] | None:
    """The list of an earlier moment while the fault ``list_lag`` is on; None when it is off."""
    if ctx.source is None or not ctx.cloud.faults.hit(ctx.source, "list_lag", ctx.call.name):
        return None
    found = ctx.cloud.snapshots.get(ctx.source) or []
    dying = bool(ctx.param("IncludePlannedDeletion", default=False))
    return [entry for entry in found if dying or entry["DeletedDate"] is None]


def snapshot(cloud: Cloud, account: str, region: str) -> list[dict[str, Any]]:
    """What a list would show now; kept by the world when the fault ``list_lag`` begins."""
    return [entry_of(cloud, secret) for secret in dict.values(store(account, region))]


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
    source = primary_of(secret)
    return cloud.account(source.account_id).secret(source.arn)


def has_value(version: Mapping[str, Any]) -> bool:
    """Whether the version holds a value; a rotation begins with one that does not."""
    return version.get("secret_string") is not None or version.get("secret_binary") is not None


def page_size(ctx: Context, limit: int) -> int:
    """MaxResults of the call.

    Raises:
        ApiError: it is below 1 or above `limit`.
    """
    size = int(ctx.param("MaxResults", limit))
    if not 1 <= size <= limit:
        raise ApiError("InvalidParameterException", f"MaxResults must be between 1 and {limit}.")
    return size


def instant(epoch: float | None) -> datetime | None:
    """Seconds since the epoch as an aware datetime."""
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)


def bad_token() -> ApiError:
    """The refusal of a token that the list did not give out."""
    return ApiError("InvalidNextTokenException", "The NextToken value is invalid.")


def with_token(result: dict[str, Any], token: str) -> dict[str, Any]:
    """The page with the token of the next one, without the member on the last."""
    return {**result, "NextToken": token} if token else result


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:ListSecrets": list_secrets,
    "secretsmanager:DescribeSecret": describe_secret,
    "secretsmanager:ListSecretVersionIds": list_secret_version_ids,
}
