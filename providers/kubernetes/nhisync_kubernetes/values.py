"""Reading values for the opt-in comparison; runs only inside the short-lived comparing process."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.names import split
from nhisync_kubernetes.resources import SECRETS, TOKEN_TYPE

Read = FieldValue | tuple[Locator, ErrorFact]

_KINDS = frozenset({"secret", "service-account-token"})
_TOKEN = "token"  # noqa: S105 - the field's name


def values(api: Api, wanted: Sequence[Locator]) -> Iterator[Read]:
    """Every field of every wanted Secret, or why it cannot be read; kinds without a value say so."""
    items = list(dict.fromkeys(locator.item for locator in wanted))
    yield from spread(items, lambda item: _guarded(api, item), api.settings.workers)


def _guarded(api: Api, item: Locator) -> list[Read]:
    try:
        return one_item(lambda: list(_single(api, item)), "the value of this item")
    except ProviderError as error:
        return [(item, error.fact)]


def _single(api: Api, item: Locator) -> Iterator[Read]:
    if item.kind not in _KINDS:
        raise ProviderError(
            ErrorKind.UNSUPPORTED,
            f"the kind {item.kind} has no value to compare",
            fix="Certificates are compared by their public keys, without this.",
        )
    namespace, name = split(item.name)
    body = api.get(SECRETS, namespace, name)
    data: Mapping[str, Any] = body.get("data") or {}
    if not isinstance(data, dict) or not data:
        raise ProviderError(ErrorKind.NOT_FOUND, "the Secret holds no data", resource=item.name)
    for field in sorted(data):
        # Its other fields, the CA and the namespace, are public and equal by design.
        if body.get("type") != TOKEN_TYPE or field == _TOKEN:
            yield FieldValue(item, field, SecretBytes(_decoded(data[field], item)))


def _decoded(raw: Any, item: Locator) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except (TypeError, ValueError, binascii.Error):
        pass  # the error is raised outside, so that it does not carry what could not be decoded
    raise ProviderError(ErrorKind.MALFORMED, "a field of the Secret is not base64", resource=item.name)
