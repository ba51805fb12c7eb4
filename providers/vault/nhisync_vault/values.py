"""Reading values for the opt-in comparison; runs only inside the short-lived comparing process.

KV data by GET ``<mount>/data/<path>``, static passwords by ``static-creds`` and ``static-cred``. Nothing that mints
(``creds/…``) is ever read.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_vault.api import Api
from nhisync_vault.facts import check_name, mapping
from nhisync_vault.mounts import Mount, MountTable
from nhisync_vault.transport import Ask

Read = FieldValue | tuple[Locator, ErrorFact]
_PATHS: Mapping[str, str] = {
    "kv": "{mount}/data/{name}",
    "db-static": "{mount}/static-creds/{name}",
    "ldap-static": "{mount}/static-cred/{name}",
}
_STATIC_FIELDS = ("password", "rsa_private_key")


def values(api: Api, table: MountTable, wanted: Sequence[Locator]) -> Iterator[Read]:
    """Every field of every wanted item, or why it cannot be read; kinds without readable values say so."""
    items = list(dict.fromkeys(locator.item for locator in wanted))
    yield from spread(items, lambda item: _guarded(api, table, item), api.settings.workers)


def previous(api: Api, table: MountTable, item: Locator) -> Iterator[FieldValue]:
    """Every field of the version before the current one.

    Raises:
        ProviderError: NOT_FOUND, there is none or it was deleted; UNSUPPORTED for what keeps no versions.
    """
    if item.kind != "kv":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"the server keeps no previous value of the kind {item.kind}")
    mount, name = table.place(item)
    check_name(name)
    path = _PATHS["kv"].format(mount=mount.api, name=name)
    if mount.version != "2":
        raise _unversioned(mount)
    version = mapping(api.get(path).get("metadata")).get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ProviderError(ErrorKind.MALFORMED, "the answer does not say which version it is", resource=path)
    if version < 2:
        raise ProviderError(ErrorKind.NOT_FOUND, "there was no version before", resource=path)
    for field, value in sorted(_data(api, mount, path, version - 1).items()):
        yield FieldValue(item, field, SecretBytes(_plain(value)))


def _guarded(api: Api, table: MountTable, item: Locator) -> Iterator[Read]:
    try:
        yield from one_item(lambda: list(_single(api, table, item)), "the value of this item")
    except ProviderError as error:
        yield item, error.fact


def _single(api: Api, table: MountTable, item: Locator) -> Iterator[Read]:
    form = _PATHS.get(item.kind)
    if form is None:
        raise ProviderError(ErrorKind.UNSUPPORTED, f"the server gives out no value for the kind {item.kind}")
    mount, name = table.place(item)
    check_name(name)
    read: Callable[[Api, Mount, str], Mapping[str, Any]] = _data if item.kind == "kv" else _password
    for field, value in sorted(read(api, mount, form.format(mount=mount.api, name=name)).items()):
        yield FieldValue(item, field, SecretBytes(_plain(value)))


def _data(api: Api, mount: Mount, path: str, version: int = 0) -> Mapping[str, Any]:
    """The fields of one version, 0 = the current one."""
    if mount.version != "2":
        raise _unversioned(mount)
    answer = api.send(Ask(method="GET", path=path, params={"version": str(version)} if version else {}))
    body = mapping(answer.body.get("data"))
    if answer.status == 404 and isinstance(body.get("metadata"), dict):
        which = "previous" if version else "current"
        raise ProviderError(ErrorKind.NOT_FOUND, f"the {which} version is deleted or destroyed", resource=path)
    return mapping(answer.checked().data.get("data"))


def _unversioned(mount: Mount) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED, f"the mount {mount.path} is version 1 of the key/value engine")


def _password(api: Api, mount: Mount, path: str) -> Mapping[str, Any]:  # noqa: ARG001 - one shape for both readers
    data = api.get(path)
    return {name: data[name] for name in _STATIC_FIELDS if name in data}


def _plain(value: Any) -> bytes:
    """A string as it is; anything else as canonical JSON, so that equal structures are equal bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
