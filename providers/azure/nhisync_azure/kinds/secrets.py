"""Kind ``secret``: values kept in a vault; never read here.

A vault has no rotation of secrets: what rotates them stands elsewhere, so their lifecycle is what a tag declares.
"""

from dataclasses import replace
from typing import ClassVar

from nhisync.spi import ErrorKind, Item, Locator, ProviderError, PublicId
from nhisync_azure.kinds.base import VaultKind, vault_of
from nhisync_azure.kinds.rows import Row

VERSIONS = "list_properties_of_secret_versions"
"""The SDK's list of the versions of one secret."""


class Secrets(VaultKind):
    """Secrets of a vault; the twins of certificates are not counted again."""

    kind: ClassVar[str] = "secret"
    service: ClassVar[str] = "secrets"
    lists: ClassVar[tuple[str, str]] = ("list_properties_of_secrets", "list_deleted_secrets")

    def detail(self, locator: Locator, row: Row) -> Item:
        """With the versions' dates."""
        return self._item(locator, row, self.versions(VERSIONS, row.name))

    def single(self, locator: Locator) -> Item | None:
        """By its versions: the only read of one secret that shows no value. An empty answer is a no, too."""
        try:
            versions = self.versions(VERSIONS, locator.name)
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return None
        if not versions:
            return None
        newest = versions[-1]
        row = replace(newest, id=newest.id.rpartition("/")[0], version="")
        return self._item(locator, row, versions)

    def ids(self, newest: Row) -> tuple[PublicId, ...]:
        """The vault, and the version: a random id, which another vault can only have from a restored backup."""
        found = PublicId("cluster-id", vault_of(self.run))
        return (found, PublicId("secret-version", newest.version)) if newest.version else (found,)

    def _item(self, locator: Locator, row: Row, versions: list[Row]) -> Item:
        """The generation is the newest enabled version; the item is in force when its newest version is."""
        if not versions:
            return self.item(locator, row, detailed=True)
        newest = versions[-1]
        usable = next((one for one in reversed(versions) if one.enabled), newest)
        return self.item(
            locator,
            row,
            detailed=True,
            version=newest.version,
            created=versions[0].created,
            rotated=usable.created if len(versions) > 1 else None,
            ids=self.ids(newest),
            shown={"content_type": row.word, "versions": str(len(versions))},
        )
