"""Every format says what the report says, is valid for its readers, and is stable."""

import json
from collections.abc import Callable
from dataclasses import replace

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


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_that_is_written_finding_by_finding_is_one_document(
    reports: dict[str, Callable[[], Report]], count: int
) -> None:
    """It is, byte for byte, what json would write of the whole, and no part of it holds more than one finding."""
    report = reports["drift"]()
    report = replace(report, findings=report.findings[:count])
    parts = list(render(report, "json"))
    text = "".join(parts)
    found = json.loads(text)
    assert text == json.dumps(found, indent=2) + "\n"
    assert len(found["findings"]) == count
    assert max(part.count('"code": "NHS') for part in parts) <= 1
