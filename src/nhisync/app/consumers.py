"""What running workloads have loaded: asked of them where they can be, taken from attestations, kept with the row.

It runs after the sweep, for pairs that name their consumers and whose tier asks. Nothing is presented to a workload, so
that no value is near; what it answers is kept only where it is a generation that the store has shown as current.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from nhisync.app.live import digest_of
from nhisync.app.runner import HERE, order_of, position, run_there
from nhisync.app.session import Session
from nhisync.config import Consumer, Probe
from nhisync.model import CONSUMER, App, Attestation
from nhisync.parity.holding import Held, Holding, held_of, moved_on, succeeded, text_of
from nhisync.parity.pairing import role_of
from nhisync.parity.row import Row, epoch
from nhisync.probes import KINDS, Presented, Shown, not_made
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError

PARALLEL: Final = 16
"""Workloads that are asked at once."""

BY_PROBE: Final = "nhisync's probe"
"""Who says what a workload answered."""

_NONE = "the workload did not say which generation it has loaded"


class ConsumersDesk(Protocol):
    """The part of a desk that this use case needs."""

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        ...

    def consumed(self, path: str) -> Iterable[Row]:
        """Rows that say what consumers have loaded, of a store beside this one."""
        ...

    def hold(self, path: str, held: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep what consumers have loaded."""
        ...

    def attestations(self) -> Iterable[Attestation]:
        """The last attestations."""
        ...


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of one pair with consumers: its row, and what was known of them before."""

    app: App
    path: str
    row: Row
    named: tuple[Consumer, ...]
    before: Held


class _Look(NamedTuple):
    """One workload to ask."""

    side: _Side
    consumer: Consumer
    probe: Probe
    by: str


Answers = Mapping[tuple[str, str, str], tuple[str, str]]
"""(path, key, consumer) → generation it says, or "", and why not."""


def look(session: Session, targets: Iterable[tuple[App, str, str]], desk: ConsumersDesk) -> None:
    """Learn what the consumers of both paths have loaded, where a tier asks, and keep it with the rows."""
    named = _named(session, targets)
    if not named:
        return
    sides = [side for path, keys in named.items() for side in _sides(path, keys, desk)]
    began = epoch(session.clock.now()) or 0
    due = [one for side in sides for one in _due(session, side, began)]
    answers = _asked(session, sorted(due, key=lambda one: one.side.path == one.side.app.primary))
    attested = _attested(desk.attestations())
    held: dict[str, list[tuple[str, str, str | None]]] = {}
    for side in sides:
        text = text_of(_held(session, side, answers, attested, began))
        held.setdefault(side.path, []).append((side.row.key, side.row.locator, text))
    for path, texts in held.items():
        desk.hold(path, texts)


_Named = Mapping[str, tuple[App, tuple[Consumer, ...]]]


def _named(
    session: Session, targets: Iterable[tuple[App, str, str]]
) -> dict[str, dict[str, tuple[App, tuple[Consumer, ...]]]]:
    """Path → key → app and consumers, of apps whose tier asks."""
    found: dict[str, dict[str, tuple[App, tuple[Consumer, ...]]]] = {}
    for app, *paths in targets:
        if not session.configuration.tiers[app.tier].consumers.asked:
            continue
        details = session.configuration.details[app.name]
        for path in paths:
            role = role_of(app, path)
            for name, sides in details.consumers.items():
                if role is not None and sides.get(role.value):
                    found.setdefault(path, {})[f"{app.name}/{name}"] = (app, sides[role.value])
    return found


def _sides(path: str, keys: _Named, desk: ConsumersDesk) -> Iterator[_Side]:
    beside = {row.key: row for row in desk.consumed(path) if row.key in keys}
    for row in desk.rows(path):
        if row.key not in keys or row.presence != "present":
            continue
        app, named = keys[row.key]
        known = held_of(row)
        other = beside.get(row.key)
        if known is None and other is not None and other.locator == row.locator:
            known = held_of(other)
        before = known or Held()
        yield _Side(
            app, path, row, named, before._replace(tenures=succeeded(before.tenures, row.version, row.observed))
        )


def _by(session: Session, side: _Side, probe: Probe) -> str:
    return digest_of(probe, session.configuration.paths[position(side.app, side.path, probe)].runner)


def _due(session: Session, side: _Side, now: int) -> Iterator[_Look]:
    """Who must be asked (again): at half of the age limit, and at once where the answer was not the current one."""
    max_age = int(session.configuration.tiers[side.app.tier].consumers.max_age.total_seconds())
    for consumer in side.named:
        if consumer.probe is None:
            continue
        by, before = _by(session, side, consumer.probe), side.before.of(consumer.name)
        settled = before.by == by and before.version == side.row.version and not before.trouble
        settled = settled and not moved_on(side.before, before)
        if not settled or not before.at <= now < before.at + max_age // 2:
            yield _Look(side, consumer, consumer.probe, by)


def _asked(session: Session, looks: Sequence[_Look]) -> Answers:
    """Ask in this order: the backup's come first, because in an outage the primary's only cost their time-outs."""
    if not looks:
        return {}
    with ThreadPoolExecutor(min(PARALLEL, len(looks)), thread_name_prefix="nhisync-consumer") as pool:
        said = pool.map(lambda one: _ask(session, one), looks)
        return {
            (one.side.path, one.side.row.key, one.consumer.name): answer
            for one, answer in zip(looks, said, strict=True)
        }


def _ask(session: Session, one: _Look) -> tuple[str, str]:
    """The generation that a workload says it has loaded, or "" and why nothing is known."""
    probe, side = one.probe, one.side
    left = session.budget(side.path, side.row.locator.partition(":")[0]).remaining
    seconds = max(0.0, min(probe.timeout.total_seconds(), left / 2))  # what comes after it in the cycle needs time, too
    try:
        order = order_of(probe, session.configuration.base)
        if probe.run_from == HERE:
            shown = KINDS[probe.type](order, Presented(), Patience(session.clock, seconds))
        else:
            path = position(side.app, side.path, probe)
            runner = session.configuration.paths[path].runner
            shown = run_there(runner, probe.type, order, Presented(), seconds, where=path)
    except ProviderError as failure:
        shown = not_made("", failure)
    return _answer(shown)


def _answer(shown: Shown) -> tuple[str, str]:
    if shown.accepted and shown.seen_as:
        return shown.seen_as, ""
    return "", shown.error.message if shown.error else _NONE


_Attested = Mapping[tuple[str, str, str], Attestation]


def _attested(said: Iterable[Attestation]) -> _Attested:
    """(path, key, consumer) → the last word on it; two of one instant that disagree are no word at all."""
    found: dict[tuple[str, str, str], Attestation] = {}
    for one in said:
        if one.kind != CONSUMER or not one.consumer:
            continue
        place = (one.path, f"{one.app}/{one.pair}", one.consumer)
        other = found.get(place)
        if other is None or one.observed_at > other.observed_at:
            found[place] = one
        elif one.observed_at == other.observed_at and one.generation != other.generation:
            found[place] = replace(one, generation="")
    return found


def _held(session: Session, side: _Side, answers: Answers, attested: _Attested, began: int) -> Held:
    held = side.before
    holdings = []
    for consumer in side.named:
        place = (side.path, side.row.key, consumer.name)
        by = "" if consumer.probe is None else _by(session, side, consumer.probe)
        seen = _probed(held, held.of(consumer.name), answers.get(place), by, began)
        said = attested.get(place)
        told = Holding(consumer.name) if said is None else _word(held, consumer.name, said)
        last = max((seen, told), key=lambda one: (one.at, one.version != side.row.version))
        holdings.append(last._replace(trouble=seen.trouble))
    return held._replace(holdings=tuple(holdings))


def _probed(held: Held, before: Holding, answer: tuple[str, str] | None, by: str, began: int) -> Holding:
    """What the probe knows: an attempt that brought nothing takes no earlier answer of this probe away."""
    kept = before if by and before.by == by else Holding(before.name)
    if answer is None:
        return kept
    version, trouble = answer
    if trouble:
        return kept._replace(trouble=trouble)
    known = version if version in held.versions else ""
    return Holding(before.name, began, known, BY_PROBE, by)


def _word(held: Held, name: str, said: Attestation) -> Holding:
    known = said.generation if said.generation in held.versions else ""
    return Holding(name, epoch(said.observed_at) or 0, known, said.attested_by)
