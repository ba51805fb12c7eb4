"""OCSF events for a SIEM: one Compliance Finding (class 2003 of OCSF 1.5) per line.

OCSF's compliance status 2 is the home of unknown: its schema says "did not yield a result due to missing information".
Instants are epoch milliseconds there.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from nhisync import __version__
from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import sentence
from nhisync.cli.output.sarif import fingerprint
from nhisync.model import Finding, Report, Severity, State
from nhisync.policy.frameworks import CONTROLS, FRAMEWORKS

OCSF_VERSION = "1.5.0"
_CATEGORY, _CLASS, _CREATE = 2, 2003, 1
_STATUS = {State.PASS: (1, "Pass"), State.UNKNOWN: (2, "Warning"), State.FAIL: (3, "Fail"), State.WAIVED: (3, "Fail")}
_SEVERITY = {Severity.ERROR: (4, "High"), Severity.WARNING: (3, "Medium"), Severity.INFO: (1, "Informational")}
_NEW, _SUPPRESSED, _RESOLVED = (1, "New"), (3, "Suppressed"), (4, "Resolved")
_LIFE = {State.WAIVED: _SUPPRESSED, State.PASS: _RESOLVED}


def render_ocsf(report: Report, _options: RenderOptions) -> Iterator[str]:
    """Yield one event per finding."""
    for finding in report.findings:
        yield json.dumps(_event(finding, report)) + "\n"


def _event(finding: Finding, report: Report) -> dict[str, Any]:
    severity_id, severity = (1, "Informational") if finding.state is State.PASS else _SEVERITY[finding.severity]
    life_id, life = _LIFE.get(finding.state, _NEW)
    event = {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "type_uid": _CLASS * 100 + _CREATE,
        "time": _milliseconds(report.generated_at),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": life_id,
        "status": life,
        "message": f"{finding.key}: {sentence(finding.observed) or sentence(finding.title)}",
        "metadata": {
            "version": OCSF_VERSION,
            "uid": f"{report.run_id}/{fingerprint(finding)[:16]}",
            "product": {"name": "nhisync", "vendor_name": "nhisync", "version": __version__},
        },
        "finding_info": _info(finding),
        "compliance": _compliance(finding),
        "resources": [{"uid": f"{finding.key}@{finding.path}", "name": finding.key, "type": "credential pair"}],
        "unmapped": {"consequence": finding.consequence.value, "policy_digest": report.policy_digest},
    }
    if finding.next:
        event["remediation"] = {"desc": "\n".join(finding.next)}
    return event


def _info(finding: Finding) -> dict[str, Any]:
    info: dict[str, Any] = {
        "uid": fingerprint(finding),
        "title": finding.title,
        "desc": sentence(finding.expected),
        "types": [finding.layer.value],
    }
    if finding.since is not None:
        info["first_seen_time"] = _milliseconds(finding.since)
    return {key: value for key, value in info.items() if value}


def _compliance(finding: Finding) -> dict[str, Any]:
    status_id, status = _STATUS[finding.state]
    controls = [CONTROLS[printed] for printed in finding.frameworks if printed in CONTROLS]
    names = dict.fromkeys(f"{FRAMEWORKS[c.framework].name} {c.version}" for c in controls)
    return {
        "control": finding.code,
        "standards": list(names) or ["nhisync"],
        "requirements": [control.printed for control in controls],
        "checks": [{"uid": finding.code, "name": finding.title, "status_id": status_id, "status": status}],
        "status_id": status_id,
        "status": status,
        "status_detail": finding.waiver if finding.state is State.WAIVED else _detail(finding),
    }


def _detail(finding: Finding) -> str:
    """What was seen; and that it had been accepted, where that is over."""
    return (
        " ".join(part for part in (sentence(finding.observed), sentence(finding.waiver)) if part)
        if finding.waiver
        else finding.observed
    )


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
