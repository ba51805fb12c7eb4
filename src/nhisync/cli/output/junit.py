"""JUnit XML for CI: one suite per pair, one case per check; what the verdict counts makes the build red.

A fail is a ``failure``, an unknown an ``error``; what is waived or below ``--fail-on`` is ``skipped``. The schema of
Jenkins' xunit plugin refuses ``skipped`` and ``timestamp`` on ``testsuites``, so these stand on each suite.
"""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import WORDS, sentence, verdict_sentence, wanted
from nhisync.cli.safe import xml_text
from nhisync.model import AppReport, Finding, Report, State, Word

_SUITE_TIME = "%Y-%m-%dT%H:%M:%S"


def render_junit(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield the document."""
    root = ET.Element("testsuites", name=xml_text(f"nhisync {report.command} {report.primary} {report.backup}"))
    suites: dict[str, ET.Element] = {}
    for app in report.apps:
        _verdict(_suite(root, suites, app.app, report), app)
    for finding in report.findings:
        _case(_suite(root, suites, finding.key, report), finding, options)
    for suite in suites.values():
        for name in ("tests", "failures", "errors", "skipped"):
            suite.set(name, str(_count(suite, name)))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites.values())))
    ET.indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield ET.tostring(root, encoding="unicode")
    yield "\n"


def _suite(root: ET.Element, suites: dict[str, ET.Element], name: str, report: Report) -> ET.Element:
    if name not in suites:
        stamp = report.generated_at.strftime(_SUITE_TIME)
        suites[name] = ET.SubElement(root, "testsuite", name=xml_text(name), timestamp=stamp, time="0")
    return suites[name]


def _verdict(suite: ET.Element, app: AppReport) -> None:
    """The app's verdict is a case of its own, so that a run without findings is not an empty one."""
    verdict = app.verdict
    case = ET.SubElement(
        suite, "testcase", classname=xml_text(app.app), name=xml_text(f"verdict {app.backup}"), time="0"
    )
    if verdict.word is not Word.READY:
        tag = "failure" if verdict.word is Word.NOT_READY else "error"
        outcome = ET.SubElement(case, tag, type=WORDS[verdict.word], message=xml_text(verdict_sentence(app)))
        outcome.text = xml_text("; ".join(verdict.reasons))


def _case(suite: ET.Element, finding: Finding, options: RenderOptions) -> None:
    title = f"{finding.code} {finding.title}" + (f" ({finding.path})" if finding.path else "")
    case = ET.SubElement(
        suite, "testcase", classname=xml_text(finding.key.replace("/", ".")), name=xml_text(title), time="0"
    )
    if finding.state is State.PASS:
        return
    if finding.state is State.WAIVED:
        ET.SubElement(case, "skipped", message=xml_text(f"waived {finding.waiver}"))
        return
    message = xml_text(sentence(finding.observed) or sentence(finding.title))
    if finding.severity not in options.counted:
        note = f" {sentence(finding.waiver)}" if finding.waiver else ""
        ET.SubElement(case, "skipped", message=f"{finding.severity.value}: {message}{xml_text(note)}")
        return
    tag = "failure" if finding.state is State.FAIL else "error"
    outcome = ET.SubElement(case, tag, type=finding.code, message=message)
    lines = (sentence(finding.waiver), wanted(finding), *(f"Next: {step}" for step in finding.next))
    outcome.text = "\n".join(xml_text(line) for line in lines if line)


def _count(suite: ET.Element, name: str) -> int:
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    if name == "tests":
        return len(suite.findall("testcase"))
    return len(suite.findall(f"testcase/{tags[name]}"))
