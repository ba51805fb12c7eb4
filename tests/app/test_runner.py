"""Probes from elsewhere: a real command, `nhisync run-probe` at its end, results that are not just believed."""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.app import runner
from nhisync.app.runner import VERSION, _shown, run_there
from nhisync.cli import main
from nhisync.clock import SystemClock
from nhisync.errors import ConfigurationError
from nhisync.model import Word
from nhisync.probes import Order, Presented, Shown
from nhisync.probes.order import Left
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Account, Judge

from .live_world import World, told

CANARY = "canary-runner-value-51c0de"
OVER_THERE = [sys.executable, "-c", "import sys; from nhisync.cli import main; sys.exit(main())", "run-probe"]
SHOWN = {"version": VERSION, "depth": "auth", "accepted": True, "seen_as": "", "error": "", "message": ""}


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """The judging service with one account."""
    service = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    service.accounts["/account"] = Account("payments-north", CANARY)
    service.start()
    yield service
    service.stop()


def order(judge: Judge) -> Order:
    """An order to log in to the judge."""
    return Order(
        target=f"https://{judge.address}/account", auth="bearer", ca_file=judge.authority, seen_as="account.id"
    )


def presented(value: str = CANARY) -> Presented:
    """A credential."""
    return Presented("robot", SecretBytes(value.encode()))


def printing(text: str) -> list[str]:
    """A runner that prints what it likes."""
    return [sys.executable, "-c", f"import sys; sys.stdin.read(); sys.stdout.write({text!r})"]


@pytest.mark.requirement("R17", "R22")
def test_a_probe_is_made_over_there(judge: Judge) -> None:
    """Another process presents the credential; accepted and refused come back as they were seen."""
    good = run_there(OVER_THERE, "http", order(judge), presented(), 30, where="north")
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as == f"payments-north at {judge.address}"
    bad = run_there(OVER_THERE, "http", order(judge), presented("canary-of-yesterday"), 30, where="north")
    assert (bad.depth, bad.accepted) == ("tls", False)
    assert bad.error is not None
    assert bad.error.kind == "auth_failed"


def test_what_is_not_judged_over_there_is_not_judged_here(judge: Judge) -> None:
    """A service that cannot be reached from there is no refused credential."""
    asked = order(judge)
    judge.stop()
    shown = run_there(OVER_THERE, "http", asked, presented(), 30, where="north")
    judge.start()
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind == "unreachable"


@pytest.mark.parametrize(
    "command",
    [
        ["/nowhere/to/be/found"],
        ["not\0a command"],
        [sys.executable, "-c", "raise SystemExit(255)"],
        printing(""),
        printing("Permission denied (publickey)."),
        printing(json.dumps({**SHOWN, "version": VERSION + 1})),
        printing(json.dumps({**SHOWN, "depth": "root"})),
        printing(json.dumps({**SHOWN, "accepted": 1})),
        printing(json.dumps({**SHOWN, "accepted": "yes"})),
        printing(json.dumps({**SHOWN, "accepted": False, "error": "nonsense"})),
        printing("[" * 60_000),
        [sys.executable, "-c", f"import sys; print({json.dumps(SHOWN)!r}); sys.exit(3)"],
    ],
)
def test_a_runner_that_gives_no_result_proves_nothing(judge: Judge, command: Sequence[str]) -> None:
    """Neither accepted nor refused, whatever it printed, and nothing of that is passed on."""
    with pytest.raises(ProviderError) as failed:
        run_there(command, "http", order(judge), presented(), 30, where="north")
    assert failed.value.kind.value in {"unreachable", "misconfigured"}
    assert "publickey" not in str(failed.value)
    assert "canary" not in str(failed.value)


def test_a_pipe_in_place_of_the_authorities_is_no_file(judge: Judge, tmp_path: Path) -> None:
    """An ordinary open of it would wait for a writer for ever; the setting is named instead, and nothing is sent."""
    pipe, sent = tmp_path / "ca.pem", tmp_path / "sent"
    os.mkfifo(pipe)
    with pytest.raises(ProviderError) as failed:
        run_there(["touch", str(sent)], "http", replace(order(judge), ca_file=pipe), presented(), 30, where="north")
    assert failed.value.kind.value == "misconfigured"
    assert "the probe's ca_file cannot be used" in failed.value.message
    assert not sent.exists()


def test_a_runner_that_hangs_is_ended_with_all_it_started(judge: Judge) -> None:
    """Also where a helper of it holds the pipe."""
    clock = SystemClock()
    began = clock.monotonic()
    with pytest.raises(ProviderError) as failed:
        run_there(["sh", "-c", "sleep 60 & sleep 60"], "http", order(judge), presented(), 0.5, where="north")
    assert failed.value.kind.value == "unreachable"
    assert clock.monotonic() - began < 30


def test_the_credential_is_in_no_argument_and_no_environment(judge: Judge, tmp_path: Path) -> None:
    """It goes over stdin alone, where nobody lists it."""
    file = tmp_path / "seen"
    look = f"open({str(file)!r}, 'w').write(open('/proc/self/cmdline').read() + open('/proc/self/environ').read())"
    with pytest.raises(ProviderError):
        run_there([sys.executable, "-c", look], "http", order(judge), presented(), 30, where="north")
    assert "canary" not in file.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(
    "echo", [CANARY, CANARY[::-1], f"seen: {CANARY.upper()}", "Y2FuYXJ5LXJ1bm5lci12YWx1ZS01MWMwZGU="]
)
def test_a_runner_that_echoes_the_credential_tells_nothing_of_it(judge: Judge, echo: str) -> None:
    """Neither as a name nor as a reason, in no form in which a service could tell it back."""
    accepted = printing(json.dumps({**SHOWN, "seen_as": echo}))
    assert run_there(accepted, "http", order(judge), presented(), 30, where="north").seen_as == ""
    refused = printing(json.dumps({**SHOWN, "accepted": False, "error": "denied", "message": echo}))
    shown = run_there(refused, "http", order(judge), presented(), 30, where="north")
    assert shown.error is not None
    assert shown.error.message == "the runner did not say why in words that can be shown"


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.dictionaries(st.sampled_from([*SHOWN]), inner),
        ).map(lambda found: json.dumps(found).encode()),
    )
)
def test_only_a_whole_result_is_one(text: bytes) -> None:
    """Whatever comes back: a result that says accepted has a depth that exists, or it is none."""
    shown = _shown(text, presented())
    assert shown is None or isinstance(shown, Shown)
    if shown is not None and shown.accepted:
        assert json.loads(text)["accepted"] is True
        assert shown.depth in {"", "tcp", "tls", "auth", "txn"}


@pytest.mark.parametrize(
    "task", ["", "{}", "[]", '{"version": 1}', '{"version": 1, "kind": "http", "order": {}}', '{"version": 2}']
)
def test_what_is_no_task_is_a_usage_error(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A person who types the command learns what it is for."""
    stderr = io.StringIO()
    assert main(["run-probe"], stdin=io.StringIO(task), stderr=stderr) == 2
    assert "stdin holds no probe that this version can make" in stderr.getvalue()


def test_a_bug_of_a_probe_is_no_wrong_task(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a bug (70), and nobody is sent to look for another version."""

    def broken(*_arguments: object) -> Shown:
        raise TypeError(CANARY)

    monkeypatch.setattr(runner, "KINDS", {"http": broken})
    stderr = io.StringIO()
    task = runner._task("http", order(judge), presented(), 30).decode()
    assert main(["run-probe"], stdin=io.StringIO(task), stderr=stderr) == 70
    assert "no probe that this version can make" not in stderr.getvalue()
    assert CANARY not in stderr.getvalue()


@pytest.fixture
def world(tmp_path: Path, judge: Judge) -> World:
    """Two folders with a credential each; the backup's is tried from where its consumers stand."""
    made = World(tmp_path, judge)
    made.configure(more=", run_from: backup")
    return made


def give_runner(world: World, command: Sequence[str]) -> None:
    """Write the runner of the backup path into the configuration."""
    text = world.file.read_text(encoding="utf-8")
    where = "backup: {region: there,"
    assert where in text
    world.file.write_text(text.replace(where, f"{where} runner: {{command: {json.dumps(command)}}},"), encoding="utf-8")


@pytest.mark.requirement("R22")
def test_a_pair_is_proven_from_where_its_consumers_stand(world: World) -> None:
    """From the configuration through two children to the verdict; a runner that is gone leaves it unproven."""
    give_runner(world, OVER_THERE)
    assert set(told(world.diff(live=True)).values()) == {"pass"}
    world.configure(more=", run_from: backup")
    give_runner(world, ["/nowhere/to/be/found"])
    report = world.diff(live=True)
    (finding,) = [one for one in report.findings if one.code == "NHS803"]
    assert finding.state.value == "unknown"
    assert "the runner of backup cannot be started" in finding.observed
    assert report.verdicts[0].word is not Word.READY


def test_a_position_without_a_runner_is_a_wrong_configuration(world: World) -> None:
    """Told when the file is read, with the key that is missing."""
    with pytest.raises(ConfigurationError) as wrong:
        world.session()
    assert [problem.message for problem in wrong.value.problems] == [
        "apps.wallet.pairs[0].probe: `run_from: backup` needs a runner: paths.backup.runner"
    ]


def test_a_pipe_in_place_of_the_authorities_holds_nobody(judge: Judge, tmp_path: Path) -> None:
    """The task carries the authorities, so that they are read here, before anything is started; a pipe is refused."""
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    asked = replace(order(judge), ca_file=pipe)
    with pytest.raises(ProviderError) as failed:
        run_there(OVER_THERE, "http", asked, presented(), 30, where="north")
    assert failed.value.kind.value == "misconfigured"


def test_authorities_with_words_of_any_language_are_taken_along(judge: Judge, tmp_path: Path) -> None:
    """Bundles have comments around their certificates."""
    file = tmp_path / "named.pem"
    file.write_text("# Zertifizierungsstelle für Prüfungen\n" + judge.authority.read_text(encoding="ascii"), "utf-8")
    asked = replace(order(judge), ca_file=file)
    assert run_there(OVER_THERE, "http", asked, presented(), 30, where="north").accepted is True


@pytest.mark.requirement("R17", "R22")
def test_a_script_runs_over_there_and_what_it_leaves_is_told(judge: Judge) -> None:
    """Its steps, the run's id and what an earlier run left go with the task; what is left now comes back."""
    things = "/account/things/{run}"
    blank = {"method": "GET", "path": things, "body": None, "expect": [404], "capture": {}, "equals": {}}
    script = [
        {**blank, "name": "read"},
        {**blank, "name": "modify", "method": "PUT", "body": {"note": "{run}"}, "expect": [201]},
        {**blank, "name": "verify", "expect": [200]},
        {**blank, "name": "undo", "method": "DELETE", "expect": [204]},
        {**blank, "name": "undone"},
    ]
    asked = replace(order(judge), depth="txn", script=json.dumps(script), run="51c0de01")
    judge.accounts["/account"] = Account("payments-north", CANARY, undo="refused")
    left = run_there(OVER_THERE, "http", asked, presented(), 30, where="north").left
    assert left is not None
    assert (left.sure, json.loads(left.values)) == (True, {"run": "51c0de01"})
    judge.accounts["/account"] = Account("payments-north", CANARY)
    again = replace(asked, run="51c0de02", left=left.values)
    shown = run_there(OVER_THERE, "http", again, presented(), 30, where="north")
    assert (shown.accepted, shown.depth, shown.left) == (True, "txn", Left())
    assert judge.things == {}


def test_a_runner_may_not_tell_what_it_likes_of_what_is_left() -> None:
    """Values beyond their bound and parts of the credential are left out."""
    values = {"run": "51c0de01", "id": CANARY, "odd": "line\nbreak", "more": ["x"], CANARY: "x"}
    left = {"values": json.dumps(values), "told": f"it is {CANARY}", "sure": 1}
    shown = _shown(json.dumps({**SHOWN, "left": left}).encode(), presented())
    assert shown is not None
    assert shown.left is not None
    assert json.loads(shown.left.values) == {"run": "51c0de01"}
    assert shown.left.told == "the runner did not say what in words that can be shown"
    assert shown.left.sure is False
    for odd in (7, [], "x"):
        again = _shown(json.dumps({**SHOWN, "left": odd}).encode(), presented())
        assert again is not None
        assert again.left is None


def test_a_runner_that_knows_no_scripts_does_not_take_one_for_a_probe(judge: Judge, tmp_path: Path) -> None:
    """The task says so in its version: an earlier release would prove a transaction that nobody made."""
    file = tmp_path / "task"
    copying = [sys.executable, "-c", f"import sys; open({str(file)!r}, 'w').write(sys.stdin.read())"]
    for script, version in (("", VERSION), ("[]", VERSION + 1)):
        with pytest.raises(ProviderError):
            run_there(copying, "http", replace(order(judge), script=script), presented(), 30, where="north")
        assert json.loads(file.read_text(encoding="utf-8"))["version"] == version
