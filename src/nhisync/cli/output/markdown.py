"""GitHub-flavoured Markdown for a pull request's comment; foreign text is inert."""

from collections.abc import Iterator, Sequence

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import (
    WORDS,
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
    verdict_sentence,
    zulu,
)
from nhisync.cli.safe import markdown, markdown_code
from nhisync.model import AppReport, Finding, Report

_HEAD = ("State", "Code", "Pair", "Check", "Primary", "Backup")


def render_markdown(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield the comment: verdicts first (it is read from above), then a table and the causes per app."""
    yield f"## nhisync: {markdown(report.primary)} → {markdown(report.backup)}\n\n"
    for app in report.apps:
        yield f"- **{WORDS[app.verdict.word]}** {markdown(verdict_sentence(app))}\n"
    if not report.apps:
        yield "- **UNKNOWN** no app was judged\n"
    yield f"\nNext: {markdown_code(final_step(report))}\n"
    for note in report.notes:
        yield f"\n> {markdown(note)}\n"
    for app in report.apps:
        yield from _app(report, app, options)
    digest = markdown_code(report.policy_digest)
    yield f"\nRun {markdown_code(report.run_id)}, {zulu(report.generated_at)}, policy {digest}\n"


def _app(report: Report, app: AppReport, options: RenderOptions) -> Iterator[str]:
    findings = of_app(report, app)
    visible = shown(findings, options)
    yield f"\n### {markdown(heading(app, report))}\n\n{markdown(layers(app))}\n"
    if app.blackout is not None:
        yield f"\nblackout: {markdown(survival(app.blackout))}\n"
    if visible:
        yield "\n" + _row(_HEAD) + _row(["---"] * len(_HEAD))
        yield from (_row(_cells(finding)) for finding in visible)
    for remark in not_shown(app, findings, options):
        yield f"\n_{markdown(remark)}_\n"
    for number, cause in enumerate(explanations(visible, options), 1):
        lead = "\n" if number == 1 else ""
        yield f"{lead}{number}. {markdown_code(cause.label)} {markdown(cause.text)}<br>"
        yield f"Next: {markdown_code(cause.step)}\n"


def _cells(finding: Finding) -> list[str]:
    codes = (finding.pair, finding.primary, finding.backup)
    pair, primary, backup = (markdown_code(value) for value in codes)
    return [f"**{state_word(finding)}**", finding.code, pair, markdown(check_words(finding)), primary, backup]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
