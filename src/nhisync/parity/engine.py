"""The parity engine: a streaming merge join of two ordered row cursors, and the rules over each pair. Pure.

Memory is constant: one row a side, one reused view. Rows arrive in the bytewise order of their keys. A pair whose
rows carry the remembered digests, and for which no threshold was crossed since (`recheck`), is passed on as unchanged
and its stored findings stand.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple, TypeVar

from nhisync.model import ErrorFact, Presence, State
from nhisync.parity.book import JUDGED, AppTerms, PairTerms, columns_of
from nhisync.parity.pairing import Aligned
from nhisync.parity.row import Row, instant, mixed, unanswered
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Check, Outcome, PairView, Rule
from nhisync.parity.stream import STAMPED, Cells, Stream
from nhisync.parity.text import when

_C = TypeVar("_C", bound=Cells)

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
        outcomes: rules that did not pass (all asked rules with `passes`); None = unchanged since it was remembered.
        recheck: epoch seconds at which the answer may change by itself.
        cells: of the primary's and the backup's row, as they were streamed or judged; None = no row.
        streams: what the cells come from.
    """

    key: str
    outcomes: list[tuple[Rule, Outcome]] | None
    recheck: int
    cells: tuple[Cells | None, Cells | None]
    streams: tuple[Stream, Stream]

    @property
    def observed(self) -> tuple[int | None, int | None]:
        """When the primary's and the backup's row were observed, in epoch seconds; None = no row."""
        (p, b), (here, there) = self.cells, self.streams
        return None if p is None else here.observed(p), None if b is None else there.observed(b)

    @property
    def primary(self) -> Row | None:
        """The primary's row as far as it was read, or None."""
        return None if self.cells[0] is None else self.streams[0].read(self.cells[0])

    @property
    def backup(self) -> Row | None:
        """The backup's row as far as it was read, or None."""
        return None if self.cells[1] is None else self.streams[1].read(self.cells[1])


_new = tuple.__new__
"""Makes a million `Judged` in C alone, which their own constructor would not."""

Missing = Callable[[str, str, Row], str]
"""(role of the missing side, key, the counterpart's row) → word of `Presence`: what coverage says about the absence."""


def stamp(row: Row) -> int:
    """What must be equal for a remembered result to hold: digest, what was learned besides, whether it is shared."""
    known = row.digest if row.probe is None else mixed(row.digest, row.probe)
    if row.consumers is not None:
        known = mixed(known, row.consumers)
    return known if row.group is None else ~known


def reading(
    book: Mapping[str, AppTerms], remembered: Iterator[Remembered] | None, shown: Collection[str] = ()
) -> tuple[Collection[str], Collection[str], Iterator[Remembered] | None]:
    """(columns to read of primary rows, of backup rows, `remembered`).

    Where something is remembered, stamps tell of most pairs that nothing changed, and the others are read whole.

    Args:
        book: app name → its terms.
        remembered: earlier results in key order; None = none, and nothing will be remembered.
        shown: columns that are also needed of pairs in which something does not pass.
    """
    first = None if remembered is None else next(remembered, None)
    if remembered is not None and first is not None:
        return STAMPED, STAMPED, chain((first,), remembered)
    more = STAMPED.union(shown) if remembered is not None else frozenset(shown)
    primary, backup = columns_of(book)
    return primary | more, backup | more, remembered


def join(primary: Iterator[_C], backup: Iterator[_C]) -> Iterator[tuple[str, _C | None, _C | None]]:
    """Full outer merge join by key, the first column; both inputs ordered bytewise, each key at most once."""
    p, b = next(primary, None), next(backup, None)
    while p is not None and b is not None:
        here, there = p[0], b[0]
        if here == there:
            yield here, p, b
            p, b = next(primary, None), next(backup, None)
        elif here < there:
            yield here, p, None
            p = next(primary, None)
        else:
            yield there, None, b
            b = next(backup, None)
    while p is not None:
        yield p[0], p, None
        p = next(primary, None)
    while b is not None:
        yield b[0], None, b
        b = next(backup, None)


def judge(
    primary: Stream | Iterator[Row],
    backup: Stream | Iterator[Row],
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
        remembered: earlier results in key order; the streams then carry `STAMPED`.
        passes: keep passing outcomes too.
    """
    bench = _Bench(_stream(primary), _stream(backup), now, missing, passes)
    terms: AppTerms | None = None
    prefix = "\0"
    memories = iter(()) if remembered is None else remembered
    memory = next(memories, None)
    judged = bench.judged if bench.enough else bench.judged_whole
    for key, p, b in join(bench.primary.cells, bench.backup.cells):
        if not key.startswith(prefix):
            name = key.partition("/")[0]
            prefix, terms = name + "/", book.get(name)
            if terms is not None:
                bench.enter(terms)
        if terms is None:
            continue
        while memory is not None and memory.key < key:
            memory = next(memories, None)
        if memory is not None and memory.key == key and bench.holds(memory, p, b):
            yield _new(Judged, (key, None, memory.recheck, (p, b), bench.streams))
        else:
            yield judged(key, p, b)


def _stream(rows: Stream | Iterator[Row]) -> Stream:
    return rows if isinstance(rows, Stream) else Stream(rows)


class _Bench:
    """Where one pair after the other is judged: one reused view, one reused object of facts a side."""

    terms: AppTerms
    aligned: Aligned | None
    pair: PairTerms | None
    checks: list[tuple[Rule, Check]]

    def __init__(self, primary: Stream, backup: Stream, now: int, missing: Missing, passes: bool) -> None:
        self.primary, self.backup, self.streams = primary, backup, (primary, backup)
        self.read, self.reread = primary.fill, backup.fill
        self.rules: tuple[Rule, ...] | None = None
        self.missing, self.passes, self.latest = missing, passes, now + FUTURE_TOLERANCE
        self.view = PairView()
        self.view.now, self.view.ahead_primary, self.view.ahead_backup = now, None, None

    @property
    def enough(self) -> bool:
        """Whether any pair can be judged from what is read of it; only stamps are read where most are remembered."""
        return all(JUDGED.issubset(stream.columns) for stream in self.streams)

    def enter(self, terms: AppTerms) -> None:
        """The pairs of another app follow."""
        self.terms, self.aligned, self.pair = terms, terms.aligned, None
        if terms.rules is not self.rules:
            self.rules, self.checks = terms.rules, [(rule, rule.check) for rule in terms.rules]
        self.view.thresholds, self.view.primary_domains = terms.thresholds, terms.primary_domains
        self.view.common_domains, self.view.lost_until = terms.common_domains, terms.lost_until

    def holds(self, memory: Remembered, p: Cells | None, b: Cells | None) -> bool:
        """Whether a remembered result stands: for these rows, at this time, on observations that are still believed.

        The stamp leaves the age of an observation out, and the next one may be older (a provider's own report).
        """
        now = self.view.now
        if p is None or b is None or memory.recheck <= now:
            return False
        limits, here, there = self.terms.thresholds, self.primary.fill(p), self.backup.fill(b)
        if here.observed + limits.primary_baseline_max_age <= now or there.observed + limits.inventory_max_age <= now:
            return False
        if here.observed > self.latest or there.observed > self.latest:
            return False
        return memory.primary == stamp(here) and memory.backup == stamp(there)

    def judged(self, key: str, p: Cells | None, b: Cells | None) -> Judged:
        """What the rules say of one pair, from what was read of it if that is enough."""
        view, latest = self.view, self.latest
        view.key, view.recheck = key, FAR
        here = view.primary = None if p is None else self.read(p)
        there = view.backup = None if b is None else self.reread(b)
        if (here is not None and _suspicious(here, view.now, latest)) or (
            there is not None and _suspicious(there, view.now, latest)
        ):
            return self.judged_whole(key, p, b)
        try:
            if self.aligned is None or self._paired(here, there):
                return self._asked(p, b)
        except AttributeError:  # somebody asks for more than was read of every row
            pass
        return self.judged_whole(key, p, b)

    def judged_whole(self, key: str, p: Cells | None, b: Cells | None) -> Judged:
        """What the rules say of one pair, from its whole rows or what stands for those that cannot be believed."""
        view, latest = self.view, self.latest
        view.key, view.recheck = key, FAR
        here = None if p is None else _dated(self.primary.row(p), latest)
        there = None if b is None else _dated(self.backup.row(b), latest)
        if here is not None and there is not None and not self._paired(here, there):
            here, there = _strangers(here), _strangers(there)
        view.primary, view.ahead_primary = _past(view, here, latest)
        view.backup, view.ahead_backup = _past(view, there, latest)
        for row in (here, there):
            if row is not None and row.observed > latest:
                view.momentary()
        judged = self._asked(here, there)
        view.ahead_primary = view.ahead_backup = None
        return judged

    def _paired(self, here: Row | None, there: Row | None) -> bool:
        """Whether the two sides can be one pair."""
        aligned = self.aligned
        if aligned is None or here is None or there is None:
            return True
        return aligned(self.view.key, here.locator, there.locator)

    def _asked(self, p: Cells | None, b: Cells | None) -> Judged:
        """Ask every rule about the rows in the view."""
        view, passes = self.view, self.passes
        here, there = view.primary, view.backup
        if here is not None and there is not None:
            view.present = here.presence == there.presence == _PRESENT
            view.missing_primary = view.missing_backup = ""
        else:
            self._one_sided(view)
        pair = self.terms.pairs.get(view.key, self.terms.default)
        if pair is not self.pair or pair.shared:
            self._agreed(view, pair)
        outcomes: list[tuple[Rule, Outcome]] = []
        for rule, check in self.checks:
            outcome = check(view)
            if outcome is not None and (outcome is not PASS or passes):
                outcomes.append((rule, outcome))
        return _new(Judged, (view.key, outcomes, view.recheck, (p, b), self.streams))

    def _one_sided(self, view: PairView) -> None:
        """Say why there is one row only."""
        p, b = view.primary, view.backup
        view.present = False
        view.missing_primary = self.missing("primary", view.key, b) if b is not None else ""
        view.missing_backup = self.missing("backup", view.key, p) if p is not None else ""

    def _agreed(self, view: PairView, pair: PairTerms) -> None:
        """Say what was agreed about this pair."""
        self.pair = pair
        view.field_primary, view.field_backup = pair.field_primary, pair.field_backup
        view.shared_owner, view.declared_end, view.signing = pair.owner, pair.ends, pair.signing
        view.consumers_primary, view.consumers_backup = pair.consumers_primary, pair.consumers_backup
        view.needs = pair.needs
        view.shared_until = pair.until if pair.shared else None
        view.shared = pair.shared and pair.until is not None and not view.passed(pair.until + 1)


def _dated(row: Row | None, latest: int) -> Row | None:
    """`row`, or what to judge instead of one dated ahead (a lie, or a clock that came back): it would never age."""
    if row is None or row.observed <= latest:
        return row
    return _instead(row, Presence.UNKNOWN, f"the observation is dated ahead, {when(row.observed)}: compare the clocks")


def _strangers(row: Row) -> Row:
    """What to judge instead of a row that shares nothing but a name with its counterpart."""
    return _instead(row, Presence.AMBIGUOUS, "different templates of the app gave both sides this name")


def _instead(row: Row, presence: Presence, told: str) -> Row:
    """A row that says only why `row` is no evidence; its time may lie outside any calendar."""
    error = ErrorFact(kind="malformed", message=told)
    return unanswered(row.key, row.locator, presence, error, instant(0))._replace(observed=row.observed)


def _dated_ahead(row: Row, limit: int) -> bool:
    """Whether a time that has passed, as the provider tells it, lies behind `limit`: it would make anything look fresh.

    A validity window that has not begun is no such lie (NHS306), nor is a generation that is its start.
    """
    rotated, created, pending = row.rotated or 0, row.created or 0, row.pending or 0
    if rotated <= limit and created <= limit and pending <= limit:
        return False
    return max(rotated, created, pending) != row.not_before


def _suspicious(row: Row, now: int, latest: int) -> bool:
    """Whether any time of the row that has to be over may not be: such rows are looked at more closely."""
    if row.observed > now or (row.rotated or 0) > latest:
        return True
    return (row.created or 0) > latest or (row.pending or 0) > latest


def _past(view: PairView, row: Row | None, limit: int) -> tuple[Row | None, int | None]:
    """`row` without times that are not believed until their moment comes, and that moment; None when all are."""
    if row is None or not _dated_ahead(row, limit):
        return row, None
    ahead = max(row.rotated or 0, row.created or 0, row.pending or 0)
    view.passed(ahead - FUTURE_TOLERANCE)
    return row._replace(created=None, rotated=None, pending=None), ahead


def worst(outcomes: list[tuple[Rule, Outcome]]) -> State:
    """The state of a pair: fail outranks unknown, unknown outranks pass."""
    states = {outcome.state for _, outcome in outcomes}
    return next((s for s in (State.FAIL, State.UNKNOWN) if s in states), State.PASS)
