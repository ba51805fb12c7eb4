"""The store as a run uses it: what is believed, what stays, what is forgotten, what is remembered."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.app.desk import StoreDesk
from nhisync.app.session import Session
from nhisync.collect.cycle import Collected
from nhisync.collect.guard import LOOK_BACK
from nhisync.model import (
    Coverage,
    CoverageStatus,
    ErrorFact,
    Finding,
    Item,
    Locator,
    Presence,
    Severity,
    SourceSummary,
    State,
)
from nhisync.parity.engine import Remembered
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row, row_of, unanswered
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

from .scripted import CONFIG, session

calm = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure; each example opens a store."""

GONE = ErrorFact(kind="unreachable", message="no answer")


class House:
    """A store, a session and their common clock."""

    def __init__(self, folder: Path, store: Store, clock: FakeClock) -> None:
        self.folder, self.store, self.clock = folder, store, clock
        self.session: Session = session(folder, clock=clock)
        self.pairing = Pairing("backup", self.session.apps(["payments"]))

    @contextmanager
    def desk(self, *, share: float = 0.2, cached: bool = False) -> Iterator[StoreDesk]:
        """A desk over one run, a minute after the last one, with the sink of `backup` open."""
        self.clock.advance(timedelta(minutes=1))
        with self.store.run("diff", config_digest=self.session.configuration.digest) as run:
            made = StoreDesk(self.session, self.store, run, cached=cached)
            if not cached:
                self.sink = made.sink("backup", self.pairing, share)
            yield made

    def row(self, key: str, text: str, **facts: object) -> Row:
        """A present row."""
        item = Item(locator=Locator.parse(text), observed_at=self.clock.now(), **facts)  # type: ignore[arg-type]
        return row_of(item, key=key, domain=None)

    def cover(self, items: int, status: CoverageStatus = CoverageStatus.COMPLETE, scope: str = "") -> Coverage:
        """What the sweep of `listed` saw."""
        now = self.clock.now()
        return Coverage(source="one", kind="listed", scope=scope, status=status, as_of=now, items=items)

    def collected(self, *, silent: bool = False) -> Collected:
        """The end of a cycle."""
        summary = SourceSummary(name="one", provider="fake", region="", identity="", error=GONE if silent else None)
        return Collected(sources={"backup": (summary,)}, identities={}, coverage={})

    def sweep(self, *names: str, status: CoverageStatus = CoverageStatus.COMPLETE, silent: bool = False) -> None:
        """One run that saw these items of the template's kind."""
        with self.desk() as desk:
            self.sink.put([self.row(f"payments/{name}", f"one:listed/pay/{name}") for name in names])
            self.sink.cover(self.cover(len(names), status))
            desk.settle(self.collected(silent=silent))

    def coverage(self) -> tuple[Coverage, ...]:
        """What the last run saw."""
        with self.store.reader() as reader:
            return reader.coverage("backup")

    def keys(self) -> list[str]:
        """Keys of stored rows of pairs."""
        return [row.key for row in self.store.cursor("backup", high=UNMAPPED)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A store of its own."""
    clock = FakeClock()
    with Store.temporary(clock=clock, randomness=CountingRandomness()) as store:
        yield House(tmp_path, store, clock)


def test_an_item_that_a_complete_sweep_did_not_see_is_forgotten(house: House) -> None:
    """What is gone is gone: a row of a deleted item must not be compared for ever."""
    house.sweep("a", "b", "c", "d", "e", "f")
    house.sweep("a", "b", "c", "d", "e")
    assert house.keys() == [f"payments/{name}" for name in "abcde"]


@pytest.mark.parametrize("status", [CoverageStatus.PARTIAL, CoverageStatus.DENIED, CoverageStatus.UNREACHABLE])
@pytest.mark.requirement("R6")
def test_a_lost_sweep_forgets_nothing(house: House, status: CoverageStatus) -> None:
    """What was not seen because nobody could look stays, with its age."""
    house.sweep("a", "b")
    house.sweep(status=status)
    assert house.keys() == ["payments/a", "payments/b"]


@pytest.mark.requirement("R6")
def test_a_sweep_that_lost_too_much_forgets_nothing(house: House) -> None:
    """The run that saw two of ten items is not believed: its coverage says SHRUNK and the rows stay."""
    house.sweep(*"abcdefghij")
    house.sweep("a", "b")
    assert len(house.keys()) == 10
    with house.store.reader() as reader:
        assert {entry.status for entry in reader.coverage("backup")} == {CoverageStatus.SHRUNK}


@calm
@given(
    st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(0, 130)), min_size=2, max_size=12),
    st.sampled_from((0.0, 0.2, 0.5)),
)
@pytest.mark.requirement("R6")
def test_no_row_of_small_losses_is_believed(steps: list[tuple[int, int]], share: float) -> None:
    """Whatever the steps and their spacing: a believed sweep holds what the share leaves of any one within 30 days."""
    clock = FakeClock()
    believed: list[tuple[datetime, int]] = []
    with TemporaryDirectory() as folder, Store.temporary(clock=clock, randomness=CountingRandomness()) as store:
        house = House(Path(folder), store, clock)
        for hours, items in steps:
            clock.advance(timedelta(hours=hours))
            with house.desk(share=share):
                house.sink.cover(house.cover(items))
            with store.reader() as reader:
                (entry,) = reader.coverage("backup")
            recent = [count for at, count in believed if clock.now() - at <= LOOK_BACK]
            if entry.status is CoverageStatus.COMPLETE:
                assert items >= max(recent, default=0) * (1 - share)
                believed.append((clock.now(), items))
            else:  # and nothing is held back without a reason from that time, or the last sweep; a day may round it up
                near = [count for at, count in believed if clock.now() - at <= LOOK_BACK + timedelta(days=1)]
                assert items < max([*near, believed[-1][1]]) * (1 - share)


@pytest.mark.requirement("R6", "R34")
def test_a_slow_shrink_is_held_back_until_somebody_accepts_it(house: House) -> None:
    """Ten per cent a day is believed until a fifth is gone; an accepted sweep is the new measure for further losses."""
    for items, word in ((100, "complete"), (90, "complete"), (81, "complete"), (79, "shrunk")):
        house.clock.advance(timedelta(days=1))
        with house.desk():
            house.sink.cover(house.cover(items))
        (entry,) = house.coverage()
        assert entry.status == word
    assert house.store.accept_sweep("backup", entry, actor="alice", approved_by="bob", reason="moved")
    for items, word in ((79, "complete"), (64, "complete"), (63, "shrunk")):
        with house.desk():
            house.sink.cover(house.cover(items))
        assert house.coverage()[0].status == word


def test_an_old_peak_is_no_measure(house: House) -> None:
    """What was large more than 30 days ago binds nobody; the last complete sweep does, however old it is."""
    for days, items, word in ((0, 100, "complete"), (1, 80, "complete"), (32, 64, "complete"), (90, 51, "shrunk")):
        house.clock.advance(timedelta(days=days))
        with house.desk():
            house.sink.cover(house.cover(items))
        assert house.coverage()[0].status == word


def test_a_pair_that_the_configuration_no_longer_names_is_forgotten(house: House) -> None:
    """Its row would otherwise stay for ever, because no sweep covers it; a silent source forgets nothing."""
    with house.desk() as desk:
        house.sink.put([house.row("payments/a", "one:kv/a"), house.row("payments/b", "one:kv/b")])
        desk.settle(house.collected())
    text = "".join(line for line in CONFIG.splitlines(keepends=True) if "{name: b" not in line)
    house.session = session(house.folder, text, clock=house.clock)
    house.pairing = Pairing("backup", house.session.apps(["payments"]))
    with house.desk() as desk:
        desk.settle(house.collected(silent=True))
    assert house.keys() == ["payments/a", "payments/b"]
    with house.desk() as desk:
        desk.settle(house.collected())
    assert house.keys() == ["payments/a"]


@pytest.mark.requirement("R6")
def test_ignorance_does_not_overwrite_an_answer(house: House) -> None:
    """An unreachable item keeps what was known of it; one that was never seen says why nothing is known."""
    with house.desk():
        house.sink.put([house.row("payments/a", "one:kv/a", version="7")])
    with house.desk() as desk:
        now = house.clock.now()
        lost = [unanswered(f"payments/{n}", f"one:kv/{n}", Presence.UNREACHABLE, GONE, now) for n in "ab"]
        house.sink.keep(lost)
        rows = {row.key: row for row in desk.rows("backup")}
    assert (rows["payments/a"].presence, rows["payments/a"].version) == ("present", "7")
    assert rows["payments/b"].presence == "unreachable"


def test_touched_rows_are_as_young_as_the_look(house: House) -> None:
    """An unchanged item is not written again, only its age; for every pair that shares it."""
    with house.desk():
        house.sink.put([house.row("payments/a", "one:kv/a", version="7")])
    with house.desk() as desk:
        house.sink.touch(["one:kv/a"], house.clock.now())
        (found,) = desk.rows("backup")
    assert (found.version, found.observed) == ("7", int(house.clock.now().timestamp()))


def test_known_markers_are_those_of_wanted_items(house: House) -> None:
    """Only items that explicit pairs name and whose listing gave a marker can be called unchanged."""
    with house.desk():
        house.sink.put(
            [
                house.row("payments/a", "one:kv/a", marker="m1"),
                house.row("payments/b", "one:kv/b"),
                house.row("payments/x", "one:listed/pay/x", marker="m2"),
            ]
        )
    with house.desk() as desk:
        assert desk.known("backup", house.pairing, "one") == {Locator("one", "kv", "a"): "m1"}
        assert desk.known("backup", house.pairing, "another") == {}


def test_items_that_no_pair_claims_are_counted_apart(house: House) -> None:
    """They are no rows of pairs, and the baseline still knows how many there are."""
    with house.desk() as desk:
        stray = house.row(f"{UNMAPPED}one:kv/stray", "one:kv/stray")
        house.sink.put([house.row("payments/a", "one:kv/a"), stray])
        assert desk.size("backup") == (1, 1)
        assert [row.key for row in desk.rows("backup")] == ["payments/a"]


def test_a_cached_look_shows_the_coverage_of_the_last_run(house: House) -> None:
    """Nothing is observed, so what the last run saw is what is known; a run that observes shows its own only."""
    house.sweep("a")
    with house.desk(cached=True) as desk:
        assert [entry.items for entry in desk.coverage("backup")] == [1]
    with house.desk() as desk:
        assert desk.coverage("backup") == ()
        assert desk.reference("backup") == {("one", "listed")}


def test_equality_classes_are_replaced_as_a_whole(house: House) -> None:
    """A value that is no longer shared loses its class in the next run."""
    with house.desk() as desk:
        house.sink.put([house.row("payments/a", "one:kv/a"), house.row("payments/b", "one:kv/b")])
        desk.group({"backup": {"payments/a": "g1"}})
        assert {row.key: row.group for row in desk.rows("backup")} == {"payments/a": "g1", "payments/b": None}
        desk.group({})
        assert {row.group for row in desk.rows("backup")} == {None}


def finding() -> Finding:
    """One finding of payments/a."""
    return Finding(
        code="NHS201", state=State.FAIL, severity=Severity.ERROR, app="payments", pair="a", title="x", path="backup"
    )


def judged(house: House, desk: StoreDesk) -> tuple[list[Remembered], list[Finding]]:
    """What an earlier run of this comparison left."""
    with desk.notebook("primary", "backup", house.clock.now(), ["payments"]) as notebook:
        return list(notebook.remembered), list(notebook.stored("payments/a"))


def remember(house: House, desk: StoreDesk, *, breaking: bool = False) -> None:
    """Judge payments/a and keep the result, unless a bug ends the judging."""
    now = int(house.clock.now().timestamp())
    with desk.notebook("primary", "backup", house.clock.now(), ["payments"]) as notebook:
        notebook.finding(finding())
        notebook.remember(Remembered("payments/a", 1, 2, now + 3600))
        if breaking:
            raise KeyError("bug")


def test_results_are_remembered_until_what_they_rest_on_changes(house: House) -> None:
    """The next run of the same configuration takes them over; with another one everything is judged anew."""
    with house.desk() as desk:
        remember(house, desk)
    with house.desk() as desk:
        remembered, stored = judged(house, desk)
        assert [one.key for one in remembered] == ["payments/a"]
        assert [one.code for one in stored] == ["NHS201"]
    house.session = session(house.folder, CONFIG.replace("tier: critical", "tier: high"), clock=house.clock)
    with house.desk() as desk:
        assert judged(house, desk)[0] == []


@pytest.mark.requirement("R6")
def test_a_comparison_that_breaks_leaves_nothing(house: House) -> None:
    """Half of a judgement is none: an exception takes back what was written of it."""
    with house.desk() as desk:
        with pytest.raises(KeyError):
            remember(house, desk, breaking=True)
        assert judged(house, desk) == ([], [])


def test_what_was_judged_under_a_clock_that_came_back_is_judged_anew(house: House) -> None:
    """A run of the future proves that some clock was wrong; its results do not hold now."""
    house.clock.jump(timedelta(days=400))
    with house.desk() as desk:
        remember(house, desk)
    house.clock.jump(timedelta(days=-400))
    with house.desk() as desk:
        assert judged(house, desk)[0] == []
