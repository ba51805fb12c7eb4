"""Reading values for the opt-in comparison; runs only inside the short-lived comparing process.

Only secrets have values here: a vault's keys never leave it, a certificate's private key is its twin secret, and the
directory shows the secrets of applications to nobody.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from nhisync.spi import Budget, ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_azure.connection import Connection
from nhisync_azure.errors import Called, malformed

Read = FieldValue | tuple[Locator, ErrorFact]
_PLAIN = "value"


def values(connection: Connection, wanted: Sequence[Locator], budget: Budget, *, workers: int) -> Iterator[Read]:
    """Every field of every wanted item, or why it cannot be read; kinds without readable values say so."""
    items = list(dict.fromkeys(locator.item for locator in wanted))
    yield from spread(items, lambda item: _guarded(connection, item, budget), workers)


def _guarded(connection: Connection, item: Locator, budget: Budget) -> Iterator[Read]:
    try:
        yield from one_item(lambda: list(_fields(connection, item, budget)), "the value of this item")
    except ProviderError as error:
        yield item, error.fact


def _fields(connection: Connection, item: Locator, budget: Budget) -> Iterator[FieldValue]:
    if item.kind != "secret":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"Azure gives out no value for the kind {item.kind}")
    found: Any = connection.call("secrets", "get_secret", budget, item.name, on=f"secrets/{item.name}")
    if str(getattr(found, "name", "")).lower() != item.name.lower():
        raise malformed(Called(name="secrets.get_secret"), "the answer is about another secret")
    text = getattr(found, "value", None)
    if not isinstance(text, str):
        raise malformed(Called(name="secrets.get_secret"), "the answer holds no value")
    yield from _split(item, text)


def _split(item: Locator, text: str) -> Iterator[FieldValue]:
    """A JSON object's members each, so that a shared password is found whatever stands around it; else the whole."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict) or not members:
        yield FieldValue(item, _PLAIN, _hidden(text))
        return
    for name, member in members.items():
        plain = member if isinstance(member, str) else json.dumps(member, sort_keys=True, separators=(",", ":"))
        yield FieldValue(item, str(name), _hidden(plain))


def _hidden(text: str) -> SecretBytes:
    return SecretBytes(text.encode("utf-8", "surrogatepass"))
