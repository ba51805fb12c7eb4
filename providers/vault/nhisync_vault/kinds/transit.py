"""Transit keys: versions and their times; no key material, no cryptography.

Source: OpenBao ``internal/builtin/logical/transit/path_keys.go``: symmetric keys map versions to Unix seconds,
asymmetric ones to objects with ``creation_time``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nhisync.spi import CredentialState, Item, Lifecycle, Moment, Precision, Rotation, Unchanged
from nhisync_vault.facts import attributes, check_name, instant, mapping, marker, number, span, text
from nhisync_vault.kinds.base import Listed, NamedKind, Run
from nhisync_vault.mounts import Mount


class TransitKind(NamedKind):
    """Kind ``transit``."""

    name = "transit"
    folder = "keys"

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Versions and rotation of one key.

        Raises:
            ProviderError: NOT_FOUND when the server has no such key, else why not.
        """
        name = entry.name
        check_name(name)
        key = run.api.get(f"{mount.api}/keys/{name}")
        made = {version: _made(facts) for version, facts in mapping(key.get("keys")).items()}
        latest = number(key.get("latest_version")) or 0
        times = sorted(at for at in made.values() if at is not None)
        current, every = made.get(str(latest)), span(key.get("auto_rotate_period"))
        return run.item(
            run.locator(self.name, mount, name),
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            state=CredentialState.DEACTIVATED if key.get("soft_deleted") is True else CredentialState.ACTIVE,
            version=str(latest) if latest else None,
            created=Moment(times[0]) if times else None,
            rotated=Moment(current) if current and latest > 1 else None,
            next_rotation=Moment(current + every, Precision.UPPER_BOUND) if current and every else None,
            rotation=Rotation(enabled=True, interval=every, mechanism="vault-transit") if every else None,
            exposure=_exposure(key),
            marker=marker("transit", key),
            attributes=attributes(
                type=text(key.get("type")),
                min_decryption_version=number(key.get("min_decryption_version")),
                deletion_allowed=key.get("deletion_allowed") is True or None,
            ),
        )


def _made(facts: object) -> datetime | None:
    return instant(mapping(facts).get("creation_time")) if isinstance(facts, dict) else instant(facts)


def _exposure(key: Mapping[str, Any]) -> str:
    open_ways = [
        way for way, name in (("export", "exportable"), ("backup", "allow_plaintext_backup")) if key.get(name) is True
    ]
    return f"key material can be read out by {' and '.join(open_ways)}" if open_ways else ""
