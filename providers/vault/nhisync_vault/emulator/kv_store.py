"""KV version 2's records: keys, versions, the mount's settings, and what they look like from outside.

Source: OpenBao ``internal/builtin/logical/kv`` (types.proto, path_metadata.go).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nhisync_vault.emulator.gotime import go_duration, rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a key.

    Attributes:
        created: when it was written.
        deletion: when it is or will be deleted, None = never.
        destroyed: its data is gone for good.
        data: the secret; None once destroyed.
    """

    created: datetime
    deletion: datetime | None = None
    destroyed: bool = False
    data: Mapping[str, Any] | None = field(default=None, repr=False)

    def readable(self, now: datetime) -> bool:
        """Whether its data may be returned; at the very instant of its deletion it may not (the clock can stand)."""
        return not self.destroyed and (self.deletion is None or self.deletion > now)

    def facts(self) -> dict[str, Any]:
        """The version as metadata shows it."""
        return {
            "created_time": rfc3339(self.created),
            "deletion_time": rfc3339(self.deletion),
            "destroyed": self.destroyed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key with its versions.

    Attributes:
        versions: number → version, oldest pruned.
        current: newest version, 0 = none yet.
        oldest: oldest kept version as the server counts it.
        created: first write.
        updated: last write of a version or of metadata.
        max_versions: 0 = the mount's.
        cas_required: writes need ``cas``.
        delete_after: lifetime of a version, zero = none.
        custom: custom metadata, None = unset.
        metadata_version: counts metadata writes (OpenBao).
        metadata_cas_required: metadata writes need ``metadata_cas`` (OpenBao).
    """

    created: datetime
    updated: datetime
    versions: Mapping[int, Version] = field(default_factory=dict)
    current: int = 0
    oldest: int = 0
    max_versions: int = 0
    cas_required: bool = False
    delete_after: timedelta = timedelta()
    custom: Mapping[str, str] | None = None
    metadata_version: int = 0
    metadata_cas_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KvConfig:
    """Settings of the mount; ``delete_after`` below zero switches per-key lifetimes off."""

    max_versions: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    delete_after: timedelta = timedelta()


def key_data(key: Key, *, openbao: bool) -> dict[str, Any]:
    """The ``data`` of a metadata read; OpenBao adds the metadata version."""
    shown: dict[str, Any] = {
        "versions": {str(number): version.facts() for number, version in key.versions.items()},
        "current_version": key.current,
        "oldest_version": key.oldest,
        "created_time": rfc3339(key.created),
        "updated_time": rfc3339(key.updated),
        "max_versions": key.max_versions,
        "cas_required": key.cas_required,
        "delete_version_after": go_duration(key.delete_after),
        "custom_metadata": None if key.custom is None else dict(key.custom),
    }
    if openbao:
        shown["current_metadata_version"] = key.metadata_version
        shown["metadata_cas_required"] = key.metadata_cas_required
    return shown


def merge_patch(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: null removes, objects merge, the rest replaces."""
    merged = dict(old)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = merge_patch(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged
