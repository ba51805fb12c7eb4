"""What a kind must be able to do."""

from typing import Protocol

from nhisync.spi import Item
from nhisync_kubernetes.api import Object
from nhisync_kubernetes.metadata import Meta
from nhisync_kubernetes.run import Run
from nhisync_kubernetes.settings import KubernetesSettings


class Kind(Protocol):
    """Reads one kind of item.

    Attributes:
        name: first segment of its locators.
        metadata: its bodies hold values, so only metadata are ever asked for.
        fans_out: the detail of one item costs further requests.
    """

    name: str
    metadata: bool
    fans_out: bool

    def fields(self, settings: KubernetesSettings) -> str:
        """Field selector of its listing, "" = the whole collection."""
        ...

    def marker(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> str:
        """Equal markers in two listings mean that the detail need not be read again; "" = cannot tell."""
        ...

    def item(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> Item:
        """Everything about one object.

        Args:
            run: the run.
            found: the object, or its metadata.
            meta: its metadata, parsed.
            deep: further requests are worth it, because a pair names the item.

        Raises:
            ProviderError: the object is not of this kind.
        """
        ...
