"""Reading values for the opt-in comparison and for probes; runs only inside the short-lived processes of these.

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
from nhisync_azure.kinds.rows import versions_of
from nhisync_azure.kinds.secrets import VERSIONS

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


def previous(connection: Connection, item: Locator, budget: Budget) -> Iterator[FieldValue]:
    """Every field of the version before the newest one, which is what a vault gives to applications.

    Raises:
        ProviderError: NOT_FOUND, there is none that can be read; UNSUPPORTED for what holds no value; else why not.
    """
    if item.kind != "secret":
        raise _valueless(item)
    pages = connection.pages("secrets", VERSIONS, budget, item.name)
    versions = one_item(lambda: versions_of(pages, item.name, "secrets"), "the versions")
    if len(versions) < 2:
        raise ProviderError(ErrorKind.NOT_FOUND, "there was no version before", resource=item.name)
    before, newest = versions[-2:]
    if before.created is None or newest.created is None or before.created.at == newest.created.at:
        raise ProviderError(ErrorKind.CONFLICT, "the vault does not tell which version came before", resource=item.name)
    if not before.enabled:
        told = "the version before is disabled, so that nobody can read it"
        raise ProviderError(ErrorKind.NOT_FOUND, told, resource=item.name)
    yield from _fields(connection, item, budget, before.version)


def _valueless(item: Locator) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED, f"Azure gives out no value for the kind {item.kind}")


def _fields(connection: Connection, item: Locator, budget: Budget, version: str = "") -> Iterator[FieldValue]:
    """The fields of a version, "" = the newest one."""
    if item.kind != "secret":
        raise _valueless(item)
    asked = (item.name, version) if version else (item.name,)
    found: Any = connection.call("secrets", "get_secret", budget, *asked, on=f"secrets/{item.name}")
    if version and str(getattr(getattr(found, "properties", None), "version", "")) != version:
        raise malformed(Called(name="secrets.get_secret"), "the answer is about another version")
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
