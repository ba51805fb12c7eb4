"""A key/value mount of very many entries that are computed, not stored: for tests and measurements of size.

Only its listings know the entries; a read of a single one answers that it is not there.
"""

import bisect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nhisync_vault.emulator.engine import Call
from nhisync_vault.emulator.kv import KvEngine
from nhisync_vault.emulator.wire import Response, listing

if TYPE_CHECKING:
    from nhisync_vault.emulator.core import Core

_VERSION = {"created_time": "2026-11-01T00:00:00.123456789Z", "deletion_time": "", "destroyed": False}
_INFO: dict[str, Any] = {
    "cas_required": False,
    "created_time": "2026-01-01T00:00:00.123456789Z",
    "current_metadata_version": 0,
    "current_version": 2,
    "custom_metadata": {"owner": "crowd"},
    "delete_version_after": "0s",
    "max_versions": 0,
    "metadata_cas_required": False,
    "oldest_version": 0,
    "updated_time": "2026-11-01T00:00:00.123456789Z",
    "versions": {"1": _VERSION, "2": _VERSION},
}


class Crowd(KvEngine):
    """`count` entries in one folder.

    Args:
        detailed: listings with metadata exist (OpenBao).
        count: how many.
        name: index → name; names ascend with the index.
    """

    def __init__(self, *, detailed: bool, count: int, name: Callable[[int], str]) -> None:
        super().__init__(detailed=detailed)
        self._count = count
        self._name = name

    def _list(self, call: Call) -> Response:
        return listing(self._names(call))

    def _list_detailed(self, call: Call) -> Response:
        names = self._names(call)
        return listing(names, dict.fromkeys(names, _INFO))

    def _names(self, call: Call) -> list[str]:
        start, limit = 0, self._count
        if call.core.flavour.pages:
            start = bisect.bisect_right(range(self._count), call.text("after"), key=self._name)
            limit = call.number("limit") or limit
        return [self._name(i) for i in range(start, min(self._count, start + limit))]


def fill(core: "Core", mount: str, count: int, name: Callable[[int], str] = "entry-{:07d}".format) -> None:
    """Put a crowd into the key/value mount `mount` (``secret/``), which must be there."""
    core.mounts[mount].engine = Crowd(detailed=core.flavour.scans, count=count, name=name)
