"""Reading values for the opt-in comparison; runs only inside the short-lived comparing process.

Versions are read by number, never as ``latest``: reading by number is strongly consistent, and ``latest`` is the newest
version whatever its state ("Secret Manager consistency").
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from nhisync.spi import Budget, ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync.spi.fanout import spread
from nhisync.spi.oddities import one_item
from nhisync_gcp.connection import Connection
from nhisync_gcp.errors import Called, malformed
from nhisync_gcp.kinds.secret_facts import wanted_version
from nhisync_gcp.kinds.secrets import read_versions
from nhisync_gcp.names import SecretName, last_of, segment
from nhisync_gcp.permissions import SECRET_KINDS
from nhisync_gcp.settings import GcpSettings

Read = FieldValue | tuple[Locator, ErrorFact]
_PLAIN = "value"
_CALLED = Called("secretmanager.access_secret_version", "secretmanager.versions.access")
_POLYNOMIAL = 0x82F63B78


def values(connection: Connection, settings: GcpSettings, wanted: Sequence[Locator], budget: Budget) -> Iterator[Read]:
    """Every field of every wanted item, or why it cannot be read; kinds without readable values say so."""
    items = list(dict.fromkeys(locator.item for locator in wanted))

    def guarded(item: Locator) -> Iterator[Read]:
        try:
            yield from one_item(lambda: list(_single(connection, settings, item, budget)), "the value of this item")
        except ProviderError as error:
            yield item, error.fact

    yield from spread(items, guarded, settings.workers)


def previous(connection: Connection, settings: GcpSettings, item: Locator, budget: Budget) -> Iterator[FieldValue]:
    """Every field of the version before the one that applications read.

    Raises:
        ProviderError: NOT_FOUND, there is none; UNSUPPORTED for what keeps no versions; else why it cannot be read.
    """
    return _single(connection, settings, item, budget, back=1)


def _single(
    connection: Connection, settings: GcpSettings, item: Locator, budget: Budget, *, back: int = 0
) -> Iterator[FieldValue]:
    """The version that applications read, or one so many numbers before it."""
    if item.kind not in SECRET_KINDS:
        raise ProviderError(ErrorKind.UNSUPPORTED, f"Google gives out no value for the kind {item.kind}")
    name = SecretName.of(item)
    number = _number(connection, settings, name, budget) - back
    if number < 1:
        raise ProviderError(ErrorKind.NOT_FOUND, "there was no version before", resource=item.name)
    resource = f"{name.resource(settings.project)}/versions/{number}"
    answer = connection.call("secretmanager.access_secret_version", budget, location=name.location, name=resource)
    if last_of(answer.name) != str(number) or segment(answer.name, "secrets") != name.id:
        raise malformed(_CALLED, "the answer is about another version")
    payload = answer.payload
    if payload.HasField("data_crc32c") and payload.data_crc32c != crc32c(payload.data):
        raise malformed(_CALLED, "the value does not match its checksum")
    yield from _split(item, payload.data)


def _number(connection: Connection, settings: GcpSettings, name: SecretName, budget: Budget) -> int:
    """The version that applications read; an alias stands in the secret, everything else in the list of versions."""
    wanted: int | str = settings.current
    if settings.alias is not None:
        resource = name.resource(settings.project)
        entry = connection.call("secretmanager.get_secret", budget, location=name.location, name=resource)
        wanted = wanted_version(entry, current=settings.current, alias=settings.alias)

    def pages(call: str, items: str, **request: Any) -> Iterator[list[Any]]:
        return connection.pages(call, budget, items, **request)

    _, number = read_versions(pages, name, settings.project, wanted)
    if number is None:
        raise ProviderError(ErrorKind.NOT_FOUND, "the secret has no such version, so it has no value")
    return number


def _split(item: Locator, raw: bytes) -> Iterator[FieldValue]:
    """A JSON object's members each, so that a shared password is found whatever stands around it; else the whole."""
    try:
        members = json.loads(raw)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict) or not members:
        yield FieldValue(item, _PLAIN, SecretBytes(raw))
        return
    for name, member in members.items():
        text = member if isinstance(member, str) else json.dumps(member, sort_keys=True, separators=(",", ":"))
        yield FieldValue(item, str(name), SecretBytes(text.encode("utf-8", "surrogatepass")))


def _table_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_table_row, range(256)))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4), as Secret Manager checks payloads with."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
