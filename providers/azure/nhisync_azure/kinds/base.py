"""What secrets, keys and certificates of a vault share: list first, read singly only what a list cannot say.

A vault lists 25 a page, in the order of names, with the dates of their newest versions. It filters nothing: a sweep by
prefixes costs what a whole one costs. Soft-deleted items have a list of their own.
"""

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.fanout import Todo
from nhisync.spi.oddities import one_item
from nhisync_azure.facts import Tags, attributes, marker, tags_of
from nhisync_azure.kinds.rows import Deleted, Row, row_of, versions_of
from nhisync_azure.run import Run, Sweep

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}\Z")


class VaultKind(ABC):
    """One kind of a vault, in one run."""

    kind: ClassVar[str]
    service: ClassVar[str]
    lists: ClassVar[tuple[str, str]]
    """The SDK's methods that list items and soft-deleted items."""

    options: ClassVar[dict[str, Any]] = {}
    daily: ClassVar[bool] = False
    """Whether something that is judged changes without a trace in the list, so that the detail is read every day."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._open = {name.lower(): locator for name, locator in run.wanted(self.kind).items()}
        self._sweep = Sweep()
        self._queue: dict[Locator, Row] = {}
        self._seen: set[str] = set()
        self._deleted: Deleted | ProviderError | None = None
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Observation]:
        """Sweep, read singly what the list cannot answer meanwhile, then account for what was wanted and not seen."""
        run = self.run
        yield from run.along(self._lists, lambda locator: [self.detail(locator, self._queue[locator])])
        missing = list(self._open.values())
        if self._sweep.error is not None and self._sweep.hopeless:
            error = self._sweep.error
            yield from (run.failed(locator, error) for locator in missing)
        else:
            yield from run.each(missing, self._unlisted)
        if run.swept(self.kind):
            yield run.coverage(self.kind, self._sweep)

    @abstractmethod
    def detail(self, locator: Locator, row: Row) -> Item:
        """The item with all that single reads tell.

        Raises:
            ProviderError: it cannot be read.
        """

    @abstractmethod
    def single(self, locator: Locator) -> Item | None:
        """The item by its name alone; None = the vault has none of that name.

        Raises:
            ProviderError: it cannot be read.
        """

    def mark(self, row: Row, *, detailed: bool) -> str:
        """Digest of what the list says; different for items of which only the list was read."""
        facts = [row.created, row.updated, row.enabled, row.not_before, row.expires, row.deleted, row.purged]
        dates = [fact.at if isinstance(fact, Moment) else fact for fact in facts]
        day = self.run.now.date() if self.daily and detailed else None
        # The state, too: a start passes without a trace in the list.
        state = _state(row, self.run.now)
        return marker(self.kind, detailed, row.id, dates, state, row.tags, row.word, day)

    def item(self, locator: Locator, row: Row, *, detailed: bool = False, **facts: Any) -> Item:
        """An item of what a row says; `facts` say more.

        Of an item that only a list showed, the newest version's creation is its generation; when the item itself was
        created, no list tells.
        """
        run, tags = self.run, self.tags(row)
        known: dict[str, Any] = {
            "provider_id": row.id,
            "region": run.connection.region,
            "lifecycle": tags.lifecycle or Lifecycle.UNKNOWN,
            "state": _state(row, run.now),
            "version": row.version or None,
            "rotated": row.created,
            "not_before": row.not_before,
            "expires": row.purged if row.gone else row.expires,
            "rotation": Rotation(enabled=None, interval=tags.interval) if tags.interval else None,
            "owner": tags.owner,
            "logical_name": tags.logical_name,
            "ids": (PublicId("cluster-id", vault_of(run)),),
            "marker": self.mark(row, detailed=detailed),
        }
        shown = {
            "updated": _iso(row.updated),
            "deleted": _iso(row.deleted),
            "twin_of": f"certificate/{row.name}" if row.managed else "",
            **facts.pop("shown", {}),
        }
        return Item(locator=locator, observed_at=run.now, attributes=attributes(**shown), **{**known, **facts})

    def tags(self, row: Row) -> Tags:
        """What the row's tags say."""
        return tags_of(dict(row.tags), self.run.settings.owner_tag)

    def versions(self, method: str, name: str) -> list[Row]:
        """All versions of an item, oldest first; the vault lists them in no order that means anything.

        Raises:
            ProviderError: a page failed, or is about another item.
        """
        return versions_of(self.run.connection.pages(self.service, method, self.run.budget, name), name, self.service)

    def _lists(self) -> Iterator[Observation | Todo[Locator]]:
        yield from self._listed()
        if self.run.swept(self.kind) and not self._sweep.hopeless:
            yield from self._listed_deleted()

    def _listed(self) -> Iterator[Observation | Todo[Locator]]:
        run = self.run
        pages = run.connection.pages(self.service, self.lists[0], run.budget, **self.options)
        if not run.swept(self.kind):
            pages = islice(pages, len(self._open))  # more pages would cost more than reading singly
        for raw in self._sweep.rows(pages):
            row = self._row(raw)
            if row is not None:
                yield from self._take(row)
            if not self._open and not run.swept(self.kind):
                return

    def _listed_deleted(self) -> Iterator[Observation]:
        try:
            deleted = self._deleted_rows()
        except ProviderError as error:
            self._sweep.error = self._sweep.error or error
            return
        self._sweep.error = self._sweep.error or deleted.lost
        for key, row in deleted.rows.items():
            if key in self._seen:  # recovered or deleted between the two lists
                continue
            locator = self._open.pop(key, None)
            self._sweep.items += not row.managed
            if locator is not None or (self.run.asked_for(self.kind, row.name) and not row.managed):
                address = locator or self.run.locator(self.kind, row.name)
                yield from self.run.guarded(address, partial(self._known, row))

    def _take(self, row: Row) -> Iterator[Observation | Todo[Locator]]:
        run, key = self.run, row.name.lower()
        if key in self._seen:  # a listing that changed between two pages, or that never ends
            return
        self._seen.add(key)
        locator = self._open.pop(key, None)
        self._sweep.items += not row.managed
        if locator is None and (row.managed or not run.asked_for(self.kind, row.name)):
            return
        wanted, address = locator is not None, locator or run.locator(self.kind, row.name)
        if not wanted and run.settings.versions == "wanted":
            yield from run.guarded(address, lambda one: [self.item(one, row)])
        elif run.is_known(address, self.mark(row, detailed=True)):
            yield run.unchanged(address)
        else:
            self._queue[address] = row
            yield Todo(address)

    def _unlisted(self, locator: Locator) -> Iterator[Observation]:
        """The authoritative read of one item that no list showed."""
        if not _NAME.match(locator.name):
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                f"{self.kind}/… names no item that a vault can hold",
                resource=self.run.settings.vault or "",
                fix="Names in a vault are letters, digits and hyphens, at most 127.",
            )
        found = self.single(locator)
        if found is not None:
            yield found
            return
        row = self._deleted_rows().of(locator.name)
        if row is None:
            yield self.run.absent(locator)
        else:
            yield from self._known(row, locator)

    def _known(self, row: Row, locator: Locator) -> Iterator[Observation]:
        known = self.run.is_known(locator, self.mark(row, detailed=False))
        yield self.run.unchanged(locator) if known else self.item(locator, row)

    def _deleted_rows(self) -> Deleted:
        """The soft-deleted items; listed once a run.

        Raises:
            ProviderError: the list cannot be read.
        """
        with self._lock:
            if self._deleted is None:
                self._deleted = self._ask_deleted()
        if isinstance(self._deleted, ProviderError):
            raise self._deleted
        return self._deleted

    def _ask_deleted(self) -> Deleted | ProviderError:
        run, found = self.run, Deleted()
        try:
            for page in run.connection.pages(self.service, self.lists[1], run.budget):
                for raw in page:
                    found.take(raw, self.service)
        except ProviderError as error:
            return error
        return found

    def _row(self, raw: Any) -> Row | None:
        try:
            return one_item(lambda: row_of(raw, self.service), "a row of a list")
        except ProviderError as error:
            self._sweep.error = self._sweep.error or error
            return None


def vault_of(run: Run) -> str:
    """Host of the vault: equal on both paths means that both read one vault."""
    return (run.settings.vault or "").removeprefix("https://")


def _state(row: Row, now: datetime) -> CredentialState:
    """Soft-deleted and disabled items refuse to work; the dates of a secret are only what somebody wrote there."""
    if row.gone:
        return CredentialState.DEACTIVATED
    if not row.enabled:
        return CredentialState.SUSPENDED
    early = row.not_before is not None and row.not_before.at > now
    return CredentialState.PRE_ACTIVATION if early else CredentialState.ACTIVE


def _iso(fact: Moment | None) -> str:
    return fact.at.isoformat() if fact else ""
