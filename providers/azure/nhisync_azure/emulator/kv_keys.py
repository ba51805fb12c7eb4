"""Keys of Key Vault (learn.microsoft.com/rest/api/keyvault/keys): versions, rotation and its policy, signatures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nhisync_azure.emulator import durations
from nhisync_azure.emulator.jwt import b64url, from_b64url
from nhisync_azure.emulator.kv import Call, bad_parameter, collection
from nhisync_azure.emulator.kv_common import (
    apply_attributes,
    attributes,
    checked_name,
    delete,
    deleted_entry,
    deletion_fields,
    entry_of,
    listed,
    listed_deleted,
    listed_versions,
    purge,
    recover,
    refuse_deleted,
    refuse_managed,
    stamp,
    version_of,
)
from nhisync_azure.emulator.material import CURVES, RSA_SIZES, KeyShape, jwk, sign_digest, verify_digest
from nhisync_azure.emulator.vaults import Entry, KeyVersion, Vault
from nhisync_azure.emulator.wire import RefusedError, Reply, no_content, reply

KIND: Final = "Key"
_OPS: Final = {
    "EC": ("sign", "verify"),
    "RSA": ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"),
}
_NOTIFY: Final = {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}
_POLICY_PATH: Final = "keys/{name}/rotationpolicy"
_MIN_ROTATION_DAYS: Final = 7
_MIN_EXPIRY_DAYS: Final = 28


def new_version(version_id: str, now: datetime, shape: KeyShape, key: Any) -> KeyVersion:
    """A version with the default operations of its type."""
    return KeyVersion(
        id=version_id, created=now, updated=now, shape=shape, key=key, operations=_OPS["RSA" if shape.is_rsa else "EC"]
    )


def expiry_by_policy(vault: Vault, name: str, created: datetime) -> datetime | None:
    """When a version made at `created` expires, by the key's rotation policy."""
    text = vault.rotation_policies.get(name.lower(), {}).get("attributes", {}).get("expiryTime")
    return durations.parse(text).after(created) if text else None


def rotated(vault: Vault, name: str, version_id: str, key: Any, now: datetime) -> KeyVersion:
    """Add a version like the newest one, with a new key."""
    entry = vault.keys.get(name)
    assert entry is not None, "only living keys are rotated"
    old = entry.newest
    made = KeyVersion(
        id=version_id,
        created=now,
        updated=now,
        shape=old.shape,
        key=key,
        operations=old.operations,
        tags=dict(old.tags),
        expires=expiry_by_policy(vault, name, now),
    )
    entry.versions.append(made)
    return made


def _create(call: Call) -> Reply:
    name, body = checked_name(call), call.body()
    shape = _shape(body)
    refuse_deleted(call, call.vault.keys, KIND)
    refuse_managed(call, call.vault.keys, "create")
    made = new_version(call.cloud.ids.version(), call.now, shape, call.cloud.keyring.new(shape))
    if body.get("key_ops"):
        made.operations = tuple(body["key_ops"])
    made.expires = expiry_by_policy(call.vault, name, call.now)
    apply_attributes(made, body, call.now)
    entry = call.vault.keys.add(name, made)
    return reply(_bundle(call, entry, made))


def _shape(body: Mapping[str, Any]) -> KeyShape:
    kty = str(body.get("kty", ""))
    bits = body.get("key_size") or 2048
    curve = str(body.get("crv") or "P-256")
    if kty not in ("EC", "EC-HSM", "RSA", "RSA-HSM") or bits not in RSA_SIZES or curve not in CURVES:
        raise bad_parameter(f"The key type or its parameters are not supported: {kty} {bits} {curve}")
    return KeyShape(kty=kty, curve=curve, bits=int(bits))


def _get(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.keys, KIND)
    return reply(_bundle(call, entry, version))


def _update(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.keys, KIND)
    body = call.body()
    if body.get("key_ops") is not None:
        version.operations = tuple(body["key_ops"])
    apply_attributes(version, body, call.now)
    return reply(_bundle(call, entry, version))


def _list(call: Call) -> Reply:
    return listed(call, call.vault.keys, lambda entry: _row(call, entry, entry.newest, ""))


def _list_versions(call: Call) -> Reply:
    return listed_versions(
        call, call.vault.keys, KIND, lambda entry, version: _row(call, entry, version, f"/{version.id}")
    )


def _delete(call: Call) -> Reply:
    refuse_managed(call, call.vault.keys, "delete")
    entry = delete(call, call.vault.keys, KIND)
    return reply(_bundle(call, entry, entry.newest) | _deletion(call, entry))


def _list_deleted(call: Call) -> Reply:
    return listed_deleted(
        call, call.vault.keys, lambda entry: _row(call, entry, entry.newest, "") | _deletion(call, entry)
    )


def _get_deleted(call: Call) -> Reply:
    entry = deleted_entry(call, call.vault.keys, KIND)
    return reply(_bundle(call, entry, entry.newest) | _deletion(call, entry))


def _purge(call: Call) -> Reply:
    purge(call, call.vault.keys, KIND)
    call.vault.rotation_policies.pop(call.name.lower(), None)
    return no_content()


def _recover(call: Call) -> Reply:
    entry = recover(call, call.vault.keys, KIND)
    return reply(_bundle(call, entry, entry.newest))


def _rotate(call: Call) -> Reply:
    entry = entry_of(call, call.vault.keys, KIND)
    refuse_managed(call, call.vault.keys, "rotate")
    key = call.cloud.keyring.new(entry.newest.shape)
    made = rotated(call.vault, entry.name, call.cloud.ids.version(), key, call.now)
    return reply(_bundle(call, entry, made))


def _get_policy(call: Call) -> Reply:
    entry = entry_of(call, call.vault.keys, KIND)
    return reply(_policy(call, entry.name))


def _set_policy(call: Call) -> Reply:
    entry, body = entry_of(call, call.vault.keys, KIND), call.body()
    actions = body.get("lifetimeActions") or []
    expiry = (body.get("attributes") or {}).get("expiryTime")
    _check_policy(actions, expiry, call.now)
    known = call.vault.rotation_policies.get(entry.name.lower(), {}).get("attributes", {})
    stamps = {"created": known.get("created", stamp(call.now)), "updated": stamp(call.now)}
    call.vault.rotation_policies[entry.name.lower()] = {
        "lifetimeActions": actions,
        "attributes": {**stamps, **({"expiryTime": expiry} if expiry else {})},
    }
    return reply(_policy(call, entry.name))


def _check_policy(actions: list[dict[str, Any]], expiry: str | None, now: datetime) -> None:
    try:
        if expiry and (durations.parse(expiry).after(now) - now).days < _MIN_EXPIRY_DAYS:
            raise bad_parameter(f"expiryTime must be at least {_MIN_EXPIRY_DAYS} days.")
        for action in actions:
            trigger = action.get("trigger") or {}
            text = trigger.get("timeAfterCreate") or trigger.get("timeBeforeExpiry") or ""
            if (durations.parse(text).after(now) - now).days < _MIN_ROTATION_DAYS:
                raise bad_parameter(f"Triggers must be at least {_MIN_ROTATION_DAYS} days.")
            if trigger.get("timeBeforeExpiry") and not expiry and action.get("action", {}).get("type") == "Rotate":
                raise bad_parameter("timeBeforeExpiry needs an expiryTime.")
    except ValueError:
        raise bad_parameter("A duration of the rotation policy is malformed.") from None


def _policy(call: Call, name: str) -> dict[str, Any]:
    """The policy; a key without one shows the default, which only notifies."""
    known = call.vault.rotation_policies.get(name.lower(), {"lifetimeActions": [_NOTIFY], "attributes": {}})
    return {"id": f"{call.base}/keys/{name}/rotationpolicy", **known}


def _usable(call: Call, what: str) -> KeyVersion:
    _, version = version_of(call, call.vault.keys, KIND)
    if not version.enabled:
        text = f"Operation {what} is not allowed on a disabled key."
        raise RefusedError(403, "Forbidden", text, inner="KeyDisabled")
    # Keys outside their dates still verify, decrypt and unwrap (…/keys/about-keys-details, "Date-time controlled").
    if what == "sign" and version.expires is not None and version.expires <= call.now:
        text = f"Operation {what} is not allowed on an expired key."
        raise RefusedError(403, "Forbidden", text, inner="KeyExpired")
    if what == "sign" and version.not_before is not None and version.not_before > call.now:
        text = f"Operation {what} is not allowed on a key that is not valid yet."
        raise RefusedError(403, "Forbidden", text, inner="KeyNotYetValid")
    if what not in version.operations:
        text = f"Operation {what} is not permitted on this key."
        raise RefusedError(403, "Forbidden", text, inner="KeyOperationForbidden")
    return version


def _sign(call: Call) -> Reply:
    version, body = _usable(call, "sign"), call.body()
    try:
        signature = sign_digest(version.key, str(body.get("alg")), from_b64url(str(body.get("value", ""))))
    except ValueError:
        raise bad_parameter("Algorithm, key and digest do not fit.") from None
    return reply({"kid": f"{call.base}/keys/{call.name}/{version.id}", "value": b64url(signature)})


def _verify(call: Call) -> Reply:
    version, body = _usable(call, "verify"), call.body()
    try:
        digest, signature = from_b64url(str(body.get("digest", ""))), from_b64url(str(body.get("value", "")))
        good = verify_digest(version.key, str(body.get("alg")), digest, signature)
    except ValueError:
        raise bad_parameter("Algorithm, key and digest do not fit.") from None
    return reply({"value": good})


def _row(call: Call, entry: Entry[KeyVersion], version: KeyVersion, tail: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kid": f"{call.base}/keys/{entry.name}{tail}",
        "attributes": attributes(call, version) | {"exportable": version.exportable},
        "tags": version.tags,
    }
    return row | ({"managed": True} if version.managed else {})


def _bundle(call: Call, entry: Entry[KeyVersion], version: KeyVersion) -> dict[str, Any]:
    row = _row(call, entry, version, f"/{version.id}")
    public: dict[str, Any] = jwk(version.key, version.shape.kty)
    row["key"] = {"kid": row.pop("kid"), **public, "key_ops": list(version.operations)}
    return row


def _deletion(call: Call, entry: Entry[KeyVersion]) -> dict[str, Any]:
    return deletion_fields(call, "deletedkeys", entry)


OPERATIONS: Final = collection(
    "keys",
    read="keys/read",
    handlers={
        "list": _list,
        "versions": _list_versions,
        "get": _get,
        "update": _update,
        "delete": _delete,
        "list-deleted": _list_deleted,
        "get-deleted": _get_deleted,
        "purge": _purge,
        "recover": _recover,
    },
    more=(
        ("create", "POST", "keys/{name}/create", "keys/create/action", "create", _create),
        ("rotate", "POST", "keys/{name}/rotate", "keys/rotate/action", "rotate", _rotate),
        ("get-policy", "GET", _POLICY_PATH, "keyrotationpolicies/read", "getrotationpolicy", _get_policy),
        ("set-policy", "PUT", _POLICY_PATH, "keyrotationpolicies/write", "setrotationpolicy", _set_policy),
        ("sign", "POST", "keys/{name}/{version}/sign", "keys/sign/action", "sign", _sign),
        ("verify", "POST", "keys/{name}/{version}/verify", "keys/verify/action", "verify", _verify),
    ),
)
