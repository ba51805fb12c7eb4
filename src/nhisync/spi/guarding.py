"""How an adapter tells how its items are guarded: the protocol, and markers that do not outlive what was told.

Facts about guarding change without a trace in a listing (somebody switches a trail off), so a marker that ends with
their digest is what makes `Unchanged` true.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from nhisync.model import Item, Locator, Protection
from nhisync.spi.permissions import PermissionDocument

GUARDED: Final = "protection"
"""Kind of the coverage that says which facts about guarding were refused; no item has it."""

_JOINT = "+"


@runtime_checkable
class ProtectionReader(Protocol):
    """Its inventory tells how items are guarded, when the request asks for it."""

    def protection_permissions(
        self, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """What telling so of these items and swept kinds needs beside the READ document; no IO.

        All of it is optional: what is refused leaves its facts unknown and is noted in a coverage of the kind
        `GUARDED`, which hides no item.
        """
        ...


class Guarding:
    """One run that tells how items are guarded; `facts` are those that hold for the whole source.

    Args:
        facts: values with a stable `repr`; other ones make every stored detail outdated.
    """

    def __init__(self, *facts: object) -> None:
        self._end = _JOINT + hashlib.blake2b(repr(facts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def known(self, known: Mapping[Locator, str]) -> dict[Locator, str]:
        """The markers of `known` that were stored beside these very facts, as the listing gives them."""
        return {one: text.removesuffix(self._end) for one, text in known.items() if text.endswith(self._end)}

    def guarded(self, item: Item, protection: Protection | None) -> Item:
        """`item` with what protects it (None = its kind has nothing to tell), and a marker that ends with the facts."""
        return replace(item, protection=protection, marker=f"{item.marker}{self._end}" if item.marker else "")
