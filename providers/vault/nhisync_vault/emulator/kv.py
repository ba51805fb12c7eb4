"""KV version 2: versions, check-and-set, soft deletion, destruction, metadata, subkeys, listings.

Source: OpenBao ``internal/builtin/logical/kv``. A deleted or destroyed version reads as 404 *with* its metadata; a
missing key reads as 404 without a body worth naming; versions start at 1; ``max_versions`` 0 keeps ten.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from nhisync_vault.emulator.engine import Call, Engine, route
from nhisync_vault.emulator.gotime import go_duration
from nhisync_vault.emulator.kv_metadata import check_custom_metadata, custom_metadata_of
from nhisync_vault.emulator.kv_store import Key, KvConfig, Version, key_data, merge_patch
from nhisync_vault.emulator.wire import RefusedError, Response, bad_request, listing

_DEFAULT_MAX_VERSIONS = 10


class KvEngine(Engine):
    """One KV v2 mount."""

    type: ClassVar[str] = "kv"

    def __init__(self, *, detailed: bool) -> None:
        super().__init__()
        scan = self._scan if detailed else None
        routes = [
            route(r"config", read=self._read_config, write=self._write_config),
            route(
                r"data/(?P<path>.*)",
                read=self._read,
                write=self._write,
                patch=self._patch,
                delete=self._delete,
                exists=_exists,
            ),
            route(
                r"metadata/(?P<path>.*)",
                read=self._read_metadata,
                write=self._write_metadata,
                patch=self._patch_metadata,
                delete=self._delete_metadata,
                list_=self._list,
                scan=scan,
                exists=_exists,
            ),
            route(r"destroy/(?P<path>.*)", write=self._destroy),
            route(r"subkeys/(?P<path>.*)", read=self._subkeys),
            route(r"delete/(?P<path>.*)", write=self._delete_versions),
            route(r"undelete/(?P<path>.*)", write=self._undelete),
        ]
        if detailed:
            routes.insert(
                3, route(r"detailed-metadata/(?P<path>.*)", list_=self._list_detailed, scan=self._scan_detailed)
            )
        self.routes = (*routes, route(r".*", read=_invalid, list_=_invalid, write=_invalid, delete=_invalid))

    def _read_config(self, call: Call) -> Response:
        config = _config(call)
        return Response(
            data={
                "max_versions": config.max_versions,
                "cas_required": config.cas_required,
                "metadata_cas_required": config.metadata_cas_required,
                "delete_version_after": go_duration(config.delete_after),
            }
        )

    def _write_config(self, call: Call) -> None:
        old = _config(call)
        call.storage.put(
            "config",
            KvConfig(
                max_versions=call.number("max_versions", old.max_versions),
                cas_required=call.flag("cas_required", default=old.cas_required),
                metadata_cas_required=call.flag("metadata_cas_required", default=old.metadata_cas_required),
                delete_after=call.duration("delete_version_after")
                if "delete_version_after" in call.data
                else old.delete_after,
            ),
        )

    def _read(self, call: Call) -> Response | None:
        picked = _pick(call)
        if picked is None:
            return None
        number, version, key = picked
        data = version.data if version.readable(call.now) else None
        shown = {"data": data, "metadata": _version_facts(number, version, key)}
        return Response(data=shown, status=200 if version.readable(call.now) else 404)

    def _write(self, call: Call) -> Response:
        if not call["path"]:
            raise bad_request("missing path")
        if not isinstance(call.data.get("data"), dict):
            raise bad_request("no data provided")
        config, key = _config(call), _key(call)
        _check_cas(call, config, key)
        return self._add(call, config, key, call.data["data"])

    def _patch(self, call: Call) -> Response | None:
        if not isinstance(call.data.get("data"), dict):
            raise bad_request("no data provided")
        config, key = _config(call), _key(call)
        if key is None or key.current not in key.versions:
            raise RefusedError(404)
        _check_cas(call, config, key)
        version = key.versions[key.current]
        if not version.readable(call.now):
            return Response(data=_version_facts(key.current, version, key), status=404)
        return self._add(call, config, key, merge_patch(version.data or {}, call.data["data"]))

    def _add(self, call: Call, config: KvConfig, key: Key | None, data: Mapping[str, Any]) -> Response:
        old = key or Key(created=call.now, updated=call.now)
        number = old.current + 1
        version = Version(created=call.now, deletion=_deletion(call.now, config, old), data=data)
        keep = max(old.max_versions, config.max_versions) or _DEFAULT_MAX_VERSIONS
        versions, oldest = {**old.versions, number: version}, old.oldest
        if number - oldest >= keep:
            oldest = number - keep + 1
            versions = {n: v for n, v in versions.items() if n >= oldest}
        new = replace(old, versions=versions, current=number, oldest=oldest, updated=call.now)
        call.storage.put(f"key/{call['path']}", new)
        return Response(data=_version_facts(number, version, new))

    def _delete(self, call: Call) -> None:
        key = _key(call)
        if key is not None and key.current:
            _mark(call, key, [key.current], deletion=call.now)

    def _delete_versions(self, call: Call) -> None:
        key, numbers = _key(call), _numbers(call)
        if key is not None:
            _mark(call, key, numbers, deletion=call.now)

    def _undelete(self, call: Call) -> None:
        key, numbers, config = _key(call), _numbers(call), _config(call)
        if key is None:
            return
        versions = {
            number: replace(version, deletion=_deletion(call.now, config, key))
            if number in numbers and not version.destroyed
            else version
            for number, version in key.versions.items()
        }
        call.storage.put(f"key/{call['path']}", replace(key, versions=versions))

    def _destroy(self, call: Call) -> None:
        key, numbers = _key(call), _numbers(call)
        if key is None:
            return
        versions = {
            number: replace(version, destroyed=True, data=None) if number in numbers else version
            for number, version in key.versions.items()
        }
        call.storage.put(f"key/{call['path']}", replace(key, versions=versions))

    def _subkeys(self, call: Call) -> Response | None:
        picked = _pick(call)
        if picked is None:
            return None
        number, version, key = picked
        readable = version.readable(call.now)
        shown = _strip(version.data or {}, call.number("depth"), 1) if readable else None
        data = {"subkeys": shown, "metadata": _version_facts(number, version, key)}
        return Response(data=data, status=200 if readable else 404)

    def _read_metadata(self, call: Call) -> Response | None:
        key = _key(call)
        return None if key is None else Response(data=key_data(key, openbao=call.core.flavour.scans))

    def _write_metadata(self, call: Call) -> Response | None:
        if not call["path"]:
            raise bad_request("missing path")
        known = {"max_versions", "cas_required", "delete_version_after", "custom_metadata", "metadata_cas_required"}
        if not known & set(call.data):
            return None
        old = _key(call)
        _check_metadata_cas(call, old)
        custom = old.custom if old else None
        if call.data.get("custom_metadata") is not None:
            custom = custom_metadata_of(call.data["custom_metadata"])
            check_custom_metadata(custom)
        self._put_metadata(call, old, custom)
        return None

    def _patch_metadata(self, call: Call) -> Response | None:
        old = _key(call)
        if old is None:
            raise RefusedError(404)
        _check_metadata_cas(call, old)
        custom = old.custom
        if isinstance(call.data.get("custom_metadata"), dict):
            changes = call.data["custom_metadata"]
            check_custom_metadata(custom_metadata_of({k: v for k, v in changes.items() if v is not None}))
            custom = custom_metadata_of(merge_patch(dict(custom or {}), changes))
        self._put_metadata(call, old, custom)
        return None

    def _put_metadata(self, call: Call, old: Key | None, custom: Mapping[str, str] | None) -> None:
        base = old or Key(created=call.now, updated=call.now)
        after = call.duration("delete_version_after") if "delete_version_after" in call.data else base.delete_after
        call.storage.put(
            f"key/{call['path']}",
            replace(
                base,
                updated=call.now,
                max_versions=call.number("max_versions", base.max_versions),
                cas_required=call.flag("cas_required", default=base.cas_required),
                metadata_cas_required=call.flag("metadata_cas_required", default=base.metadata_cas_required),
                delete_after=after,
                custom=custom,
                metadata_version=base.metadata_version + 1,
            ),
        )

    def _delete_metadata(self, call: Call) -> None:
        call.storage.delete(f"key/{call['path']}")

    def _list(self, call: Call) -> Response:
        return listing(call.page(f"key/{call['path']}"))

    def _list_detailed(self, call: Call) -> Response:
        keys = call.page(f"key/{call['path']}")
        return listing(keys, {name: _info(call, call["path"] + name) for name in keys})

    def _scan(self, call: Call) -> Response:
        return listing(_walk(call))

    def _scan_detailed(self, call: Call) -> Response:
        keys = _walk(call)
        return listing(keys, {name: _info(call, call["path"] + name) for name in keys})


def _config(call: Call) -> KvConfig:
    return call.storage.get("config") or KvConfig()


def _key(call: Call) -> Key | None:
    found: Key | None = call.storage.get(f"key/{call['path']}")
    return found


def _exists(call: Call) -> bool:
    return _key(call) is not None


def _pick(call: Call) -> tuple[int, Version, Key] | None:
    key = _key(call)
    if key is None:
        return None
    number = call.number("version") or key.current
    version = key.versions.get(number)
    return None if version is None else (number, version, key)


def _numbers(call: Call) -> list[int]:
    numbers = [int(number) for number in call.strings("versions")]
    if not numbers:
        raise bad_request("No version number provided")
    return numbers


def _mark(call: Call, key: Key, numbers: list[int], *, deletion: datetime) -> None:
    versions = {
        number: replace(version, deletion=deletion) if number in numbers and version.readable(call.now) else version
        for number, version in key.versions.items()
    }
    call.storage.put(f"key/{call['path']}", replace(key, versions=versions))


def _check_cas(call: Call, config: KvConfig, key: Key | None) -> None:
    options = call.data.get("options") or {}
    current = 0 if key is None else key.current
    if "cas" in options:
        try:
            wanted = int(options["cas"])
        except (TypeError, ValueError):
            raise bad_request("error parsing check-and-set parameter") from None
        if wanted != current:
            raise bad_request("check-and-set parameter did not match the current version")
    elif config.cas_required or (key is not None and key.cas_required):
        raise bad_request("check-and-set parameter required for this call")


def _check_metadata_cas(call: Call, key: Key | None) -> None:
    required = _config(call).metadata_cas_required or (key is not None and key.metadata_cas_required)
    if "metadata_cas" not in call.data:
        if required:
            raise bad_request("metadata check-and-set parameter required for this call")
        return
    sent = call.number("metadata_cas")
    if key is None and sent != 0:
        raise bad_request("metadata_cas must be 0 when creating new metadata")
    if key is not None and sent != key.metadata_version:
        raise bad_request("metadata check-and-set parameter does not match the current version")


def _deletion(created: datetime, config: KvConfig, key: Key) -> datetime | None:
    if config.delete_after < timedelta():
        return None
    lengths = [length for length in (config.delete_after, key.delete_after) if length]
    return created + min(lengths) if lengths else None


def _version_facts(number: int, version: Version, key: Key) -> dict[str, Any]:
    custom = None if key.custom is None else dict(key.custom)
    return {"version": number, **version.facts(), "custom_metadata": custom}


def _walk(call: Call) -> list[str]:
    return list(call.storage.walk(f"key/{call['path']}"))


def _info(call: Call, path: str) -> dict[str, Any]:
    key: Key | None = call.storage.get(f"key/{path}")
    return {} if key is None else key_data(key, openbao=True)


def _strip(data: Mapping[str, Any], depth: int, level: int) -> dict[str, Any]:
    return {
        name: _strip(value, depth, level + 1)
        if isinstance(value, dict) and value and (not depth or level < depth)
        else None
        for name, value in data.items()
    }


def _invalid(_: Call) -> Response:
    return Response(
        status=404,
        warnings=("Invalid path for a versioned K/V secrets engine.",),
    )
