"""Asking providers what the identities of pairs may do, for apps whose tier compares rights.

It runs after the sweep, for the pairs' own items that are present, each source in a thread of its own and with what the
sweep left of its budget: one that hangs beyond it is left behind. What was learnt stands in the row (`Row.grants`) with
its own age: a source that gives no answer today keeps what it said before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from nhisync.app.opinions import hear
from nhisync.app.session import Session
from nhisync.app.threads import Job, run
from nhisync.model import App, Locator
from nhisync.parity.rights import Rights, render, unread
from nhisync.parity.row import Row
from nhisync.spi import Capability, ErrorKind, GrantFacts, GrantReader, Provider

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
        doubting: those whose tier wants a second opinion, with primary and backup path.
    """

    apps: frozenset[str]
    paths: tuple[str, ...]
    doubting: tuple[tuple[str, str, str], ...] = ()


def asked_of(session: Session, targets: Sequence[tuple[App, str, str]]) -> Asked:
    """Whose tier compares rights."""
    tiers = session.configuration.tiers
    found = [(app.name, p, b) for app, p, b in targets if tiers[app.tier].authorization.compare]
    doubting = {app.name for app, _, _ in targets if tiers[app.tier].authorization.second_opinion}
    return Asked(
        apps=frozenset(name for name, _, _ in found),
        paths=tuple(dict.fromkeys(path for _, p, b in found for path in (p, b))),
        doubting=tuple(one for one in found if one[0] in doubting),
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
    jobs = _jobs(asked, desk)
    found: dict[str, dict[str, str]] = {path: {} for path in asked.paths}
    sources = [_Source(session, where, tuple(keys)) for where, keys in jobs.items()]
    run(sources, session.clock)
    read: dict[tuple[str, str], Locator] = {}
    for source in sources:
        path = source.where[0]
        for locator, document in source.documents().items():
            for key in jobs[source.where][locator]:
                found[path][key] = _kept(document, before.get((path, key)), locator)
                if not document.ignorant:  # who gave no answer is not asked again, and keeps its earlier opinion
                    read[path, key] = locator
    hear(session, asked.doubting, found, read)
    for path, documents in found.items():
        desk.grant(path, documents)


def _jobs(asked: Asked, desk: RightsDesk) -> dict[tuple[str, str], dict[Locator, list[str]]]:
    """(path, source) → present item → its keys."""
    jobs: dict[tuple[str, str], dict[Locator, list[str]]] = {}
    for path in asked.paths:
        for row in desk.rows(path):
            if row.presence == _PRESENT and row.key.partition("/")[0] in asked.apps:
                locator = Locator.parse(row.locator)
                jobs.setdefault((path, locator.source), {}).setdefault(locator.item, []).append(row.key)
    return jobs


class _Document(NamedTuple):
    """A document of rights, and whether it only states ignorance."""

    text: str
    ignorant: bool = False


def _kept(document: _Document, before: tuple[str, str] | None, locator: Locator) -> str:
    """`document`, unless it is only ignorance and an answer about the same item is held: that one stays, aged."""
    return before[1] if document.ignorant and before is not None and before[0] == str(locator) else document.text


class _Source(Job[_Document]):
    """What one source says of the rights of the wanted items."""

    name = "rights"

    def __init__(self, session: Session, where: tuple[str, str], wanted: Sequence[Locator]) -> None:
        super().__init__(session, where, Capability.GRANTS, "the provider does not read rights")
        self._wanted = wanted

    def ask(self, provider: Provider, told: dict[Locator, _Document]) -> None:
        for facts in cast("GrantReader", provider).grants(self._wanted, self.budget):
            told[facts.locator] = _document(self.session, self.where[0], facts)

    def documents(self) -> dict[Locator, _Document]:
        """One document for every wanted item."""
        lost = _unread(self.session, *self.lost)
        return {locator: self.told.get(locator, lost) for locator in self._wanted}


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
