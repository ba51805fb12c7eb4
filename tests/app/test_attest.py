"""Attestations from the command to the verdict: asked for by the tier, recorded, judged, ended."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.app.attest import attest, attestations, told
from nhisync.app.desks import private_desk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.app.spool import folder_of, laid
from nhisync.errors import UsageError
from nhisync.model import Attestation, Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment, Report, State, Word
from nhisync.registry import Registry
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

pytestmark = pytest.mark.requirement("R2", "R19", "R24")

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

CONFIG = """
version: 1
providers: {allow: [unknown]}
paths:
  primary: {region: here, sources: {one: {provider: fake, script: attest-p}}}
  backup: {region: there, sources: {one: {provider: fake, script: attest-b}}}
  third: {region: there, sources: {one: {provider: fake, script: attest-b}}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    pairs: [{name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}]
"""
POLICY = """
version: 1
tier: critical
attestations: {capacity-test: 90d, data-lag: 2h}
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """One healthy pair under a tier that asks for two attestations."""
    (tmp_path / "nhisync.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/critical.yaml").write_text(POLICY, encoding="utf-8")
    clock = FakeClock(NOW)

    def one(_: object) -> Iterator[object]:
        now = clock.now()
        facts = {"lifecycle": Lifecycle.OWN, "rotated": Moment(NOW - 5 * HOUR), "owner": "x"}
        locator = Locator("one", "kv", "a")
        yield Item(locator=locator, observed_at=now, created=Moment(NOW - 900 * HOUR), **facts)  # type: ignore[arg-type]
        yield Coverage(source="one", kind="kv", scope="", status=CoverageStatus.COMPLETE, as_of=now, items=1)

    SCRIPTS["attest-p"] = SCRIPTS["attest-b"] = one  # type: ignore[assignment]
    return Session.open(
        tmp_path / "nhisync.yaml",
        policies=tmp_path / "policies",
        registry=Registry(allow=("unknown",), points=[FAKE_POINT]),
        clock=clock,
        randomness=CountingRandomness(),
    )


def claim(kind: str = "data-lag", age: timedelta = HOUR, *, holds: bool = True) -> Attestation:
    """Somebody's word about payments' backup."""
    return Attestation(
        app="payments", path="backup", kind=kind, holds=holds, observed_at=NOW - age, attested_by="dba-oncall"
    )


def judged(session: Session) -> Report:
    """A diff beside the configured store."""
    with private_desk(session) as desk:
        return diff(session, DiffOptions(primary="primary", backup="backup"), desk)


def open_ones(report: Report) -> dict[str, tuple[State, str]]:
    """Code → state and what was seen."""
    return {f.code: (f.state, f.observed) for f in report.findings}


def test_what_is_asked_for_and_not_there_is_unknown(session: Session) -> None:
    """Every pair passes, and the app is unknown all the same, with one finding that names every missing kind."""
    report = judged(session)
    (app,) = report.apps
    assert app.verdict.word is Word.UNKNOWN
    assert app.verdict.blocks == ("ATTESTATION",)
    state, observed = open_ones(report)["NHS910"]
    assert (state, observed) == (State.UNKNOWN, "capacity-test: never attested; data-lag: never attested")
    (finding,) = report.findings
    assert finding.expected == "capacity-test within 90d; data-lag within 2h"
    assert "nhisync attest payments KIND" in finding.next[0]


def test_attested_apps_are_ready_until_the_first_attestation_ends(session: Session) -> None:
    """With both there the app is ready, and its verdict ends with the first of them at the latest."""
    attest(session, claim("capacity-test", 24 * HOUR), actor="ci")
    attest(session, claim(age=2 * HOUR - timedelta(seconds=10)), actor="ci")
    (app,) = judged(session).apps
    assert app.verdict.word is Word.READY
    assert app.verdict.valid_until == NOW + timedelta(seconds=10)
    session.clock.sleep(10)
    assert open_ones(judged(session))["NHS910"][1].startswith("data-lag: attested 2026-11-28T00:00:10Z")


def test_a_bad_word_is_a_fail_until_a_later_one(session: Session) -> None:
    """What does not hold makes the app not ready; an older good word recorded later changes nothing."""
    attest(session, claim("capacity-test"), actor="ci")
    attest(session, claim(holds=False), actor="ci")
    attest(session, claim(age=2 * HOUR - timedelta(seconds=1)), actor="ci")
    report = judged(session)
    assert report.apps[0].verdict.word is Word.NOT_READY
    assert open_ones(report)["NHS911"] == (
        State.FAIL,
        "data-lag: attested 2026-11-28T01:00:00Z by dba-oncall: does not hold",
    )
    attest(session, claim(age=HOUR / 2), actor="ci")
    assert judged(session).apps[0].verdict.word is Word.READY


def test_a_clock_ahead_does_not_outlast_a_bad_word(session: Session) -> None:
    """What a fast clock dates ahead counts as said now: unfit, found seconds later, is the last word."""
    attest(session, claim("capacity-test"), actor="ci")
    attest(session, claim(age=timedelta(seconds=-30)), actor="ci")
    assert judged(session).apps[0].verdict.word is Word.READY
    session.clock.sleep(10)
    attest(session, claim(age=timedelta(seconds=-10), holds=False), actor="ci")
    assert judged(session).apps[0].verdict.word is Word.NOT_READY


def test_only_what_the_tier_asks_for_is_recorded(session: Session) -> None:
    """A misspelt kind, a foreign path, a time to come and nobody's word are refused, and nothing is recorded."""
    wrong = {
        "asks for no `data-lagg`": replace(claim(), kind="data-lagg"),
        "no backup path": replace(claim(), path="third"),
        "still to come": claim(age=-HOUR),
        "answers for it": replace(claim(), attested_by=" "),
        "URL with credentials": replace(claim(), evidence="https://robot:canary-7f31@jira.example/SEC-1"),
        "no app is called": replace(claim(), app="payment"),
    }
    for message, attestation in wrong.items():
        with pytest.raises(UsageError, match=message):
            attest(session, attestation, actor="ci")
    assert attestations(session) == ()


def test_recording_is_audited_and_waits_while_another_process_writes(session: Session) -> None:
    """Who recorded what is in the audit chain; a daemon's store is not written beside it, but told by a file."""
    url, clock, randomness = session.configuration.store_url, session.clock, session.randomness
    attest(session, claim(), actor="ci")
    with Store.open(url, clock=clock, randomness=randomness) as store, store.reader() as reader:
        (record,) = [one for one in reader.audit() if one.action == "attest"]
        assert reader.verify_audit().problem == ""
        detail = record.detail if isinstance(record.detail, dict) else json.loads(record.detail)
        assert (record.actor, detail["kind"], detail["holds"]) == ("ci", "data-lag", True)
        assert attest(session, claim(), actor="ci") == 0
        assert len([one for one in reader.audit() if one.action == "attest"]) == 1
    (waiting,) = folder_of(session.configuration.publish.snapshot).iterdir()
    assert laid(waiting) == (claim(), "ci")


def test_what_was_told_is_listed(session: Session) -> None:
    """One line for every kind that is asked for, said or not."""
    attest(session, claim(), actor="ci")
    found = [(one.app, one.path, one.attested.kind, one.attested.state) for one in told(session)]
    assert found == [
        ("payments", "backup", "capacity-test", State.UNKNOWN),
        ("payments", "backup", "data-lag", State.PASS),
    ]
