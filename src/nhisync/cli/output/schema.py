"""JSON Schema (2020-12) of the JSON report; consumers ignore keys they do not know, because additions keep the version.

Built from the model's own vocabularies, so that a new word cannot be forgotten here.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from nhisync.model import (
    SCHEMA_VERSION,
    Consequence,
    CoverageStatus,
    Layer,
    Mode,
    Severity,
    Side,
    State,
    Word,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]
_TEXT: _Schema = {"type": "string"}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_FLAG: _Schema = {"type": "boolean"}
_INSTANT: _Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
}


def report_schema() -> dict[str, Any]:
    """The schema of `nhisync diff --format json`."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:nhisync:schema:report:{SCHEMA_VERSION}",
        "title": "nhisync report",
        "description": "One assessment of a primary against a backup path. Unknown keys are to be ignored.",
        **_object(
            schema_version={"type": "string", "pattern": r"^1\.\d+$"},
            run_id=_TEXT,
            command=_TEXT,
            generated_at=_INSTANT,
            expires_at=_INSTANT,
            policy_digest=_TEXT,
            config_file=_TEXT,
            primary=_TEXT,
            backup=_TEXT,
            evidence_age_seconds=_COUNT,
            notes=_list(_TEXT),
            paths=_list({"$ref": "#/$defs/path"}),
            coverage=_list({"$ref": "#/$defs/coverage"}),
            apps=_list({"$ref": "#/$defs/app"}),
            findings=_list({"$ref": "#/$defs/finding"}),
            verdicts=_list({"$ref": "#/$defs/verdict"}),
        ),
        "$defs": {
            "app": _app(),
            "blackout": _blackout(),
            "coverage": _coverage(),
            "error": _error(),
            "finding": _finding(),
            "path": _path(),
            "verdict": _verdict(),
        },
    }


def _finding() -> _Schema:
    return _object(
        code={"type": "string", "pattern": "^NHS[1-9][0-9]{2}$"},
        state=_word(State),
        severity=_word(Severity),
        app=_TEXT,
        pair=_TEXT,
        path=_TEXT,
        side=_word(Side),
        title=_TEXT,
        layer=_word(Layer),
        consequence=_word(Consequence),
        observed=_TEXT,
        expected=_TEXT,
        primary=_TEXT,
        backup=_TEXT,
        evidence=_list(_object(kind=_TEXT, source=_TEXT, evidence_at=_INSTANT, expires_at=_INSTANT)),
        next=_list(_TEXT),
        frameworks=_list(_TEXT),
        waiver=_TEXT,
        since=_or_null(_INSTANT),
        line=_COUNT,
    )


def _verdict() -> _Schema:
    return _object(
        app=_TEXT,
        path=_TEXT,
        verdict=_word(Word),
        tier=_TEXT,
        mode=_word(Mode),
        evaluated_at=_INSTANT,
        valid_until=_INSTANT,
        pairs=_COUNT,
        passing=_COUNT,
        failing=_COUNT,
        unknown=_COUNT,
        reasons=_list(_TEXT),
        blocks={**_list(_TEXT), "maxItems": 5},
        policy_digest=_TEXT,
        primary_baseline=_TEXT,
    )


def _path() -> _Schema:
    source = _object(
        name=_TEXT,
        provider=_TEXT,
        region=_TEXT,
        identity=_TEXT,
        error=_or_null({"$ref": "#/$defs/error"}),
        calls=_COUNT,
        duration_ms=_COUNT,
    )
    return _object(
        name=_TEXT, region=_TEXT, items=_COUNT, unmapped=_COUNT, oldest=_or_null(_INSTANT), sources=_list(source)
    )


def _coverage() -> _Schema:
    return _object(
        path=_TEXT,
        source=_TEXT,
        kind=_TEXT,
        scope=_TEXT,
        status=_word(CoverageStatus),
        items=_COUNT,
        authoritative=_FLAG,
        as_of=_INSTANT,
        error=_or_null({"$ref": "#/$defs/error"}),
    )


def _app() -> _Schema:
    layer = _object(layer=_word(Layer), passed=_COUNT, failed=_COUNT, unknown=_COUNT, waived=_COUNT)
    return _object(
        app=_TEXT,
        tier=_TEXT,
        owner=_TEXT,
        runbook=_TEXT,
        primary=_TEXT,
        backup=_TEXT,
        pairs=_COUNT,
        unchanged=_COUNT,
        evidence_age_seconds=_or_null(_COUNT),
        warnings=_COUNT,
        infos=_COUNT,
        primary_fails=_COUNT,
        blackout=_or_null({"$ref": "#/$defs/blackout"}),
        layers=_list(layer),
    )


def _blackout() -> _Schema:
    return _object(
        until=_or_null(_INSTANT),
        horizon_seconds=_or_null(_COUNT),
        required_seconds=_or_null(_COUNT),
        first_to_die=_TEXT,
        cause=_TEXT,
        unknown=_COUNT,
        unknown_pairs=_list(_TEXT),
        endless=_COUNT,
        pairs=_COUNT,
    )


def _error() -> _Schema:
    return _object(
        kind=_TEXT,
        message=_TEXT,
        action=_TEXT,
        resource=_TEXT,
        principal=_TEXT,
        reason=_TEXT,
        request_id=_TEXT,
        retry_after_seconds=_or_null(_COUNT),
    )


def _object(**properties: _Schema) -> _Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _word(words: Iterable[StrEnum]) -> _Schema:
    return {"type": "string", "enum": [word.value for word in words]}


def _or_null(schema: _Schema) -> _Schema:
    return {"anyOf": [schema, {"type": "null"}]}
