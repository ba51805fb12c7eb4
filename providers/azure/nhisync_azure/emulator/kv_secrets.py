"""Secrets of Key Vault (learn.microsoft.com/rest/api/keyvault/secrets)."""

from typing import Any, Final

from nhisync_azure.emulator.kv import Call, Operation, bad_parameter
from nhisync_azure.emulator.kv_common import (
    apply_attributes,
    attributes,
    checked_name,
    delete,
    deleted_entry,
    deletion_fields,
    listed,
    listed_deleted,
    listed_versions,
    purge,
    recover,
    refuse_deleted,
    version_of,
)
from nhisync_azure.emulator.vaults import Entry, SecretVersion
from nhisync_azure.emulator.wire import RefusedError, Reply, no_content, reply

_MAX_VALUE = 25_600
_MAX_TYPE = 255
KIND: Final = "Secret"


def make(call: Call, *, value: str, body: dict[str, Any]) -> SecretVersion:
    """A new version from a request body.

    Raises:
        RefusedError: something in the body is wrong.
    """
    content_type = body.get("contentType")
    if content_type is not None and len(content_type) > _MAX_TYPE:
        raise bad_parameter("contentType is longer than 255 characters.")
    made = SecretVersion(
        id=call.cloud.ids.version(), created=call.now, updated=call.now, value=value, content_type=content_type
    )
    apply_attributes(made, body, call.now)
    return made


def _set(call: Call) -> Reply:
    name, body = checked_name(call), call.body()
    value = body.get("value")
    if not isinstance(value, str):
        raise bad_parameter("Property value is required.")
    if len(value.encode()) > _MAX_VALUE:
        raise bad_parameter("Secret value is longer than 25 KB.")
    refuse_deleted(call, call.vault.secrets, KIND)
    _refuse_managed(call, "set")
    made = make(call, value=value, body=body)
    entry = call.vault.secrets.add(name, made)
    return reply(_bundle(call, entry, made, with_value=True))


def _get(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.secrets, KIND)
    if not version.enabled:
        text = "Operation get is not allowed on a disabled secret."
        raise RefusedError(403, "Forbidden", text, inner="SecretDisabled")
    return reply(_bundle(call, entry, version, with_value=True))


def _update(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.secrets, KIND)
    body = call.body()
    if "contentType" in body:
        version.content_type = body["contentType"]
    apply_attributes(version, body, call.now)
    return reply(_bundle(call, entry, version, with_value=False))


def _list(call: Call) -> Reply:
    return listed(call, call.vault.secrets, lambda entry: _row(call, entry, entry.newest, ""))


def _list_versions(call: Call) -> Reply:
    return listed_versions(
        call, call.vault.secrets, KIND, lambda entry, version: _row(call, entry, version, f"/{version.id}")
    )


def _delete(call: Call) -> Reply:
    _refuse_managed(call, "delete")
    entry = delete(call, call.vault.secrets, KIND)
    return reply(_bundle(call, entry, entry.newest, with_value=False) | _deletion(call, entry))


def _list_deleted(call: Call) -> Reply:
    return listed_deleted(
        call, call.vault.secrets, lambda entry: _row(call, entry, entry.newest, "") | _deletion(call, entry)
    )


def _get_deleted(call: Call) -> Reply:
    entry = deleted_entry(call, call.vault.secrets, KIND)
    return reply(_bundle(call, entry, entry.newest, with_value=False) | _deletion(call, entry))


def _purge(call: Call) -> Reply:
    purge(call, call.vault.secrets, KIND)
    return no_content()


def _recover(call: Call) -> Reply:
    entry = recover(call, call.vault.secrets, KIND)
    return reply(_bundle(call, entry, entry.newest, with_value=False))


def _refuse_managed(call: Call, what: str) -> None:
    entry = call.vault.secrets.get(call.name)
    if entry is not None and entry.newest.managed:
        text = f"Operation {what} is not allowed on a secret that belongs to a certificate."
        raise RefusedError(403, "Forbidden", text, inner="OperationNotAllowed")


def _row(call: Call, entry: Entry[SecretVersion], version: SecretVersion, tail: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"{call.base}/secrets/{entry.name}{tail}",
        "attributes": attributes(call, version),
        "tags": version.tags,
    }
    if version.content_type is not None:
        row["contentType"] = version.content_type
    if version.managed:
        row["managed"] = True
    return row


def _bundle(call: Call, entry: Entry[SecretVersion], version: SecretVersion, *, with_value: bool) -> dict[str, Any]:
    bundle = _row(call, entry, version, f"/{version.id}")
    if with_value:
        bundle["value"] = version.value
    if version.key_id is not None:
        bundle["kid"] = version.key_id
    if version.previous is not None:
        bundle["previousVersion"] = version.previous
    return bundle


def _deletion(call: Call, entry: Entry[SecretVersion]) -> dict[str, Any]:
    return deletion_fields(call, "deletedsecrets", entry)


def _operation(
    name: str, method: str, path: str, action: str, permission: str, handler: Any, *, write: bool = False
) -> Operation:
    return Operation(
        name=name,
        method=method,
        path=tuple(path.split("/")),
        action=f"secrets/{action}",
        policy=("secrets", permission),
        handler=handler,
        write=write,
    )


OPERATIONS: Final = (
    _operation("secrets/list", "GET", "secrets", "readMetadata/action", "list", _list),
    _operation("secrets/versions", "GET", "secrets/{name}/versions", "readMetadata/action", "list", _list_versions),
    _operation("secrets/get", "GET", "secrets/{name}/{version}", "getSecret/action", "get", _get),
    _operation("secrets/set", "PUT", "secrets/{name}", "setSecret/action", "set", _set, write=True),
    _operation("secrets/update", "PATCH", "secrets/{name}/{version}", "update/action", "set", _update, write=True),
    _operation("secrets/delete", "DELETE", "secrets/{name}", "delete", "delete", _delete, write=True),
    _operation("deletedsecrets/list", "GET", "deletedsecrets", "readMetadata/action", "list", _list_deleted),
    _operation("deletedsecrets/get", "GET", "deletedsecrets/{name}", "readMetadata/action", "get", _get_deleted),
    _operation("deletedsecrets/purge", "DELETE", "deletedsecrets/{name}", "purge/action", "purge", _purge, write=True),
    _operation(
        "deletedsecrets/recover",
        "POST",
        "deletedsecrets/{name}/recover",
        "recover/action",
        "recover",
        _recover,
        write=True,
    ),
)
