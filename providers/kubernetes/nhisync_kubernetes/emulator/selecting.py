"""Content negotiation, field selectors, and the book-keeping of who wrote which field."""

from collections.abc import Callable, Mapping
from typing import Any

from nhisync_kubernetes.emulator.definitions import SECRETS, Definition
from nhisync_kubernetes.emulator.store import Object, stamp
from nhisync_kubernetes.emulator.wire import StatusError

_META = {"g": "meta.k8s.io", "v": "v1"}
_TYPES = ("application/json", "*/*", "application/*")


def converted(accept: str, wanted: str) -> bool:
    """Whether the client asks for metadata instead of whole objects.

    Args:
        accept: the Accept header.
        wanted: the only conversion that fits, ``PartialObjectMetadata`` or its list.

    Raises:
        StatusError: 406, nothing that is accepted can be made.
    """
    for offer in (accept or "*/*").split(","):
        kind, *rest = (part.strip() for part in offer.split(";"))
        options = dict(one.partition("=")[::2] for one in rest)
        if kind not in _TYPES:
            continue
        if "as" not in options:
            return False
        if options["as"] == wanted and all(options.get(key) == value for key, value in _META.items()):
            return True
    raise not_acceptable()


def not_acceptable() -> StatusError:
    """406."""
    message = "only the following media types are accepted: application/json, application/yaml"
    return StatusError(406, "NotAcceptable", message)


def metadata_of(found: Mapping[str, Any]) -> Object:
    """One object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": found["metadata"]}


def selector(definition: Definition, text: str) -> Callable[[Object], bool]:
    """A field selector as a predicate.

    Raises:
        StatusError: 400, a field that cannot be selected.
    """
    terms = [_term(definition, term) for term in text.split(",") if term]
    return lambda found: all((_field(found, field) == value) is equal for field, equal, value in terms)


def _term(definition: Definition, term: str) -> tuple[str, bool, str]:
    """Field, whether it must be equal, and the value."""
    field, unequal, value = term.partition("!=")
    if not unequal:
        field, _, value = term.partition("=")
    if field not in ("metadata.name", "metadata.namespace", *definition.selectable):
        raise StatusError(400, "BadRequest", f'field label not supported: "{field}"')
    return field, not unequal, value.removeprefix("=")


def _field(found: Mapping[str, Any], field: str) -> str:
    parent, _, name = field.rpartition(".")
    return str((found.get(parent) or {} if parent else found).get(name, ""))


def booked(definition: Definition, found: Mapping[str, Any], known: Object | None, at: Any, manager: str) -> Object:
    """`found` with its managed fields: who wrote its data, and when (k8s.io/docs, Server-Side Apply)."""
    data = found.get("data") or {}
    metadata = dict(found["metadata"])
    if known is not None and (known.get("data") or {}) == data:
        kept = known["metadata"].get("managedFields")
        return {**found, "metadata": {**metadata, **({"managedFields": kept} if kept else {})}}
    if definition is SECRETS:
        metadata["managedFields"] = [managed(data, at, manager)]
    return {**found, "metadata": metadata}


def managed(data: Mapping[str, Any], at: Any, manager: str) -> Object:
    """One entry of the book."""
    owned: Object = {".": {}, **{f"f:{name}": {} for name in data}}
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": stamp(at),
        "fieldsType": "FieldsV1",
        "fieldsV1": {**({"f:data": owned} if data else {}), "f:type": {}},
    }


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
