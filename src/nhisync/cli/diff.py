"""`nhisync diff`."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.answer import COUNTED, FailOn, exit_code_of
from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.errors import UsageError
from nhisync.model import Severity

if TYPE_CHECKING:
    from nhisync.app.diff import DiffOptions
    from nhisync.app.session import Session
    from nhisync.model import Report

app = typer.Typer()

SHOW, ANSWER = "What is shown (never what is judged)", "Exit code"

Primary = Annotated[str, typer.Argument(help="Path, or the word primary: each app's own.")]
Backup = Annotated[str, typer.Argument(help="Path, or the word backup: each app's own.")]
Apps = Annotated[list[str] | None, typer.Option("--app", metavar="APP", help="Only this app; repeatable.")]
Cached = Annotated[bool, typer.Option("--cached", help="Judge what the store holds; contact nothing.")]
Live = Annotated[bool, typer.Option("--live", help="Also try every credential that has a probe, where it is used.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--pair", metavar="PAIR", help="Only this pair (PAIR or APP/PAIR).", rich_help_panel=SHOW),
]
Checks = Annotated[
    list[str] | None,
    typer.Option("--check", metavar="CHECK", help="Only this code (NHS201, NHS2) or layer.", rich_help_panel=SHOW),
]
AtLeast = Annotated[Severity | None, typer.Option(help="Only findings at least this severe.", rich_help_panel=SHOW)]
Passing = Annotated[bool, typer.Option("--show-passing", help="List checks that passed.", rich_help_panel=SHOW)]
Waived = Annotated[bool, typer.Option("--show-waived", help="List accepted findings.", rich_help_panel=SHOW)]
FailFrom = Annotated[
    FailOn,
    typer.Option(help="Answer 1 from here on, besides for NOT READY.", show_default=True, rich_help_panel=ANSWER),
]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Answer 0 instead of 1 and 3.", rich_help_panel=ANSWER)]


@app.command()
def diff(
    ctx: typer.Context,
    primary: Primary = "primary",
    backup: Backup = "backup",
    apps: Apps = None,
    cached: Cached = False,
    live: Live = False,
    pairs: Pairs = None,
    checks: Checks = None,
    severity: AtLeast = None,
    show_passing: Passing = False,
    show_waived: Waived = False,
    fail_on: FailFrom = FailOn.ERROR,
    exit_zero: ExitZero = False,
) -> ExitCode:
    """Compare two paths.

    Examples:
        nhisync diff                                   every app, its primary against its backups
        nhisync diff primary backup --app payments
        nhisync diff --check NHS2 --severity error     only lockstep, only what blocks
        nhisync diff --format sarif -o nhisync.sarif   for code scanning
        nhisync diff --live                            also log in with every credential that has a probe
        nhisync diff --exit-zero --format markdown     for a pull request's comment

    Both paths are inventoried by metadata alone and every pair is judged by its app's policy. The verdict stands last:
    READY, NOT READY or UNKNOWN. Nothing is written anywhere but to the output; no value is read unless a policy opts
    in or --live asks for it. Formats: table, plain, json, jsonl, sarif, junit, ocsf, markdown, html.
    """
    from nhisync.app.diff import DiffOptions  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.output import REPORT_FORMATS  # noqa: PLC0415

    invocation = current(ctx)
    if cached and live:
        raise UsageError("--cached contacts nothing, and --live tries credentials", fix="Leave one of them out.")
    fmt = invocation.chosen_format(*REPORT_FORMATS)
    wanted = DiffOptions(
        primary=primary,
        backup=backup,
        apps=tuple(apps or ()),
        pairs=tuple(pairs or ()),
        checks=tuple(checks or ()),
        show_passing=show_passing or fmt == "junit",
        cached=cached,
        live=live,
    )
    report = _assess(open_session(invocation), wanted, invocation)
    answered = partial(show, fail_on=fail_on, exit_zero=exit_zero, severity=severity)
    return answered(report, fmt, invocation, passing=show_passing, waived=show_waived)


def show(
    report: "Report",
    fmt: str,
    invocation: Invocation,
    *,
    fail_on: FailOn = FailOn.ERROR,
    exit_zero: bool = False,
    severity: Severity | None = None,
    passing: bool = False,
    waived: bool = False,
) -> ExitCode:
    """Write `report` in the format `fmt`, say on stderr what could not be seen, and return the answer.

    Args:
        report: the assessment.
        fmt: one of `REPORT_FORMATS`.
        invocation: where to.
        fail_on: which findings answer 1 besides NOT READY.
        exit_zero: answer 0 instead of 1 and 3.
        severity: show only findings at least this severe; the answer counts all.
        passing: list passes too.
        waived: list waived findings too.
    """
    from nhisync.cli.output import RenderOptions, render  # noqa: PLC0415 - only for reports
    from nhisync.cli.output.trouble import describe, troubles  # noqa: PLC0415
    from nhisync.parity.rules import BY_CODE  # noqa: PLC0415

    code = exit_code_of(report, fail_on=fail_on, exit_zero=exit_zero)
    found = troubles(report)
    for line in (line for trouble in found for line in describe(trouble)):
        invocation.warn(line)
    if found:
        judged = sum(verdict.passing + verdict.failing for verdict in report.verdicts)
        pairs = sum(verdict.pairs for verdict in report.verdicts)
        invocation.warn(f"{judged} of {pairs} pairs were judged all the same." if judged else _blind(pairs))
    for line in costs(report):
        invocation.detail(line)
    options = RenderOptions(
        terminal=invocation.to_terminal,
        color=invocation.to_terminal and invocation.colored(invocation.stdout),
        width=invocation.width,
        show_passing=passing,
        show_waived=waived,
        verbose=invocation.options.verbose > 0,
        counted=COUNTED[fail_on],
        exit_code=int(code),
        rules={number: rule.info for number, rule in BY_CODE.items()},
    )
    invocation.write(render(filtered(report, severity), fmt, options=options))
    return code


def _blind(pairs: int) -> str:
    return f"None of {pairs} pairs could be judged." if pairs else "There was no pair to judge."


def costs(report: "Report") -> Iterator[str]:
    """What each source was asked: requests, time, and as whom."""
    for path in report.paths:
        for source in path.sources:
            who = f" as {source.identity}" if source.identity else ""
            yield f"{path.name}/{source.name}: {source.calls} requests in {source.seconds:.1f}s{who}"


def filtered(report: "Report", severity: Severity | None) -> "Report":
    """`report` with the findings at least as severe as `severity`; verdicts and counts stay."""
    from dataclasses import replace  # noqa: PLC0415 - only when asked for

    if severity is None:
        return report
    order = list(Severity)
    kept = tuple(f for f in report.findings if order.index(f.severity) <= order.index(severity))
    return replace(report, findings=kept)


def _assess(session: "Session", options: "DiffOptions", invocation: Invocation) -> "Report":
    from nhisync.app.desks import private_desk, stored_desk  # noqa: PLC0415 - only this command needs it
    from nhisync.app.diff import diff as compare  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    with (stored_desk if options.cached else private_desk)(session) as desk, progress(invocation) as say:
        return compare(session, options, desk, say)
