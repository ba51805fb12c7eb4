"""Credentials of applications and service principals in a tenant's directory.

One list answers for secrets and certificates alike; public certificates are only in single reads. A name in a locator
is the display name where that is unique, else the application (client) id; ``<application>/<credential>`` is one of
several, by Graph's key id or the credential's own display name.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from nhisync.spi import Budget, ErrorKind, Item, Locator, Observation, Presence, ProviderError
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_azure.connection import Connection
from nhisync_azure.errors import Called, malformed
from nhisync_azure.kinds.entra import Credential, Holder, federations_of, holder_of
from nhisync_azure.kinds.entra_items import certificate_item, federation_item, secret_item
from nhisync_azure.run import Run, Sweep

T = TypeVar("T")

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_TOP = "999"
_COMMON = "id,appId,displayName,createdDateTime,tags,passwordCredentials,keyCredentials"
_OWNERS = "owners($select=id,displayName)"
_FEDERATIONS = "federatedIdentityCredentials"
_FIELD_MARK = "#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Kinds that one list answers for.

    Attributes:
        collection: Graph's collection.
        kinds: kinds, in the order of the answers.
        select: members asked for.
        expand: relation asked for along with each row.
    """

    collection: str
    kinds: tuple[str, ...]
    select: str
    expand: str


GROUPS = (
    Group(collection="applications", kinds=("app-secret", "app-certificate"), select=_COMMON, expand=_OWNERS),
    Group(
        collection="applications",
        kinds=("app-federation",),
        select="id,appId,displayName,createdDateTime,tags",
        expand=_FEDERATIONS,
    ),
    Group(
        collection="servicePrincipals",
        kinds=("sp-secret", "sp-certificate"),
        select=f"{_COMMON},accountEnabled",
        expand=_OWNERS,
    ),
)


class Directory:
    """One group of kinds, in one run."""

    def __init__(self, run: Run, group: Group) -> None:
        self._run, self._group = run, group
        self._by_id: dict[str, Holder] = {}
        self._by_name: dict[str, list[Holder]] = {}

    def collect(self) -> Iterator[Observation]:
        """List when anything is swept, then answer kind by kind."""
        run, group = self._run, self._group
        sweep = Sweep()
        if any(run.swept(kind) for kind in group.kinds):
            self._list(sweep)
        for kind in group.kinds:
            if run.touched(kind):
                yield from self._kind(kind, sweep)

    def _list(self, sweep: Sweep) -> None:
        run, group = self._run, self._group
        query = {"$select": group.select, "$top": _TOP, "$expand": group.expand}
        pages = run.connection.graph_pages(group.collection, group.collection, run.budget, **query)
        for raw in sweep.rows(pages):
            try:
                holder = one_item(partial(holder_of, raw), "a row of a list")
            except ProviderError as error:
                sweep.error = sweep.error or error
                continue
            self._by_id[holder.app_id] = holder
        if group.expand == _FEDERATIONS:
            read = spread(list(self._by_id.values()), lambda one: self._guarded(one, sweep), run.settings.workers)
            self._by_id |= {holder.app_id: holder for holder in read}
        for holder in self._by_id.values():
            self._by_name.setdefault(holder.name, []).append(holder)

    def _guarded(self, holder: Holder, sweep: Sweep) -> Iterator[Holder]:
        try:
            found = one_item(lambda: self._with_trusts(holder))
        except ProviderError as error:
            sweep.error = sweep.error or error
        else:
            yield found

    def _with_trusts(self, holder: Holder) -> Holder:
        """The same with its federated credentials, where the list did not bring them along."""
        if self._group.expand != _FEDERATIONS or holder.federations is not None:
            return holder
        path = f"{self._group.collection}/{quote(holder.id, safe='')}/{_FEDERATIONS}"
        pages = self._run.connection.graph_pages(_FEDERATIONS, path, self._run.budget)
        return replace(holder, federations=federations_of([raw for page in pages for raw in page]))

    def _kind(self, kind: str, sweep: Sweep) -> Iterator[Observation]:
        run, wanted = self._run, self._run.wanted(kind)
        told: set[tuple[str, str]] = set()
        here: dict[Locator, Found] = {}
        lost: list[Locator] = []
        for name, locator in wanted.items():
            found = resolve(kind, name, self._listed)
            if found.holders:
                here[locator] = found
                told.update((holder.app_id, found.rest) for holder in found.holders)
            else:
                lost.append(locator)
        yield from run.each(here, lambda locator: [self._answer(kind, locator, here[locator])])
        if sweep.error is not None and sweep.hopeless:
            error = sweep.error
            yield from (run.failed(locator, error) for locator in lost)
        else:
            yield from run.each(
                lost, lambda locator: [self._answer(kind, locator, resolve(kind, locator.name, self._asked))]
            )
        if run.swept(kind):
            yield from self._swept(kind, sweep, told)

    def _swept(self, kind: str, sweep: Sweep, told: set[tuple[str, str]]) -> Iterator[Observation]:
        run, seen = self._run, Sweep(sweep.error)
        for holder in self._by_id.values():
            try:
                parts = _parts(kind, holder)
            except ProviderError as error:
                seen.error = seen.error or error
                continue
            for rest in parts:
                seen.items += 1
                name = "/".join(filter(None, (self._label(holder), rest)))
                if (holder.app_id, rest) not in told and run.asked_for(kind, name):
                    read = partial(self._row, kind, holder, rest)
                    yield from run.guarded(run.locator(kind, name), read)
        yield run.coverage(kind, seen)

    def _row(self, kind: str, holder: Holder, rest: str, locator: Locator) -> Iterator[Item]:
        yield self._item(kind, locator, holder, rest)

    def _answer(self, kind: str, locator: Locator, found: "Found") -> Observation:
        run = self._run
        if len(found.holders) > 1:
            return run.ambiguous(locator, len(found.holders))
        if not found.holders:
            return run.absent(locator)
        holder = self._with_trusts(found.holders[0])
        item = self._item(kind, locator, holder, found.rest)
        if run.is_known(locator, item.marker) and item.presence is Presence.PRESENT:
            return run.unchanged(locator)
        read = any(one.der for one in holder.certificates or ())  # a single read brought them along already
        if read or not kind.endswith("-certificate") or item.presence is not Presence.PRESENT:
            return item
        return self._item(kind, locator, self._with_public(holder), found.rest)

    def _item(self, kind: str, locator: Locator, holder: Holder, rest: str) -> Item:
        run = self._run
        if kind == "app-federation":
            trusts = _known(kind, holder.federations)
            trust = next((one for one in trusts if rest in (one.name, one.id)), None)
            return run.absent(locator) if trust is None else federation_item(run, locator, holder, trust)
        held = _held(kind, holder)
        chosen = [one for one in held if not rest or rest.lower() == one.id or rest == one.name]
        if not chosen:
            return run.absent(locator)
        make = secret_item if kind.endswith("-secret") else certificate_item
        return make(run, locator, holder, chosen)

    def _with_public(self, holder: Holder) -> Holder:
        """The same with public certificates, which Graph shows only of one object at a time."""
        path = f"{self._group.collection}/{quote(holder.id, safe='')}"
        query = {"$select": "id,appId,keyCredentials"}
        raw = self._run.connection.graph(self._group.collection, path, self._run.budget, "keyCredentials", **query)
        found = holder_of(raw)
        if found.id != holder.id:
            raise _other(self._group.collection)
        return replace(holder, certificates=found.certificates)

    def _listed(self, name: str) -> list[Holder]:
        """What the list has under a name: an application id, or a display name."""
        if _GUID.match(name):
            return [self._by_id[name.lower()]] if name.lower() in self._by_id else []
        return self._by_name.get(name, [])

    def _asked(self, name: str) -> list[Holder]:
        """What Graph has under a name, asked for by that name alone."""
        group = self._group
        query = {"$select": group.select, "$expand": group.expand}
        found = named(self._run.connection, self._run.budget, group.collection, name, **query)
        return [self._with_trusts(holder) for holder in found]

    def _label(self, holder: Holder) -> str:
        """The display name where it can stand for the application, else its id."""
        name = holder.name
        plain = name and name == name.strip() and _FIELD_MARK not in name and not _GUID.match(name.rpartition("/")[2])
        return name if plain and len(self._by_name.get(name, ())) == 1 else holder.app_id


def named(connection: Connection, budget: Budget, collection: str, name: str, **query: str) -> list[Holder]:
    """The applications or service principals of one display name, or of one application (client) id.

    Raises:
        ProviderError: Graph does not say, or says it of another one.
    """
    if _GUID.match(name):
        try:
            found = [holder_of(connection.graph(collection, f"{collection}(appId='{name.lower()}')", budget, **query))]
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return []
        if found[0].app_id != name.lower():
            raise _other(collection)
        return found
    chosen = {"$filter": "displayName eq '{}'".format(name.replace("'", "''")), **query}
    pages = connection.graph_pages(collection, collection, budget, **chosen)
    found = [holder_of(raw) for page in pages for raw in page]
    if any(holder.name.casefold() != name.casefold() for holder in found):  # a filter that was not applied
        raise _other(collection)
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a name stands for.

    Attributes:
        holders: applications of that name.
        rest: which of their credentials, "" = all of the kind.
    """

    holders: list[Holder]
    rest: str = ""


def resolve(kind: str, name: str, look_up: Callable[[str], list[Holder]]) -> Found:
    """Split a locator's name; display names may hold slashes, so the whole name is tried first."""
    if kind != "app-federation":
        whole = look_up(name)
        if whole:
            return Found(whole)
    application, _, rest = name.rpartition("/")
    return Found(look_up(application), rest) if application else Found([])


def _parts(kind: str, holder: Holder) -> tuple[str, ...]:
    """What of a holder is an item of its own in a sweep: each trust, and all secrets or certificates together."""
    if kind == "app-federation":
        return tuple(one.name for one in _known(kind, holder.federations))
    return ("",) if _held(kind, holder) else ()


def _held(kind: str, holder: Holder) -> tuple[Credential, ...]:
    """A holder's secrets or certificates.

    Raises:
        ProviderError: MALFORMED, as `_known`.
    """
    return _known(kind, holder.secrets if kind.endswith("-secret") else holder.certificates)


def _known(kind: str, found: tuple[T, ...] | None) -> tuple[T, ...]:
    """What an answer holds of a kind.

    Raises:
        ProviderError: MALFORMED, it leaves them out or they are not to be understood; nothing is called absent for it.
    """
    if found is None:
        raise malformed(Called(name=f"graph.{kind}"), "the answer leaves the credentials out, or they cannot be read")
    return found


def _other(collection: str) -> ProviderError:
    return malformed(Called(name=f"graph.{collection}"), "the answer is about another application")
