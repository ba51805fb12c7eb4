"""Seeds of kinds ``secret`` and ``regional-secret``."""

import json
from datetime import datetime, timedelta
from typing import Any

from google.cloud.secretmanager_v1 import types
from google.protobuf import duration_pb2

from nhisync_gcp.emulator.crc32c import crc32c
from nhisync_gcp.emulator.messages import copy, member, timestamp
from nhisync_gcp.emulator.plot import Planted, Plot, put_tags
from nhisync_gcp.emulator.secret_store import Place, Secret, SecretMessage, State

OPTIONS = (
    "aliases",
    "destroy_ttl",
    "kms",
    "kms_broken",
    "managed",
    "managed_error",
    "next_rotation",
    "plain",
    "replicas",
    "rotation_period",
    "states",
    "topics",
    "type",
    "versions",
)
_RotationState = types.Rotation.ManagedRotationStatus.State


def seed_global(plot: Plot) -> Planted:
    """``secret/ID``."""
    return _seed(plot, "", plot.seed.name)


def seed_regional(plot: Plot) -> Planted:
    """``regional-secret/LOCATION/ID``."""
    location, _, secret_id = plot.seed.name.partition("/")
    return _seed(plot, location, secret_id)


def _seed(plot: Plot, location: str, secret_id: str) -> Planted:
    options = plot.options
    message = SecretMessage(secret_type=member(types.Secret.SecretType, options.get("type", "SECRET_TYPE_UNSPECIFIED")))
    put_tags(message, plot.seed)
    _put_replication(message, plot, location)
    store = plot.cloud.secrets
    secret = store.create(Place(plot.project, location), secret_id, message, plot.created)
    _add_versions(plot, secret)
    final = copy(secret.shown.current)
    _put_schedule(final, plot)
    final.version_aliases.update(options.get("aliases", {}))
    if "destroy_ttl" in options:
        final.version_destroy_ttl.CopyFrom(_duration(options["destroy_ttl"]))
    if plot.seed.expires is not None:
        final.expire_time.CopyFrom(timestamp(plot.now + plot.seed.expires))
    store.put(secret, final, plot.changed)
    return Planted(f"{plot.seed.kind}/{plot.seed.name}", secret.resource)


def _add_versions(plot: Plot, secret: Secret) -> None:
    """The oldest at creation, the newest at the rotation; `states` names states newest first."""
    options, store = plot.options, plot.cloud.secrets
    default = 1 if plot.seed.rotated is None else 2
    states = [member(State, name) for name in options.get("states", ())]
    count = int(options.get("versions", max(default, len(states))))
    for index in range(count):
        newest = index == count - 1
        at = _spread(plot.created, plot.changed, index, count)
        payload = _payload(plot, "" if newest else "-previous")
        version = store.add_version(secret, payload, crc32c(payload), at)
        state = states[count - 1 - index] if count - 1 - index < len(states) else State.ENABLED
        if state == State.DESTROYED:
            store.destroy(version, plot.now)
        elif state != State.ENABLED:
            store.change_version(version, plot.now, state=state)


def _spread(start: datetime, end: datetime, index: int, count: int) -> datetime:
    return end if count == 1 else start + (end - start) * index / (count - 1)


def _payload(plot: Plot, suffix: str) -> bytes:
    fields = {name: f"{value}{suffix}" for name, value in plot.seed.fields.items()}
    fields = fields or {"value": f"seeded-{plot.seed.name}{suffix}"}
    return (next(iter(fields.values())) if plot.options.get("plain") else json.dumps(fields)).encode()


def _put_replication(message: Any, plot: Plot, location: str) -> None:
    """`kms` is a KMS key's name, or for replicas location → name; `kms_broken` disables all of them."""
    options = plot.options
    key, replicas = options.get("kms", ""), options.get("replicas", ())
    if location:
        message.customer_managed_encryption.kms_key_name = key
        if not key:
            message.ClearField("customer_managed_encryption")
    elif replicas:
        for each in replicas:
            row = message.replication.user_managed.replicas.add(location=each)
            if key:
                row.customer_managed_encryption.kms_key_name = key[each]
    else:
        message.replication.automatic.SetInParent()
        if key:
            message.replication.automatic.customer_managed_encryption.kms_key_name = key
    if options.get("kms_broken"):
        plot.cloud.secrets.broken_keys.update([key] if isinstance(key, str) else key.values())


def _put_schedule(message: Any, plot: Plot) -> None:
    """A schedule that only tells (`rotation_period`, `next_rotation`), or a managed rotation (`managed`)."""
    options = plot.options
    period, planned = options.get("rotation_period"), options.get("next_rotation")
    for topic in options.get("topics", ("rotation",) if period or planned is not None else ()):
        message.topics.add(name=f"projects/{plot.project}/topics/{topic}")
    if period:
        message.rotation.rotation_period.CopyFrom(_duration(period))
    if period or planned is not None:
        due = plot.changed + period if planned is None and period else plot.now + (planned or timedelta())
        message.rotation.next_rotation_time.CopyFrom(timestamp(due))
    if "managed" in options:
        status = message.rotation.managed_rotation_status
        status.state = member(_RotationState, options["managed"])
        if options.get("managed_error"):
            status.error.code, status.error.message = 7, options["managed_error"]


def _duration(value: timedelta) -> Any:
    made = duration_pb2.Duration()
    made.FromTimedelta(value)
    return made
