"""From an assessment to the exit code: what ``--fail-on`` and ``--exit-zero`` change, and what they cannot change."""

from enum import StrEnum

from nhisync.cli.exit_codes import ExitCode
from nhisync.model import Report, Severity, State, Word


class FailOn(StrEnum):
    """From where on ``--fail-on`` answers 1; a verdict of NOT READY always does."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"


COUNTED = {
    FailOn.ERROR: frozenset({Severity.ERROR}),
    FailOn.WARNING: frozenset({Severity.ERROR, Severity.WARNING}),
    FailOn.INFO: frozenset(Severity),
    FailOn.UNKNOWN: frozenset({Severity.ERROR}),
}


def exit_code_of(report: Report, *, fail_on: FailOn = FailOn.ERROR, exit_zero: bool = False) -> ExitCode:
    """The answer of an assessment: fail outranks unknown, unknown never becomes 0 by itself.

    Args:
        report: the assessment.
        fail_on: which findings answer 1; ``unknown`` lets an unknown verdict answer 1 as well.
        exit_zero: answer 0 instead of 1 and 3. It never hides that nothing could be judged (4).
    """
    if nothing_judged(report):
        return ExitCode.UNREACHABLE
    code = _answer(report, fail_on)
    return ExitCode.OK if exit_zero else code


def _answer(report: Report, fail_on: FailOn) -> ExitCode:
    words = {verdict.word for verdict in report.verdicts}
    counted = COUNTED[fail_on]
    failing = any(f.state is State.FAIL and f.severity in counted for f in report.findings)
    if Word.NOT_READY in words or failing:
        return ExitCode.DRIFT
    if words == {Word.READY}:
        return ExitCode.OK
    return ExitCode.DRIFT if fail_on is FailOn.UNKNOWN else ExitCode.UNKNOWN


def nothing_judged(report: Report) -> bool:
    """Whether a source gave no answer at all and, as a result, not one pair was judged."""
    lost = any(source.error is not None for path in report.paths for source in path.sources)
    return lost and not any(verdict.passing or verdict.failing for verdict in report.verdicts)
