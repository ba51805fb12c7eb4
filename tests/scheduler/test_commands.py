"""`nhisync sync`, `ready` and `status` as a person or a script meets them."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from nhisync.app.sync import announce, sync
from nhisync.cli.serve import listener_settings
from nhisync.store import Store


def test_sync_reports_and_publishes(world: Any) -> None:
    """The report stands on stdout with the verdict last; stderr says where the signals went; the exit code is 0."""
    ended = world.run("sync")
    assert ended.code == 0
    assert "READY      north can take payments: 1 of 1 pair pass" in ended.out
    assert f"published to {world.publication}" in ended.err
    assert world.publication.exists()


def test_sync_answers_like_diff(world: Any) -> None:
    """Drift is 1, parity is 0, nothing judged for lack of an answer is 4, whatever the format."""
    world.answer("b", rotated=timedelta(days=200))
    ended = world.run("sync", "--format", "json")
    assert ended.code == 1
    assert json.loads(ended.out)["verdicts"][0]["verdict"] == "not_ready"
    world.answer("b")
    assert world.run("sync", "--format", "plain").code == 0
    world.vanish("b")
    world.clock.advance(timedelta(minutes=5))
    assert world.run("sync").code == 4


def test_sync_refuses_beside_another_writer(world: Any) -> None:
    """While a daemon holds the store, a second writer is refused with 5 and changes nothing."""
    with world.store():
        ended = world.run("sync")
    assert ended.code == 5
    assert "lock" in ended.err
    assert not world.publication.exists()


@pytest.mark.requirement("R9")
def test_ready_is_one_word_and_one_code(world: Any) -> None:
    """Ready 0, not_ready 1, unknown 3: nothing else on stdout, and the primary has its own answer."""
    assert world.run("ready", "payments", "backup").out == "unknown\n"
    world.run("sync")
    assert world.run("ready", "payments", "backup") == world.run("ready", "payments", "north")
    ended = world.run("ready", "payments", "backup")
    assert (ended.code, ended.out, ended.err) == (0, "ready\n", "")
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    ended = world.run("ready", "payments", "backup")
    assert (ended.code, ended.out) == (1, "not_ready\n")
    assert world.run("ready", "payments", "primary").code == 0


@pytest.mark.requirement("R9")
def test_ready_honours_valid_until(world: Any) -> None:
    """From `valid_until` on the answer is unknown, with a hint on stderr why; so it is from another boot."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=90))
    ended = world.run("ready", "payments", "backup")
    assert (ended.code, ended.out) == (3, "unknown\n")
    assert "the last evaluation counted until 2026-11-23T03:13:39Z" in ended.err
    assert world.run("ready", "payments", "backup", "--quiet").err == ""
    world.run("sync")
    world.publication.write_bytes(world.publication.read_bytes().replace(b'"boot_id":"', b'"boot_id":"0'))
    assert world.run("ready", "payments", "primary").code == 3


@pytest.mark.requirement("R9")
def test_a_restored_store_leaves_nothing_ready(world: Any) -> None:
    """What was published from the replaced store is taken back: nothing is ready until the next cycle."""
    world.run("sync")
    assert world.run("store", "backup", str(world.folder / "copy.db")).code == 0
    assert world.run("ready", "payments", "backup").code == 0
    assert world.run("store", "restore", str(world.folder / "copy.db")).code == 0
    assert not world.publication.exists()
    assert world.run("ready", "payments", "backup").code == 3
    assert world.run("status").code == 3
    world.run("sync")
    assert world.run("ready", "payments", "backup").code == 0


def test_ready_in_observe_mode_says_so(world: Any) -> None:
    """Observe gates nothing, also for scripts, and says on stderr what enforce would do."""
    world.configure(mode="observe")
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    ended = world.run("ready", "payments", "backup")
    assert (ended.code, ended.out) == (0, "ready\n")
    assert "would block" in ended.err


@pytest.mark.parametrize("arguments", [("nobody", "backup"), ("payments", "nowhere")])
def test_ready_refuses_what_is_not_configured(world: Any, arguments: tuple[str, str]) -> None:
    """A misspelt app or path is a usage error, never an answer."""
    ended = world.run("ready", *arguments)
    assert (ended.code, ended.out) == (2, "")


def test_status_shows_a_line_per_app(world: Any) -> None:
    """The table names the signals as served now, since when, on how old evidence, and what blocks."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=60))
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    world.clock.advance(timedelta(seconds=38))
    ended = world.run("status")
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].split() == ["APP", "TIER", "ACTIVE", "PRIMARY", "BACKUP", "SINCE", "EVIDENCE", "BLOCKERS"]
    assert lines[1].startswith("payments  critical  unknown  ready    NOT READY  00:38  00:38     NHS2")
    assert lines[-1] == "Next: nhisync diff --app payments"


@pytest.mark.requirement("R48")
def test_status_tells_how_long_the_backup_lives_without_issuers(world: Any) -> None:
    """Table and JSON name the horizon as of now and who dies first; time that passes shortens it."""
    world.run("sync")
    assert "payments on north, blackout: not known of 1 of 1 pair (a)" in world.run("status").out
    world.answer("b", expires=timedelta(days=100))
    world.run("sync")
    world.clock.advance(timedelta(seconds=30))
    told = world.run("status").out
    assert (
        "payments on north, blackout: 99d 23h, until 2027-03-03T03:12:09Z; a dies first (the credential ends)" in told
    )
    (app,) = json.loads(world.run("status", "--format", "json").out)["apps"]
    assert (app["blackout"]["first_to_die"], app["blackout"]["horizon_seconds"]) == ("a", 100 * 86_400 - 30)
    assert app["blackout"]["required_seconds"] is None


def test_a_cycle_computes_the_clock_where_the_tier_asks(world: Any) -> None:
    """A tier that asks blocks on too short a life; once it is long enough, the same cycle is ready again."""
    policies = world.folder / "policies"
    policies.mkdir()
    asks = "version: 1\ntier: critical\nblackout: {ask: true, rto: 5d, longest_stay: 1d, margin: 1d}\n"
    (policies / "critical.yaml").write_text(asks)
    world.configure(more="policies: ./policies")
    verdicts = []
    for days in (6, 8):
        world.answer("b", expires=timedelta(days=days), rotated=timedelta(days=1))
        ended = world.run("sync")
        verdicts.append((ended.code, "NHS307" in ended.out))
        world.clock.advance(timedelta(seconds=30))
    assert verdicts == [(1, True), (0, False)]
    assert "asked for 7d" in world.run("status").out


def test_status_of_a_ready_app_is_0(world: Any) -> None:
    """With everything ready the exit code is 0; since counts from the first verdict of the streak."""
    for _ in range(3):
        world.run("sync")
        world.clock.advance(timedelta(seconds=30))
    ended = world.run("status", "payments")
    assert ended.code == 0
    assert ended.out.splitlines()[1].split()[:6] == ["payments", "critical", "unknown", "ready", "ready", "01:30"]


def test_streak_is_found_however_long_ago_it_began(world: Any) -> None:
    """`since` looks further back step by step until it meets the change, or the beginning of history."""
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    world.answer("b")
    world.clock.advance(timedelta(days=1))
    for _ in range(3):
        world.run("sync")
        world.clock.advance(timedelta(hours=20))
    world.run("sync")
    document = json.loads(world.run("status", "--format", "json").out)
    assert document["apps"][0]["since"] == "2026-11-24T03:12:09Z"


@pytest.mark.requirement("R9")
def test_status_after_silence_is_unknown_and_stale(world: Any) -> None:
    """When cycles stop, status says STALE with exit code 3 and how to go on, as the listener says 503."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=90))
    ended = world.run("status")
    assert ended.code == 3
    assert ended.out.splitlines()[1].split()[3:5] == ["UNKNOWN", "UNKNOWN"]
    assert "STALE" in ended.out
    assert json.loads(world.run("status", "--format", "json").out)["apps"][0]["since"] is None  # it ends this moment
    world.clock.advance(timedelta(seconds=7))
    document = json.loads(world.run("status", "--format", "json").out)
    assert document["apps"][0]["since"] == "2026-11-23T03:13:39Z"
    assert ended.out.splitlines()[-1].startswith("Next: nhisync serve")


@pytest.mark.requirement("R5")
def test_old_evidence_is_told_from_a_silent_sync(world: Any) -> None:
    """When cycles run and the backup's evidence cannot be renewed, nobody is sent to restart a daemon that runs."""
    world.run("sync")
    world.vanish("b")
    world.clock.advance(timedelta(minutes=5))
    world.run("sync")
    ended = world.run("status")
    assert ended.out.splitlines()[1].split()[3:5] == ["ready", "UNKNOWN"]
    assert ended.out.splitlines()[-1] == "Next: nhisync diff --app payments"
    ended = world.run("ready", "payments", "backup")
    assert (ended.code, ended.out) == (3, "unknown\n")
    assert "nhisync diff --app payments" in ended.err
    assert "serve" not in ended.err


def test_status_while_a_new_sync_process_has_not_evaluated(world: Any) -> None:
    """After a killed sync process its successor blocks everything: INIT says so, whatever the last verdict was."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=40))
    announce(world.session())
    world.clock.advance(timedelta(seconds=5))
    ended = world.run("status")
    assert ended.code == 3
    header, line, *rest = ended.out.splitlines()
    row = dict(zip(re.split(r"\s{2,}", header), re.split(r"\s{2,}", line.strip()), strict=True))
    assert (row["BACKUP"], row["SINCE"], row["BLOCKERS"]) == ("UNKNOWN", "00:05", "INIT")
    assert rest[0].startswith("INIT: the sync process has not evaluated since it started")
    assert rest[-1] == "Next: nhisync status --watch"
    world.clock.advance(timedelta(seconds=120))
    assert json.loads(world.run("status", "--format", "json").out)["apps"][0]["blockers"] == ["STALE"]


def test_status_tells_what_holds_the_published_signal(world: Any) -> None:
    """A sync process that was killed between store and publication leaves a verdict that nobody is served."""
    world.answer("b", rotated=timedelta(days=300))
    world.run("sync")
    world.clock.advance(timedelta(seconds=1))
    world.answer("b")
    session, file = world.session(), world.publication.read_bytes()
    with world.store() as store:
        sync(session, store)
    world.publication.write_bytes(file)
    standing = json.loads(world.run("status", "--format", "json").out)["apps"][0]
    assert (standing["backup"], standing["blockers"]) == ("not_ready", ["ROTATION_DRIFT"])


@pytest.mark.parametrize("seconds", [0, 30, 89, 91, 500])
@pytest.mark.parametrize("verdict", ["ready", "blocked", "none"])
@pytest.mark.parametrize("last", ["cycle", "start", "removed"])
def test_status_never_blocks_without_a_reason(world: Any, seconds: int, verdict: str, last: str) -> None:
    """Whenever a signal is closed, whoever was killed when, something stands under BLOCKERS."""
    world.clock.advance(timedelta(microseconds=250_001))
    world.answer("b", rotated=timedelta(days=300 if verdict == "blocked" else 5))
    if verdict != "none":
        world.run("sync")
    if last == "start":
        with world.store():
            announce(world.session())
    if last == "removed":
        world.publication.unlink(missing_ok=True)
    world.clock.advance(timedelta(seconds=seconds))
    (standing,) = json.loads(world.run("status", "--format", "json").out)["apps"]
    assert (standing["backup"] == "ready") == (standing["blockers"] == [])
    if standing["backup"] == "not_ready":
        assert standing["blockers"] == ["NHS201 a", "NHS208 a"]


def test_status_before_the_first_cycle(world: Any) -> None:
    """Without store and publication every app is there, unknown, with the command to type."""
    ended = world.run("status")
    assert ended.code == 3
    assert "nothing is published yet" in ended.out


def test_status_tells_on_how_old_a_primary_the_verdict_rests(world: Any) -> None:
    """In the outage case the table carries the remark about the primary's last snapshot."""
    world.run("sync")
    world.vanish("p")
    world.clock.advance(timedelta(minutes=7))
    assert world.run("sync").code == 0
    ended = world.run("status")
    assert ended.code == 0
    assert "payments: one on west gave no answer: its last observation is 7m old" in ended.out


def test_status_as_json(world: Any) -> None:
    """Machines get the same facts with units in the names."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=38))
    document = json.loads(world.run("status", "--format", "json").out)
    assert document["trouble"] == ""
    assert document["apps"][0] == {
        "app": "payments",
        "tier": "critical",
        "mode": "enforce",
        "path": "north",
        "primary": "ready",
        "backup": "ready",
        "would_block": False,
        "since": "2026-11-23T03:12:09Z",
        "evidence_age_seconds": 38,
        "valid_until": "2026-11-23T03:13:39Z",
        "blockers": [],
        "primary_baseline": "",
        "remark": "",
        "blackout": {
            "until": None,
            "horizon_seconds": None,
            "required_seconds": None,
            "first_to_die": "",
            "cause": "",
            "unknown": 1,
            "unknown_pairs": ["a"],
            "endless": 0,
            "pairs": 1,
        },
    }


def test_nagios_codes_and_line(world: Any) -> None:
    """OK 0, WARNING 1 for observe mode, CRITICAL 2, UNKNOWN 3, one line with performance data."""
    assert world.run("status", "--nagios").code == 3
    world.run("sync")
    ended = world.run("status", "--nagios")
    assert (ended.code, ended.out) == (0, "NHISYNC OK - 1 ready | ready=1 not_ready=0 unknown=0\n")
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    ended = world.run("status", "--nagios")
    assert (ended.code, ended.out) == (
        2,
        "NHISYNC CRITICAL - payments/north NOT READY | ready=0 not_ready=1 unknown=0\n",
    )
    world.configure(mode="observe")
    world.run("sync")
    ended = world.run("status", "--nagios")
    assert (ended.code, ended.out.split(" - ")[0]) == (1, "NHISYNC WARNING")
    world.clock.advance(timedelta(seconds=90))
    assert world.run("status", "--nagios").code == 3


def test_watch_shows_it_again_until_interrupted(world: Any) -> None:
    """`--watch` prints again every two seconds; Ctrl-C ends it with 130."""
    world.run("sync")
    sleep, left = world.clock.sleep, [3]

    def interrupted(seconds: float) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        sleep(seconds)

    world.clock.sleep = interrupted
    ended = world.run("status", "--watch")
    assert ended.code == 130
    assert ended.out.count("APP ") == 3


def test_serve_needs_a_listener_and_one_mode(world: Any) -> None:
    """Without `listener:` only --sync-only can run; both modes at once are refused."""
    ended = world.run("serve")
    assert ended.code == 2
    assert "no listener is configured" in ended.err
    assert world.run("serve", "--listener-only", "--sync-only").code == 2


def test_listener_is_told_places_and_files(world: Any) -> None:
    """From the configuration a listener gets role words and path names, certificate files and the publication."""
    world.configure(more="listener: {bind: '127.0.0.1:0', tls: {cert: a.pem, key: b.pem, client_ca: c.pem}}")
    settings = listener_settings(world.session().configuration)
    assert settings.places == {"payments": ("primary", "backup", "west", "north")}
    assert settings.file == world.publication
    assert settings.tls is not None
    assert [file and file.name for file in (settings.tls.cert, settings.tls.key, settings.tls.client_ca)] == [
        "a.pem",
        "b.pem",
        "c.pem",
    ]


def test_store_keeps_what_sync_found(world: Any) -> None:
    """The verdict is in the store once per cycle, for status, trends and history."""
    world.run("sync")
    world.run("sync")
    url = world.session().configuration.store_url
    with (
        Store.open(url, clock=world.clock, randomness=world.randomness, mode="read") as store,
        store.reader() as reader,
    ):
        assert len(list(reader.verdicts("payments", "north"))) == 2


def test_a_waiver_of_what_was_not_found_is_told(world: Any) -> None:
    """A mistyped pair or code waives nothing, and may be meant for later: recorded, and said; others are not."""
    argv = ("--until", "2026-12-15", "--reason", "cut-over", "--approved-by", "security")
    hint = "the last cycle found no {} of payments/a: this waives nothing until one does"
    assert hint.format("NHS301") not in world.run("waive", "payments/a", "NHS301", *argv).err, "no cycle is kept"
    world.answer("b", expires=timedelta(hours=1))
    failing = [line.split()[1] for line in world.run("sync").out.splitlines() if line.startswith("FAIL")]
    assert failing
    absent = "NHS101"
    assert absent not in failing
    assert hint.format(absent) in world.run("waive", "payments/a", absent, *argv).err
    assert "the last cycle found no" not in world.run("waive", "payments/a", failing[0], *argv).err
