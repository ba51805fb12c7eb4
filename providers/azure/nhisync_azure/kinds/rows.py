"""From the SDK's rows to ours: what is judged is well-formed, or the row is none, and costs nothing but itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nhisync.spi import Moment, ProviderError
from nhisync.spi.oddities import one_item
from nhisync_azure.errors import Called, malformed
from nhisync_azure.facts import moment
from nhisync_azure.sifting import OddRow

_STORAGE = "application/vnd.ms-sastoken-storage"
"""Content type of what a vault makes of a managed storage account: managed, and no certificate's twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a vault's list, or one version; of whatever kind.

    Attributes:
        name: as the vault has it; its case does not matter to the vault.
        id: URL.
        version: id of the version, "" in lists of items.
        enabled: whether it may be used.
        created: of the newest version, or of this one.
        updated: moves on every edit, of a tag too.
        not_before: start of validity.
        expires: end of validity.
        tags: all tags.
        managed: the row is the twin of a certificate.
        word: content type, or thumbprint in hex.
        gone: it is soft-deleted, whether or not the list says since when.
        deleted: when it was soft-deleted.
        purged: when a soft-deleted one will be gone.
    """

    name: str
    id: str
    version: str
    enabled: bool
    created: Moment | None
    updated: Moment | None
    not_before: Moment | None
    expires: Moment | None
    tags: tuple[tuple[str, str], ...]
    managed: bool
    word: str
    gone: bool = False
    deleted: Moment | None = None
    purged: Moment | None = None


class Deleted:
    """A vault's soft-deleted items.

    Attributes:
        rows: name in lower case → row.
        lost: why a row of the list is not among them; None = all are.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.lost: ProviderError | None = None
        self._odd: dict[str, ProviderError] = {}
        self._nameless: ProviderError | None = None

    def take(self, raw: Any, service: str) -> None:
        """Keep a row; one that cannot be read costs what it is about, and nothing else."""
        try:
            row = one_item(lambda: row_of(raw, service, gone=True), "a row of the list of soft-deleted items")
        except ProviderError as error:
            self.lost = self.lost or error
            name = _name_of(raw)
            if name:
                self._odd[name.lower()] = error
            else:
                self._nameless = self._nameless or error
        else:
            self.rows[row.name.lower()] = row

    def of(self, name: str) -> Row | None:
        """The soft-deleted item of a name; None = there is none.

        Raises:
            ProviderError: MALFORMED, the row that is about it, or may be, cannot be read.
        """
        key = name.lower()
        odd = self._odd.get(key) or (None if key in self.rows else self._nameless)
        if odd is not None:
            raise odd
        return self.rows.get(key)


def _name_of(raw: Any) -> str:
    """The name in a row that is otherwise none, "" where it has none either."""
    name = getattr(getattr(raw, "properties", None) or raw, "name", None)
    return name if isinstance(name, str) else ""


def row_of(raw: Any, service: str, *, gone: bool = False) -> Row:
    """An SDK's properties (or deleted item, then `gone`) as a row; what is judged is well-formed, or the row is none.

    Raises:
        ProviderError: MALFORMED: it is none, has no name, does not say whether it is enabled, or a date of it is none.
    """
    if isinstance(raw, OddRow):
        raise malformed(Called(name=f"{service}.list"), "a row of the list has another shape than the documented one")
    held = getattr(raw, "properties", None) or raw
    name = _name_of(raw)
    if not name:
        raise malformed(Called(name=f"{service}.list"), "a row of the list has no name")
    enabled = _enabled(held)
    if not gone and not isinstance(enabled, bool):
        raise malformed(Called(name=f"{service}.list"), "an item does not say whether it is enabled")
    tags, thumbprint = getattr(held, "tags", None), getattr(held, "x509_thumbprint", None)
    word = thumbprint.hex() if isinstance(thumbprint, (bytes, bytearray)) else getattr(held, "content_type", None)
    return Row(
        name=name,
        id=str(getattr(held, "id", None) or ""),
        version=str(getattr(held, "version", None) or ""),
        enabled=enabled is True,
        created=_date(held, "created_on", service),
        updated=_date(held, "updated_on", service),
        not_before=_date(held, "not_before", service),
        expires=_date(held, "expires_on", service),
        tags=tuple(sorted((str(k), str(v)) for k, v in tags.items())) if isinstance(tags, dict) else (),
        managed=getattr(held, "managed", None) is True and word != _STORAGE,
        word=str(word or ""),
        gone=gone,
        deleted=moment(getattr(raw, "deleted_date", None) or getattr(raw, "deleted_on", None)),
        purged=moment(getattr(raw, "scheduled_purge_date", None)),
    )


def _enabled(held: Any) -> Any:
    """What the answer says, as it says it: the SDK's own property makes True of the text "false"."""
    told = getattr(held, "_attributes", None)
    return told.get("enabled") if isinstance(told, Mapping) else getattr(held, "enabled", None)


def row_about(name: str, raw: Any, service: str) -> Row:
    """`row_of` an answer about one item.

    Raises:
        ProviderError: MALFORMED, also when it is about another one.
    """
    row = row_of(raw, service)
    if row.name.lower() != name.lower():
        raise malformed(Called(name=f"{service}.get"), "the answer is about another item")
    return row


def versions_of(pages: Iterable[Iterable[Any]], name: str, service: str) -> list[Row]:
    """All versions of an item, oldest first; the vault lists them in no order that means anything.

    Raises:
        ProviderError: a page failed, or is about another item.
    """
    found = [row_about(name, raw, service) for page in pages for raw in page]
    return sorted(found, key=lambda row: (row.created.at.timestamp() if row.created else 0.0, row.version))


def _date(held: Any, name: str, service: str) -> Moment | None:
    """A date; the SDK hands on what it cannot read, and an end that is not understood is not "no end"."""
    value = getattr(held, name, None)
    found = moment(value)
    if found is None and value is not None:
        raise malformed(Called(name=f"{service}.list"), "a date of an item cannot be read")
    return found


def blank(name: str) -> Row:
    """A row that says nothing but a name."""
    return Row(
        name=name,
        id="",
        version="",
        enabled=True,
        created=None,
        updated=None,
        not_before=None,
        expires=None,
        tags=(),
        managed=False,
        word="",
    )
