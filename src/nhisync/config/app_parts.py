"""Small parts of an app, from documents to values."""

from collections.abc import Iterator
from contextlib import suppress

from nhisync.config.documents import HealthDocument, SessionsDocument
from nhisync.config.tree import Node
from nhisync.config.values import Health
from nhisync.model import Locator, Lost

SIDES = ("primary", "backup")
"""Keys of a pair's or a template's locators."""


def readable(node: Node) -> Iterator[tuple[str, str]]:
    """Sides of a broken pair or template whose own text can be read: what is wrong there is told as well."""
    for side in SIDES:
        found = node.get(side)
        if found is not None and isinstance(found.value, str):
            with suppress(ValueError):
                Locator.parse(found.value)
                yield side, found.value


def lost(told: SessionsDocument | None) -> Lost | None:
    """What is declared of an app's sessions."""
    return None if told is None else Lost(owner=told.owner, until=told.until, reason=told.reason)


def health(document: HealthDocument) -> Health:
    """A health check."""
    return Health(
        type=document.type,
        target=document.url or document.address or "",
        expect=frozenset(document.expect),
        timeout=document.timeout,
    )
