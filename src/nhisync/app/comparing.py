"""The opt-in value comparison of a run: whom it asks for, and what is unknown because it was not made."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nhisync.app.assess import EQUAL_VALUE
from nhisync.app.gather import groups
from nhisync.app.ports import Desk
from nhisync.app.reuse import compare
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress
from nhisync.collect.reuse import Wanted
from nhisync.errors import NhisyncError
from nhisync.model import COPY_SCHEMES, App, ErrorFact, Locator
from nhisync.parity.row import Row
from nhisync.parity.rules.trust import is_bundle
from nhisync.spi import ErrorKind, KindInfo

_NOT_COMPARED = "no finished cycle of this configuration compared the values that are stored"

_TELLING = COPY_SCHEMES - {"secret-version", "file", "resource"}
"""Public ids that a copy would carry, too. A secret's version is new wherever its value is written, and a file or a
cloud's own name is a place: a copy stands at another one."""


class Comparable(NamedTuple):
    """One side to compare.

    Attributes:
        wanted: what is read.
        silent: nothing stays open where the provider reads no such value.
        valued: its kind has a value, which may be a copy of the other side's.
        telling: schemes of its public ids that a copy of the same kind would carry, too.
    """

    wanted: Wanted
    silent: bool
    valued: bool = True
    telling: frozenset[str] = frozenset()

    def hides(self, other: "Comparable") -> bool:
        """Whether `other` may hold this side's value without anything public telling: a key of a cloud in a vault."""
        return bool(self.telling) and other.valued and self.telling.isdisjoint(other.telling)


def compare_values(
    session: Session,
    apps: Sequence[App],
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
) -> dict[str, str]:
    """Compare for the apps whose tier asks for it; returns key → why that pair was not compared."""
    asking = _asking(session, apps)
    if not asking:
        return {}
    paths = dict.fromkeys(path for app, p, b in targets if app.name in asking for path in (p, b))
    sides = [side for path in paths for side in _comparable(session, path, asking, desk)]
    progress("both paths", "comparing values in a child process")
    try:
        reuse = compare(session, [side.wanted for side in sides])
    except NhisyncError as failure:
        return {side.wanted.key: failure.message for side in sides}
    desk.group(reuse.groups)
    return doubts(sides, reuse.unread)


def doubts(sides: Iterable[Comparable], unread: Iterable[tuple[str, str, ErrorFact]]) -> dict[str, str]:
    """Key → why a value of that pair was not compared, of `unread` as (path, item, why)."""
    lost = {(path, locator): error for path, locator, error in unread}
    found = dict[str, str]()
    pairs: dict[str, list[Comparable]] = {}
    for side in sides:
        pairs.setdefault(side.wanted.key, []).append(side)
    for side in (side for pair in pairs.values() for side in pair):
        error = lost.get((side.wanted.path, str(side.wanted.locator.item)))
        if error is None:
            continue
        silent = side.silent and not any(side.hides(other) for other in pairs[side.wanted.key] if other is not side)
        if not (silent and error.kind == ErrorKind.UNSUPPORTED.value):
            found[side.wanted.key] = f"the value was not compared: {error.message}"
    return found


def not_compared(
    session: Session, apps: Sequence[App], targets: Sequence[tuple[App, str, str]], desk: Desk
) -> dict[str, str]:
    """Without a comparison now: key → why the last run did not make it, or that none did as this look asks for it."""
    asking, found = _asking(session, apps), dict[str, str]()
    for primary, backup, group in groups(targets):
        if not asking.isdisjoint(app.name for app in group):
            told = desk.uncompared(primary, backup)
            sides = (side for path in (primary, backup) for side in _comparable(session, path, asking, desk))
            keys = (side.wanted.key for side in sides)
            found.update(dict.fromkeys(keys, _NOT_COMPARED) if told is None else told)
    return found


def _asking(session: Session, apps: Sequence[App]) -> set[str]:
    """Names of the apps whose tier asks for the comparison of values, and judges what comes out."""
    tiers = {app.name: session.configuration.tiers[app.tier] for app in apps}
    return {name for name, tier in tiers.items() if tier.evidence.compare_values and EQUAL_VALUE not in tier.off}


def _comparable(session: Session, path: str, apps: set[str], desk: Desk) -> Iterator[Comparable]:
    fields: dict[str, str | None] = {}
    for app in session.configuration.apps:
        for pair in app.pairs:
            fields[pair.key] = (pair.primary if app.primary == path else pair.backup).field
    sources = session.configuration.paths[path].sources
    valueless = {source: valueless_kinds(session.source_info(path, source).kinds) for source in sources}
    for row in desk.rows(path):
        if is_bundle(row):
            continue  # a trust bundle holds no value: certificates of authorities, which are compared by NHS615
        if row.presence == "present" and row.key.partition("/")[0] in apps:
            kinds = valueless.get(row.locator.partition(":")[0], frozenset())
            yield side_of(kinds, path, row, fields.get(row.key))


def valueless_kinds(kinds: Iterable[KindInfo]) -> frozenset[str]:
    """Those of `kinds` that have no value to compare."""
    return frozenset(kind.name for kind in kinds if not kind.valued)


def side_of(valueless: frozenset[str], path: str, row: Row, field: str | None) -> Comparable:
    """The side in `row`, of a source with these kinds without a value; `field` is the one that its pair names."""
    bare = Locator.parse(row.locator)
    told = {line.partition("=")[0] for line in (row.ids or "").split("\n")}
    wanted = Wanted(path, row.key, Locator(bare.source, bare.kind, bare.name, field))
    valued, telling = bare.kind not in valueless, frozenset(told & _TELLING)
    return Comparable(wanted, not valued or bool(telling), valued, telling)
