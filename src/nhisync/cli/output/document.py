"""The JSON document: the keys of contracts.md §3 and additions; every other machine format derives from it.

Instants are RFC 3339 strings in UTC with ``Z``; spans carry their unit in the key.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from nhisync.cli.output.options import RenderOptions
from nhisync.cli.output.prose import zulu
from nhisync.model import (
    SCHEMA_VERSION,
    AppReport,
    Blackout,
    Coverage,
    ErrorFact,
    Finding,
    PathSummary,
    Report,
    SourceSummary,
    Verdict,
)

Document = dict[str, Any]


def envelope(report: Report) -> Document:
    """Everything but the findings."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run_id,
        "command": report.command,
        "generated_at": zulu(report.generated_at),
        "expires_at": zulu(report.expires_at),
        "policy_digest": report.policy_digest,
        "config_file": report.config_file,
        "primary": report.primary,
        "backup": report.backup,
        "evidence_age_seconds": int(report.evidence_age.total_seconds()),
        "notes": list(report.notes),
        "paths": [_path(path) for path in report.paths],
        "coverage": [_coverage(path.name, entry) for path in report.paths for entry in path.coverage],
        "apps": [_app(app) for app in report.apps],
        "verdicts": [verdict_document(verdict) for verdict in report.verdicts],
    }


def finding_document(finding: Finding) -> Document:
    """One finding."""
    return {
        "code": finding.code,
        "state": finding.state.value,
        "severity": finding.severity.value,
        "app": finding.app,
        "pair": finding.pair,
        "path": finding.path,
        "side": finding.side.value,
        "title": finding.title,
        "layer": finding.layer.value,
        "consequence": finding.consequence.value,
        "observed": finding.observed,
        "expected": finding.expected,
        "primary": finding.primary,
        "backup": finding.backup,
        "evidence": [
            {
                "kind": evidence.kind,
                "source": evidence.source,
                "evidence_at": zulu(evidence.evidence_at),
                "expires_at": zulu(evidence.expires_at),
            }
            for evidence in finding.evidence
        ],
        "next": list(finding.next),
        "frameworks": list(finding.frameworks),
        "waiver": finding.waiver,
        "since": _instant(finding.since),
        "line": finding.line,
    }


def verdict_document(verdict: Verdict) -> Document:
    """One verdict."""
    return {
        "app": verdict.app,
        "path": verdict.path,
        "verdict": verdict.word.value,
        "tier": verdict.tier,
        "mode": verdict.mode.value,
        "evaluated_at": zulu(verdict.evaluated_at),
        "valid_until": zulu(verdict.valid_until),
        "pairs": verdict.pairs,
        "passing": verdict.passing,
        "failing": verdict.failing,
        "unknown": verdict.unknown,
        "reasons": list(verdict.reasons),
        "blocks": list(verdict.blocks),
        "policy_digest": verdict.policy_digest,
        "primary_baseline": verdict.primary_baseline,
    }


def _path(path: PathSummary) -> Document:
    return {
        "name": path.name,
        "region": path.region,
        "items": path.items,
        "unmapped": path.unmapped,
        "oldest": _instant(path.oldest),
        "sources": [_source(source) for source in path.sources],
    }


def _source(source: SourceSummary) -> Document:
    return {
        "name": source.name,
        "provider": source.provider,
        "region": source.region,
        "identity": source.identity,
        "error": error_document(source.error),
        "calls": source.calls,
        "duration_ms": round(source.seconds * 1000),
    }


def _coverage(path: str, entry: Coverage) -> Document:
    return {
        "path": path,
        "source": entry.source,
        "kind": entry.kind,
        "scope": entry.scope,
        "status": entry.status.value,
        "items": entry.items,
        "authoritative": entry.authoritative,
        "as_of": zulu(entry.as_of),
        "error": error_document(entry.error),
    }


def _app(app: AppReport) -> Document:
    return {
        "app": app.app,
        "tier": app.tier,
        "owner": app.owner,
        "runbook": app.runbook,
        "primary": app.primary,
        "backup": app.backup,
        "pairs": app.pairs,
        "unchanged": app.unchanged,
        "evidence_age_seconds": None if app.evidence_age is None else int(app.evidence_age.total_seconds()),
        "warnings": app.warnings,
        "infos": app.infos,
        "primary_fails": app.primary_fails,
        "blackout": None if app.blackout is None else blackout_document(app.blackout),
        "layers": [
            {
                "layer": count.layer.value,
                "passed": count.passed,
                "failed": count.failed,
                "unknown": count.unknown,
                "waived": count.waived,
            }
            for count in app.layers
        ],
    }


def blackout_document(blackout: Blackout) -> Document:
    """How long the backup lives without its issuers."""
    return {
        "until": _instant(blackout.until),
        "horizon_seconds": blackout.left,
        "required_seconds": blackout.required,
        "first_to_die": blackout.first,
        "cause": blackout.cause,
        "unknown": blackout.unknown,
        "unknown_pairs": list(blackout.unsure),
        "endless": blackout.endless,
        "pairs": blackout.pairs,
    }


def error_document(error: ErrorFact | None) -> Document | None:
    """Why something is not known, or None."""
    if error is None:
        return None
    wait = error.retry_after
    return {
        "kind": error.kind,
        "message": error.message,
        "action": error.action,
        "resource": error.resource,
        "principal": error.principal,
        "reason": error.reason,
        "request_id": error.request_id,
        "retry_after_seconds": None if wait is None else int(wait.total_seconds()),
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else zulu(instant)


def render_json(report: Report, _options: RenderOptions) -> Iterator[str]:
    """One indented document, ASCII only, so that no terminal obeys what a name holds.

    Findings are written one by one: there may be hundreds of thousands, and their texts together are gigabytes.
    """
    head = json.dumps(envelope(report), indent=2).removesuffix("\n}")
    if not report.findings:
        yield f'{head},\n  "findings": []\n}}\n'
        return
    yield f'{head},\n  "findings": ['
    for number, finding in enumerate(report.findings):
        text = json.dumps(finding_document(finding), indent=2).replace("\n", "\n    ")
        yield f"{',' if number else ''}\n    {text}"
    yield "\n  ]\n}\n"


def render_jsonl(report: Report, _options: RenderOptions) -> Iterator[str]:
    """One line per finding (``type: finding``), then one with everything else (``type: report``)."""
    for finding in report.findings:
        yield _line("finding", finding_document(finding), report)
    yield json.dumps({"type": "report", **envelope(report)}) + "\n"


def _line(kind: str, body: Document, report: Report) -> str:
    head = {"type": kind, "schema_version": SCHEMA_VERSION, "run_id": report.run_id}
    return json.dumps({**head, "generated_at": zulu(report.generated_at), **body}) + "\n"
