"""SARIF 2.1.0 (OASIS standard) for code scanning of the repository that holds ``nhisync.yaml``.

Only what needs work is emitted: consumers show passes as alerts, and mostly ignore ``kind``. So unknowns are results of
kind ``fail`` under a rule of the evidence family. Fingerprints are made of pair and code, never of time, because a
result without a stable one becomes a new alert in every run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from nhisync import __version__
from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import sentence, wanted, zulu
from nhisync.cli.output.trouble import troubles
from nhisync.cli.safe import printable
from nhisync.model import Finding, Report, Severity, State
from nhisync.policy.frameworks import CONTROLS, FRAMEWORKS

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
UNJUDGED = "NHS900"
"""Rule of every unknown whose own rule is not of the evidence family; no finding carries this code itself."""

_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCORE = {Severity.ERROR: "8.0", Severity.WARNING: "5.0", Severity.INFO: "2.0"}
_ANSWERED = frozenset({0, 1, 3})

_Json = dict[str, Any]


def render_sarif(report: Report, options: RenderOptions) -> Iterator[str]:
    """Yield the log."""
    findings = [f for f in report.findings if f.state in {State.FAIL, State.UNKNOWN}]
    rules = {rule_of(finding): finding for finding in reversed(findings)}
    codes = sorted(rules)
    run: _Json = {
        "tool": {
            "driver": {
                "name": "nhisync",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(code, rules[code], options) for code in codes],
                "supportedTaxonomies": [{"name": name} for name in _frameworks(findings)],
            }
        },
        "automationDetails": {"id": f"nhisync/{report.primary}/{report.backup}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report, options)],
        "taxonomies": [_taxonomy(name, ids) for name, ids in _frameworks(findings).items()],
        "results": [_result(finding, codes.index(rule_of(finding)), report) for finding in findings],
    }
    yield json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)
    yield "\n"


def rule_of(finding: Finding) -> str:
    """The rule a finding is reported under."""
    evidence = finding.code.startswith("NHS9")
    return finding.code if finding.state is State.FAIL or evidence else UNJUDGED


def message(text: str) -> str:
    """`text` as a plain message: brackets are no links, braces no placeholders (SARIF 2.1.0 §3.11.5, §3.11.6)."""
    doubled = printable(text).replace("\\", "\\\\").replace("{", "{{").replace("}", "}}")
    return doubled.replace("[", "\\[").replace("]", "\\]")


def fingerprint(finding: Finding) -> str:
    """Stable over time, different for every pair, code and path."""
    return hashlib.sha256(f"{finding.key}\0{finding.code}\0{finding.path}".encode(errors="replace")).hexdigest()


def _invocation(report: Report, options: RenderOptions) -> _Json:
    return {
        "executionSuccessful": options.exit_code in _ANSWERED,
        "exitCode": options.exit_code,
        "endTimeUtc": zulu(report.generated_at),
        "toolExecutionNotifications": [
            {
                "level": "error",
                "descriptor": {"id": trouble.fact.kind},
                "message": {"text": message(f"{trouble.where}: {sentence(trouble.fact.message)}")},
            }
            for trouble in troubles(report)
        ],
    }


def _rule(code: str, example: Finding, options: RenderOptions) -> _Json:
    info = options.rules.get(code)
    title = "check could not be judged" if code == UNJUDGED else example.title
    body: _Json = {
        "id": code,
        "name": "".join(word.capitalize() for word in printable(title).replace("-", " ").split() if word.isalnum()),
        "shortDescription": {"text": sentence(printable(title)) or code},
        "defaultConfiguration": {"level": _LEVEL[example.severity]},
        "properties": {"security-severity": _SCORE[example.severity], "tags": ["security", example.layer.value]},
    }
    if info is not None:
        named = (f"{provider}: {step}" if provider != "*" else step for provider, step in info.remediation.items())
        fixes = "\n".join(f"- {step}" for step in named)
        body["fullDescription"] = {"text": f"{info.compared} {info.hurts}"}
        body["help"] = {"text": f"{info.hurts}\n\nFalse alarm: {info.false_alarm}\n\nFix:\n{fixes}"}
    elif code == UNJUDGED:
        body["fullDescription"] = {"text": "There is not enough evidence to judge a check, so it blocks (fail closed)."}
    links = [
        {"target": _reference(control), "kinds": ["relevant"]} for control in example.frameworks if control in CONTROLS
    ]
    return {**body, "relationships": links} if links else body


def _result(finding: Finding, index: int, report: Report) -> _Json:
    step = f"Next: {finding.next[0]}" if finding.next else ""
    seen = f"{finding.key}: {sentence(finding.observed) or sentence(finding.title)}"
    text = " ".join(part for part in (seen, sentence(finding.waiver), wanted(finding), step) if part)
    name = f"{finding.key}@{finding.path}" if finding.path else finding.key
    properties = {"state": finding.state.value, "code": finding.code, "consequence": finding.consequence.value}
    if finding.waiver:
        properties["waiver"] = printable(finding.waiver)
    return {
        "ruleId": rule_of(finding),
        "ruleIndex": index,
        "kind": "fail",
        "level": _LEVEL[finding.severity],
        "message": {"text": message(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(report.config_file)},
                    "region": {"startLine": max(1, finding.line)},
                },
                "logicalLocations": [{"fullyQualifiedName": printable(name), "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"nhisyncPairCode/v1": fingerprint(finding)},
        "taxa": [_reference(control) for control in finding.frameworks if control in CONTROLS],
        "properties": properties,
    }


def _reference(printed: str) -> _Json:
    control = CONTROLS[printed]
    return {"id": control.id, "toolComponent": {"name": FRAMEWORKS[control.framework].name}}


def _frameworks(findings: list[Finding]) -> Mapping[str, dict[str, str]]:
    """Framework name → id → title of everything the findings refer to."""
    found: dict[str, dict[str, str]] = {}
    for printed in sorted({control for finding in findings for control in finding.frameworks}):
        control = CONTROLS.get(printed)
        if control is not None:
            found.setdefault(FRAMEWORKS[control.framework].name, {})[control.id] = control.title
    return found


def _taxonomy(name: str, ids: Mapping[str, str]) -> _Json:
    framework = next(f for f in FRAMEWORKS.values() if f.name == name)
    return {
        "name": name,
        "version": framework.version,
        "isComprehensive": False,
        "shortDescription": {"text": "Controls that findings support evidence for; not a statement of compliance."},
        "taxa": [{"id": id_, "shortDescription": {"text": sentence(title)}} for id_, title in ids.items()],
    }


def _uri(file: str) -> str:
    """A URI reference (RFC 3986) for the configuration as the user named it."""
    path = file.replace("\\", "/")
    return ("file://" if path.startswith("/") else "") + quote(path.removeprefix("./").encode(errors="surrogatepass"))
