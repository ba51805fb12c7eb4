"""Asking providers what the identities of pairs may do, for apps whose tier compares rights.

It runs after the sweep, for the pairs' own items that are present, each source in a thread of its own and with what the
sweep left of its budget: one that hangs beyond it is left behind. What was learnt stands in the row (`Row.grants`) with
its own age: a source that gives no answer today keeps what it said before.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from nhisync.app.session import Session
from nhisync.clock import Clock
from nhisync.collect.cycle import GRACE, LATE, leave_behind
from nhisync.model import App, Locator
from nhisync.parity.rights import Rights, render, unread
from nhisync.parity.row import Row
from nhisync.spi import Capability, ErrorKind, GrantFacts, GrantReader, Provider, ProviderError

_IGNORANCE = frozenset({ErrorKind.UNREACHABLE.value, ErrorKind.THROTTLED.value})
_PRESENT = "present"

Held = Mapping[tuple[str, str], tuple[str, str]]
"""(path, key) → locator and rights that an earlier run stored."""


class RightsDesk(Protocol):
    """The part of a desk that this use case needs."""

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        ...

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace the rights of all rows of `path`: key → document."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """The apps that ask, and on which paths.

    Attributes:
        apps: their names.
        paths: every path on which one of them has a role.
    """

    apps: frozenset[str]
    paths: tuple[str, ...]


def asked_of(session: Session, targets: Iterable[tuple[App, str, str]]) -> Asked:
    """Whose tier compares rights."""
    tiers = session.configuration.tiers
    found = [(app.name, p, b) for app, p, b in targets if tiers[app.tier].authorization.compare]
    return Asked(
        apps=frozenset(name for name, _, _ in found),
        paths=tuple(dict.fromkeys(path for _, p, b in found for path in (p, b))),
    )


def held(desk: RightsDesk, asked: Asked) -> Held:
    """What earlier runs stored; read it before a sweep replaces the rows."""
    return {
        (path, row.key): (row.locator, row.grants)
        for path in asked.paths
        for row in desk.rows(path)
        if row.grants is not None and row.key.partition("/")[0] in asked.apps
    }


def read_rights(session: Session, asked: Asked, desk: RightsDesk, before: Held) -> None:
    """Ask for the rights of every present item of the asking apps' pairs, and store what is answered."""
    jobs: dict[tuple[str, str], dict[Locator, list[str]]] = {}
    for path in asked.paths:
        for row in desk.rows(path):
            if row.presence == _PRESENT and row.key.partition("/")[0] in asked.apps:
                locator = Locator.parse(row.locator)
                jobs.setdefault((path, locator.source), {}).setdefault(locator.item, []).append(row.key)
    found: dict[str, dict[str, str]] = {path: {} for path in asked.paths}
    sources = [_Source(session, where, tuple(keys)) for where, keys in jobs.items()]
    _ask(sources, session.clock)
    for source in sources:
        path = source.where[0]
        for locator, document in source.documents().items():
            for key in jobs[source.where][locator]:
                found[path][key] = _kept(document, before.get((path, key)), locator)
    for path, documents in found.items():
        desk.grant(path, documents)


class _Document(NamedTuple):
    """A document of rights, and whether it only states ignorance."""

    text: str
    ignorant: bool = False


def _kept(document: _Document, before: tuple[str, str] | None, locator: Locator) -> str:
    """`document`, unless it is only ignorance and an answer about the same item is held: that one stays, aged."""
    return before[1] if document.ignorant and before is not None and before[0] == str(locator) else document.text


class _Source:
    """What one source (path and name) says of the wanted items; `work` runs in a thread of its own."""

    def __init__(self, session: Session, where: tuple[str, str], wanted: Sequence[Locator]) -> None:
        self.where, self.budget = where, session.budget(*where)
        self._session, self._wanted = session, wanted
        self._told: dict[Locator, _Document] = {}
        self._provider: Provider | None = None
        self._lost = (ErrorKind.MALFORMED.value, "the provider said nothing of its rights")
        self._late = False

    def work(self) -> None:
        """Ask; what the provider does not answer is told by `documents`."""
        path, told = self.where[0], self._told  # after `leave` this is the old one: what still comes goes nowhere
        if Capability.GRANTS not in self._session.source_info(*self.where).capabilities:
            self._lost = (ErrorKind.UNSUPPORTED.value, "the provider does not read rights")
            return
        self._provider = self._session.provider(*self.where)
        try:
            self.budget.check()
            for facts in cast("GrantReader", self._provider).grants(self._wanted, self.budget):
                told[facts.locator] = _document(self._session, path, facts)
        except ProviderError as failure:
            self._lost = (failure.kind.value, failure.message)
        finally:
            self._provider.close()

    def leave(self) -> None:
        """Leave it behind; what it said until now holds."""
        self._told, self._late = dict(self._told), True
        self.budget.cancel()
        if self._provider is not None:
            leave_behind(self.budget, self._provider, f"nhisync-close-{'-'.join(self.where)}")

    def documents(self) -> dict[Locator, _Document]:
        """One document for every wanted item."""
        lost = _unread(self._session, *((ErrorKind.THROTTLED.value, LATE) if self._late else self._lost))
        return {locator: self._told.get(locator, lost) for locator in self._wanted}


_Channel = queue.Queue[tuple[_Source, BaseException | None]]
"""Who is ready, with the bug that ended it, if any."""


def _ask(sources: Sequence[_Source], clock: Clock) -> None:
    """Ask all of them at once, and come back when each has answered or run out of its time."""
    channel: _Channel = queue.Queue()
    for source in sources:
        name = f"nhisync-rights-{'-'.join(source.where)}"
        threading.Thread(target=_work, args=(source, channel), name=name, daemon=True).start()
    ends = {source: clock.monotonic() + source.budget.remaining + GRACE for source in sources}
    try:
        while ends:
            _next(channel, ends, clock)
    except BaseException:
        for source in ends:
            source.leave()
        raise


def _next(channel: _Channel, ends: dict[_Source, float], clock: Clock) -> None:
    """Wait for the next source that is ready, and leave those behind whose end has come; both go out of `ends`."""
    try:
        source, failure = channel.get(timeout=max(0.01, min(ends.values()) - clock.monotonic()))
    except queue.Empty:
        for late in [source for source, end in ends.items() if clock.monotonic() >= end]:
            del ends[late]
            late.leave()
        return
    ends.pop(source, None)
    if failure is not None:
        raise failure


def _work(source: _Source, channel: _Channel) -> None:
    failure: BaseException | None = None
    try:
        source.work()
    except BaseException as bug:  # noqa: BLE001 - handed to the main thread, which raises it
        failure = bug
    channel.put((source, failure))


def _document(session: Session, path: str, facts: GrantFacts) -> _Document:
    if facts.error is not None:
        missing = f" (missing: {facts.error.action})" if facts.error.action else ""
        return _unread(session, facts.error.kind, facts.error.message + missing)
    rights = Rights(
        at=int(facts.observed_at.timestamp()),
        scheme=facts.scheme,
        syntax=facts.syntax,
        rights=facts.rights,
        limits=facts.limits,
        gaps=facts.gaps,
        names=tuple(sorted(names_of(session, path, facts.locator.source).items())),
    )
    return _Document(render(rights))


def _unread(session: Session, kind: str, reason: str) -> _Document:
    text = unread(int(session.clock.now().timestamp()), kind, reason)
    return _Document(text, ignorant=kind in _IGNORANCE)


def names_of(session: Session, path: str, source: str) -> Mapping[str, str]:
    """What means something else on every path: the configured names, and the region unless it is one of them."""
    configured = session.configuration.paths[path].substitutions
    region = session.region(path, source)
    own = {} if region is None or region in configured.values() else {"region": region}
    return {**own, **configured}
