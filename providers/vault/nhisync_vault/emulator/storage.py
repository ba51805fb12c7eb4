"""The emulator's barrier storage: flat sorted keys, immutable values, and a log that lets a standby lag.

A standby is the same storage seen as it was N committed writes ago, so every engine is stale in the same
consistent way without knowing about it (OpenBao 2.5 and later serve reads from standbys).
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from nhisync_vault.emulator.wire import ForwardError

_LOG_LENGTH = 512
_LAST = chr(0x10FFFF)
_ABSENT: Any = object()


class Storage(Protocol):
    """What an engine sees."""

    def get(self, key: str) -> Any:
        """The value, or None."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Store an immutable value."""
        ...

    def delete(self, key: str) -> None:
        """Remove a key; removing nothing is fine."""
        ...

    def page(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """One level below `prefix`, folders with a trailing slash, sorted, strictly after `after`."""
        ...

    def walk(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix`, without it."""
        ...


class LiveStorage:
    """The active node's storage. Not thread safe by itself: the cluster's lock guards it."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._keys: list[str] = []
        self._undo: dict[str, Any] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)
        self.index = 0

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._values.get(key)

    def put(self, key: str, value: Any) -> None:
        """Store an immutable value."""
        self._undo.setdefault(key, self._values.get(key, _ABSENT))
        if key not in self._values:
            insort(self._keys, key)
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Remove a key; removing nothing is fine."""
        if key not in self._values:
            return
        self._undo.setdefault(key, self._values[key])
        del self._values[key]
        del self._keys[bisect_left(self._keys, key)]

    def page(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """One level below `prefix`, sorted, strictly after `after`."""
        return _one_level(self._keys, prefix, after, limit)

    def walk(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix`, without it."""
        return _below(self._keys, prefix)

    def commit(self) -> None:
        """End a request's writes; an empty transaction leaves no entry."""
        if not self._undo:
            return
        self._log.append(self._undo)
        self._undo = {}
        self.index += 1

    def lagging(self, writes: int) -> "StaleStorage":
        """The storage as it was `writes` commits ago (at most as far back as the log reaches)."""
        overlay: dict[str, Any] = {}
        for undo in list(self._log)[-writes:] if writes else []:
            for key, value in undo.items():
                overlay.setdefault(key, value)
        return StaleStorage(self, overlay)

    def sorted_keys(self) -> list[str]:
        """All keys in order; the caller must not change the list."""
        return self._keys


class StaleStorage:
    """An older state, read only."""

    def __init__(self, live: LiveStorage, overlay: dict[str, Any]) -> None:
        self._live = live
        self._overlay = overlay
        self._merged: list[str] | None = None

    def get(self, key: str) -> Any:
        """The old value, or None."""
        value = self._overlay.get(key, _ABSENT)
        if value is _ABSENT:
            return None if key in self._overlay else self._live.get(key)
        return value

    def put(self, key: str, value: Any) -> None:  # noqa: ARG002 - the protocol's signature
        """A standby never writes.

        Raises:
            ForwardError: always; the active node must do it.
        """
        raise ForwardError

    def delete(self, key: str) -> None:
        """A standby never writes.

        Raises:
            ForwardError: always; the active node must do it.
        """
        self.put(key, None)

    def page(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """One level below `prefix`, as it was."""
        return _one_level(self._sorted(), prefix, after, limit)

    def walk(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix`, as they were."""
        return _below(self._sorted(), prefix)

    def _sorted(self) -> list[str]:
        if self._merged is None:
            kept = [key for key in self._live.sorted_keys() if self._overlay.get(key) is not _ABSENT]
            gone = [k for k, v in self._overlay.items() if v is not _ABSENT and self._live.get(k) is None]
            self._merged = sorted({*kept, *gone})
        return self._merged


class View:
    """A storage below a prefix: what a mount sees."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._storage.get(self._prefix + key)

    def put(self, key: str, value: Any) -> None:
        """Store an immutable value."""
        self._storage.put(self._prefix + key, value)

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._storage.delete(self._prefix + key)

    def page(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """One level below `prefix`."""
        return self._storage.page(self._prefix + prefix, after, limit)

    def walk(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix`, without it."""
        return self._storage.walk(self._prefix + prefix)


def _one_level(keys: list[str], prefix: str, after: str, limit: int) -> list[str]:
    start = prefix + after + (_LAST if after.endswith("/") else "")
    position = bisect_left(keys, start)
    found: list[str] = []
    while position < len(keys) and keys[position].startswith(prefix):
        name, slash, _ = keys[position][len(prefix) :].partition("/")
        entry = name + slash
        position = bisect_left(keys, prefix + entry + _LAST, position) if slash else position + 1
        if entry > after:
            found.append(entry)
        if limit > 0 and len(found) == limit:
            break
    return found


def _below(keys: list[str], prefix: str) -> Iterator[str]:
    position = bisect_left(keys, prefix)
    while position < len(keys) and keys[position].startswith(prefix):
        yield keys[position][len(prefix) :]
        position += 1
