"""Where an item stands: ``<source>:<kind>/<name>[#field]``."""

import re
from dataclasses import dataclass

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_KIND = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True, order=True)
class Locator:
    """The address of one item, or of one field of it, inside a path.

    Attributes:
        source: name of the source inside the path (``vault``).
        kind: the provider's own word (``kv``, ``secret``, ``tls``).
        name: the rest, in the provider's own notation, never empty (``secret/payments/stripe``).
        field: one field of the item, or None for the whole.
    """

    source: str
    kind: str
    name: str
    field: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Locator":
        """Read ``<source>:<kind>/<name>[#field]``.

        Raises:
            ValueError: with a message that names the missing part; `text` itself is not a secret.
        """
        source, colon, rest = text.partition(":")
        if not colon or not _SOURCE.match(source):
            raise ValueError("a locator starts with the name of a source and a colon, like vault:kv/secret/app/key")
        body, hash_, field = rest.partition("#")
        kind, slash, name = body.partition("/")
        if not slash or not name or not _KIND.match(kind):
            raise ValueError("after the source a locator needs <kind>/<name>, like vault:kv/secret/app/key")
        if hash_ and not field:
            raise ValueError("a locator ending in # names no field")
        return cls(source, kind, name, field or None)

    @property
    def item(self) -> "Locator":
        """The whole item, without the field."""
        return self if self.field is None else Locator(self.source, self.kind, self.name)

    def __str__(self) -> str:
        """The text form that `parse` reads."""
        tail = f"#{self.field}" if self.field else ""
        return f"{self.source}:{self.kind}/{self.name}{tail}"
