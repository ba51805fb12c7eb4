"""Scripts of http probes from documents to the text that a probe runs: placeholders are known, changes are undone."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from nhisync.config.probe_documents import ProbeDocument, ScriptDocument
from nhisync.config.secrecy import shown

STEPS: Final = ("read", "modify", "verify", "undo", "undone")
"""Steps of a script in order."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_RUN: Final = "run"


def script_text(document: ScriptDocument) -> str:
    """The steps as JSON, as `nhisync.probes.script` takes them."""
    return json.dumps([_step(name, getattr(document, name)) for name in STEPS], sort_keys=True)


def _step(name: str, document: Any) -> dict[str, Any]:
    return {
        "name": name,
        "method": getattr(document, "method", "GET"),
        "path": document.path,
        "body": getattr(document, "body", None),
        "expect": sorted(document.expect),
        "capture": dict(getattr(document, "capture", None) or {}),
        "equals": dict(getattr(document, "equals", None) or {}),
    }


def script_problems(document: ProbeDocument) -> Iterator[tuple[str, str]]:
    """(dotted key, what is wrong) of a probe's script."""
    script = document.script
    if script is None:
        return
    if document.depth != "txn":
        yield "script", "a script changes something at the service: say so with `depth: txn`"
    if document.auth == "none":
        yield "script", "a script is run with a credential: name how it is presented (`auth`)"
    known = {_RUN}
    for name in STEPS:
        step = _step(name, getattr(script, name))
        yield from _unknown(name, step, known)
        for captured in sorted(step["capture"].keys() & known):
            yield f"script.{name}.capture", f"`{{{shown(captured)}}}` has a value already"
        known |= step["capture"].keys()
    if not _contrast(script):
        told = "could not tell that the change is there still: let it expect another status or value than `verify`"
        yield "script.undone", told


def _unknown(name: str, step: dict[str, Any], known: set[str]) -> Iterator[tuple[str, str]]:
    for key in ("path", "body", "equals"):
        texts = list(_texts(step[key]))
        for found in (found for text in texts for found in _PLACEHOLDER.findall(text) if found not in known):
            have = ", ".join(f"{{{one}}}" for one in sorted(known))
            yield f"script.{name}.{key}", f"`{{{shown(found)}}}` stands for nothing; known there are {have}"


def _texts(value: Any) -> Iterator[str]:
    """Every text of a path, a body or a mapping; keys are no templates."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _contrast(script: ScriptDocument) -> bool:
    """Whether no answer satisfies both looks: the one at the change and the one after the undo."""
    there, gone = script.verify, script.undone
    if not set(there.expect) & set(gone.expect):
        return True
    if there.path != gone.path:
        return False
    there_equals, gone_equals = there.equals or {}, gone.equals or {}
    return any(gone_equals[one] != there_equals[one] for one in gone_equals.keys() & there_equals.keys())
