"""A cycle always ends, answers for everything that was wanted, and never turns ignorance into absence."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.clock import SystemClock
from nhisync.collect import cycle
from nhisync.collect.source import SourcePlan, SourceRun
from nhisync.errors import StoreError
from nhisync.model import App, Coverage, CoverageStatus, Item, Locator, MatchRule, Pair, Presence
from nhisync.parity.pairing import Pairing
from nhisync.parity.row import Row
from nhisync.spi import (
    LEFT_OUT,
    Budget,
    ErrorKind,
    InventoryRequest,
    Observation,
    ProviderError,
    SourceContext,
    Unchanged,
)
from nhisync.testing.clocks import CountingRandomness
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import IDENTITIES, SCRIPTS, FakeProvider, FakeSettings

AT = datetime(2026, 11, 23, tzinfo=UTC)


def app(*names: str) -> App:
    """The app payments with one explicit pair per name and a template."""
    pairs = tuple(
        Pair(
            app="payments",
            name=name,
            kind="secret",
            primary=Locator.parse(f"one:kv/{name}"),
            backup=Locator.parse(f"one:kv/{name}"),
        )
        for name in names
    )
    template = MatchRule(app="payments", kind="secret", primary="one:kv/many/{name}", backup="one:kv/many/{name}")
    return App(name="payments", tier="critical", pairs=pairs, matches=(template,))


def plan(script: str, *names: str, seconds: float = 30.0) -> SourcePlan:
    """A plan for one fake source of the path `primary`."""
    clock = SystemClock()
    context = SourceContext(
        path="primary", source="one", region="r", base=Path(), clock=clock, randomness=CountingRandomness()
    )
    pairing = Pairing("primary", [app(*names)])
    return SourcePlan(
        path="primary",
        name="one",
        provider=FakeProvider(FakeSettings(provider="fake", script=script), context),
        domain=lambda region: f"fake/{region or 'r'}",
        pairing=pairing,
        budget=Budget(clock, seconds=seconds),
        kinds=frozenset({"kv"}),
        wanted=pairing.wanted,
    )


def run(*plans: SourcePlan) -> tuple[MemoryDesk, cycle.Collected]:
    """Collect into a memory desk."""
    desk = MemoryDesk()
    collected = cycle.collect(plans, {"primary": desk.sink("primary", Pairing("primary", []), 0.2)}, SystemClock())
    return desk, collected


def script(name: str, *observations: Observation) -> str:
    """Register observations under a name."""
    SCRIPTS[name] = lambda _request: iter(observations)
    return name


def complete(kind: str = "kv") -> Coverage:
    """A complete, authoritative coverage."""
    return Coverage(source="one", kind=kind, scope="", status=CoverageStatus.COMPLETE, as_of=AT, authoritative=True)


def present(name: str) -> Item:
    """A present item."""
    return Item(locator=Locator.parse(f"one:kv/{name}"), observed_at=AT)


@pytest.mark.requirement("R6")
def test_unanswered_items_are_unknown() -> None:
    """An item the adapter forgot is unknown, never absent, even when its listing was complete."""
    desk, _ = run(plan(script("forgetful", present("a"), complete()), "a", "b"))
    rows = {row.key: row.presence for row in desk.rows("primary")}
    assert rows == {"payments/a": "present", "payments/b": "unknown"}


@pytest.mark.parametrize(
    ("kind", "presence"),
    [
        (ErrorKind.UNREACHABLE, Presence.UNREACHABLE),
        (ErrorKind.DENIED, Presence.DENIED),
        (ErrorKind.AUTH_FAILED, Presence.DENIED),
        (ErrorKind.THROTTLED, Presence.THROTTLED),
        (ErrorKind.NOT_FOUND, Presence.UNKNOWN),
        (ErrorKind.CRYPTO_UNAVAILABLE, Presence.UNREACHABLE),
        (ErrorKind.UNSUPPORTED, Presence.UNSUPPORTED),
        (ErrorKind.MALFORMED, Presence.UNKNOWN),
    ],
)
@pytest.mark.requirement("R6")
def test_a_lost_source_says_why_for_every_item(kind: ErrorKind, presence: Presence) -> None:
    """When nothing can be asked, every wanted item carries the reason; a source's NOT_FOUND proves no absence."""

    def lost(_request: InventoryRequest) -> Iterator[Observation]:
        raise ProviderError(kind, "gone")
        yield

    SCRIPTS[f"lost-{kind}"] = lost
    desk, collected = run(plan(f"lost-{kind}", "a"))
    assert [row.presence for row in desk.rows("primary")] == [presence.value]
    assert all(c.status is not CoverageStatus.COMPLETE for c in collected.coverage["primary"])
    assert collected.sources["primary"][0].error is not None


def test_identity_failure_ends_the_source() -> None:
    """A source that does not accept our own credential is not listed."""
    IDENTITIES["nobody"] = ProviderError(ErrorKind.AUTH_FAILED, "the token is expired")
    script("nobody", present("a"), complete())
    desk, collected = run(plan("nobody", "a"))
    assert [row.presence for row in desk.rows("primary")] == ["denied"]
    assert collected.identities == {}


def test_a_hanging_source_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that never answers ends at its deadline as throttled ignorance; the other source is not lost."""
    monkeypatch.setattr(cycle, "GRACE", 0.1)
    release = threading.Event()

    def hang(_request: InventoryRequest) -> Iterator[Observation]:
        release.wait(30)
        yield complete()

    SCRIPTS["hang"] = hang
    try:
        desk, collected = run(plan("hang", "a", seconds=0.1))
    finally:
        release.set()
    assert [row.presence for row in desk.rows("primary")] == ["throttled"]
    assert {c.status for c in collected.coverage["primary"]} == {CoverageStatus.THROTTLED}


def test_a_source_that_holds_its_own_lock_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that hangs inside its login (a pipe for a credential) blocks its own close, and never the run."""
    monkeypatch.setattr(cycle, "GRACE", 0.1)
    release = threading.Event()
    closed = threading.Event()

    class Locked(FakeProvider):
        def close(self) -> None:
            release.wait(30)
            super().close()
            closed.set()

    def hang(_request: InventoryRequest) -> Iterator[Observation]:
        release.wait(30)
        yield complete()

    SCRIPTS["locked"] = hang
    context = SourceContext(
        path="primary", source="one", region="r", base=Path(), clock=SystemClock(), randomness=CountingRandomness()
    )
    stuck = Locked(FakeSettings(provider="fake", script="locked"), context)
    try:
        desk, collected = run(replace(plan("locked", "a", seconds=0.1), provider=stuck))
        assert not closed.is_set()
    finally:
        release.set()
    assert [row.presence for row in desk.rows("primary")] == ["throttled"]
    assert {c.status for c in collected.coverage["primary"]} == {CoverageStatus.THROTTLED}


def test_several_that_hang_are_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person waits for does not grow with the number of sources that hang in their own close."""
    monkeypatch.setattr(cycle, "GRACE", 2.0)
    release = threading.Event()

    class Locked(FakeProvider):
        def close(self) -> None:
            release.wait(60)

    def hang(_request: InventoryRequest) -> Iterator[Observation]:
        release.wait(60)
        yield complete()

    SCRIPTS["several"] = hang
    context = SourceContext(
        path="primary", source="one", region="r", base=Path(), clock=SystemClock(), randomness=CountingRandomness()
    )
    made = FakeSettings(provider="fake", script="several")
    plans = [replace(plan("several", f"a{n}", seconds=0.1), provider=Locked(made, context)) for n in range(8)]
    began = SystemClock().monotonic()
    try:
        run(*plans)
    finally:
        release.set()
    assert SystemClock().monotonic() - began < 8 * 2.0, "one after the other would take at least that"


def test_an_endless_source_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that never stops answering ends at its deadline too."""
    monkeypatch.setattr(cycle, "GRACE", 0.1)

    def endless(request: InventoryRequest) -> Iterator[Observation]:
        count = 0
        while request.budget.remaining or count < 10_000_000:
            count += 1
            yield present(f"many/{count % 100}")
            if request.budget.remaining == 0 and count % 1000 == 0:
                request.budget.check()

    SCRIPTS["endless"] = endless
    _, collected = run(plan("endless", seconds=0.2))
    assert {c.status for c in collected.coverage["primary"]} == {CoverageStatus.THROTTLED}


def test_a_bug_in_an_adapter_is_raised() -> None:
    """A bug is not swallowed into an unknown: it is raised in the main thread."""

    def buggy(_request: InventoryRequest) -> Iterator[Observation]:
        yield complete()
        raise KeyError("bug")

    SCRIPTS["buggy"] = buggy
    with pytest.raises(KeyError, match="bug"):
        run(plan("buggy", "a"))


def test_a_bug_in_a_close_is_raised_at_once() -> None:
    """A provider whose close fails has ended all the same: nobody waits for its deadline, and the bug arrives."""

    def closing() -> None:
        raise KeyError("close")

    asked = plan(script("unclosable", complete()), "a", seconds=600.0)
    asked.provider.close = closing  # type: ignore[method-assign]
    started = SystemClock().monotonic()
    with pytest.raises(KeyError, match="close"):
        run(asked)
    assert SystemClock().monotonic() - started < 60.0


def test_ignorance_keeps_the_older_answer() -> None:
    """An unreachable source does not overwrite what was known: it stays, with its true age."""
    desk, _ = run(plan(script("first", present("a"), complete()), "a"))
    SCRIPTS.pop("gone", None)
    cycle.collect([plan("gone", "a")], {"primary": desk.sink("primary", Pairing("primary", []), 0.2)}, SystemClock())
    row = next(desk.rows("primary"))
    assert (row.presence, row.observed) == ("present", int(AT.timestamp()))


def test_two_items_on_one_key_are_ambiguous() -> None:
    """Two items that claim one pair on one path are unknown, never a pick."""
    named = Item(locator=Locator.parse("one:kv/elsewhere"), observed_at=AT, logical_name="payments/a")
    desk, _ = run(plan(script("twice", present("a"), named, complete()), "a"))
    assert [row.presence for row in desk.rows("primary")] == ["ambiguous"]


def test_providers_are_closed() -> None:
    """Every provider is closed when its source is done, also after a failure."""
    done, lost = plan(script("closing", complete())), plan("not registered", "a")
    run(done)
    run(lost)
    assert isinstance(done.provider, FakeProvider)
    assert isinstance(lost.provider, FakeProvider)
    assert done.provider.closed >= 1 <= lost.provider.closed


class _Broken:
    """A sink that takes nothing."""

    def put(self, rows: Iterable[Row]) -> None:
        """The store is full.

        Raises:
            StoreError: always.
        """
        raise StoreError("the store takes no more")

    keep = put

    def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
        """Nothing to touch."""

    def cover(self, coverage: Coverage) -> None:
        """Nothing to remember."""


def test_a_store_that_breaks_stops_every_source() -> None:
    """Nobody goes on asking for what nobody can keep: budgets end, providers are closed, the error arrives."""
    seen = threading.Event()

    def patient(request: InventoryRequest) -> Iterator[Observation]:
        while request.budget.remaining:
            seen.wait(0.01)
        yield complete()

    SCRIPTS["patient"] = patient
    asked = plan("patient", "a", seconds=60.0)
    with pytest.raises(StoreError, match="no more"):
        cycle.collect([asked], {"primary": _Broken()}, SystemClock())
    assert asked.budget.remaining == 0
    assert isinstance(asked.provider, FakeProvider)
    assert asked.provider.closed >= 1


def test_sinks_get_ready_while_sources_wait() -> None:
    """A sink is used as soon as the sources have begun, not only when the first of them answers."""
    ready = threading.Event()
    order: list[str] = []

    def waiting(_request: InventoryRequest) -> Iterator[Observation]:
        order.append("ready" if ready.wait(10) else "late")
        yield complete()

    class Opening(_Broken):
        def put(self, rows: Iterable[Row]) -> None:
            """Open."""
            ready.set()

        keep = put

    SCRIPTS["waiting"] = waiting
    cycle.collect([plan("waiting")], {"primary": Opening()}, SystemClock())
    assert order == ["ready"]


def test_only_what_is_owed_is_remembered() -> None:
    """A source that brings very many items nobody named leaves no trace of them in memory."""
    many = [present(f"many/{number}") for number in range(50)]
    stream = SourceRun(plan(script("many", *many, present("a"), complete()), "a", "b"), SystemClock())
    rows = [emitted for emitted in stream.stream() if isinstance(emitted, Row)]
    assert {row.key: row.presence for row in rows}["payments/b"] == "unknown"
    assert stream._owed == {Locator.parse("one:kv/b")}


def test_unchanged_items_are_written_together() -> None:
    """A commit costs an fsync: what still holds is told to the store by the second, not item by item."""
    told: list[tuple[list[str], datetime]] = []

    class Listening(_Broken):
        def put(self, rows: Iterable[Row]) -> None:
            """Nothing new."""

        keep = put

        def touch(self, locators: Iterable[str], observed_at: datetime) -> None:
            told.append((list(locators), observed_at))

    names = [f"many/{number}" for number in range(cycle.BATCH + 2)]
    seen = [Unchanged(locator=Locator("one", "kv", n), observed_at=AT + timedelta(microseconds=7)) for n in names[:-1]]
    later = Unchanged(locator=Locator("one", "kv", names[-1]), observed_at=AT + timedelta(seconds=1))
    cycle.collect([plan(script("still", *seen, later, complete()))], {"primary": Listening()}, SystemClock())
    assert [(len(locators), at) for locators, at in told] == [
        (cycle.BATCH, AT),
        (1, AT),
        (1, AT + timedelta(seconds=1)),
    ]
    assert sorted(text for locators, _ in told for text in locators) == sorted(f"one:kv/{name}" for name in names)


def test_what_the_configuration_leaves_out_was_not_asked() -> None:
    """No gap of a kind that nobody needs; a kind of which a pair or a template wants something stays unsupported."""
    error = ProviderError(ErrorKind.UNSUPPORTED, "not listed", reason=LEFT_OUT).fact
    lost = [replace(complete(kind), status=CoverageStatus.UNSUPPORTED, error=error) for kind in ("kv", "listed")]
    other = replace(lost[1], scope="elsewhere", error=ProviderError(ErrorKind.UNSUPPORTED, "an old server").fact)
    desk, _ = run(plan(script("left-out", *lost, other)))
    assert [(entry.kind, entry.scope, entry.status.value) for entry in desk.coverage("primary")] == [
        ("kv", "", "unsupported"),
        ("listed", "", "not_asked"),
        ("listed", "elsewhere", "unsupported"),
    ]
