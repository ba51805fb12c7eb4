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


def _data(api: Api, mount: Mount, path: str) -> Mapping[str, Any]:
    if mount.version != "2":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"the mount {mount.path} is version 1 of the key/value engine")
    answer = api.send(Ask(method="GET", path=path))
    body = mapping(answer.body.get("data"))
    if answer.status == 404 and isinstance(body.get("metadata"), dict):
        raise ProviderError(ErrorKind.NOT_FOUND, "the current version is deleted or destroyed", resource=path)
    return mapping(answer.checked().data.get("data"))


def _password(api: Api, mount: Mount, path: str) -> Mapping[str, Any]:  # noqa: ARG001 - one shape for both readers
    data = api.get(path)
    return {name: data[name] for name in _STATIC_FIELDS if name in data}


def _plain(value: Any) -> bytes:
    """A string as it is; anything else as canonical JSON, so that equal structures are equal bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
