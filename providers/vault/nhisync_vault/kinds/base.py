"""What all kinds share: the run, what a listing yields, and how an answer becomes an item."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from nhisync.spi import (
    ErrorKind,
    InventoryRequest,
    Item,
    Lifecycle,
    Locator,
    Presence,
    ProviderError,
    PublicId,
    SourceContext,
    Unchanged,
)
from nhisync.spi.fanout import spread
from nhisync_vault.api import Api, Cursor, Page
from nhisync_vault.cluster import Cluster
from nhisync_vault.mounts import Mount, MountTable
from nhisync_vault.settings import VaultSettings

Cached = TypeVar("Cached")
_FALL_BACK = frozenset({ErrorKind.UNSUPPORTED, ErrorKind.DENIED})


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a listing.

    Attributes:
        name: below the mount.
        info: what the listing says about it; None = only that it exists.
        marker: equal markers in two listings mean the detail need not be read again; "" = the listing cannot tell.
    """

    name: str
    info: Mapping[str, Any] | None = None
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a listing that could not be read.

    Attributes:
        scope: name prefix below the mount; "" = the whole mount.
        error: why.
    """

    scope: str
    error: ProviderError


@dataclass(slots=True)
class Run:
    """One inventory run; kinds read through it. Thread safe.

    Attributes:
        missed: (kind, what of which mount) → why facts beside the items themselves could not be read.
    """

    api: Api
    cluster: Cluster
    table: MountTable
    settings: VaultSettings
    context: SourceContext
    request: InventoryRequest
    missed: dict[tuple[str, str], ProviderError] = field(default_factory=dict)
    _cache: dict[object, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        """The instant of an observation."""
        return self.context.clock.now()

    def locator(self, kind: str, mount: Mount, name: str) -> Locator:
        """The address of an item of this source."""
        return Locator(self.context.source, kind, f"{mount.path}/{name}")

    def known(self, locator: Locator) -> str:
        """The stored marker of a wanted item, "" when there is none."""
        return self.request.known.get(locator, "")

    def lifecycle(self, mount: Mount, own: Lifecycle) -> Lifecycle:
        """`own`, unless the mount is replicated and its rotation belongs to another cluster."""
        return Lifecycle.REPLICA if self.api.topology.health.secondary and not mount.local else own

    def ids(self, *more: PublicId) -> tuple[PublicId, ...]:
        """Public identifiers, with the cluster's own."""
        cluster = self.api.topology.health.cluster_id
        return tuple(sorted((*more, *([PublicId("cluster-id", cluster)] if cluster else []))))

    def item(self, locator: Locator, **facts: Any) -> Item:
        """A present item; `facts` are fields of `Item`."""
        facts.setdefault("ids", self.ids())
        return Item(locator=locator, observed_at=self.now(), **facts)

    def unchanged(self, locator: Locator) -> Unchanged:
        """The stored detail still holds."""
        return Unchanged(locator=locator, observed_at=self.now())

    def failed(self, locator: Locator, error: ProviderError) -> Item:
        """An item of which nothing is known but why."""
        return Item(locator=locator, observed_at=self.now(), presence=error.presence, error=error.fact)

    def miss(self, kind: str, what: str, mount: Mount, error: ProviderError) -> None:
        """Note that something about items could not be read, the items themselves left as they are.

        A denial becomes coverage of its own, so that a grant which is missing is never silent; one for all items.
        """
        if error.kind is ErrorKind.DENIED:
            # Without the lock, which `once` may hold around the very read that failed; setdefault is atomic.
            self.missed.setdefault((kind, f"{what} of {mount.scope}"), error)

    def once(self, key: object, read: Callable[[], Cached]) -> Cached:
        """`read`'s result, read once per run; a failure is remembered and raised again.

        Raises:
            ProviderError: what `read` raised the first time.
        """
        with self._lock:
            if key not in self._cache:
                self._cache[key] = _attempt(read)
            found = self._cache[key]
        if isinstance(found, ProviderError):
            raise found
        return found  # type: ignore[no-any-return]  # the cache is keyed by what is read


class Kind(Protocol):
    """Reads one kind of item.

    Attributes:
        name: first segment of its locators.
        deep: a sweep reads every entry singly, because its listing says nothing.
    """

    name: str
    deep: bool

    def listed(self, run: Run, mount: Mount, prefix: str) -> Iterator[Listed | Gap]:
        """Entries of one mount whose names begin with `prefix`.

        Raises:
            ProviderError: the mount cannot be listed at all.
        """
        ...

    def peek(self, run: Run, mount: Mount, folder: str) -> Iterable[Listed]:
        """Entries of one folder, where the server lists them with details in one call; nothing elsewhere.

        Raises:
            ProviderError: the folder cannot be listed.
        """
        ...

    def bare(self, run: Run, mount: Mount, entry: Listed) -> Item:
        """What the listing alone says; no further request."""
        ...

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Everything about one item, by as few requests as the listing leaves.

        Raises:
            ProviderError: NOT_FOUND when the server has no such item, else why not.
        """
        ...


class NoPeek:
    """For kinds whose listings hold names only."""

    def peek(self, run: Run, mount: Mount, folder: str) -> Iterable[Listed]:  # noqa: ARG002 - the protocol's
        """Nothing: each item is read singly."""
        return ()


class NamedKind(NoPeek):
    """For kinds whose items stand by their names below one folder of the mount, and belong to this side.

    Attributes:
        name: first segment of its locators.
        folder: of the mount's API.
    """

    name: str
    folder: str
    deep = False

    def listed(self, run: Run, mount: Mount, prefix: str) -> "Iterator[Listed | Gap]":
        """Names of the items, folders followed.

        Raises:
            ProviderError: the mount cannot be listed.
        """
        yield from walk(run, (f"{mount.api}/{self.folder}",), prefix)

    def bare(self, run: Run, mount: Mount, entry: Listed) -> Item:
        """Only the item's existence."""
        return run.item(run.locator(self.name, mount, entry.name), lifecycle=run.lifecycle(mount, Lifecycle.OWN))


def walk(
    run: Run,
    bases: Sequence[str],
    prefix: str,
    *,
    cursor: Cursor | None = None,
    lost: Callable[[ProviderError], None] = lambda _: None,
) -> Iterator[Listed | Gap]:
    """All entries below an API path, folders followed, in parallel per level, at most a page of each in memory.

    Args:
        run: the run.
        bases: API paths of the listing, without slashes at their ends; a later one is asked for a folder where an
            earlier one is denied or unknown.
        prefix: only names that begin with this.
        cursor: spelling of ``after``.
        lost: told why an earlier path did not answer, when a later one was asked instead.

    Raises:
        ProviderError: the first folder cannot be listed.
    """
    start = prefix.rpartition("/")[0]
    root = f"{start}/" if start else ""
    frontier, seen, workers = [root], 0, run.settings.workers
    while frontier:
        level, frontier = frontier, []
        for folder, page in spread(level, lambda one: _folder(run, bases, one, cursor, lost), workers, room=1):
            if isinstance(page, ProviderError):
                if folder == root:
                    raise page
                yield Gap(folder, page)
                continue
            reached = (name for name in (folder + key for key in page.keys) if _reaches(name, prefix))
            for name in reached:
                if name.endswith("/"):
                    frontier.append(name)
                elif seen == run.settings.max_items:
                    yield Gap("", _too_many(bases[-1], seen))
                    return
                else:
                    seen += 1
                    yield Listed(name, page.info.get(name.removeprefix(folder)))


def _folder(
    run: Run, bases: Sequence[str], folder: str, cursor: Cursor | None, lost: Callable[[ProviderError], None]
) -> Iterator[tuple[str, Page | ProviderError]]:
    """The pages of one folder as they come, then why no more came, if there was a reason."""
    for base in bases:
        begun = False
        try:
            for page in run.api.pages(f"{base}/{folder}", cursor=cursor):
                begun = True
                yield folder, page
        except ProviderError as error:
            if begun or base == bases[-1] or error.kind not in _FALL_BACK:
                yield folder, error
                return
            lost(error)
        else:
            return


def _reaches(name: str, prefix: str) -> bool:
    """Whether `name` begins with `prefix`, or is a folder on the way there."""
    return name.startswith(prefix) or (name.endswith("/") and prefix.startswith(name))


def _too_many(base: str, seen: int) -> ProviderError:
    return ProviderError(
        ErrorKind.MALFORMED,
        f"LIST {base}: more than {seen} entries; the listing was left",
        resource=base,
        fix="If the mount really is that large, raise max_items of the source, or sweep narrower prefixes.",
    )


def _attempt(read: Callable[[], Cached]) -> Cached | ProviderError:
    try:
        return read()
    except ProviderError as error:
        return error


def absent(locator: Locator, now: datetime) -> Item:
    """An authoritative "no such item"."""
    return Item(locator=locator, observed_at=now, presence=Presence.ABSENT)
