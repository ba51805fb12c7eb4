"""Asking providers what the identities of pairs may do, for apps whose tier compares rights.

It runs after the sweep, for the pairs' own items that are present, each source in a thread of its own. What was learnt
stands in the row (`Row.grants`) with its own age: a source that gives no answer today keeps what it said before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

from nhisync.app.session import Session
from nhisync.model import App, Locator
from nhisync.parity.rights import Rights, render, unread
from nhisync.parity.row import Row
from nhisync.spi import Budget, Capability, ErrorKind, GrantFacts, GrantReader, ProviderError

SOURCES_AT_ONCE = 8
"""Sources asked at the same time."""

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
    with ThreadPoolExecutor(max_workers=SOURCES_AT_ONCE) as pool:
        answers = pool.map(lambda job: _answers(session, job[0], tuple(job[1])), jobs.items())
        for ((path, _), keys), told in zip(jobs.items(), answers, strict=True):
            for locator, document in told.items():
                for key in keys[locator]:
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


def _answers(session: Session, where: tuple[str, str], wanted: Sequence[Locator]) -> dict[Locator, _Document]:
    """What one source (path and name) says of each wanted item; never raises `ProviderError`."""
    path, source = where
    if Capability.GRANTS not in session.source_info(path, source).capabilities:
        reason = "the provider does not read rights"
        return dict.fromkeys(wanted, _unread(session, ErrorKind.UNSUPPORTED.value, reason))
    provider = session.provider(path, source)
    try:
        told = _asked(session, path, cast("GrantReader", provider), wanted, session.budget(path, source))
    finally:
        provider.close()
    silent = _unread(session, ErrorKind.MALFORMED.value, "the provider said nothing of its rights")
    return {locator: told.get(locator, silent) for locator in wanted}


def _asked(
    session: Session, path: str, reader: GrantReader, wanted: Sequence[Locator], budget: Budget
) -> dict[Locator, _Document]:
    told: dict[Locator, _Document] = {}
    try:
        for facts in reader.grants(wanted, budget):
            told[facts.locator] = _document(session, path, facts)
    except ProviderError as failure:
        lost = _unread(session, failure.kind.value, failure.message)
        return {locator: told.get(locator, lost) for locator in wanted}
    return told


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
