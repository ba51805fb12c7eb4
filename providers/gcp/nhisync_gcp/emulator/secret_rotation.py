"""Managed rotation: the service itself mints the password of a Cloud SQL user (regional, typed secrets only)."""

import json
from typing import Any

from google.cloud.secretmanager_v1 import types

from nhisync_gcp.emulator.crc32c import crc32c
from nhisync_gcp.emulator.messages import copy, plain
from nhisync_gcp.emulator.refusals import precondition
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.secret_names import answered, the_secret
from nhisync_gcp.emulator.secret_reads import SERVICE
from nhisync_gcp.emulator.secret_store import Secret

RotationState = types.Rotation.ManagedRotationStatus.State
_TYPED = types.Secret.SecretType.CLOUD_SQL_DB_CREDENTIALS


def enable_managed_rotation(call: Call) -> Any:
    """EnableManagedRotation: once in a secret's life; changes the database user's password at once."""
    _, secret = the_secret(call, call.request.parent, "secretmanager.secrets.enableManagedRotation")
    if not secret.place.location or secret.shown.current.secret_type != _TYPED:
        raise precondition("Managed rotation needs a regional secret of type CLOUD_SQL_DB_CREDENTIALS.")
    if secret.managed is not None:
        raise precondition("Managed rotation is enabled already; use RotateSecret.")
    wanted = call.request.cloud_sql_single_user_credentials
    secret.managed = (wanted.instance_id, wanted.username)
    return _rotate(call, secret, wanted.password)


def rotate_secret(call: Call) -> Any:
    """RotateSecret: a new password at the database and a new version here."""
    _, secret = the_secret(call, call.request.parent, "secretmanager.secrets.rotate")
    if secret.managed is None:
        raise precondition("Managed rotation is not enabled for this secret.")
    return _rotate(call, secret, "")


def _rotate(call: Call, secret: Secret, password: str) -> Any:
    """The database can refuse; then the status says so, and there is no new version."""
    assert secret.managed is not None
    instance, username = secret.managed
    message = copy(secret.shown.current)
    status = message.rotation.managed_rotation_status
    status.ClearField("error")
    refusal = call.cloud.databases_refuse.get(instance)
    status.state = RotationState.INACTIVE if refusal else RotationState.ACTIVE
    if refusal:
        status.error.code, status.error.message = 7, refusal
    call.cloud.secrets.put(secret, message, call.now)
    if refusal:
        raise precondition(refusal)
    chosen = password or call.cloud.randomness.hex(16)
    call.cloud.database_passwords[instance, username] = chosen
    payload = json.dumps({"instanceId": instance, "username": username, "password": chosen}).encode()
    made = call.cloud.secrets.add_version(secret, payload, crc32c(payload), call.now)
    return answered(call, secret.place, made.shown.current)


METHODS = (
    Rpc(
        service=SERVICE,
        method="EnableManagedRotation",
        request=plain(types.EnableManagedRotationRequest),
        handler=enable_managed_rotation,
        writes=True,
    ),
    Rpc(
        service=SERVICE,
        method="RotateSecret",
        request=plain(types.RotateSecretRequest),
        handler=rotate_secret,
        writes=True,
    ),
)
