"""Secret Manager's methods that change secrets and versions."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.secretmanager_v1 import types
from google.protobuf import empty_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from nhisync_gcp.emulator.crc32c import crc32c
from nhisync_gcp.emulator.messages import copy, plain, seconds, timestamp
from nhisync_gcp.emulator.refusals import exists, invalid, precondition
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.secret_checks import check_id, check_rotation, check_secret
from nhisync_gcp.emulator.secret_names import answered, parent, spell, the_secret, the_version
from nhisync_gcp.emulator.secret_reads import SERVICE
from nhisync_gcp.emulator.secret_store import Secret, SecretMessage, State, Version, resource_of

_MOST_BYTES = 65_536
_CHANGEABLE: Final = frozenset(
    {
        "annotations",
        "customer_managed_encryption",
        "expire_time",
        "labels",
        "rotation",
        "topics",
        "ttl",
        "version_aliases",
        "version_destroy_ttl",
    }
)


def create_secret(call: Call) -> Any:
    """CreateSecret."""
    request = call.request
    target = parent(call, request.parent, "secretmanager.secrets.create")
    check_id(request.secret_id)
    if call.cloud.secrets.find(target.place, request.secret_id) is not None:
        name = spell(call, target, resource_of(target.place, request.secret_id))
        raise exists(f"Secret [{name}] already exists.")
    message = copy(request.secret)
    message.rotation.ClearField("managed_rotation_status")
    if not message.rotation.ByteSize():
        message.ClearField("rotation")
    check_secret(target.place, message)
    check_rotation(message, call.now)
    _expiry(message, call.now)
    call.cloud.access.forget(resource_of(target.place, request.secret_id), call.now)
    secret = call.cloud.secrets.create(target.place, request.secret_id, message, call.now)
    return answered(call, target.place, secret.shown.current)


def update_secret(call: Call) -> Any:
    """UpdateSecret: only the fields of the mask, only under the etag if one is given."""
    request = call.request
    target, secret = the_secret(call, request.secret.name, "secretmanager.secrets.update")
    _same_etag(request.secret.etag, secret.shown.current.etag)
    paths = list(request.update_mask.paths)
    unknown = [path for path in paths if path.partition(".")[0] not in _CHANGEABLE]
    if unknown or not paths:
        raise invalid(f"The update mask is invalid: {', '.join(unknown) or 'it is empty'}.")
    message = copy(secret.shown.current)
    status = copy(message.rotation.managed_rotation_status)
    FieldMask(paths=paths).MergeMessage(request.secret, message, True, True)
    if status.ByteSize():
        message.rotation.managed_rotation_status.CopyFrom(status)
    check_secret(target.place, message)
    if any(path.startswith("rotation") for path in paths):
        check_rotation(message, call.now)
    for number in message.version_aliases.values():
        if secret.versions.get(str(number)) is None:
            raise invalid(f"Version [{number}] does not exist.")
    _expiry(message, call.now)
    call.cloud.secrets.put(secret, message, call.now)
    return answered(call, target.place, message)


def delete_secret(call: Call) -> Any:
    """DeleteSecret: with all versions, for good."""
    _, secret = the_secret(call, call.request.name, "secretmanager.secrets.delete")
    _same_etag(call.request.etag, secret.shown.current.etag)
    secret.shown.put(call.now, None)
    return empty_pb2.Empty()


def add_version(call: Call) -> Any:
    """AddSecretVersion: the next number, enabled at once."""
    request = call.request
    target, secret = the_secret(call, request.parent, "secretmanager.versions.add")
    data, given = request.payload.data, request.payload.HasField("data_crc32c")
    if not data or len(data) > _MOST_BYTES:
        raise invalid("The secret payload must be between 1 and 65536 bytes.")
    checksum = crc32c(data)
    if given and request.payload.data_crc32c != checksum:
        raise invalid("The provided payload checksum does not match the payload.")
    made = call.cloud.secrets.add_version(secret, data, checksum, call.now, client_specified_payload_checksum=given)
    return answered(call, target.place, made.shown.current)


def enable_version(call: Call) -> Any:
    """EnableSecretVersion: also calls off a planned destruction."""
    return _change(call, "secretmanager.versions.enable", State.ENABLED)


def disable_version(call: Call) -> Any:
    """DisableSecretVersion: also calls off a planned destruction."""
    return _change(call, "secretmanager.versions.disable", State.DISABLED)


def destroy_version(call: Call) -> Any:
    """DestroySecretVersion: at once, or disabled until ``version_destroy_ttl`` has passed."""
    secret, version = _named(call, "secretmanager.versions.destroy")
    store = call.cloud.secrets
    delay = seconds(secret.shown.current.version_destroy_ttl)
    if delay:
        due = call.now + timedelta(seconds=delay)
        store.change_version(version, call.now, state=State.DISABLED, scheduled_destroy_time=timestamp(due))
        store.schedule(due, secret)
    else:
        store.destroy(version, call.now)
    return answered(call, secret.place, version.shown.current)


def _change(call: Call, permission: str, state: int) -> Any:
    secret, version = _named(call, permission)
    call.cloud.secrets.change_version(version, call.now, state=state)
    return answered(call, secret.place, version.shown.current)


def _named(call: Call, permission: str) -> tuple[Secret, Version]:
    """The version to change: named by number, under its etag, not destroyed."""
    secret, version = the_version(call, call.request.name, permission, aliases=False)
    shown = version.shown.current
    _same_etag(call.request.etag, shown.etag)
    if shown.state == State.DESTROYED:
        raise precondition(f"Secret Version [{answered(call, secret.place, shown).name}] is in DESTROYED state.")
    return secret, version


def _same_etag(given: str, stored: str) -> None:
    if given and given != stored:
        raise precondition("The provided etag does not match the currently stored etag.")


def _expiry(message: SecretMessage, now: datetime) -> None:
    """A ttl becomes a time; a time must lie ahead."""
    if message.WhichOneof("expiration") == "ttl":
        message.expire_time.CopyFrom(timestamp(now + timedelta(seconds=seconds(message.ttl))))
    if message.expire_time.seconds and message.expire_time.ToDatetime(tzinfo=UTC) <= now:
        raise invalid("The expiration must be in the future.")


def _rpc(method: str, request: Any, handler: Any) -> Rpc:
    found = plain(request)
    return Rpc(service=SERVICE, method=method, request=found, handler=handler, writes=True, quota="Write requests")


METHODS = (
    _rpc("CreateSecret", types.CreateSecretRequest, create_secret),
    _rpc("UpdateSecret", types.UpdateSecretRequest, update_secret),
    _rpc("DeleteSecret", types.DeleteSecretRequest, delete_secret),
    _rpc("AddSecretVersion", types.AddSecretVersionRequest, add_version),
    _rpc("EnableSecretVersion", types.EnableSecretVersionRequest, enable_version),
    _rpc("DisableSecretVersion", types.DisableSecretVersionRequest, disable_version),
    _rpc("DestroySecretVersion", types.DestroySecretVersionRequest, destroy_version),
)
