"""Tab separated lines for awk and cut: fixed columns, one record a line, verdicts last; stable between versions."""

from collections.abc import Iterator

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import WORDS, shown
from nhisync.cli.safe import printable
from nhisync.model import Report

FINDING_COLUMNS = (
    "record",
    "state",
    "severity",
    "code",
    "app",
    "pair",
    "path",
    "title",
    "primary",
    "backup",
    "observed",
    "expected",
    "next",
    "waiver",
)


def render_plain(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield ``finding`` records, then one ``verdict`` record per app; nothing is cut, tabs are written out."""
    for finding in shown(report.findings, options):
        yield _record(
            "finding",
            finding.state.value,
            finding.severity.value,
            finding.code,
            finding.app,
            finding.pair,
            finding.path,
            finding.title,
            finding.primary,
            finding.backup,
            finding.observed,
            finding.expected,
            (finding.next or ("",))[0],
            finding.waiver,
        )
    for verdict in report.verdicts:
        counts = (verdict.pairs, verdict.passing, verdict.failing, verdict.unknown)
        yield _record("verdict", verdict.app, verdict.path, WORDS[verdict.word], *map(str, counts))


def _record(*values: str) -> str:
    return "\t".join(printable(value) for value in values) + "\n"
