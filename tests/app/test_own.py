"""R32: nhisync's own credential is revoked, ends or cannot be seen, and what it covers becomes UNKNOWN."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.desk import StoreDesk
from nhisync.app.desks import stored_desk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.clock import SystemClock
from nhisync.model import Report, Word
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness
from nhisync.testing.judge import Account, Judge

pytestmark = pytest.mark.requirement("R32")

TOKENS = {"primary": "canary-own-west-51c0de", "backup": "canary-own-north-51c0de"}
CONFIG = """
version: 1
policies: ./policies
paths:
  primary: {{region: here, sources: {{files: {{provider: file, root: primary}}}}}}
  backup:
    region: there
    sources: {{files: {{provider: file, root: backup}}, others: {{provider: file, root: backup}}}}
apps:
  payments:
    tier: plain
    owner: payments-oncall
    pairs: [{{name: db, kind: secret, primary: "files:json/db.json#key", backup: "files:json/db.json#key"}}]
  search:
    tier: plain
    owner: search-oncall
    pairs: [{{name: db, kind: secret, primary: "files:json/s.json#key", backup: "others:json/s.json#key"}}]
  {own}:
    tier: tried
    mode: {mode}
    owner: platform-oncall
    pairs:
      - name: reader
        kind: token
        primary: "files:json/own.json#key"
        backup: "files:json/own.json#key"
        probe:
          primary: {{type: http, url: "https://{judge}/primary", auth: bearer, ca_file: "{ca}"}}
          backup: {{type: http, url: "https://{judge}/backup", auth: bearer, ca_file: "{ca}"}}
{more}
"""


class World:
    """Two apps, nhisync's own tokens beside them, and the service that judges these."""

    def __init__(self, folder: Path, judge: Judge) -> None:
        self.folder, self.judge, self.randomness = folder, judge, CountingRandomness()
        self.file = folder / "nhisync.yaml"
        for path, token in TOKENS.items():
            (folder / path).mkdir()
            self.keep(path, "own", token)
            for name in ("db", "s"):
                self.keep(path, name, f"canary-{path}-{name}")
            judge.accounts[f"/{path}"] = Account(f"nhisync-{path}", token)
        (folder / "policies").mkdir()
        plain = {"version": 1, "tier": "plain", "inherits": "standard", "off": ["NHS201"]}
        tried = {**plain, "tier": "tried", "live": {"min_depth": "auth", "grace": "0s"}}
        for policy in (plain, tried):
            (folder / f"policies/{policy['tier']}.yaml").write_text(json.dumps(policy), encoding="utf-8")
        self.configure()

    def session(self) -> Session:
        """A session on it."""
        return Session.open(self.file, clock=SystemClock(), randomness=self.randomness)

    def configure(self, *, own: str = "nhisync", mode: str = "enforce", more: str = "") -> None:
        """Write the configuration; `more` are further lines of the own pair."""
        text = CONFIG.format(judge=self.judge.address, ca=self.judge.authority, own=own, mode=mode, more=more)
        self.file.write_text(text, encoding="utf-8")

    def keep(self, path: str, name: str, value: str) -> None:
        """Store a credential."""
        file = self.folder / path / f"{name}.json"
        file.write_text(json.dumps({"key": value}), encoding="utf-8")
        file.chmod(0o600)

    def revoke(self, path: str) -> None:
        """Let the service take its token back."""
        self.judge.accounts[f"/{path}"] = Account(f"nhisync-{path}", "another value")

    def diff(self, **options: Any) -> Report:
        """What a live diff finds."""
        session, wishes = self.session(), DiffOptions(primary="primary", backup="backup", live=True, **options)
        store = Store.open(f"sqlite:///{self.folder}/nhisync.db", clock=SystemClock(), randomness=self.randomness)
        with store, store.run("diff") as run:
            return diff(session, wishes, StoreDesk(session, store, run))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The world, running."""
    judge = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    judge.start()
    yield World(tmp_path, judge)
    judge.stop()


def words(report: Report) -> dict[str, Word]:
    """App → verdict."""
    return {app.app: app.verdict.word for app in report.apps}


def test_a_revoked_own_backup_token_makes_everything_it_covers_unknown(world: World) -> None:
    """Its own app is not ready, every other one UNKNOWN with that reason; all are ready again when it is let in."""
    assert set(words(world.diff()).values()) == {Word.READY}
    world.revoke("backup")
    report = world.diff()
    assert words(report) == {"nhisync": Word.NOT_READY, "payments": Word.UNKNOWN, "search": Word.UNKNOWN}
    told = {f.app: f.observed for f in report.findings if f.code == "NHS912"}
    assert told == dict.fromkeys(("payments", "search"), "nhisync/reader is unfit (NHS801)")
    assert all(token not in repr(report) for token in TOKENS.values())
    world.judge.accounts["/backup"] = Account("nhisync-north", TOKENS["backup"])
    assert set(words(world.diff()).values()) == {Word.READY}


def test_a_taken_over_result_and_a_cached_look_close_as_well(world: World) -> None:
    """What an earlier run found unfit gates also where the pair was not judged anew, and where nothing is contacted."""
    world.revoke("backup")
    for _ in range(3):
        assert words(world.diff())["payments"] is Word.UNKNOWN
    asked = world.judge.requests
    with stored_desk(world.session()) as desk:
        report = diff(world.session(), DiffOptions(primary="primary", backup="backup", cached=True), desk)
    assert words(report)["payments"] is Word.UNKNOWN
    assert world.judge.requests == asked


def test_a_look_at_one_app_is_closed_as_well(world: World) -> None:
    """Filters narrow what is shown, never what is judged: its own app is judged and not shown."""
    world.revoke("backup")
    report = world.diff(apps=("payments",))
    assert words(report) == {"payments": Word.UNKNOWN}
    assert {f.app for f in report.findings} == {"payments"}
    assert [f.code for f in report.findings if f.severity.value == "error"] == ["NHS912"]


def test_only_what_a_credential_opens_is_closed(world: World) -> None:
    """Sources that the pair does not name are read with another one."""
    world.configure(more="        authenticates: [others]")
    world.revoke("backup")
    assert words(world.diff()) == {"nhisync": Word.NOT_READY, "payments": Word.READY, "search": Word.UNKNOWN}


def test_the_primarys_own_credential_closes_nothing(world: World) -> None:
    """In an outage of the primary nobody needs to read it; that is told, and the backup stays open."""
    world.revoke("primary")
    report = world.diff()
    assert set(words(report).values()) == {Word.READY}
    grave = [(f.app, f.code, f.side.value) for f in report.findings if f.severity.value == "error"]
    assert grave == [("nhisync", "NHS801", "primary")]


def test_an_own_credential_that_is_not_there_or_not_seen_closes(world: World) -> None:
    """Not only what fails: what is not known of it is not known of anything it reads."""
    (world.folder / "backup/own.json").unlink()
    assert words(world.diff())["payments"] is Word.UNKNOWN
    world.keep("backup", "own", TOKENS["backup"])
    world.judge.stop()
    report = world.diff()
    world.judge.start()
    assert words(report) == dict.fromkeys(("nhisync", "payments", "search"), Word.UNKNOWN)


def test_an_app_that_only_observes_closes_nothing(world: World) -> None:
    """`mode: observe` is for the first days; another app of the same kind closes nothing either."""
    world.revoke("backup")
    world.configure(mode="observe")
    assert words(world.diff())["payments"] is Word.READY
    world.configure(own="robots")
    assert words(world.diff())["payments"] is Word.READY


def test_its_lifecycle_is_judged_like_any_other(world: World) -> None:
    """One value on both paths is found where values are compared, and closes."""
    policy = world.folder / "policies/tried.yaml"
    policy.write_text(json.dumps({**json.loads(policy.read_text()), "evidence": {"compare_values": True}}))
    world.keep("primary", "own", TOKENS["backup"])
    world.judge.accounts["/primary"] = Account("nhisync-west", TOKENS["backup"])
    report = world.diff()
    assert ("nhisync", "NHS401") in {(f.app, f.code) for f in report.findings}
    assert words(report)["payments"] is Word.UNKNOWN
