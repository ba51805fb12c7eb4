"""Mutants that show only where adapters meet, a cycle is cancelled, the clock is slow, or values may be read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nhisync.spi import Item, Locator
from nhisync.testing.provider import SCRIPTS

from .fake_world import AUTHORITATIVE, Observer
from .mutants import CANARY, absent

_waiting: dict[Locator, None] = {}


def sharing(self: Observer, request: Any) -> Any:
    """What is still to be answered stands in one place for all adapters."""
    _waiting.clear()
    _waiting.update(dict.fromkeys(request.wanted))
    for kind in sorted(request.kinds & set(AUTHORITATIVE)):
        for seen in self.sweep(kind, request):
            _waiting.pop(getattr(seen, "locator", None), None)
            yield seen
    for locator in list(_waiting):
        yield self.single(locator, request)


def defiant(self: Any, request: Any, seen: Iterator[Any]) -> Iterator[Any]:
    """A cancelled cycle is refused its calls, and they are made all the same."""
    try:
        yield from seen
    finally:
        if request.budget.cancelled:
            SCRIPTS[self._settings.script].__self__.service.served += 9  # type: ignore[attr-defined]


def telling(self: Observer, locator: Locator, request: Any) -> Any:
    """The value stands in the item wherever it may be read."""
    found = Observer.item(self, locator, request)
    return replace(found, owner=CANARY) if self.service.reveal and isinstance(found, Item) else found


def unborn(self: Any, _request: Any, seen: Iterator[Any]) -> Iterator[Any]:
    """What was rotated after the adapter's own now does not exist yet."""
    now = self._context.clock.now()
    for one in seen:
        later = isinstance(one, Item) and one.rotated is not None and one.rotated.at > now
        yield absent(one) if later else one
