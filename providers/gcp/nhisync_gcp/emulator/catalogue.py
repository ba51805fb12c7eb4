"""Resources that the emulator only lists and gets: certificates, CA pools, authorities."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nhisync_gcp.emulator.timeline import Shelf, Timeline

_WILDCARD = re.compile(r"(?<=/)-(?=/|$)")


@dataclass(slots=True, kw_only=True)
class Entry:
    """One resource.

    Attributes:
        name: full resource name.
        shown: its message, over time.
        serial: order of creation.
    """

    name: str
    shown: Timeline
    serial: int


class Catalogue:
    """Resources by collection (``certificatemanager.certificates``) and full name."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf[Entry]] = {}

    def get(self, collection: str, name: str) -> Any:
        """The message of a resource that exists now, or None."""
        entry = self._shelves.get(collection, Shelf[Entry]()).get(name)
        return entry.shown.current if entry is not None else None

    def put(self, collection: str, message: Any, now: datetime, serial: int) -> None:
        """Store a resource, or a new state of it."""
        shelf = self._shelves.setdefault(collection, Shelf())
        entry = shelf.get(message.name)
        if entry is None:
            entry = Entry(name=message.name, shown=Timeline(), serial=serial)
            shelf.put(message.name, entry)
        entry.shown.put(now, message)

    def below(self, collection: str, parent: str) -> Iterator[Entry]:
        """Resources of a parent, in whose name ``-`` stands for any segment."""
        pattern = re.compile(_WILDCARD.sub("[^/]+", parent) + "/[^/]+/[^/]+")
        shelf = self._shelves.get(collection, Shelf[Entry]())
        return (entry for entry in shelf.oldest_first() if pattern.fullmatch(entry.name))
