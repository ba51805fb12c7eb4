"""`nhisync diff` on two scripted paths: answers, filters, formats, refusals, and nothing left behind."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from nhisync.model import Coverage, CoverageStatus, ErrorFact, Item, Moment, Presence
from nhisync.spi import ErrorKind, ProviderError, SourceIdentity
from nhisync.testing.provider import SCRIPTS

World = Any
MakeItem = Callable[..., Item]
MakeComplete = Callable[..., Coverage]

DENIAL = ErrorFact(
    kind="denied",
    message="may not read metadata of this secret",
    action="kv:Describe",
    resource="kv/payments/fx",
    principal="nhisync@backup",
    reason="no policy allows it",
)


def drifted(world: World, item: MakeItem, complete: MakeComplete) -> None:
    """The backup lacks stripe, and its ledger was not rotated for a long time."""
    world.script("p", *(item(f"payments/{name}") for name in ("stripe", "ledger", "fx")), complete(3))
    old = Moment(item("x").observed_at - timedelta(days=72))
    gone = item("payments/stripe", presence=Presence.ABSENT)
    world.script("b", gone, item("payments/ledger", rotated=old), item("payments/fx"), complete(2))


def test_parity_answers_0(world: World) -> None:
    """Two paths in step are READY, and the verdict stands before the next command."""
    world.healthy()
    ended = world("diff")
    assert (ended.code, ended.err) == (0, "")
    *_, verdict, step = ended.out.splitlines()
    assert verdict.startswith("READY      backup can take payments: 3 of 3 pairs pass")
    assert verdict.endswith("Exit 0.")
    assert step.startswith("Next: nhisync serve")


def test_drift_answers_1(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """A missing counterpart and a lagging one are NOT READY."""
    drifted(world, make_item, make_complete)
    ended = world("diff", "primary", "backup", "--app", "payments")
    assert ended.code == 1
    assert "FAIL   NHS101  stripe-api" in ended.out
    assert "ledger-db" in ended.out
    assert ended.out.splitlines()[-2].startswith("NOT READY  backup cannot take payments: 2 fail of 3 pairs.")


def test_missing_evidence_answers_3(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """One pair that cannot be judged makes the app UNKNOWN, and stderr names the missing permission once."""
    world.healthy()
    denied = make_item("payments/fx", presence=Presence.DENIED, error=DENIAL)
    gap = Coverage(
        source="one", kind="kv", scope="", status=CoverageStatus.PARTIAL, as_of=denied.observed_at, error=DENIAL
    )
    world.script("b", make_item("payments/stripe"), make_item("payments/ledger"), denied, gap)
    ended = world("diff")
    assert ended.code == 3
    assert ended.out.splitlines()[-2].startswith("UNKNOWN    nobody knows whether backup can take payments: 1 unknown")
    assert ended.err.splitlines() == [
        "backup/one (fake): May not read metadata of this secret. Missing: kv:Describe. Not seen: kv.",
        "  on  kv/payments/fx",
        "  as  nhisync@backup   reason: no policy allows it",
        "  Grant: the statement printed by  nhisync permissions --provider fake --mode read",
        "2 of 3 pairs were judged all the same.",
    ]


def test_a_filter_leads_to_what_it_hides(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """The verdict counts what a filter hides; the next command shows it, since nothing is wrong with a source."""
    drifted(world, make_item, make_complete)
    ended = world("diff", "--pair", "fx-feed")
    assert ended.code == 1
    assert ended.out.splitlines()[-1] == "Next: nhisync diff primary backup --app payments"


def test_blindness_answers_4(world: World) -> None:
    """A path that does not answer leaves nothing judged; stderr says who and what to do."""
    world.healthy()
    world.script("b", ProviderError(ErrorKind.UNREACHABLE, "no answer within 5s, 3 tries"))
    ended = world("diff")
    assert ended.code == 4
    assert "backup/one (fake): No answer within 5s, 3 tries." in ended.err
    assert "  Next: nhisync doctor backup -v" in ended.err
    assert ended.err.splitlines()[-1] == "None of 3 pairs could be judged."
    assert world("diff", "--exit-zero").code == 4


def test_gaps_in_many_places_stay_readable(world: World, make_item: MakeItem) -> None:
    """A listing that failed in a hundred folders, or in one of endless depth, is told in one line that can be read."""
    world.healthy()
    healthy = make_item("payments/stripe")
    late = ProviderError(ErrorKind.THROTTLED, "the cycle's time ran out before this was read").fact
    scopes = ["secret/" + "x/" * 5000, *(f"secret/y{number}/" for number in range(100))]
    gaps = [
        Coverage(
            source="one", kind="kv", scope=scope, status=CoverageStatus.PARTIAL, as_of=healthy.observed_at, error=late
        )
        for scope in scopes
    ]
    world.script("b", healthy, make_item("payments/ledger"), *gaps)
    told = next(line for line in world("diff").err.splitlines() if "Not seen" in line)
    assert told.endswith(" and 98 more.")
    assert "Not seen: kv in secret/x/x/" in told
    assert len(told) < 400


@pytest.mark.requirement("R32")
def test_own_login_refused_answers_4(world: World) -> None:
    """Nhisync's own credential on the backup path was revoked: nothing is concluded, least of all READY."""
    world.healthy()
    world.identity("b", ProviderError(ErrorKind.AUTH_FAILED, "our own token is not accepted", fix="Issue a new one."))
    ended = world("diff")
    assert ended.code == 4
    assert "READY " not in ended.out.replace("NOT READY", "")
    assert "backup/one (fake): Our own token is not accepted." in ended.err


def test_one_identity_on_both_paths_answers_5(world: World) -> None:
    """Both paths read by one identity are refused before anything is judged."""
    world.healthy()
    for side in "pb":
        world.identity(side, SourceIdentity(authority="fake", principal="same", endpoint="fake"))
    ended = world("diff")
    assert (ended.code, ended.out) == (5, "")
    assert "refused (same-identity)" in ended.err


def test_broken_configuration_answers_2(world: World) -> None:
    """A typo is named with its place, a suggestion and the promise that nothing was contacted."""
    file = world.folder / "nhisync.yaml"
    file.write_text(file.read_text().replace("tier: critical", "teir: critical"))
    ended = world("diff")
    assert (ended.code, ended.out) == (2, "")
    assert "nhisync.yaml:9:5" in ended.err
    assert "Did you mean `tier`?" in ended.err
    assert ended.err.endswith("Nothing was contacted. Exit 2.\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("diff", "primry", "backup"), "no path is called `primry`"),
        (("diff", "backup", "primary"), "no app uses `backup` as its primary"),
        (("diff", "--app", "x"), "no app is called `x`"),
        (("diff", "--severity", "fatal"), "'fatal' is not one of"),
        (("diff", "--fail-on", "never"), "'never' is not one of"),
        (("diff", "--format", "cbom"), "Take one of: table, plain, json"),
        (("diff", "a", "b", "c"), "unexpected extra argument"),
        (("diff", "--cached"), "there is no store at"),
        (("diff", "--cached", "--live"), "--live tries credentials"),
    ],
)
def test_misuse_answers_2(world: World, argv: tuple[str, ...], says: str) -> None:
    """Whatever does not exist is named; the scripts, which would crash, are never asked."""
    world.script("p", AssertionError("contacted"))
    ended = world(*argv)
    assert ended.code == 2
    assert says in ended.err


def test_filters_narrow_what_is_shown_only(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """--pair, --check and --severity hide findings; verdict, counts and exit code stay."""
    drifted(world, make_item, make_complete)
    every = json.loads(world("diff", "--format", "json").out)
    for argv in (("--pair", "ledger-db"), ("--check", "NHS2"), ("--pair", "payments/ledger-db", "--severity", "error")):
        ended = world("diff", "--format", "json", *argv)
        found = json.loads(ended.out)
        assert ended.code == 1
        assert {finding["pair"] for finding in found["findings"]} == {"ledger-db"}
        assert found["verdicts"] == every["verdicts"]
    assert {f["layer"] for f in json.loads(world("diff", "--format", "json", "--check", "exists").out)["findings"]} == {
        "exists"
    }


def test_exit_zero_and_fail_on(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """--exit-zero and --fail-on change the code, and the text says the code that follows."""
    drifted(world, make_item, make_complete)
    ended = world("diff", "--exit-zero")
    assert ended.code == 0
    assert ended.out.splitlines()[-2].endswith("Exit 0.")
    assert "NOT READY" in ended.out


def test_show_passing(world: World) -> None:
    """--show-passing lists every check that held; without it they are counted."""
    world.healthy()
    assert "3 passing pairs not shown (--show-passing)" in world("diff").out
    shown = world("diff", "--show-passing").out
    assert "PASS   NHS101  stripe-api" in shown
    assert "not shown" not in shown


@pytest.mark.parametrize("fmt", ["table", "plain", "json", "jsonl", "sarif", "junit", "ocsf", "markdown", "html"])
def test_every_format_answers_alike(world: World, make_item: MakeItem, make_complete: MakeComplete, fmt: str) -> None:
    """The format changes neither the answer nor what stands on stderr."""
    drifted(world, make_item, make_complete)
    ended = world("diff", "--format", fmt)
    assert (ended.code, ended.err) == (1, "")
    assert "ledger" in ended.out


def test_waivers_of_both_origins_apply(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """What is waived in the file and what was recorded with `nhisync waive` are both honoured by a private diff."""
    drifted(world, make_item, make_complete)
    file = world.folder / "nhisync.yaml"
    waiver = "{pair: payments/stripe-api, code: NHS101, until: 2026-12-01, approved_by: me, reason: cut-over}"
    file.write_text(f"{file.read_text()}waivers: [{waiver}]\n")
    codes = {f["code"] for f in json.loads(world("diff", "--format", "json", "--pair", "ledger-db").out)["findings"]}
    for code in sorted(codes):
        argv = ("--until", "2026-12-01", "--reason", "known", "--approved-by", "boss")
        assert world("waive", "payments/ledger-db", code, *argv).code == 0
    ended = world("diff", "--show-waived")
    assert ended.code == 0, ended.out
    assert "WAIVED  NHS101  stripe-api" in ended.out
    assert {line.split()[2] for line in ended.out.splitlines() if line.startswith("WAIVED")} == {
        "stripe-api",
        "ledger-db",
    }


def test_diff_leaves_nothing_behind(world: World) -> None:
    """A diff makes no store and no file beside the configuration."""
    world.healthy()
    world("diff")
    assert [path.name for path in world.folder.iterdir()] == ["nhisync.yaml"]


def test_result_goes_to_a_file(world: World) -> None:
    """-o takes the report; stdout stays empty and stderr says where it went."""
    world.healthy()
    ended = world("diff", "--format", "json", "-o", "report.json")
    assert (ended.code, ended.out, ended.err) == (0, "", "written to report.json\n")
    assert json.loads((world.folder / "report.json").read_text())["verdicts"][0]["verdict"] == "ready"


def test_verbose_says_what_is_read(world: World) -> None:
    """-v tells on stderr which source is being read; -q tells nothing."""
    world.healthy()
    told = world("diff", "-v").err
    assert "primary/one: reading" in told
    assert re.search(r"^primary/one: 2 requests in \d+\.\ds as nhisync@primary/one at fake$", told, re.MULTILINE)
    assert world("diff", "-q").err == ""


def test_terminal_gets_colour_and_no_ellipsis(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """On a terminal states are coloured and text is wrapped, never cut."""
    drifted(world, make_item, make_complete)
    ended = world("diff", terminal=True, environ={"TERM": "xterm"})
    assert "\x1b[1;31mNOT READY" in ended.out
    assert "…" not in ended.out
    assert "\x1b" not in world("diff", "--no-color", terminal=True).out


def test_timeout_is_every_sources_budget(world: World) -> None:
    """--timeout ends each source's cycle: what was not read in time is unknown, never absent."""
    world.healthy()
    budgets: list[float] = []

    def slow(request: Any) -> Any:
        budgets.append(request.budget.remaining)
        request.budget.cancel()
        request.budget.check()
        yield

    SCRIPTS[f"{world.name}-b"] = slow
    ended = world("diff", "--timeout", "7s")
    assert ended.code == 4
    assert budgets == [7.0]
    assert "NHS101" not in ended.out


def test_bug_in_an_adapter_is_70(world: World) -> None:
    """A crash inside an adapter answers 70 with a crash id and without its message."""
    world.healthy()
    world.script("b", RuntimeError("hunter2-canary"))
    ended = world("diff", "-vv")
    assert ended.code == 70
    assert "hunter2-canary" not in ended.out + ended.err
    assert "internal bug" in ended.err


@pytest.mark.parametrize("fmt", ["table", "plain", "json", "jsonl", "sarif", "junit", "ocsf", "markdown", "html"])
def test_a_waiver_that_ended_is_said_on_its_finding(
    world: World, make_item: MakeItem, make_complete: MakeComplete, fmt: str
) -> None:
    """Expired = fail, and the reader is told that it had been accepted, by whom and until which day."""
    drifted(world, make_item, make_complete)
    file = world.folder / "nhisync.yaml"
    ended = "{pair: payments/stripe-api, code: NHS101, until: 2026-11-01, approved_by: security-oncall, reason: move}"
    file.write_text(f"{file.read_text()}waivers: [{ended}]\n")
    shown = world("diff", "--format", fmt, "--check", "NHS101", "--pair", "stripe-api")
    assert shown.code == 1
    assert "the waiver by security-oncall ended 2026-11-01" in shown.out.replace("The waiver", "the waiver")
    if fmt in {"table", "markdown", "html"}:
        assert "backup credential missing (acceptance ended)" in shown.out
