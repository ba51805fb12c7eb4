"""Secrets of Key Vault (learn.microsoft.com/rest/api/keyvault/secrets)."""

import base64
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from nhisync_azure.emulator import material
from nhisync_azure.emulator.kv import Call, bad_parameter, collection
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
    refuse_managed,
    version_of,
)
from nhisync_azure.emulator.vaults import Entry, SecretVersion
from nhisync_azure.emulator.wire import RefusedError, Reply, no_content, reply

_MAX_VALUE = 25_600
_MAX_TYPE = 255
KIND: Final = "Secret"
PEM_TYPE: Final = "application/x-pem-file"
PKCS12_TYPE: Final = "application/x-pkcs12"


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


def stored_text(version: SecretVersion) -> str:
    """The value; that of a certificate is made of it when it is asked for, with the private key in it."""
    source = version.certificate
    if source is None:
        return version.value
    if version.content_type == PEM_TYPE:
        certificates = (source.certificate, *source.chain)
        return material.pem(source.key) + "".join(
            one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates
        )
    raw = pkcs12.serialize_key_and_certificates(
        None, source.key, source.certificate, list(source.chain) or None, serialization.NoEncryption()
    )
    return base64.b64encode(raw).decode()


def _set(call: Call) -> Reply:
    name, body = checked_name(call), call.body()
    value = body.get("value")
    if not isinstance(value, str):
        raise bad_parameter("Property value is required.")
    if len(value.encode()) > _MAX_VALUE:
        raise bad_parameter("Secret value is longer than 25 KB.")
    refuse_deleted(call, call.vault.secrets, KIND)
    refuse_managed(call, call.vault.secrets, "set")
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
    refuse_managed(call, call.vault.secrets, "delete")
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
        bundle["value"] = stored_text(version)
    if version.managed:
        bundle["kid"] = f"{call.base}/keys/{entry.name}/{version.id}"
    if version.previous is not None:
        bundle["previousVersion"] = version.previous
    return bundle


def _deletion(call: Call, entry: Entry[SecretVersion]) -> dict[str, Any]:
    return deletion_fields(call, "deletedsecrets", entry)


OPERATIONS: Final = collection(
    "secrets",
    read="secrets/readMetadata/action",
    get="secrets/getSecret/action",
    update="set",
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
    more=(("set", "PUT", "secrets/{name}", "secrets/setSecret/action", "set", _set),),
)
