"""Runs, coverage, verdicts, waivers, the audit trail, and how long history is kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from nhisync import __version__
from nhisync.errors import StoreError
from nhisync.model import (
    Coverage,
    CoverageStatus,
    ErrorFact,
    Finding,
    Mode,
    Severity,
    State,
    Verdict,
    Waiver,
    Word,
)
from nhisync.parity.row import Row
from nhisync.store import Retention, Store
from nhisync.store.audit import GENESIS
from nhisync.testing.clocks import CountingRandomness, FakeClock

DAY = timedelta(days=1)
T0 = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

DENIED = ErrorFact(
    kind="denied",
    message="may not list secrets",
    action="secretsmanager:ListSecrets",
    resource="*",
    principal="arn:aws:iam::111122223333:role/nhisync",
    reason="no identity-based policy allows it",
    request_id="r-1",
    retry_after=timedelta(seconds=1.5),
)


def sweep(status: CoverageStatus, items: int = 0, **more: object) -> Coverage:
    """A coverage entry with defaults."""
    values = {"source": "aws", "kind": "secret", "scope": "eu-north-1", "as_of": T0, **more}
    return Coverage(status=status, items=items, **values)  # type: ignore[arg-type]


def verdict(now: datetime = T0, word: Word = Word.READY, app: str = "pay", path: str = "backup") -> Verdict:
    """A verdict with defaults."""
    return Verdict(
        app=app,
        path=path,
        word=word,
        tier="critical",
        mode=Mode.ENFORCE,
        evaluated_at=now,
        valid_until=now + timedelta(seconds=90),
        pairs=4,
        passing=3,
        failing=1,
        unknown=0,
        reasons=("NHS201 db",),
        blocks=("ROTATION_DRIFT",),
        policy_digest="sha256:1",
        primary_baseline="the primary's snapshot is 2 h old",
    )


WAIVER = Waiver(
    pair="pay/tls", code="NHS602", until=date(2026, 12, 15), approved_by="security", reason="cut-over", ticket="SEC-812"
)


def test_a_run_tells_how_it_ended(store: Store, clock: FakeClock) -> None:
    """Command, digests, version, start, end and outcome are kept; the first end counts."""
    with store.run("sync", policy_digest="sha256:p", config_digest="sha256:c") as run:
        clock.advance(timedelta(seconds=5))
        run.finish("drift")
        run.finish("ready")
    with store.reader() as reader:
        (kept,) = reader.runs()
    assert (kept.id, kept.number, kept.command, kept.outcome) == (run.id, run.number, "sync", "drift")
    assert (kept.policy_digest, kept.config_digest, kept.tool_version) == ("sha256:p", "sha256:c", __version__)
    assert kept.started == run.started == T0
    assert kept.finished == T0 + timedelta(seconds=5)


def test_a_run_that_raises_is_failed(store: Store) -> None:
    """The error passes; the log says failed."""
    with pytest.raises(KeyError), store.run("diff"):
        raise KeyError
    with store.reader() as reader:
        assert next(reader.runs()).outcome == "failed"


def test_the_next_writer_closes_what_a_killed_one_left(
    url: str, clock: FakeClock, randomness: CountingRandomness
) -> None:
    """A run whose process is gone does not look as if it still ran."""
    with Store.open(url, clock=clock, randomness=randomness) as store:
        store.run("sync")
    with Store.open(url, clock=clock, randomness=randomness) as store, store.reader() as reader:
        assert next(reader.runs()).outcome == "interrupted"


def test_coverage_comes_back_whole(store: Store) -> None:
    """Errors with all their parts survive, and entries are replaced by their place."""
    entries = (
        sweep(CoverageStatus.COMPLETE, 12, authoritative=True),
        sweep(CoverageStatus.DENIED, kind="role", error=DENIED),
    )
    with store.run("sync") as run:
        run.put_coverage("backup", [sweep(CoverageStatus.PARTIAL, kind="role")])
        run.put_coverage("backup", entries)
    with store.reader() as reader:
        assert set(reader.coverage("backup")) == set(entries)
        assert reader.coverage("primary") == ()


def test_a_shrunken_sweep_is_accepted_as_it_stands_or_not_at_all(store: Store) -> None:
    """Only the stored SHRUNK entry with this very count becomes complete and the new measure; that is audited."""
    seen = sweep(CoverageStatus.COMPLETE, 10)
    with store.run("sync") as run:
        run.put_coverage("backup", [seen, sweep(CoverageStatus.COMPLETE, 10, kind="role")])
        run.put_coverage("backup", [sweep(CoverageStatus.SHRUNK, 3)])
    vouched = {"actor": "a", "approved_by": "b", "reason": "c"}
    for other in (sweep(CoverageStatus.SHRUNK, 4), sweep(CoverageStatus.SHRUNK, 10, kind="role")):
        assert not store.accept_sweep("backup", other, **vouched)
    assert not store.accept_sweep("primary", sweep(CoverageStatus.SHRUNK, 3), **vouched)
    assert store.accept_sweep("backup", sweep(CoverageStatus.SHRUNK, 3), **vouched)
    assert not store.accept_sweep("backup", sweep(CoverageStatus.SHRUNK, 3), **vouched)
    with store.reader() as reader:
        counts = {kind: count for (_, kind, _), count in reader.believed_counts("backup").items()}
        assert counts == {seen.kind: 3, "role": 10}
        assert [record.action for record in reader.audit()] == ["accept-sweep"]


def test_coverage_of_one_run(store: Store) -> None:
    """What an older run saw is not what this one saw."""
    with store.run("sync") as old:
        old.put_coverage("backup", [sweep(CoverageStatus.COMPLETE, 1)])
    with store.run("sync") as new:
        new.put_coverage("backup", [sweep(CoverageStatus.COMPLETE, 2, kind="role")])
    with store.reader() as reader:
        assert [entry.kind for entry in reader.coverage("backup", new.number)] == ["role"]
        assert len(reader.coverage("backup")) == 2


@pytest.mark.requirement("R6")
def test_the_shrink_guard_compares_with_the_last_complete_sweep(store: Store) -> None:
    """Sweeps that were not believed or not complete do not become what the next one is compared with."""
    place = ("aws", "secret", "eu-north-1")
    for status, items in ((CoverageStatus.COMPLETE, 12), (CoverageStatus.SHRUNK, 2), (CoverageStatus.DENIED, 0)):
        with store.run("sync") as run:
            run.put_coverage("backup", [sweep(status, items)])
        with store.reader() as reader:
            assert reader.believed_counts("backup") == {place: 12}
    with store.run("sync") as run:
        run.put_coverage("backup", [sweep(CoverageStatus.COMPLETE, 11)])
    with store.reader() as reader:
        assert reader.believed_counts("backup") == {place: 11}
        assert reader.believed_counts("primary") == {}


def test_the_largest_sweep_of_each_day_is_kept(store: Store, clock: FakeClock) -> None:
    """A later smaller sweep of the day changes nothing; days pass out of the look-back and, later, out of the store."""
    place = ("aws", "secret", "eu-north-1")
    for days, items in ((0, 9), (0, 12), (0, 11), (20, 10), (20, 8)):
        clock.advance(timedelta(days=days))
        with store.run("sync") as run:
            run.put_coverage("backup", [sweep(CoverageStatus.COMPLETE, items)])
    with store.reader() as reader:
        found = [reader.largest_counts("backup", clock.now() - timedelta(days=n)) for n in (40, 39, 19, -1)]
    assert found == [{place: 12}, {place: 10}, {place: 8}, {place: 8}]
    store.retire(Retention(runs=timedelta(days=30)))
    with store.reader() as reader:
        assert reader.largest_counts("backup", clock.now() - timedelta(days=40)) == {place: 10}


def test_coverage_of_dropped_sources_goes(store: Store) -> None:
    """A source that is not configured any more must not count as seen."""
    with store.run("sync") as run:
        run.put_coverage("backup", [sweep(CoverageStatus.COMPLETE), sweep(CoverageStatus.COMPLETE, source="vault")])
        run.forget_sources("backup", ["vault"])
    with store.reader() as reader:
        assert [entry.source for entry in reader.coverage("backup")] == ["vault"]


def test_the_latest_verdict_counts(store: Store) -> None:
    """Verdicts come back whole; instants are cut to seconds, never rounded up."""
    late = T0 + timedelta(seconds=30, microseconds=999_999)
    with store.run("sync") as run:
        run.put_verdict(verdict(T0))
        run.put_verdict(verdict(late, Word.NOT_READY))
        run.put_verdict(verdict(T0, path="other"))
    with store.reader() as reader:
        assert reader.verdict("pay", "backup") == verdict(T0 + timedelta(seconds=30), Word.NOT_READY)
        assert reader.verdict("pay", "primary") is None
        kept = list(reader.verdicts("pay"))
        assert [record.verdict.word for record in kept] == [Word.READY, Word.NOT_READY, Word.READY]
        assert {record.epoch for record in kept} == {store.epoch}
        assert [r.verdict.path for r in reader.verdicts("pay", "other")] == ["other"]
        assert len(list(reader.verdicts("pay", since=T0 + timedelta(seconds=1)))) == 1


def test_waivers_are_recorded_withdrawn_and_audited(store: Store, clock: FakeClock) -> None:
    """Both acts stand in the audit trail with who and what; withdrawing twice does nothing."""
    number = store.waive(WAIVER, actor="alice")
    with store.reader() as reader:
        assert reader.waivers() == (replace(WAIVER, origin="store"),)
    clock.advance(DAY)
    gone = store.withdraw(number, actor="bob")
    assert gone is not None
    assert (gone.created_by, gone.withdrawn_by, gone.withdrawn_at) == ("alice", "bob", T0 + DAY)
    assert store.withdraw(number, actor="bob") is store.withdraw(99, actor="bob") is None
    with store.reader() as reader:
        assert reader.waivers() == ()
        assert [record.number for record in reader.waiver_records(withdrawn=True)] == [number]
        trail = list(reader.audit())
    assert [(row.action, row.actor, row.at) for row in trail] == [("waive", "alice", T0), ("withdraw", "bob", T0 + DAY)]
    assert trail[0].detail["approved_by"] == "security"


@pytest.mark.requirement("R45")
def test_the_audit_chain_holds(store: Store) -> None:
    """Rows are numbered from 1 and each follows from the one before."""
    rows = [store.audit("hold", actor="alice", detail={"n": n, "text": "é"}) for n in range(5)]
    with store.reader() as reader:
        check = reader.verify_audit()
    assert (check.rows, check.head, check.problem) == (5, rows[-1].hash, "")
    assert rows[0].prev == GENESIS
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]


@pytest.mark.requirement("R45")
@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        ("UPDATE audit SET actor = 'mallory' WHERE number = 3", "row 3 was changed"),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", "row 3 was changed"),
        ("UPDATE audit SET detail = '{}' WHERE number = 3", "row 3 was changed"),
        ("UPDATE audit SET prev = 'x' WHERE number = 3", "row 3 does not follow row 2"),
        ("UPDATE audit SET hash = 'x' WHERE number = 3", "row 3 was changed"),
        ("DELETE FROM audit WHERE number = 3", "row 3 is missing"),
        ("DELETE FROM audit WHERE number = 1", "row 1 is missing"),
    ],
)
def test_tampering_with_the_audit_trail_shows(store: Store, tamper: str, problem: str) -> None:
    """A changed, exchanged or removed row breaks the chain at that row."""
    for n in range(5):
        store.audit("hold", actor="alice", detail={"n": n})
    with store._writing().transaction() as connection:
        connection.execute(text(tamper))
    with store.reader() as reader:
        assert reader.verify_audit().problem == problem


def test_a_trail_of_another_installation_does_not_verify(store: Store) -> None:
    """Rows copied from another store are not ours."""
    store.audit("hold", actor="alice", detail={})
    with store._writing().transaction() as connection:
        connection.execute(text("UPDATE meta SET value = 'other' WHERE name = 'installation'"))
    store.installation = "other"
    with store.reader() as reader:
        assert reader.verify_audit().problem == "row 1 was changed"


def test_history_is_kept_by_age(store: Store, clock: FakeClock, make_row: Callable[..., Row]) -> None:
    """Old history goes; what is current, audited or the latest of its kind stays."""
    fail = Finding(code="NHS201", state=State.FAIL, severity=Severity.ERROR, app="pay", pair="db", title="lag")
    with store.run("sync") as run:
        run.put_rows("backup", [make_row("pay/db")])
        run.put_verdict(verdict(clock.now()))
        with run.comparison("p", "b", policy_digest="d", now=clock.now()) as comparison:
            comparison.finding(fail)
    with store.run("sync") as run, run.comparison("p", "b", policy_digest="d", now=clock.now()):
        pass
    with store.run("idle"):
        pass
    store.waive(WAIVER, actor="alice")
    clock.advance(30 * DAY)
    with store.run("sync") as run:
        run.put_verdict(verdict(clock.now()))
    kept = Retention(runs=20 * DAY, findings=20 * DAY, verdicts=20 * DAY)
    gone = store.retire(kept)
    assert (gone.runs, gone.findings, gone.verdicts) == (1, 1, 1)
    with store.reader() as reader:
        assert [run.number for run in reader.runs()] == [4, 2, 1]
        assert list(reader.history()) == []
        assert len(list(reader.verdicts("pay"))) == len(reader.waivers()) == len(list(reader.audit())) == 1
    clock.advance(1000 * DAY)
    assert store.retire().verdicts == 0


def test_a_store_opened_for_reading_refuses_to_write(
    url: str, clock: FakeClock, randomness: CountingRandomness
) -> None:
    """The message says why and what to do."""
    Store.open(url, clock=clock, randomness=randomness).close()
    with (
        Store.open(url, clock=clock, randomness=randomness, mode="read") as store,
        pytest.raises(StoreError, match="open for reading only"),
    ):
        store.run("sync")


def test_transactions_join(store: Store) -> None:
    """A write inside a transaction of the same thread belongs to it, and goes with it."""
    with pytest.raises(KeyError), store._writing().transaction():  # noqa: PT012
        store.waive(WAIVER, actor="alice")
        raise KeyError
    with store.reader() as reader:
        assert reader.waivers() == ()
        assert list(reader.audit()) == []
