"""The list filters of Secret Manager, as far as they are unambiguous: terms that must all hold.

A term is ``field:text`` (contains) or ``field=text`` (equals); fields are ``name``, ``labels.KEY``,
``annotations.KEY`` and ``state``. Anything else is refused, never ignored (Secret Manager: list-operation filtering).
"""

import re
from collections.abc import Callable
from typing import Any

from nhisync_gcp.emulator.refusals import invalid
from nhisync_gcp.emulator.secret_store import State

_TERM = re.compile(r"\s*(?:AND\s+)?([a-z_]+(?:\.[A-Za-z0-9_-]+)?)\s*([:=])\s*(\"[^\"]*\"|[^\s\"]+)")
Keep = Callable[[Any], bool]


def secret_filter(text: str) -> Keep | None:
    """What a filter of ListSecrets keeps; None = everything.

    Raises:
        RefusedError: INVALID_ARGUMENT for a filter this emulator does not know.
    """
    return _filter(text, {"name", "labels", "annotations"})


def version_filter(text: str) -> Keep | None:
    """What a filter of ListSecretVersions keeps; None = everything."""
    return _filter(text, {"name", "state"})


def _filter(text: str, fields: set[str]) -> Keep | None:
    if not text.strip():
        return None
    terms = []
    position = 0
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None or match.group(1).partition(".")[0] not in fields:
            raise invalid(f"Invalid filter: {text}")
        terms.append((match.group(1), match.group(2), match.group(3).strip('"')))
        position = match.end()
    return lambda message: all(_holds(message, *term) for term in terms)


def _holds(message: Any, field: str, operator: str, wanted: str) -> bool:
    name, _, key = field.partition(".")
    if name in {"labels", "annotations"}:
        entries = getattr(message, name)
        if key not in entries:
            return False
        found = entries[key]
    elif name == "state":
        found = State(message.state).name
    else:
        found = message.name
    return bool(found == wanted) if operator == "=" else wanted in found
