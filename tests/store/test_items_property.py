"""Any sequence of runs against a dictionary that does the same: the store holds exactly what the model holds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nhisync.model import Presence
from nhisync.parity.row import Row, unanswered
from nhisync.store import RunHandle, Scope, Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

START = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = st.sampled_from(["a/x", "a/é", "a/𝒳", "a-b/x", "b/~", "~z"])
LOCATORS = st.sampled_from(["v:kv/one", "v:kv/two", "v:pki/one", "w:kv/one"])
SCOPES = st.sampled_from([Scope("v", "kv"), Scope("v", "kv", "t"), Scope("v", "pki"), Scope("w", "kv")])
WORDS = st.sampled_from(["present", "absent", "denied", "throttled", "unreachable"])
ANSWERS = {"present", "absent"}


@dataclass
class Held:
    """One row of the model."""

    row: Row
    run: int
    claimants: set[str] = field(default_factory=set)

    @property
    def seen(self) -> tuple[str, str, str, int, str | None, frozenset[str]]:
        """What is compared."""
        row, many = self.row, len(self.claimants) > 1
        return (
            row.key,
            min(self.claimants),
            "ambiguous" if many else row.presence,
            row.observed,
            None if many else row.group,
            frozenset(self.claimants),
        )


class StoreAgainstDictionary(RuleBasedStateMachine):
    """Runs of puts, touches, ignorance, groups and sweeps."""

    @initialize()
    def open(self) -> None:
        """An empty store and an empty dictionary."""
        self.clock = FakeClock(START)
        self.store = Store.temporary(clock=self.clock, randomness=CountingRandomness())
        self.held: dict[str, Held] = {}
        self.run: RunHandle = self.store.run("sync")

    def teardown(self) -> None:
        """Leave no folder behind."""
        if hasattr(self, "store"):
            self.store.close()

    @rule()
    def next_run(self) -> None:
        """Time passes between runs."""
        self.run.finish("done")
        self.clock.advance(timedelta(minutes=5))
        self.run = self.store.run("sync")

    @rule(claims=st.lists(st.tuples(NAMES, LOCATORS, WORDS), max_size=6))
    def put(self, claims: list[tuple[str, str, str]]) -> None:
        """Rows of the present run."""
        rows = [unanswered(k, loc, Presence(word), None, self.clock.now()) for k, loc, word in claims]
        self.run.put_rows("p", rows)
        for row in rows:
            self._claim(row)

    @rule(claims=st.lists(st.tuples(NAMES, LOCATORS), max_size=4, unique_by=lambda claim: claim[0]))
    def keep(self, claims: list[tuple[str, str]]) -> None:
        """Ignorance of the present run; a source says it once for each key."""
        rows = [unanswered(key, locator, Presence.UNREACHABLE, None, self.clock.now()) for key, locator in claims]
        self.run.keep_rows("p", rows)
        for row in rows:
            held = self.held.get(row.key)
            answered = held is not None and len(held.claimants) == 1 and held.row.presence in ANSWERS
            if held is not None and answered and held.claimants == {row.locator}:
                held.run = self.run.number
            else:
                self._claim(row)

    @rule(claims=st.lists(st.tuples(NAMES, LOCATORS), max_size=4, unique_by=lambda claim: claim[0]))
    def touch(self, claims: list[tuple[str, str]]) -> None:
        """Unchanged items of the present run."""
        lost = self.run.touch("p", claims, self.clock.now())
        assert list(lost) == list(self._touch(claims))

    def _touch(self, claims: list[tuple[str, str]]) -> Iterator[str]:
        now = int(self.clock.now().timestamp())
        for key, locator in claims:
            held = self.held.get(key)
            if held is None or (held.run != self.run.number and held.claimants != {locator}):
                yield key
            elif held.claimants == {locator}:
                held.run, held.row = self.run.number, held.row._replace(observed=now, group=None)
            else:
                held.claimants.add(locator)
                held.row = held.row._replace(observed=min(now, held.row.observed))

    @rule(groups=st.dictionaries(NAMES, st.sampled_from(["g1", "g2"]), max_size=3))
    def group(self, groups: dict[str, str]) -> None:
        """A value comparison's result."""
        self.run.set_groups("p", groups)
        for key, held in self.held.items():
            held.row = held.row._replace(group=groups.get(key))

    @rule(scopes=st.lists(SCOPES, max_size=3))
    def finish(self, scopes: list[Scope]) -> None:
        """Sweeps that were complete."""
        prefixes = tuple(scope.locators for scope in scopes)
        gone = [
            key
            for key, held in self.held.items()
            if held.run != self.run.number and prefixes and min(held.claimants).startswith(prefixes)
        ]
        assert self.run.finish_path("p", scopes) == len(gone)
        for key in gone:
            del self.held[key]

    @invariant()
    def same(self) -> None:
        """Same rows, same order."""
        if not hasattr(self, "store"):
            return
        stored = [(r.key, r.locator, r.presence, r.observed, _group(r), _claimants(r)) for r in self.store.cursor("p")]
        assert stored == [self.held[key].seen for key in sorted(self.held)]

    def _claim(self, row: Row) -> None:
        held = self.held.get(row.key)
        if held is None or held.run != self.run.number:
            self.held[row.key] = Held(row, self.run.number, {row.locator})
        elif held.claimants == {row.locator}:
            held.row = row
        else:
            held.claimants.add(row.locator)
            held.row = row._replace(observed=min(row.observed, held.row.observed))


def _claimants(row: Row) -> frozenset[str]:
    if row.presence != "ambiguous" or row.detail is None:
        return frozenset({row.locator})
    return frozenset(json.loads(row.detail)["claimants"])


def _group(row: Row) -> str | None:
    return None if row.presence == "ambiguous" else row.group


StoreAgainstDictionary.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStoreAgainstDictionary = StoreAgainstDictionary.TestCase
TestStoreAgainstDictionary.__doc__ = "Whatever runs do, the store holds what the dictionary holds."
