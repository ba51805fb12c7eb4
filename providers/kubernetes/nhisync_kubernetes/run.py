"""What all kinds share: the run, and how an answer becomes an item."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from nhisync.spi import (
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    ProviderError,
    PublicId,
    SourceContext,
    Unchanged,
)
from nhisync.spi.x509 import Trust
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.metadata import Meta
from nhisync_kubernetes.settings import KubernetesSettings

Cached = TypeVar("Cached")


@dataclass(slots=True)
class Run:
    """One inventory run; kinds read through it. Thread safe.

    Attributes:
        api: reads of this run.
        settings: of the source.
        context: of the source.
        request: what is wanted.
        cluster: uid of the cluster, "" = it may not be read.
        trust: configured roots, None = none.
    """

    api: Api
    settings: KubernetesSettings
    context: SourceContext
    request: InventoryRequest
    cluster: str
    trust: Trust | None = None
    _cache: dict[object, Any] = field(default_factory=dict)
    _locks: dict[object, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        """The instant of an observation."""
        return self.context.clock.now()

    def locator(self, kind: str, meta: Meta) -> Locator:
        """The address of an item of this source."""
        return Locator(self.context.source, kind, f"{meta.namespace}/{meta.name}")

    @property
    def region(self) -> str | None:
        """Where the cluster stands."""
        return self.settings.region or self.context.region

    def item(self, kind: str, meta: Meta, *more: PublicId, **facts: Any) -> Item:
        """A present item with what its metadata say; `facts` go over it."""
        cluster = [PublicId("cluster-id", self.cluster)] if self.cluster else []
        known: dict[str, Any] = {
            "provider_id": meta.uid,
            "state": meta.state,
            "created": meta.born,
            "owner": meta.owner,
            "logical_name": meta.marks.get("nhisync/name") or None,
            "ids": tuple(sorted((*more, *cluster))),
            "marker": meta.marker,
        }
        return Item(locator=self.locator(kind, meta), observed_at=self.now(), **{**known, **facts})

    def unchanged(self, locator: Locator, marker: str) -> Unchanged | None:
        """The mark that the stored detail of a wanted item still holds, or None."""
        if marker and self.request.known.get(locator, "") == marker:
            return Unchanged(locator=locator, observed_at=self.now())
        return None

    def failed(self, locator: Locator, error: ProviderError) -> Item:
        """An item of which nothing is known but why; only the server's "no such object" is absence."""
        fact = None if error.kind is ErrorKind.NOT_FOUND else error.fact
        return Item(locator=locator, observed_at=self.now(), presence=error.presence, error=fact)

    def once(self, key: object, read: Callable[[], Cached]) -> Cached:
        """`read`'s result, read once per run; a failure is remembered and raised again.

        Raises:
            ProviderError: what `read` raised the first time.
        """
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._cache:
                self._cache[key] = _attempt(read)
            found = self._cache[key]
        if isinstance(found, ProviderError):
            raise found
        return found  # type: ignore[no-any-return]  # the cache is keyed by what is read


def _attempt(read: Callable[[], Cached]) -> Cached | ProviderError:
    try:
        return read()
    except ProviderError as error:
        return error
