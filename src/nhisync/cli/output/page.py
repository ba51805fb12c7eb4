"""One self-contained HTML page: no script, no network, states in words; prints well."""

from collections.abc import Iterator

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
from nhisync.cli.safe import html
from nhisync.model import AppReport, Report

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
.verdict { border: 3px solid; padding: .5rem 1rem; margin: .5rem 0 } .verdict b { font-size: 1.4rem }
.scroll { overflow-x: auto } table { border-collapse: collapse }
th, td { border: 1px solid; padding: .2rem .6rem; text-align: left }
code { overflow-wrap: anywhere } @media print { body { margin: 0; max-width: none } }
""".strip()

_HEAD = ("State", "Code", "Pair", "Check", "Primary", "Backup")


def render_html(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield the page: verdicts, then a table and the causes per app."""
    title = html(f"nhisync: {report.primary} to {report.backup}")
    yield f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    yield f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    for app in report.apps:
        yield f'<p class="verdict"><b>{WORDS[app.verdict.word]}</b> {html(verdict_sentence(app))}</p>\n'
    if not report.apps:
        yield '<p class="verdict"><b>UNKNOWN</b> no app was judged</p>\n'
    yield f"<p>Next: <code>{html(final_step(report))}</code></p>\n"
    yield f"<p>Assessed {zulu(report.generated_at)}, worth nothing after {zulu(report.expires_at)}.</p>\n"
    for note in report.notes:
        yield f"<p>Note: {html(note)}</p>\n"
    for app in report.apps:
        yield from _app(report, app, options)
    yield f"</main>\n<footer>Run <code>{html(report.run_id)}</code>, "
    yield f"policy <code>{html(report.policy_digest)}</code></footer>\n</body>\n</html>\n"


def _app(report: Report, app: AppReport, options: RenderOptions) -> Iterator[str]:
    findings = of_app(report, app)
    visible = shown(findings, options)
    yield f"<section>\n<h2>{html(heading(app, report))}</h2>\n<p>{html(layers(app))}</p>\n"
    if app.blackout is not None:
        yield f"<p>blackout: {html(survival(app.blackout))}</p>\n"
    if visible:
        heads = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
        yield f'<div class="scroll" tabindex="0" role="region" aria-label="Findings of {html(app.app)}">\n'
        yield f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
        for finding in visible:
            values = (
                state_word(finding),
                finding.code,
                finding.pair,
                check_words(finding),
                finding.primary,
                finding.backup,
            )
            yield "<tr>" + "".join(f"<td>{html(value)}</td>" for value in values) + "</tr>\n"
        yield "</tbody>\n</table>\n</div>\n"
    for remark in not_shown(app, findings, options):
        yield f"<p>{html(remark)}</p>\n"
    causes = explanations(visible, options)
    if causes:
        yield "<ol>\n"
        for cause in causes:
            yield f"<li><strong>{html(cause.label)}</strong> {html(cause.text)}<br>"
            yield f"Next: <code>{html(cause.step)}</code></li>\n"
        yield "</ol>\n"
    yield "</section>\n"
