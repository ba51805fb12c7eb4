"""Replicas of secrets: made, followed, removed, and promoted (Secrets Manager API and user guide, "Replicate secrets").

A replica that cannot be kept is a status of its own and never an error of the call that wanted it.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from moto.secretsmanager.models import FakeSecret, ReplicaSecret

from nhisync_aws.emulator.cloud import Cloud, Context, Handler
from nhisync_aws.emulator.secret_keys import CANNOT_ENCRYPT, managed, usable
from nhisync_aws.emulator.secrets_overlay import extra_of, find, replication_status, store, writable
from nhisync_aws.emulator.wire import ApiError

_DONE, _FAILED = "InSync", "Failed"
_WORKED = "Replication succeeded"
_NO_KEY = f"Replication failed: {CANNOT_ENCRYPT}"


def replicate_secret_to_regions(ctx: Context) -> dict[str, Any]:
    """ReplicateSecretToRegions: answers before the replicas are there, so with InProgress."""
    secret = writable(ctx)
    overwrite = bool(ctx.param("ForceOverwriteReplicaSecret", default=False))
    wanted = ctx.param("AddReplicaRegions", [])
    check_regions(wanted, {secret.region, *(one.region for one in secret.replicas)})
    started = add_replicas(ctx, secret, wanted, overwrite=overwrite)
    return {"ARN": secret.arn, "ReplicationStatus": started}


def remove_regions_from_replication(ctx: Context) -> dict[str, Any]:
    """RemoveRegionsFromReplication: deletes the replicas of the named regions."""
    secret = writable(ctx)
    gone = {str(one) for one in ctx.param("RemoveReplicaRegions", [])}
    for replica in [one for one in secret.replicas if one.region in gone]:
        secret.replicas.remove(replica)
        _discard(secret, replica)
        extra_of(ctx.cloud, secret).replica_keys.pop(replica.region, None)
    return {"ARN": secret.arn, "ReplicationStatus": replication_status(ctx.cloud, secret)}


def stop_replication_to_replica(ctx: Context) -> dict[str, Any]:
    """StopReplicationToReplica: the replica becomes a secret of its own, without rotation, under the key it had."""
    replica = find(ctx, str(ctx.param("SecretId")))
    if not isinstance(replica, ReplicaSecret):
        text = "Operation not permitted on a primary secret. Call must be made in replica secret's region."
        raise ApiError("InvalidParameterException", text)
    source, here = replica.source, store(replica.source.account_id, replica.region)
    promoted = _standalone(ctx, replica)
    source.replicas.remove(replica)
    here.pop(replica.arn)
    here[promoted.name] = promoted
    return {"ARN": promoted.arn}


def add_replicas(
    ctx: Context, secret: FakeSecret, wanted: Sequence[Mapping[str, Any]], *, overwrite: bool
) -> list[dict[str, Any]]:
    """Begin replication; returns the status as it is at that moment."""
    extra = extra_of(ctx.cloud, secret)
    started = []
    for one in wanted:
        region, key_id = str(one["Region"]), str(one.get("KmsKeyId") or "")
        if not managed(key_id):
            extra.replica_keys[region] = key_id
        secret.replicas.append(_made(secret, region, key_id, overwrite=overwrite))
        started.append(region)
    shown = replication_status(ctx.cloud, secret)
    return [
        {**one, "Status": "InProgress", "StatusMessage": None} if one["Region"] in started else one for one in shown
    ]


def check_regions(wanted: Sequence[Mapping[str, Any]], taken: Collection[str]) -> None:
    """Refuse a region that is the secret's own, or holds a replica already.

    Raises:
        ApiError: InvalidParameterException.
    """
    if any(str(one["Region"]) in taken for one in wanted):
        raise ApiError("InvalidParameterException", "Invalid replica region.")


def resync(cloud: Cloud, secret: FakeSecret) -> None:
    """After a write: a replica whose key cannot be used fails, one whose key is back follows again."""
    keys = extra_of(cloud, secret).replica_keys
    for replica in secret.replicas:
        there = store(secret.account_id, replica.region)
        placed = there.get(replica.arn) is replica
        failed_else = replica.status == _FAILED and replica.message != _NO_KEY
        if failed_else or (secret.name in there and not placed):
            continue
        works = usable(secret.account_id, replica.region, keys.get(replica.region))
        replica.status, replica.message = (_DONE, _WORKED) if works else (_FAILED, _NO_KEY)
        if works and not placed:
            there[replica.arn] = replica


def _made(secret: FakeSecret, region: str, key_id: str, *, overwrite: bool) -> ReplicaSecret:
    """The replica, placed in its region unless something keeps it out."""
    there = store(secret.account_id, region)
    if not usable(secret.account_id, region, key_id):
        return ReplicaSecret(secret, region, _FAILED, _NO_KEY)
    if secret.name in there:
        if not overwrite:
            text = f"Replication failed: Secret name {secret.name} already exists in region {region}."
            return ReplicaSecret(secret, region, _FAILED, text)
        there.pop(secret.name)
    replica = ReplicaSecret(secret, region, _DONE, _WORKED)
    there[replica.arn] = replica
    return replica


def _discard(secret: FakeSecret, replica: ReplicaSecret) -> None:
    there = store(secret.account_id, replica.region)
    if there.get(replica.arn) is replica:
        there.pop(replica.arn)


def _standalone(ctx: Context, replica: ReplicaSecret) -> FakeSecret:
    source = replica.source
    key_id = extra_of(ctx.cloud, source).replica_keys.pop(replica.region, None)
    made = FakeSecret(
        account_id=source.account_id,
        region_name=replica.region,
        secret_id=source.name,
        secret_version={},
        version_id="",
        description=source.description,
        tags=copy.deepcopy(source.tags),
        kms_key_id=key_id,
        created_date=source.created_date,
        last_changed_date=ctx.now.timestamp(),  # type: ignore[arg-type]  # moto says int and keeps what it is given
    )
    made.arn = replica.arn
    made.policy = source.policy
    made.versions = copy.deepcopy(source.versions)
    made.set_default_version_id(source.default_version_id)
    if key_id is not None:
        ctx.cloud.account(source.account_id).secret(made.arn).version_kms = {one: [key_id] for one in made.versions}
    return made


HANDLERS: Mapping[str, Handler] = {
    "secretsmanager:ReplicateSecretToRegions": replicate_secret_to_regions,
    "secretsmanager:RemoveRegionsFromReplication": remove_regions_from_replication,
    "secretsmanager:StopReplicationToReplica": stop_replication_to_replica,
}
