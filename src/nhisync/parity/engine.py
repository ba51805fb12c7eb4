"""The parity engine: a streaming merge join of two ordered row cursors, and the rules over each pair. Pure.

Memory is constant: one row a side, one reused view. Rows arrive in the bytewise order of their keys. A pair whose
rows carry the remembered digests, and for which no threshold was crossed since (`recheck`), is passed on as unchanged
and its stored findings stand.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from nhisync.model import ErrorFact, Presence, State
from nhisync.parity.book import AppTerms
from nhisync.parity.row import Row, instant, unanswered
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Outcome, PairView, Rule

FAR = 1 << 62
"""No instant at all: nothing about the pair changes with time alone."""

_PRESENT = Presence.PRESENT.value


class Remembered(NamedTuple):
    """What an earlier run of the same policy and configuration said about a pair with both rows.

    Attributes:
        key: ``app/pair``.
        primary: stamp of the primary's row.
        backup: stamp of the backup's row.
        recheck: epoch seconds until which the result holds for these rows.
    """

    key: str
    primary: int
    backup: int
    recheck: int


class Judged(NamedTuple):
    """One pair, judged.

    Attributes:
        key: ``app/pair``.
        primary: its row, or None.
        backup: its row, or None.
        outcomes: rules that did not pass (all asked rules with `passes`); None = unchanged since it was remembered.
        asked: rules that gave an answer.
        recheck: epoch seconds at which the answer may change by itself.
    """

    key: str
    primary: Row | None
    backup: Row | None
    outcomes: list[tuple[Rule, Outcome]] | None
    asked: int
    recheck: int


Missing = Callable[[str, str, Row], str]
"""(role of the missing side, key, the counterpart's row) → word of `Presence`: what coverage says about the absence."""


def stamp(row: Row) -> int:
    """What must be equal for a remembered result to hold: the row's digest and whether its value is shared."""
    return row.digest if row.group is None else ~row.digest


def join(primary: Iterator[Row], backup: Iterator[Row]) -> Iterator[tuple[str, Row | None, Row | None]]:
    """Full outer merge join by key; both inputs ordered bytewise, each key at most once."""
    p, b = next(primary, None), next(backup, None)
    while p is not None and b is not None:
        if p.key == b.key:
            yield p.key, p, b
            p, b = next(primary, None), next(backup, None)
        elif p.key < b.key:
            yield p.key, p, None
            p = next(primary, None)
        else:
            yield b.key, None, b
            b = next(backup, None)
    while p is not None:
        yield p.key, p, None
        p = next(primary, None)
    while b is not None:
        yield b.key, None, b
        b = next(backup, None)


def judge(
    primary: Iterator[Row],
    backup: Iterator[Row],
    book: Mapping[str, AppTerms],
    *,
    now: int,
    missing: Missing,
    remembered: Iterator[Remembered] | None = None,
    passes: bool = False,
) -> Iterator[Judged]:
    """Judge every pair of the apps in `book`; pairs of other apps are passed over.

    Args:
        primary: rows of the primary path in key order.
        backup: rows of the backup path in key order.
        book: app name → its terms.
        now: epoch seconds, read once per assessment.
        missing: what coverage says when one side has no row.
        remembered: earlier results in key order.
        passes: keep passing outcomes too.
    """
    view = PairView()
    view.now = now
    terms: AppTerms | None = None
    prefix = "\0"
    memories = iter(()) if remembered is None else remembered
    memory = next(memories, None)
    for key, p, b in _believed(primary, backup, now + FUTURE_TOLERANCE):
        if not key.startswith(prefix):
            name = key.partition("/")[0]
            prefix, terms = name + "/", book.get(name)
            if terms is not None:
                view.thresholds, view.primary_domains = terms.thresholds, terms.primary_domains
        if terms is None:
            continue
        while memory is not None and memory.key < key:
            memory = next(memories, None)
        if memory is not None and memory.key == key and _holds(memory, terms, p, b, now):
            yield Judged(key, p, b, None, 0, memory.recheck)
            continue
        yield _judge_pair(view, terms, key, p, b, missing, passes)


def _holds(memory: Remembered, terms: AppTerms, p: Row | None, b: Row | None, now: int) -> bool:
    """Whether a remembered result stands: for these rows, at this time, and on observations that are still believed.

    The stamp leaves the age of an observation out, and the next one may be older (a provider's own report).
    """
    if p is None or b is None or memory.recheck <= now:
        return False
    limits = terms.thresholds
    if p.observed + limits.primary_baseline_max_age <= now or b.observed + limits.inventory_max_age <= now:
        return False
    return memory.primary == stamp(p) and memory.backup == stamp(b)


def _believed(
    primary: Iterator[Row], backup: Iterator[Row], latest: int
) -> Iterator[tuple[str, Row | None, Row | None]]:
    """The joined rows; what was observed after `latest` (epoch seconds) is not believed."""
    for key, p, b in join(primary, backup):
        if (p is not None and p.observed > latest) or (b is not None and b.observed > latest):
            p, b = _dated(p, latest), _dated(b, latest)  # noqa: PLW2901 - what is judged instead
        yield key, p, b


def _dated(row: Row | None, latest: int) -> Row | None:
    """`row`, or what to judge instead of one dated ahead (a lie, or a clock that came back): it would never age."""
    if row is None or row.observed <= latest:
        return row
    told = f"the observation is dated ahead, {instant(row.observed):%Y-%m-%dT%H:%M:%SZ}: compare the clocks"
    error = ErrorFact(kind="malformed", message=told)
    return unanswered(row.key, row.locator, Presence.UNKNOWN, error, instant(row.observed))


def _strangers(row: Row) -> Row:
    """What to judge instead of a row that shares nothing but a name with its counterpart."""
    error = ErrorFact(kind="malformed", message="different templates of the app gave both sides this name")
    return unanswered(row.key, row.locator, Presence.AMBIGUOUS, error, instant(row.observed))


def _judge_pair(
    view: PairView, terms: AppTerms, key: str, p: Row | None, b: Row | None, missing: Missing, passes: bool
) -> Judged:
    if p is not None and b is not None and not terms.aligned(key, p.locator, b.locator):
        p, b = _strangers(p), _strangers(b)
    _aim(view, terms, key, p, b, missing)
    outcomes: list[tuple[Rule, Outcome]] = []
    asked = 0
    for rule in terms.rules:
        outcome = rule.check(view)
        if outcome is None:
            continue
        asked += 1
        if outcome is not PASS or passes:
            outcomes.append((rule, outcome))
    return Judged(key, p, b, outcomes, asked, view.recheck)


def _aim(view: PairView, terms: AppTerms, key: str, p: Row | None, b: Row | None, missing: Missing) -> None:
    """Point the reused view at one pair."""
    view.key, view.primary, view.backup, view.recheck = key, p, b, FAR
    view.ahead_primary = view.ahead_backup = None
    limit = view.now + FUTURE_TOLERANCE
    if p is not None and _dated_ahead(p, limit):
        view.primary, view.ahead_primary = _without_past(view, p)
    if b is not None and _dated_ahead(b, limit):
        view.backup, view.ahead_backup = _without_past(view, b)
    for row in (p, b):
        if row is not None and row.observed > view.now:
            view.passed(row.observed - FUTURE_TOLERANCE)  # from then on it is believed
    view.present = p is not None and b is not None and p.presence == b.presence == _PRESENT
    view.missing_primary = missing("primary", key, b) if p is None and b is not None else ""
    view.missing_backup = missing("backup", key, p) if b is None and p is not None else ""
    pair = terms.terms(key)
    view.field_primary, view.field_backup = pair.field_primary, pair.field_backup
    view.shared_owner = pair.owner
    view.shared_until = pair.until if pair.shared else None
    view.shared = pair.shared and pair.until is not None and not view.passed(pair.until + 1)


def _dated_ahead(row: Row, limit: int) -> bool:
    """Whether a time that has passed, as the provider tells it, lies behind `limit`: it would make anything look fresh.

    A validity window that has not begun is no such lie (NHS306), nor is a generation that is its start.
    """
    rotated, created, pending = row.rotated, row.created, row.pending
    if (rotated or 0) <= limit and (created or 0) <= limit and (pending or 0) <= limit:
        return False
    return max(rotated or 0, created or 0, pending or 0) != row.not_before


def _without_past(view: PairView, row: Row) -> tuple[Row, int]:
    """`row` without the times that are not believed until their moment comes, and that moment."""
    ahead = max(row.rotated or 0, row.created or 0, row.pending or 0)
    view.passed(ahead - FUTURE_TOLERANCE)
    return row._replace(created=None, rotated=None, pending=None), ahead


def worst(outcomes: list[tuple[Rule, Outcome]]) -> State:
    """The state of a pair: fail outranks unknown, unknown outranks pass."""
    states = {outcome.state for _, outcome in outcomes}
    return next((s for s in (State.FAIL, State.UNKNOWN) if s in states), State.PASS)
