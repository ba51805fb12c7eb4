"""The exit code of an assessment, as the contract has it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from nhisync.cli.answer import FailOn, exit_code_of, nothing_judged
from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.output.prose import layers, verdict_lines
from nhisync.model import Report, Severity, Side, State, Word

Reports = dict[str, Callable[[], Report]]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ready", ExitCode.OK),
        ("drift", ExitCode.DRIFT),
        ("apps", ExitCode.DRIFT),
        ("unknown", ExitCode.UNKNOWN),
        ("empty", ExitCode.UNKNOWN),
        ("blind", ExitCode.UNREACHABLE),
    ],
)
def test_codes(reports: Reports, name: str, code: ExitCode) -> None:
    """0 parity, 1 drift, 3 unknown or nothing to judge, 4 when an unreachable source left nothing judged."""
    assert exit_code_of(reports[name]()) == code


def test_fail_outranks_unknown(reports: Reports) -> None:
    """One fail among unknowns answers 1."""
    drift, unknown = reports["drift"](), reports["unknown"]()
    both = replace(drift, apps=(*unknown.apps, *drift.apps), findings=(*unknown.findings, *drift.findings))
    assert exit_code_of(both) == ExitCode.DRIFT


@pytest.mark.parametrize(
    ("fail_on", "severity", "code"),
    [
        (FailOn.ERROR, Severity.WARNING, ExitCode.OK),
        (FailOn.WARNING, Severity.WARNING, ExitCode.DRIFT),
        (FailOn.WARNING, Severity.INFO, ExitCode.OK),
        (FailOn.INFO, Severity.INFO, ExitCode.DRIFT),
        (FailOn.UNKNOWN, Severity.WARNING, ExitCode.OK),
    ],
)
def test_fail_on_counts_severities(reports: Reports, fail_on: FailOn, severity: Severity, code: ExitCode) -> None:
    """--fail-on lets lesser fails answer 1; the verdict itself stays what it is."""
    ready = reports["ready"]()
    fail = replace(reports["drift"]().findings[0], severity=severity)
    assert exit_code_of(replace(ready, findings=(fail,)), fail_on=fail_on) == code


def test_fail_on_unknown(reports: Reports) -> None:
    """--fail-on unknown answers 1 instead of 3."""
    assert exit_code_of(reports["unknown"](), fail_on=FailOn.UNKNOWN) == ExitCode.DRIFT


@pytest.mark.parametrize(("name", "code"), [("drift", 0), ("unknown", 0), ("ready", 0), ("blind", 4)])
def test_exit_zero_hides_answers_not_blindness(reports: Reports, name: str, code: int) -> None:
    """--exit-zero turns 1 and 3 into 0, and never 4."""
    assert exit_code_of(reports[name](), exit_zero=True) == code


def test_one_judged_pair_is_an_answer(reports: Reports) -> None:
    """With one passing pair an unreachable source is unknown (3), not blindness (4)."""
    blind = reports["blind"]()
    app = blind.apps[0]
    seen = replace(app, verdict=replace(app.verdict, passing=1))
    assert not nothing_judged(replace(blind, apps=(seen,)))
    assert exit_code_of(replace(blind, apps=(seen,))) == ExitCode.UNKNOWN


@pytest.mark.requirement("R34")
def test_unknown_never_becomes_zero(reports: Reports) -> None:
    """No word but READY for every app answers 0, whatever --fail-on says."""
    ready = reports["ready"]()
    for word in (Word.UNKNOWN, Word.NOT_READY):
        odd = replace(ready.apps[0], verdict=replace(ready.apps[0].verdict, word=word))
        for fail_on in FailOn:
            assert exit_code_of(replace(ready, apps=(*ready.apps, odd)), fail_on=fail_on) != ExitCode.OK


def test_passes_and_waived_never_count(reports: Reports) -> None:
    """A waived error does not answer 1, even with the strictest --fail-on."""
    ready = reports["ready"]()
    waived = replace(reports["drift"]().findings[0], state=State.WAIVED)
    assert exit_code_of(replace(ready, findings=(waived,)), fail_on=FailOn.INFO) == ExitCode.OK


@pytest.mark.parametrize(
    ("name", "fails", "fail_on", "says"),
    [
        (
            "unknown",
            1,
            FailOn.ERROR,
            "1 unknown of 14 pairs, 1 fail of the primary alone. Treat it as not ready. Exit 1",
        ),
        ("ready", 2, FailOn.ERROR, "Exit 1: 2 fails of the primary alone."),
        ("unknown", 0, FailOn.UNKNOWN, "Exit 1, as --fail-on asks."),
        ("unknown", 0, FailOn.ERROR, "Treat it as not ready. Exit 3."),
        ("drift", 1, FailOn.ERROR, "2 fail, 1 unknown of 14 pairs. Exit 1."),
        ("ready", 0, FailOn.ERROR, "Exit 0."),
    ],
)
def test_the_last_line_says_why_the_code_is_not_the_verdicts(
    reports: Reports, name: str, fails: int, fail_on: FailOn, says: str
) -> None:
    """A fail outranks unknown in the code (contract, section 1); where no verdict is it, the line names what failed."""
    report = reports[name]()
    fail = replace(reports["drift"]().findings[0], side=Side.PRIMARY)
    report = replace(
        report,
        apps=tuple(replace(app, primary_fails=fails) for app in report.apps),
        findings=(*report.findings, *[fail] * fails),
    )
    (*_, (_, line)) = verdict_lines(report, exit_code_of(report, fail_on=fail_on))
    assert says in line


@pytest.mark.parametrize("word", [Word.NOT_READY, Word.UNKNOWN])
def test_an_app_that_is_blocked_as_a_whole_is_not_called_unjudged(reports: Reports, word: Word) -> None:
    """Where every pair passes, the line says so, and names what keeps the app from ready all the same."""
    report = reports["ready"]()
    (app,) = report.apps
    verdict = replace(app.verdict, word=word, reasons=("NHS911",))
    (*_, (_, line)) = verdict_lines(replace(report, apps=(replace(app, verdict=verdict),)), ExitCode.DRIFT)
    assert f"{verdict.passing} of {verdict.pairs} pairs pass, kept from it by NHS911." in line
    verdict = replace(verdict, passing=0, reasons=())
    (*_, (_, line)) = verdict_lines(replace(report, apps=(replace(app, verdict=verdict),)), ExitCode.DRIFT)
    assert f"nothing judged of {verdict.pairs} pairs." in line


def test_what_was_taken_over_is_not_called_not_asked(reports: Reports) -> None:
    """Passes of unchanged pairs are not stored, so a layer without a count may well have been asked and passed."""
    app = reports["ready"]().apps[0]
    bare = replace(app, layers=tuple(replace(one, passed=0, failed=0, unknown=0, waived=0) for one in app.layers))
    assert layers(replace(bare, unchanged=0)).startswith("not asked: exists, fresh")
    assert layers(replace(bare, unchanged=3)).startswith("ok as before or not asked: exists, fresh")
