"""etcd in small: objects under keys, one counter of changes, and snapshots that expire.

Stored objects are never changed in place: every write replaces them, so a snapshot stays what it was.
"""

import base64
import json
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nhisync.spi import Clock, Randomness
from nhisync_kubernetes.emulator.definitions import Definition
from nhisync_kubernetes.emulator.wire import StatusError

_KEPT = timedelta(minutes=5)
"""How long a snapshot can be continued (etcd compaction, kube-apiserver's default)."""

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        objects: as stored.
        revision: of the snapshot.
        token: of the next page, "" = none.
    """

    objects: list[Object]
    revision: int
    token: str


class Store:
    """All objects of one cluster; the cluster's lock guards it."""

    def __init__(self, clock: Clock, randomness: Randomness) -> None:
        self._clock, self._randomness = clock, randomness
        self._objects: dict[Definition, dict[Key, Object]] = {}
        self._snapshots: dict[tuple[Definition, int], tuple[datetime, list[Key], list[Object]]] = {}
        self.revision = 1
        self.changes: dict[Definition, int] = {}

    def get(self, definition: Definition, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._objects.get(definition, {}).get((namespace if definition.namespaced else "", name))

    def all(self, definition: Definition, namespace: str = "") -> list[Object]:
        """Objects in the order of their keys; ``namespace`` "" = all."""
        found = sorted(self._objects.get(definition, {}).items())
        return [one for (place, _), one in found if not namespace or place == namespace]

    def put(self, definition: Definition, found: Mapping[str, Any]) -> Object:
        """Write an object; uid and creation are drawn when it is new."""
        raw = dict(found["metadata"])
        key = (raw.get("namespace", "") if definition.namespaced else "", raw["name"])
        known = self._objects.setdefault(definition, {}).get(key)
        self._turn(definition)
        born = known["metadata"] if known else {}
        metadata = {
            **raw,
            "uid": raw.get("uid") or born.get("uid") or self.uid(),
            "resourceVersion": str(self.revision),
            "creationTimestamp": raw.get("creationTimestamp") or born.get("creationTimestamp") or stamp(self.now()),
        }
        stored = {"apiVersion": definition.version, "kind": definition.kind, **found, "metadata": metadata}
        self._objects[definition][key] = stored
        return stored

    def delete(self, definition: Definition, namespace: str, name: str) -> Object | None:
        """Remove an object; what it was, or None."""
        key = (namespace if definition.namespaced else "", name)
        found = self._objects.get(definition, {}).pop(key, None)
        if found is not None:
            self._turn(definition)
        return found

    def page(
        self,
        definition: Definition,
        namespace: str,
        limit: int,
        token: str,
        keep: Callable[[Object], bool],
    ) -> Page:
        """One page of a listing.

        Args:
            definition: what is listed.
            namespace: "" = the whole cluster.
            limit: most objects, 0 = all.
            token: of an earlier page, "" = the first.
            keep: selects objects.

        Raises:
            StatusError: the token is broken (400) or its snapshot is gone (410).
        """
        revision, start = decode(token) if token else (self.revision, ("", ""))
        keys, objects = self._snapshot(definition, revision, token)
        chosen: list[Object] = []
        for index in range(bisect_left(keys, start), len(keys)):
            if (namespace and keys[index][0] != namespace) or not keep(objects[index]):
                continue
            if limit and len(chosen) == limit:
                return Page(chosen, revision, encode(revision, keys[index]))
            chosen.append(objects[index])
        return Page(chosen, revision, "")

    def compact(self) -> None:
        """Forget all snapshots."""
        self._snapshots.clear()

    def uid(self) -> str:
        """A UUID-shaped identifier."""
        text = self._randomness.hex(16)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))

    def now(self) -> datetime:
        """The cluster's instant."""
        return self._clock.now()

    def _turn(self, definition: Definition) -> None:
        self.revision += 1
        self.changes[definition] = self.revision

    def _snapshot(self, definition: Definition, revision: int, token: str) -> tuple[list[Key], list[Object]]:
        found = self._snapshots.get((definition, revision))
        if found is not None and self.now() - found[0] <= _KEPT:
            return found[1], found[2]
        if token:
            self._snapshot(definition, self.revision, "")
            fresh = encode(self.revision, decode(token)[1])
            raise StatusError(410, "Expired", _EXPIRED, resumed=fresh)
        ordered = sorted(self._objects.get(definition, {}).items())
        keys, objects = [key for key, _ in ordered], [one for _, one in ordered]
        self._snapshots = {k: v for k, v in self._snapshots.items() if self.now() - v[0] <= _KEPT}
        self._snapshots[definition, revision] = (self.now(), keys, objects)
        return keys, objects


def encode(revision: int, start: Key) -> str:
    """A continue token (k8s.io/apiserver ``pkg/storage/continue.go``)."""
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(start)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token: str) -> tuple[int, Key]:
    """Revision and first key of a continue token.

    Raises:
        StatusError: it is none.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = str(found["start"]).partition("/")
        return int(found["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError):
        raise StatusError(400, "BadRequest", "continue key is not valid") from None


def stamp(at: datetime) -> str:
    """An instant as the API prints it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
