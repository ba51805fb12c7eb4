"""The table: what a person reads at 3 a.m. On a terminal it wraps; in a pipe one finding is one line, however long."""

from collections.abc import Iterator, Sequence

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import (
    Explanation,
    check_words,
    explanations,
    final_step,
    heading,
    layers,
    not_shown,
    of_app,
    shown,
    state_word,
    survival,
    verdict_lines,
)
from nhisync.cli.output.style import STATE_STYLES, WORD_STYLES, Painter
from nhisync.cli.safe import cell, printable
from nhisync.model import AppReport, Finding, Report

COLUMNS = ("STATE", "CODE", "PAIR", "CHECK", "PRIMARY", "BACKUP")
EXPLAINED = 20
"""Explanations per app; ``-v`` shows all."""


def render_table(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield the report as text, verdict and next command last."""
    painter = Painter(options)
    for note in report.notes:
        yield painter.prose(f"Note: {note}")
    for app in report.apps:
        yield from _app(report, app, options, painter)
    for word, line in verdict_lines(report, options.exit_code):
        yield painter.prose(line, style=WORD_STYLES[word])
    yield painter.line(f"Next: {final_step(report)}")


def _app(report: Report, app: AppReport, options: RenderOptions, painter: Painter) -> Iterator[str]:
    findings = of_app(report, app)
    visible = shown(findings, options)
    yield painter.prose(heading(app, report), style="bold")
    yield painter.prose(f"layers: {layers(app)}")
    if app.blackout is not None:
        yield painter.prose(f"blackout: {survival(app.blackout)}")
    if app.owner or app.runbook:
        told = (f"owner {app.owner}" if app.owner else "", f"runbook {app.runbook}" if app.runbook else "")
        yield painter.prose(" · ".join(part for part in told if part))
    yield "\n"
    if visible:
        yield painter.table(COLUMNS, [_row(finding) for finding in visible], [STATE_STYLES[f.state] for f in visible])
    for remark in not_shown(app, findings, options):
        yield painter.line(remark, style="dim")
    yield "\n"
    yield from _explained(explanations(visible, options), options, painter)


def _row(finding: Finding) -> tuple[str, ...]:
    return (
        state_word(finding),
        finding.code,
        cell(finding.pair),
        cell(check_words(finding)),
        cell(finding.primary),
        cell(finding.backup),
    )


def _explained(found: Sequence[Explanation], options: RenderOptions, painter: Painter) -> Iterator[str]:
    kept = found if options.verbose else found[:EXPLAINED]
    width = max((len(printable(e.label)) for e in kept), default=0)
    for number, explanation in enumerate(kept, 1):
        head = f"{number}. {printable(explanation.label):<{width}}  "
        yield painter.hanging(head, explanation.text)
        yield painter.line(f"{'':{len(head)}}Next: {explanation.step}")
    if len(found) > len(kept):
        yield painter.line(f"{len(found) - len(kept)} more causes not explained (-v)", style="dim")
    if kept:
        yield "\n"
