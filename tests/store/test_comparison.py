"""Findings, their history and memories: written together, gone together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nhisync.model import Consequence, EvidenceRef, Finding, Layer, Severity, Side, State
from nhisync.parity.engine import FAR, Remembered
from nhisync.parity.row import Row
from nhisync.store import Scope, Store
from nhisync.testing.clocks import FakeClock

MakeRow = Callable[..., Row]
T0 = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def finding(
    pair: str = "db", code: str = "NHS201", state: State = State.FAIL, app: str = "pay", **more: object
) -> Finding:
    """A finding with defaults."""
    values = {"severity": Severity.ERROR, "title": "backup generation lags", **more}
    return Finding(code=code, state=state, app=app, pair=pair, **values)  # type: ignore[arg-type]


def record(
    store: Store, *found: Finding, now: datetime = T0, digest: str = "d1", apps: list[str] | None = None
) -> None:
    """One run that finds `found`."""
    with store.run("sync") as run, run.comparison("p", "b", policy_digest=digest, now=now, apps=apps) as comparison:
        for one in found:
            comparison.finding(one)


def current(store: Store, app: str | None = None) -> list[Finding]:
    """What does not pass now."""
    with store.reader() as reader:
        return list(reader.findings("p", "b", app))


def test_a_finding_comes_back_whole(store: Store) -> None:
    """Every field survives; `since` is added."""
    full = finding(
        side=Side.BACKUP,
        path="b",
        layer=Layer.FRESH,
        consequence=Consequence.INCONSISTENCY,
        observed="40 h behind",
        expected="at most 24 h",
        primary="v12 2026-11-22",
        backup="v3 2026-11-20",
        evidence=(EvidenceRef(kind="inventory", source="aws:secret/db", evidence_at=T0, expires_at=T0 + HOUR),),
        next=("nhisync rotate pay/db", "nhisync explain NHS201"),
        frameworks=("NHI7:2025",),
        waiver="the waiver ended 2026-11-20",
        line=17,
    )
    record(store, full)
    (stored,) = current(store)
    assert stored.since == T0
    assert stored == Finding(**{**{f: getattr(full, f) for f in Finding.__slots__}, "since": T0})


def test_passes_are_not_stored_and_findings_are_ordered(store: Store) -> None:
    """Only what does not pass is kept, in bytewise order of key, then code."""
    record(
        store,
        finding("x", "NHS602"),
        finding("x", "NHS201"),
        finding("x", "NHS301", State.PASS),
        finding("z", "NHS201", app="pay-b"),
        finding("", "NHS906", State.UNKNOWN),
    )
    assert [(f.key, f.code) for f in current(store)] == [
        ("pay", "NHS906"),
        ("pay-b/z", "NHS201"),
        ("pay/x", "NHS201"),
        ("pay/x", "NHS602"),
    ]
    assert [f.key for f in current(store, "pay-b")] == ["pay-b/z"]


def test_stored_findings_are_asked_pair_by_pair(store: Store) -> None:
    """`stored` answers in key order and skips what is not asked for."""
    record(store, finding("a"), finding("b", "NHS201"), finding("b", "NHS301"), finding("c"))
    with store.reader() as reader:
        stored = reader.stored("p", "b")
        assert [f.code for f in stored("pay/b")] == ["NHS201", "NHS301"]
        assert list(stored("pay/bb")) == []
        assert [f.pair for f in stored("pay/c")] == ["c"]
        assert list(stored("pay/z")) == []


@pytest.mark.requirement("R10")
def test_history_tells_every_change(store: Store, clock: FakeClock) -> None:
    """A finding keeps the start of its streak through changes of state and ends in history when it passes."""
    record(store, finding(state=State.UNKNOWN), now=T0)
    record(store, finding(state=State.UNKNOWN), now=T0 + HOUR)
    record(store, finding(state=State.FAIL), now=T0 + 2 * HOUR)
    assert current(store)[0].since == T0 + 2 * HOUR
    record(store, now=T0 + 3 * HOUR)
    assert current(store) == []
    record(store, finding(), now=T0 + 4 * HOUR)
    assert current(store)[0].since == T0 + 4 * HOUR
    with store.reader() as reader:
        first, second = reader.history("pay/db")
        assert list(reader.history("pay/other")) == []
        assert list(reader.history(since=T0 + 3 * HOUR)) == [second]
    assert (first.state, first.since, first.last_seen, first.ended) == (State.UNKNOWN, T0, T0 + HOUR, T0 + 2 * HOUR)
    assert first.became is State.FAIL
    assert (second.state, second.first_seen, second.since) == (State.FAIL, T0, T0 + 2 * HOUR)
    assert (second.ended, second.became) == (T0 + 3 * HOUR, State.PASS)


def test_findings_from_the_store_stand(store: Store) -> None:
    """What a run takes over from `stored` stays as it is; given in another state it is a change like any other."""
    record(store, finding("a", observed="40 h behind"), finding("b"), finding("c"))
    a, b, _ = current(store)
    record(store, a, replace(b, state=State.WAIVED, waiver="until 2026-12-15"), now=T0 + HOUR)
    kept_a, kept_b = current(store)
    assert kept_a == a
    assert (kept_b.state, kept_b.waiver, kept_b.since) == (State.WAIVED, "until 2026-12-15", T0 + HOUR)
    with store.reader() as reader:
        assert {(past.key, past.state, past.became) for past in reader.history()} == {
            ("pay/b", State.FAIL, State.WAIVED),
            ("pay/c", State.FAIL, State.PASS),
        }
    record(store, now=T0 + 2 * HOUR)
    with store.reader() as reader:
        assert [past.last_seen for past in reader.history("pay/a")] == [T0 + HOUR]


def test_a_finding_that_was_resolved_meanwhile_comes_back(store: Store) -> None:
    """A finding with a `since` that is not stored (any more) is stored."""
    record(store, finding("a"))
    (taken,) = current(store)
    record(store)
    record(store, taken, now=T0 + HOUR)
    assert [f.pair for f in current(store)] == ["a"]


def test_two_comparisons_of_one_run_do_not_mix(store: Store) -> None:
    """What the second one does not give again is resolved, although the run is the same."""
    with store.run("sync") as run:
        for found in ([finding("a"), finding("b")], [finding("b")]):
            with run.comparison("p", "b", policy_digest="d1", now=T0) as comparison:
                for one in found:
                    comparison.finding(one)
    assert [f.pair for f in current(store)] == ["b"]


def test_only_judged_apps_are_resolved(store: Store) -> None:
    """A run for one app says nothing about the findings of others."""
    record(store, finding(app="pay"), finding(app="mail"))
    record(store, apps=["pay"], now=T0 + HOUR)
    assert [f.app for f in current(store)] == ["mail"]


def test_comparisons_of_other_paths_are_left_alone(store: Store) -> None:
    """Two backups of one primary have findings of their own."""
    record(store, finding())
    with store.run("sync") as run, run.comparison("p", "b2", policy_digest="d1", now=T0):
        pass
    assert len(current(store)) == 1
    with store.reader() as reader:
        assert list(reader.findings("p", "b2")) == list(reader.findings("p", "nowhere")) == []


def test_a_failed_comparison_leaves_the_older_one(store: Store) -> None:
    """Findings and memories are visible together at the end, or not at all."""
    record(store, finding())
    error = RuntimeError("the engine failed")
    with (  # noqa: PT012
        pytest.raises(RuntimeError),
        store.run("sync") as run,
        run.comparison("p", "b", policy_digest="d2", now=T0 + HOUR) as comparison,
    ):
        for n in range(2_500):
            comparison.finding(finding(f"n{n}"))
            comparison.remember(Remembered(f"pay/n{n}", 1, 2, FAR))
        raise error
    assert [f.pair for f in current(store)] == ["db"]
    with store.reader() as reader:
        assert list(reader.remembered("p", "b", "d2")) == []
        assert [run.outcome for run in reader.runs()] == ["failed", "done"]


def memories(store: Store, digest: str = "d1") -> list[Remembered]:
    """What is remembered under a policy."""
    with store.reader() as reader:
        return list(reader.remembered("p", "b", digest))


def remember(store: Store, *keys: str, digest: str = "d1") -> None:
    """One run that remembers pairs."""
    with store.run("sync") as run, run.comparison("p", "b", policy_digest=digest, now=T0) as comparison:
        for key in keys:
            comparison.remember(Remembered(key, -(1 << 63), (1 << 63) - 1, FAR))


def test_memories_come_back_in_key_order(store: Store) -> None:
    """Stamps and the far future survive; the order is bytewise."""
    keys = ["pay/é", "pay/a", "pay-b/a", "pay/𝒳"]
    remember(store, *keys)
    assert [m.key for m in memories(store)] == sorted(keys)
    assert memories(store)[0] == Remembered("pay-b/a", -(1 << 63), (1 << 63) - 1, FAR)
    assert all(type(m) is Remembered for m in memories(store))


def test_memories_of_unchanged_pairs_stay(store: Store) -> None:
    """A run need not repeat what it took over."""
    remember(store, "pay/a", "pay/b")
    remember(store, "pay/b")
    assert [m.key for m in memories(store)] == ["pay/a", "pay/b"]


def test_memories_die_with_their_policy(store: Store) -> None:
    """Another policy, configuration or waiver makes every result doubtful, also when the old one comes back."""
    remember(store, "pay/a")
    assert memories(store, "d2") == []
    remember(store, "pay/b", digest="d2")
    assert memories(store, "d1") == []
    remember(store, digest="d1")
    assert memories(store, "d1") == []


@pytest.mark.parametrize("how", ["sweep", "forget", "source"])
def test_memories_die_with_their_rows(store: Store, make_row: MakeRow, how: str) -> None:
    """A row that went and came back unchanged must be judged again, or a finding resolved meanwhile would be lost."""
    with store.run("sync") as run:
        run.put_rows("b", [make_row("pay/a", "aws:secret/a"), make_row("pay/b", "vault:kv/b")])
    remember(store, "pay/a", "pay/b")
    with store.run("sync") as run:
        if how == "sweep":
            run.finish_path("b", [Scope("aws", "secret")])
        elif how == "forget":
            run.forget("b", ["pay/a"])
        else:
            run.forget_sources("b", ["vault"])
    assert [m.key for m in memories(store)] == ["pay/b"]


def test_rows_of_other_paths_keep_memories(store: Store, make_row: MakeRow) -> None:
    """Only comparisons of the very path lose memories."""
    with store.run("sync") as run:
        run.put_rows("elsewhere", [make_row("pay/a")])
    remember(store, "pay/a")
    with store.run("sync") as run:
        assert run.finish_path("elsewhere", [Scope("vault", "kv")]) == 1
    assert len(memories(store)) == 1


def test_a_snapshot_sees_the_old_comparison(store: Store) -> None:
    """A reader that began before a comparison ended sees none of it."""
    record(store, finding("old"))
    with store.reader() as reader:
        before = reader.findings("p", "b")
        assert next(before).pair == "old"
        record(store, finding("new"), now=T0 + HOUR)
        assert list(before) == []
        assert [f.pair for f in reader.findings("p", "b")] == ["old"]
    assert [f.pair for f in current(store)] == ["new"]
