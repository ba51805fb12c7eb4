"""JSON Schemas (draft 2020-12) of the files people write, generated from the documents that validate them."""

import copy
from typing import Any, Final, Literal

from pydantic import BaseModel

from nhisync.config import documents
from nhisync.config.case_documents import CasesDocument
from nhisync.config.fields import PART, Strict
from nhisync.config.policy_documents import PolicyDocument

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of every schema."""

Name = Literal["config", "policy"]
"""What there is a schema of."""

_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "config": {
        "version": 1,
        "paths": {
            "primary": {"region": "eu-west-1", "sources": {"vault": {"provider": "vault"}}},
            "backup": {"region": "eu-north-1", "sources": {"aws": {"provider": "aws"}}},
        },
        "apps": {
            "payments": {
                "tier": "critical",
                "pairs": [
                    {
                        "name": "stripe-api",
                        "kind": "api-key",
                        "primary": "vault:kv/secret/payments/stripe#api_key",
                        "backup": "aws:secret/payments/stripe-api#api_key",
                    }
                ],
            }
        },
    },
    "policy": {"version": 1, "tier": "critical", "lockstep": {"max_lag": "12h"}},
}


def schema(name: Name) -> dict[str, Any]:
    """The JSON schema of ``nhisync.yaml`` (``config``) or of ``policies/<tier>.yaml`` (``policy``)."""
    root: type[BaseModel] = documents.ConfigurationDocument if name == "config" else PolicyDocument
    return _whole(root, name, _EXAMPLES[name])


def cases_schema() -> dict[str, Any]:
    """The JSON schema of a file for ``nhisync policy test``."""
    example = {"name": "a lag blocks", "tier": "critical", "code": "NHS201", "expect": {"severity": "error"}}
    return _whole(CasesDocument, "policy-cases", {"version": 1, "cases": [example]})


def _whole(root: type[BaseModel], name: str, example: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    body = _own(root, definitions)
    return {
        "$schema": DIALECT,
        "$id": f"urn:nhisync:schema:{name}:v1",
        **body,
        "title": f"nhisync {name}",
        "examples": [copy.deepcopy(example)],
        "$defs": dict(sorted(definitions.items())),
    }


def _own(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of `model`; what it refers to goes into `definitions`."""
    body: dict[str, Any] = model.model_json_schema(by_alias=True)
    for name, definition in body.pop("$defs", {}).items():
        definitions[name] = _plain(definition, definitions)
    cleaned: dict[str, Any] = _plain(body, definitions)
    return cleaned


def _plain(part: Any, definitions: dict[str, Any]) -> Any:
    """`part` with references to documents, without null (no key may be empty) and without generated titles."""
    if isinstance(part, list):
        return [_plain(entry, definitions) for entry in part]
    if not isinstance(part, dict):
        return part
    if PART in part:
        return _reference(part[PART], definitions)
    found = {key: _plain(value, definitions) for key, value in part.items() if not _is_generated(key, value)}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    options = [option for option in found.get("anyOf", ()) if option != {"type": "null"}]
    if "anyOf" in found and len(options) < len(found["anyOf"]):
        del found["anyOf"]
        found = {**(options[0] if len(options) == 1 else {"anyOf": options}), **found}
    return found


def _is_generated(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def _reference(name: str, definitions: dict[str, Any]) -> dict[str, str]:
    if name not in definitions:
        definitions[name] = {}  # keeps its place while it refers to others
        definitions[name] = _own(_model(name), definitions)
    return {"$ref": f"#/$defs/{name}"}


def _model(name: str) -> type[Strict]:
    found: type[Strict] = getattr(documents, name)
    return found
