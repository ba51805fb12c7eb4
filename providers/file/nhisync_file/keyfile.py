"""JSON and YAML key files: the names of their fields, and the public ids of shapes that are known.

A scalar leaves this module only when it stands where a known format keeps a public id *and* looks like one, so that
a secret in the wrong place stays inside.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from nhisync.spi import PublicId
from nhisync.spi.x509 import text
from nhisync_file.parsed import Parsed, malformed

JSON_LIMIT, YAML_LIMIT = 64 * 1024, 32 * 1024
"""Bytes. Key files are small, and the YAML parser takes about a second for its limit."""

_MOST_OPEN = 64
"""The YAML scanner's time grows with the square of the brackets that are open at once."""

_DEEPEST = 6
_MOST_FIELDS = 500
_ACCESS_KEY = re.compile(r"A[A-Z0-9]{15,127}\Z")
_KEY_ID = re.compile(r"[0-9a-f]{40}\Z")
_EMAIL = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9][a-z0-9.-]{0,120}\.gserviceaccount\.com\Z")
_STATUS = re.compile(r"(Active|Inactive)\Z")
_INSTANT = re.compile(r"[0-9T:.Z+-]{10,40}\Z")

ROTATED = "nhisync_rotated"
"""Field in which whoever writes the file can date its generation; it is no secret, and equal ones are no copy."""

Fields = dict[str, str | None]
"""Dotted name → text, or None where the value is no text."""


def parse_json(content: bytes) -> Parsed:
    """Names and public ids of a JSON key file.

    Raises:
        ProviderError: MALFORMED.
    """
    return _described(json_fields(content))


def parse_yaml(content: bytes) -> Parsed:
    """Names and public ids of a YAML key file.

    Raises:
        ProviderError: MALFORMED.
    """
    return _described(yaml_fields(content))


def json_fields(content: bytes) -> Fields:
    """All fields of a JSON object, flattened.

    Raises:
        ProviderError: MALFORMED.
    """
    _check_size(content, JSON_LIMIT)
    document = _loaded(_load_json, content)
    if document is None:
        raise malformed("not-json", "it is no JSON document, or a name stands twice in it")
    return _collected(document, _json_children)


def yaml_fields(content: bytes) -> Fields:
    """All fields of a YAML mapping, flattened; nodes are never turned into objects, so tags do nothing.

    Raises:
        ProviderError: MALFORMED.
    """
    _check_size(content, YAML_LIMIT)
    if max(accumulate((one in b"[{") - (one in b"]}") for one in content), default=0) > _MOST_OPEN:
        raise malformed("too-deep", f"it has more than {_MOST_OPEN} open brackets")
    document = _loaded(YAML(typ="safe", pure=True).compose, content)
    if document is None:
        raise malformed("not-yaml", "it is no single YAML document, or a name stands twice in it")
    return _collected(document, _yaml_children)


def _check_size(content: bytes, limit: int) -> None:
    if len(content) > limit:
        raise malformed("too-large", f"it is larger than {limit} bytes, which no key file is")


def _loaded(load: Callable[[bytes], Any], content: bytes) -> Any | None:
    """What `load` makes of the content, None when it cannot. Its exceptions carry the content, so they end here.

    A ProviderError raised while handling one would still hold it as its context.
    """
    try:
        return load(content)
    except (YAMLError, ValueError, RecursionError):
        return None


def _load_json(content: bytes) -> Any:
    return json.loads(
        content, object_pairs_hook=_unique, parse_int=_not_text, parse_float=_not_text, parse_constant=_not_text
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names stand once: which of two wins differs between parsers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _not_text(_: str) -> None:
    """Numbers are no keys, and are not worth their parsing."""


def _json_children(value: Any) -> list[tuple[str, Any]] | None:
    if isinstance(value, dict):
        return list(value.items())
    return [(str(index), item) for index, item in enumerate(value)] if isinstance(value, list) else None


def _yaml_children(node: Any) -> list[tuple[str, Any]] | None:
    if isinstance(node, MappingNode):
        return [(key.value if isinstance(key, ScalarNode) else "?", value) for key, value in node.value]
    if isinstance(node, SequenceNode):
        return [(str(index), item) for index, item in enumerate(node.value)]
    return None


def _collected(document: Any, children: Callable[[Any], list[tuple[str, Any]] | None]) -> Fields:
    """Flatten `document`, which must hold names at its top."""
    found: Fields = {}
    for name, value in _flat(document, children, "", 0):
        if name in found:
            raise malformed("repeated-field", "a name stands twice in it")
        found[name] = value
        if len(found) > _MOST_FIELDS:
            raise malformed("too-many-fields", f"it holds more than {_MOST_FIELDS} fields")
    if not found:
        raise malformed("no-fields", "it holds no named field")
    return found


def _flat(
    value: Any, children: Callable[[Any], list[tuple[str, Any]] | None], name: str, depth: int
) -> Iterator[tuple[str, str | None]]:
    below = children(value)
    if not below:  # empty containers count too, or shared ones (YAML aliases) could be walked for ever
        if name:
            yield name, _scalar(value)
        return
    if depth >= _DEEPEST:
        raise malformed("too-deep", f"it is nested more than {_DEEPEST} levels")
    for key, item in below:
        yield from _flat(item, children, f"{name}.{text(str(key))}" if name else text(str(key)), depth + 1)


def _scalar(value: Any) -> str | None:
    if isinstance(value, ScalarNode):
        return str(value.value)
    return value if isinstance(value, str) else None


def _described(fields: Fields) -> Parsed:
    """Names only, and the public ids of known formats."""
    known = _google(fields) if fields.get("type") == "service_account" else _amazon(fields)
    facts: dict[str, Any] = {"fields": tuple(sorted(fields)), "secret": True, **known}
    facts["rotated"] = facts.get("rotated") or _instant(fields, ROTATED)
    return Parsed(**facts)


def _google(fields: Fields) -> dict[str, Any]:
    """A service account key as Google's console writes it."""
    key, account = _shaped(fields, "private_key_id", _KEY_ID), _shaped(fields, "client_email", _EMAIL)
    return {
        "version": key,
        "provider_id": account or "",
        "ids": (PublicId("access-key-id", key),) if key else (),
        "attributes": {"format": "google-service-account"},
    }


_AMAZON = MappingProxyType(
    {
        "accesskeyid": "key",
        "awsaccesskeyid": "key",
        "createdate": "created",
        "expiration": "expires",
        "status": "status",
    }
)


def _amazon(fields: Fields) -> dict[str, Any]:
    """An access key as ``aws iam create-access-key`` or STS prints it, or in the names of the credentials file."""
    named: Fields = {}
    for name, value in fields.items():
        parts = name.split(".")
        if len(parts) == 1 or (len(parts) == 2 and parts[0] in ("AccessKey", "Credentials")):
            role = _AMAZON.get(parts[-1].replace("_", "").lower())
            if role:
                named[role] = value
    key = _shaped(named, "key", _ACCESS_KEY)
    if key is None:
        return {}
    status = _shaped(named, "status", _STATUS)
    return {
        "version": key,
        "ids": (PublicId("access-key-id", key),),
        "rotated": _instant(named, "created"),
        "expires": _instant(named, "expires"),
        "attributes": {"format": "aws-access-key"} | ({"status": status} if status else {}),
    }


def _shaped(fields: Fields, name: str, shape: re.Pattern[str]) -> str | None:
    """The field's text when it looks like what belongs there."""
    value = fields.get(name)
    return value if value is not None and shape.match(value) else None


def _instant(fields: Fields, name: str) -> datetime | None:
    """An aware ISO 8601 instant, or None."""
    value = _shaped(fields, name, _INSTANT)
    try:
        found = datetime.fromisoformat(value) if value else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None
