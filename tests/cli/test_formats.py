"""Every format says what the report says, is valid for its readers, and is stable."""

from collections.abc import Callable

import pytest

from nhisync.cli.output import REPORT_FORMATS, RenderOptions, render
from nhisync.errors import UsageError
from nhisync.model import Report

SUFFIX = {
    "table": "txt",
    "plain": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "sarif": "sarif",
    "junit": "xml",
    "ocsf": "ocsf.jsonl",
    "markdown": "md",
    "html": "html",
}


@pytest.mark.parametrize("fmt", REPORT_FORMATS)
def test_golden(
    named_report: tuple[str, Report], fmt: str, options: RenderOptions, golden: Callable[[str, str], None]
) -> None:
    """Each format of each hand-made report is exactly the reviewed text."""
    name, report = named_report
    golden(f"{name}.{SUFFIX[fmt]}", "".join(render(report, fmt, options=options)))


def test_every_format_has_a_golden() -> None:
    """No format is forgotten by the goldens."""
    assert set(SUFFIX) == set(REPORT_FORMATS)


def test_unknown_format_is_a_usage_error(reports: dict[str, Callable[[], Report]]) -> None:
    """A format that does not exist is named together with those that do."""
    with pytest.raises(UsageError, match="no format `yaml`"):
        list(render(reports["drift"](), "yaml"))
