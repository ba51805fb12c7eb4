"""Consumers from the configuration to the verdict: asked or spoken for, judged, remembered, and never with a value."""

import io
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.attest import attest
from nhisync.app.desk import StoreDesk
from nhisync.app.desks import private_desk, stored_desk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.cli import main
from nhisync.clock import SystemClock
from nhisync.errors import UsageError
from nhisync.model import (
    CONSUMER,
    Attestation,
    Coverage,
    CoverageStatus,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Report,
    Word,
)
from nhisync.parity.holding import held_of, retirable
from nhisync.parity.row import epoch
from nhisync.registry import Registry
from nhisync.store import Store
from nhisync.store.restrictions import take_back
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.judge import Account, Judge
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

pytestmark = pytest.mark.requirement("R18", "R25")

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CANARY = "canary-consumer-51c0de"
OVER_THERE = [sys.executable, "-c", "import sys; from nhisync.cli import main; sys.exit(main())", "run-probe"]

CONFIG = """
version: 1
providers: {{allow: [unknown]}}
policies: ./policies
paths:
  primary: {{region: here, sources: {{one: {{provider: fake, script: used-p}}}}}}
  backup:
    region: there
    runner: {{command: {runner}}}
    sources: {{one: {{provider: fake, script: used-b}}}}
apps:
  payments:
    tier: {tier}
    owner: payments-oncall
    pairs:
      - {{name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a", consumers: {consumers}}}
"""
ASKED = (
    '{{backup: {{worker: {{url: "https://{judge}/worker", generation: loaded.generation, ca_file: "{ca}"{more}}}}}}}'
)
TOLD = "{backup: {worker: {}}, primary: {worker: {}}}"


class World:
    """One pair whose backup is used by one workload."""

    def __init__(self, folder: Path, judge: Judge) -> None:
        self.folder, self.judge, self.clock, self.randomness = folder, judge, FakeClock(NOW), CountingRandomness()
        self.version, self.rotated = "1", NOW - 90 * HOUR
        (folder / "policies").mkdir()
        policy = {"version": 1, "tier": "used", "inherits": "standard"}
        policy |= {"consumers": {"ask": "named", "max_age": "40m", "grace": "1h"}}
        (folder / "policies/used.yaml").write_text(json.dumps(policy), encoding="utf-8")
        self.configure()
        self.load("1")
        SCRIPTS["used-p"], SCRIPTS["used-b"] = self.items, self.items  # type: ignore[assignment]

    def configure(self, consumers: str = "", *, tier: str = "used", more: str = "") -> None:
        """Write the configuration."""
        asked = ASKED.format(judge=self.judge.address, ca=self.judge.authority, more=more)
        text = CONFIG.format(runner=json.dumps(OVER_THERE), tier=tier, consumers=consumers or asked)
        (self.folder / "nhisync.yaml").write_text(text, encoding="utf-8")

    def items(self, _: object) -> Iterator[object]:
        """The store's item, as it is now."""
        facts: dict[str, Any] = {"lifecycle": Lifecycle.OWN, "rotated": Moment(self.rotated), "owner": "x"}
        facts |= {"created": Moment(NOW - 900 * HOUR), "version": self.version}
        yield Item(locator=Locator("one", "kv", "a"), observed_at=self.clock.now(), **facts)
        seen, now = CoverageStatus.COMPLETE, self.clock.now()
        yield Coverage(source="one", kind="kv", scope="", status=seen, as_of=now, items=1)

    def load(self, generation: str) -> None:
        """Let the workload load a generation."""
        self.judge.accounts["/worker"] = Account("worker", "", open=True, generation=generation)

    def rotate(self, version: str) -> None:
        """Let the store have a newer generation."""
        self.version, self.rotated = version, self.clock.now()

    @property
    def session(self) -> Session:
        """A session on it."""
        registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        file = self.folder / "nhisync.yaml"
        return Session.open(file, registry=registry, clock=self.clock, randomness=self.randomness)

    def store(self) -> Store:
        """The store."""
        return Store.open(f"sqlite:///{self.folder}/nhisync.db", clock=self.clock, randomness=self.randomness)

    def cycle(self) -> Report:
        """One run that keeps what it learns."""
        with self.store() as store:
            return self.cycle_in(store)

    def cycle_in(self, store: Store) -> Report:
        """One run in an open store."""
        session, wishes = self.session, DiffOptions(primary="primary", backup="backup")
        with store.run("sync", config_digest=session.configuration.digest) as run:
            return diff(session, wishes, StoreDesk(session, store, run))

    def attest(self, generation: str, *, age: timedelta = timedelta(0), path: str = "backup", **changes: Any) -> None:
        """Somebody's word about the workload."""
        claim = Attestation(
            app="payments",
            path=path,
            kind=CONSUMER,
            holds=True,
            observed_at=self.clock.now() - age,
            attested_by="deployment",
            pair="a",
            consumer="worker",
            generation=generation,
        )
        attest(self.session, replace(claim, **changes), actor="ci")

    def run(self, *arguments: str) -> tuple[int, str]:
        """One command line: exit code and everything it printed."""
        out = io.StringIO()
        registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        parts: dict[str, Any] = {"clock": self.clock, "randomness": self.randomness, "registry": registry}
        line = ["--config", str(self.folder / "nhisync.yaml"), *arguments]
        return main(line, stdin=io.StringIO(), stdout=out, stderr=out, environ={}, **parts), out.getvalue()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The world, with its workload running."""
    judge = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    judge.start()
    yield World(tmp_path, judge)
    judge.stop()


def told(report: Report) -> dict[str, str]:
    """Code of the consumers' rules → state."""
    return {f.code: f.state.value for f in report.findings if f.code in {"NHS814", "NHS815"}}


def word(report: Report) -> Word:
    """The verdict."""
    return report.apps[0].verdict.word


def test_a_workload_that_does_not_reload_makes_a_current_backup_not_ready(world: World) -> None:
    """Ready while it has loaded the current one and within the grace; then NOT READY, until it has reloaded."""
    assert word(world.cycle()) is Word.READY
    world.clock.advance(HOUR / 2)
    world.rotate("2")
    assert (word(world.cycle()), told(world.cycle())) == (Word.READY, {})
    world.clock.advance(HOUR)
    late = world.cycle()
    assert (word(late), told(late)) == (Word.NOT_READY, {"NHS814": "fail"})
    (finding,) = late.findings
    assert finding.observed.startswith("worker holds 1; 2 is current since 2026-11-28T02:30:00Z")
    assert "ROTATION_DRIFT" in late.apps[0].verdict.blocks
    with world.store() as store:
        (row,) = store.cursor("backup")
    seconds = epoch(world.clock.now()) or 0
    gate = retirable(held_of(row) or pytest.fail("nothing was kept"), ("worker",), "2", now=seconds, max_age=2400)
    assert gate.versions == ()
    world.load("2")
    assert (word(world.cycle()), told(world.cycle())) == (Word.READY, {})


def test_what_the_store_never_showed_is_unknown_and_forgotten(world: World) -> None:
    """A workload that answers with another text, even with its value, is unknown; that text is in no file or report."""
    for said in ("0", CANARY):
        world.load(said)
        report = world.cycle()
        assert (word(report), told(report)) == (Word.UNKNOWN, {"NHS815": "unknown"})
        assert CANARY not in repr(report)
    assert not any(CANARY.encode() in file.read_bytes() for file in world.folder.rglob("*") if file.is_file())


def test_a_workload_that_is_silent_is_unknown_with_the_reason(world: World) -> None:
    """What it said before ages and then counts no more; the reason stands beside it."""
    world.judge.accounts.clear()
    report = world.cycle()
    assert (word(report), told(report)) == (Word.UNKNOWN, {"NHS815": "unknown"})
    assert "the service answers 404" in report.findings[0].observed
    world.load("1")
    assert word(world.cycle()) is Word.READY
    world.judge.accounts.clear()
    world.clock.advance(timedelta(minutes=20))
    assert word(world.cycle()) is Word.READY
    world.clock.advance(timedelta(minutes=20))
    silent = world.cycle()
    assert (word(silent), told(silent)) == (Word.UNKNOWN, {"NHS815": "unknown"})
    assert "since then: the service answers 404" in silent.findings[0].observed


def test_a_verdict_does_not_outlast_the_look_it_rests_on(world: World) -> None:
    """Neither a new one nor one of a remembered pair."""
    world.configure(TOLD)
    world.cycle()
    world.attest("1", age=timedelta(minutes=39))
    for _ in range(2):
        (app,) = world.cycle().apps
        assert (app.verdict.word, app.verdict.valid_until) == (Word.READY, NOW + timedelta(minutes=1))


def test_a_workload_is_asked_at_half_of_the_age_limit(world: World) -> None:
    """And at once where it was not seen with the current generation; nobody asks where no tier does."""
    world.cycle()
    world.cycle()
    assert world.judge.requests == 1
    world.clock.advance(timedelta(minutes=20))
    world.cycle()
    assert world.judge.requests == 2
    world.rotate("2")
    world.cycle()
    world.cycle()
    assert world.judge.requests == 4
    world.configure(tier="standard")
    assert told(world.cycle()) == {}
    assert world.judge.requests == 4


def test_an_edited_probe_is_asked_anew(world: World) -> None:
    """What another address said is none of this one's."""
    world.cycle()
    world.judge.accounts["/other"] = Account("other", "", open=True, generation="0")
    text = (world.folder / "nhisync.yaml").read_text().replace("/worker", "/other")
    (world.folder / "nhisync.yaml").write_text(text)
    assert told(world.cycle()) == {"NHS815": "unknown"}


def test_a_workload_is_asked_from_the_paths_runner(world: World) -> None:
    """`nhisync run-probe` over there asks it; a runner that gives no result leaves it unknown."""
    world.configure(more=", run_from: backup")
    assert word(world.cycle()) is Word.READY
    assert world.judge.requests == 1
    text = (world.folder / "nhisync.yaml").read_text().replace(json.dumps(OVER_THERE), "['false']")
    (world.folder / "nhisync.yaml").write_text(text)
    report = world.cycle()
    assert told(report) == {"NHS815": "unknown"}
    assert "the runner of backup ended with code 1" in report.findings[0].observed


def test_what_was_attested_counts_like_what_was_asked(world: World) -> None:
    """Missing is unknown, the last observation counts whatever was recorded after it, two that disagree are none."""
    world.configure(TOLD)
    assert told(world.cycle()) == {"NHS815": "unknown"}
    world.attest("1")
    assert word(world.cycle()) is Word.READY
    world.clock.advance(HOUR / 4)
    world.rotate("2")
    world.clock.advance(HOUR)
    assert told(world.cycle()) == {"NHS815": "unknown"}
    world.attest("1")
    assert told(world.cycle()) == {"NHS814": "fail"}
    world.attest("2", age=timedelta(minutes=1))
    assert told(world.cycle()) == {"NHS814": "fail"}, "it was observed earlier"
    world.attest("2")
    assert told(world.cycle()) == {"NHS815": "unknown"}, "two words of one instant"
    world.clock.advance(timedelta(seconds=1))
    world.attest("2")
    assert word(world.cycle()) is Word.READY


def test_a_late_consumer_of_the_primary_keeps_nobody_out(world: World) -> None:
    """It is told: the way back leads there."""
    world.configure(TOLD)
    world.cycle()
    world.rotate("2")
    world.clock.advance(2 * HOUR)
    world.cycle()
    world.attest("2")
    world.attest("1", path="primary")
    report = world.cycle()
    assert (word(report), told(report)) == (Word.READY, {"NHS814": "fail"})
    assert report.findings[0].side.value == "primary"


def test_silent_workloads_of_the_primary_take_no_time_from_the_backups(world: World) -> None:
    """In an outage they only time out, however many there are: the backup's are asked first."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f'"http://127.0.0.1:{silent.getsockname()[1]}/"'
        dead = ", ".join(f"w{i}: {{url: {place}, generation: x, timeout: 300ms}}" for i in range(40))
        asked = ASKED.format(judge=world.judge.address, ca=world.judge.authority, more="")
        world.configure(asked.replace("{backup:", f"{{primary: {{{dead}}}, backup:"))
        assert word(world.cycle()) is Word.READY


def test_a_kind_of_the_tiers_own_is_no_word_about_a_consumer(world: World) -> None:
    """A tier may ask for a kind called consumer; what is said of one workload does not answer it."""
    world.configure(TOLD)
    policy = world.folder / "policies/used.yaml"
    policy.write_text(json.dumps({**json.loads(policy.read_text()), "attestations": {"consumer": "1d"}}))
    world.attest("1")
    assert [f.code for f in world.cycle().findings] == ["NHS910"]
    code, said = world.run("attest", "payments", "consumer", "--by", "ci", "--result", "pass")
    assert code == 0, said
    assert word(world.cycle()) is Word.READY


def test_diff_beside_the_store_knows_its_history(world: World) -> None:
    """A look of its own asks the workload anew; what was current before is read from the configured store."""
    world.cycle()
    world.rotate("2")
    world.clock.advance(HOUR)
    for _ in range(2):
        with private_desk(world.session) as desk:
            report = diff(world.session, DiffOptions(primary="primary", backup="backup"), desk)
        assert told(report) == {"NHS814": "fail"}
    with stored_desk(world.session) as desk:
        cached = diff(world.session, DiffOptions(primary="primary", backup="backup", cached=True), desk)
    assert told(cached) == {"NHS815": "unknown"}, "the store itself was told nothing, and its look is old"


@pytest.mark.parametrize(("changes", "says"), [
    ({"pair": "b"}, "no pair called `b`"),
    ({"kind": "data-lag"}, "speaks about no pair"),
    ({"consumer": "other"}, "names no consumer `other` on its backup"),
    ({"path": "third"}, "`third` is no path"),
    ({"generation": "a b"}, "version id"),
    ({"generation": ""}, "version id"),
    ({"generation": "https://robot:x@example"}, "URL with credentials"),
    ({"attested_by": " "}, "answers for it"),
    ({"observed_at": NOW + HOUR}, "still to come"),
])  # fmt: skip
def test_only_what_the_pair_names_is_recorded(world: World, changes: dict[str, Any], says: str) -> None:
    """A word about somebody else, or one without a version id, is refused."""
    with pytest.raises(UsageError, match=says):
        world.attest(**{"generation": "1", **changes})
    assert not (world.folder / "nhisync.db").exists()


def test_the_command_says_and_audits_it(world: World) -> None:
    """What it has loaded instead of a result; each stray or missing option is refused."""
    world.configure(TOLD)
    line = ("attest", "payments", "consumer", "--by", "ci")
    about = ("--pair", "a", "--consumer", "worker", "--generation", "1")
    code, said = world.run(*line, *about)
    assert (code, "payments/backup consumer worker of a has loaded 1" in said) == (0, True), said
    assert world.run(*line, *about[2:])[0] == 2
    assert world.run(*line, *about, "--result", "pass")[0] == 2
    assert world.run("attest", "payments", "on-call", "--result", "pass", "--by", "x", *about)[0] == 2
    assert world.run("attest", "payments", *about)[0] == 2
    with world.store() as store, store.reader() as reader:
        (one,) = reader.attestations()
        (record,) = [one for one in reader.audit() if one.action == "attest"]
    assert (one.pair, one.consumer, one.generation) == ("a", "worker", "1")
    detail = record.detail if isinstance(record.detail, dict) else json.loads(record.detail)
    assert detail["generation"] == "1"
    assert word(world.cycle()) is Word.READY


def test_each_consumer_has_its_own_last_word(world: World) -> None:
    """One consumer's attestation takes no other one's away, nor that of another path."""
    world.configure("{backup: {worker: {}, batch: {}}, primary: {worker: {}}}")
    world.attest("1", age=HOUR / 3)
    world.attest("1", consumer="batch")
    world.attest("1", path="primary")
    with world.store() as store, store.reader() as reader:
        assert len(reader.attestations("payments")) == 3
    assert word(world.cycle()) is Word.READY


def test_a_restore_takes_the_word_back(world: World) -> None:
    """Nobody knows what was said since the backup was made: it must be said again."""
    world.configure(TOLD)
    world.attest("1")
    with world.store() as store:
        assert word(world.cycle_in(store)) is Word.READY
        with store._writing().transaction() as connection:
            back = take_back(connection, (), now=NOW)
        assert back == ("attestation payments/backup consumer, by deployment",)
        assert told(world.cycle_in(store)) == {"NHS815": "unknown"}
