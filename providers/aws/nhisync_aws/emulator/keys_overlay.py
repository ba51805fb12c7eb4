"""What KMS tells about a key and its rotation, and its replicas in other Regions.

Source: KMS API reference, DescribeKey, ReplicateKey, EnableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand.
"""

from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.kms.models import Key, kms_backends

from nhisync_aws.emulator.cloud import Context, Handler, KeyRotation, aware
from nhisync_aws.emulator.keys import check_usable, key_of, primary_of, usage_of
from nhisync_aws.emulator.wire import ApiError

_PERIOD = 365
_PERIODS = range(90, 2561)
_ON_DEMAND = 25


def describe_key(ctx: Context) -> dict[str, Any]:
    """DescribeKey: by id, ARN, alias; never answers for another region."""
    return {"KeyMetadata": _metadata(key_of(ctx))}


def replicate_key(ctx: Context) -> dict[str, Any]:
    """ReplicateKey: same id and material in another Region; policy, alias, tags and state are the replica's own."""
    key, region = check_usable(key_of(ctx)), str(ctx.param("ReplicaRegion"))
    if primary_of(key) is not key or not key.multi_region:
        raise ApiError("UnsupportedOperationException", f"{key.arn} is not a multi-region primary key.")
    there = kms_backends[key.account_id][region]
    if key.id in there.keys:
        text = f"Unable to replicate key {key.id} to region {region}, as the key already exist there"
        raise ApiError("AlreadyExistsException", text)
    replica = _replica(ctx, key, region)
    there.keys[key.id] = replica
    tags = ctx.param("Tags", [])
    if tags:
        there.tagger.tag_resource(key.id, tags)
    metadata = {**_metadata(replica), "KeyState": "Creating", "Enabled": False}
    return {"ReplicaKeyMetadata": metadata, "ReplicaPolicy": replica.policy, "ReplicaTags": tags}


def _replica(ctx: Context, key: Key, region: str) -> Key:
    replica = copy(key)
    replica.region = region
    replica.arn = str(key.arn).replace(f":{key.region}:", f":{region}:")
    replica.policy = str(ctx.param("Policy") or replica.generate_default_policy())
    replica.description = str(ctx.param("Description", ""))
    replica.creation_date = ctx.now.timestamp()
    replica.grants, replica.aliases = {}, {}
    family = key.multi_region_configuration
    family["ReplicaKeys"].append({"Arn": replica.arn, "Region": region})
    # the list of replicas is one and the same object in all members, so that each tells of all
    replica.multi_region_configuration = {**family, "MultiRegionKeyType": "REPLICA"}
    return replica


def enable_key_rotation(ctx: Context) -> dict[str, Any]:
    """EnableKeyRotation: every year, or every 90 to 2560 days; replicas follow their primary."""
    key = _rotatable(ctx)
    days = int(ctx.param("RotationPeriodInDays", _PERIOD))
    if days not in _PERIODS:
        text = f"RotationPeriodInDays must be between {_PERIODS[0]} and {_PERIODS[-1]}."
        raise ApiError("ValidationException", text)
    key.key_rotation_status = True
    ctx.account.key_rotation[key.arn] = KeyRotation(days, ctx.now + timedelta(days=days))
    return {}


def disable_key_rotation(ctx: Context) -> dict[str, Any]:
    """DisableKeyRotation."""
    key = _rotatable(ctx)
    key.key_rotation_status = False
    ctx.account.key_rotation.pop(key.arn, None)
    return {}


def get_key_rotation_status(ctx: Context) -> dict[str, Any]:
    """GetKeyRotationStatus: a dying key does not rotate; what is due has been rotated in time."""
    key = key_of(ctx)
    primary = primary_of(key)
    on = bool(primary.key_rotation_status) and key.key_state != "PendingDeletion"
    result: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": on}
    if not on:
        return result
    created = datetime.fromtimestamp(primary.creation_date, UTC)
    default = KeyRotation(_PERIOD, created + timedelta(days=_PERIOD))
    plan = ctx.account.key_rotation.get(primary.arn, default)
    return {**result, "RotationPeriodInDays": plan.days, "NextRotationDate": plan.after(ctx.now)}


def rotate_key_on_demand(ctx: Context) -> dict[str, Any]:
    """RotateKeyOnDemand: at most 25 times, on the primary only; the schedule stays as it is."""
    key = _rotatable(ctx)
    done = [one for one in key.rotations if one["RotationType"] == "ON_DEMAND"]
    if len(done) >= _ON_DEMAND:
        raise ApiError("LimitExceededException", f"The on-demand rotations limit has been reached for {key.arn}.")
    fact = {"KeyId": key.arn, "RotationDate": ctx.now.timestamp(), "RotationType": "ON_DEMAND"}
    key.rotations.append(fact)
    return {"KeyId": key.arn}


def _rotatable(ctx: Context) -> Key:
    """A symmetric key of KMS's own that is in use, and no replica."""
    key = check_usable(key_of(ctx))
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.origin != "AWS_KMS" or primary_of(key) is not key:
        raise ApiError("UnsupportedOperationException", f"{key.arn} does not support this operation.")
    return key


def _metadata(key: Key) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(key.to_dict()["KeyMetadata"])
    metadata["CreationDate"] = datetime.fromtimestamp(key.creation_date, UTC)
    metadata["KeyUsage"] = usage_of(key)
    metadata["Enabled"] = key.key_state == "Enabled"
    if "DeletionDate" in metadata:
        metadata["DeletionDate"] = aware(key.deletion_date) if key.deletion_date else None
    return metadata


HANDLERS: Mapping[str, Handler] = {
    "kms:DescribeKey": describe_key,
    "kms:ReplicateKey": replicate_key,
    "kms:EnableKeyRotation": enable_key_rotation,
    "kms:DisableKeyRotation": disable_key_rotation,
    "kms:GetKeyRotationStatus": get_key_rotation_status,
    "kms:RotateKeyOnDemand": rotate_key_on_demand,
}
