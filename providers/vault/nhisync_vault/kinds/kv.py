"""Key/value secrets, version 2: metadata and field names, never data.

Source: OpenBao ``internal/builtin/logical/kv`` and the KV v2 API documentation. OpenBao lists names with their metadata
(``detailed-metadata``); Vault lists names only, so there each wanted secret costs one metadata read. ``subkeys`` gives
the field names with their values replaced by null on the server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Moment,
    ProviderError,
    Rotation,
    Unchanged,
    parse_duration,
)
from nhisync_vault.errors import Called, malformed
from nhisync_vault.facts import attributes, check_name, instant, mapping, marker, moment, number, text
from nhisync_vault.kinds.base import Gap, Listed, Run, walk
from nhisync_vault.mounts import Mount

_LIFECYCLES = {word.value: word for word in (Lifecycle.OWN, Lifecycle.STATIC, Lifecycle.SHARED)}


class KvKind:
    """Kind ``kv``."""

    name = "kv"
    deep = False

    def listed(self, run: Run, mount: Mount, prefix: str) -> Iterator[Listed | Gap]:
        """Names below `prefix`, with their metadata where the server lists it.

        Raises:
            ProviderError: the mount is version 1, or cannot be listed at all.
        """
        _check_version(mount)
        bases = (f"{mount.api}/detailed-metadata", f"{mount.api}/metadata")
        asked = bases if run.api.topology.health.openbao else bases[1:]
        found = walk(run, asked, prefix, lost=lambda error: run.miss(self.name, "detailed metadata", mount, error))
        yield from map(_marked, found)

    def peek(self, run: Run, mount: Mount, folder: str) -> Iterator[Listed]:
        """Secrets of one folder with their metadata; nothing where the server lists names only.

        Raises:
            ProviderError: the folder cannot be listed.
        """
        if not run.api.topology.health.openbao or mount.version != "2":
            return
        for page in run.api.pages(f"{mount.api}/detailed-metadata/{folder}"):
            for key in page.keys:
                info = page.info.get(key)
                if info:
                    yield Listed(folder + key, info, _marker(info))

    def bare(self, run: Run, mount: Mount, entry: Listed) -> Item:
        """Metadata from the listing, or only the secret's existence."""
        locator = run.locator(self.name, mount, entry.name)
        if not entry.info or not whole(entry.info):
            return run.item(locator, lifecycle=run.lifecycle(mount, Lifecycle.UNKNOWN))
        return _item(run, mount, entry.name, entry.info, None)

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Metadata and field names of one secret.

        Raises:
            ProviderError: NOT_FOUND when the server has no such secret, else why not.
        """
        _check_version(mount)
        name, info = entry.name, entry.info
        check_name(name)
        if not info:
            info = run.api.get(f"{mount.api}/metadata/{name}")
            locator = run.locator(self.name, mount, name)
            if run.known(locator) == _marker(info):
                return run.unchanged(locator)
        if not whole(info):
            raise malformed(
                Called("GET", f"{mount.api}/metadata/{name}"), "the metadata does not tell which version is current"
            )
        return _item(run, mount, name, info, _fields(run, mount, name))


def _check_version(mount: Mount) -> None:
    if mount.version != "2":
        raise ProviderError(
            ErrorKind.UNSUPPORTED,
            f"the mount {mount.path} is version 1 of the key/value engine, which keeps no metadata",
            resource=mount.path,
            fix=f"Upgrade it: vault kv enable-versioning {mount.path}",
        )


def whole(info: Mapping[str, Any]) -> bool:
    """Whether metadata tells which version is current and what became of it, as every server does.

    A secret without versions has ``current_version`` 0. From an answer that leaves this out nothing follows: neither
    that nothing is in force, nor that it was destroyed.
    """
    current, versions = number(info.get("current_version")), info.get("versions")
    if current is None or not isinstance(versions, Mapping):
        return False
    return not current or isinstance(versions.get(str(current)), Mapping)


def _marked(entry: Listed | Gap) -> Listed | Gap:
    return entry if isinstance(entry, Gap) or not entry.info else replace(entry, marker=_marker(entry.info))


def _marker(info: Mapping[str, Any]) -> str:
    return marker("kv", dict(info))


def _fields(run: Run, mount: Mount, name: str) -> tuple[str, ...] | None:
    """Names of the fields of the current version; None when they cannot be had."""
    try:
        subkeys = run.api.get(f"{mount.api}/subkeys/{name}").get("subkeys")
    except ProviderError as error:
        if error.kind is ErrorKind.THROTTLED:
            raise
        run.miss(KvKind.name, "field names", mount, error)
        return None
    return tuple(sorted(subkeys)) if isinstance(subkeys, dict) else None


def _item(run: Run, mount: Mount, name: str, info: Mapping[str, Any], fields: tuple[str, ...] | None) -> Item:
    custom = {key: text(value) for key, value in mapping(info.get("custom_metadata")).items()}
    current = number(info.get("current_version")) or 0
    version = mapping(mapping(info.get("versions")).get(str(current)))
    deletion = instant(version.get("deletion_time"))
    return run.item(
        run.locator(KvKind.name, mount, name),
        lifecycle=run.lifecycle(mount, _LIFECYCLES.get(custom.get("nhisync_lifecycle", ""), Lifecycle.UNKNOWN)),
        state=_state(current, version, deletion, run.now()),
        version=str(current) if current else None,
        created=moment(info.get("created_time")),
        rotated=moment(version.get("created_time")) if current > 1 else None,
        expires=Moment(deletion) if deletion is not None and deletion > run.now() else None,
        rotation=_rotation(custom.get("nhisync_rotation_interval", "")),
        owner=custom.get(run.settings.owner_key, ""),
        logical_name=custom.get("nhisync_name") or None,
        fields=fields,
        marker=_marker(info),
        attributes=attributes(
            cas_required=info.get("cas_required") is True or None,
            delete_version_after=_unset(text(info.get("delete_version_after")), "0s"),
            max_versions=number(info.get("max_versions")) or None,
            versions_kept=len(mapping(info.get("versions"))) or None,
        ),
    )


def _state(current: int, version: Mapping[str, Any], deletion: datetime | None, now: datetime) -> CredentialState:
    if not current:
        return CredentialState.PRE_ACTIVATION
    if version.get("destroyed") is True or not version:
        return CredentialState.DESTROYED
    if deletion is not None and deletion <= now:
        return CredentialState.DEACTIVATED
    return CredentialState.ACTIVE


def _rotation(interval: str) -> Rotation | None:
    """What an external rotator declares in custom metadata; the engine itself rotates nothing."""
    try:
        every: timedelta | None = parse_duration(interval) if interval else None
    except ValueError:
        every = None
    return Rotation(enabled=True, interval=every, mechanism="declared") if every else None


def _unset(value: str, default: str) -> str:
    return "" if value == default else value
