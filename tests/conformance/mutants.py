"""Adapters that break one rule each; every standard test must fail on at least one of them."""

import base64
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

from nhisync.spi import (
    Budget,
    Capability,
    Check,
    CheckState,
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    InventoryRequest,
    Item,
    Observation,
    PermissionDocument,
    Presence,
    ProviderError,
    SystemClock,
    Unchanged,
)
from nhisync.testing.clocks import WrongClock
from nhisync.testing.provider import FakeProvider, FakeSettings

from .fake_hooks import FakeHooks
from .fake_world import FakeWorld, Observer

CANARY = FakeHooks.seeds[0].fields["api_key"]
Change = Callable[[Any, InventoryRequest, Iterator[Any]], Iterator[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """Parts of `FakeHooks` to replace.

    Attributes:
        name: what is broken.
        provider: methods of the provider class.
        observer: methods of the script's class.
        hooks: hooks of the conformance class.
        raises: how the standard test fails.
    """

    name: str
    provider: Mapping[str, Any] = field(default_factory=dict)
    observer: Mapping[str, Any] = field(default_factory=dict)
    hooks: Mapping[str, Any] = field(default_factory=dict)
    raises: tuple[type[BaseException], ...] = (AssertionError, pytest.fail.Exception)

    def conformance(self) -> type[FakeHooks]:
        """The conformance class over the broken provider."""
        provider = type("Broken", (FakeProvider,), dict(self.provider)) if self.provider else FakeProvider
        observer = type("BrokenObserver", (Observer,), dict(self.observer))
        world = type("BrokenWorld", (FakeWorld,), {"observer": observer})
        return type("Broken", (FakeHooks,), {"provider": provider, "world": world, **self.hooks}, abstract=True)


def stream(name: str, change: Change, **hooks: Any) -> Mutant:
    """What the inventory yields goes through `change`."""

    def inventory(self: FakeProvider, request: InventoryRequest) -> Iterator[Observation]:
        yield from change(self, request, FakeProvider.inventory(self, request))

    return Mutant(name=name, provider={"inventory": inventory}, hooks=hooks)


def each(name: str, change: Callable[[Any], Any]) -> Mutant:
    """Each observation goes through `change`; None = it is lost."""
    return stream(name, lambda _self, _request, seen: (new for one in seen if (new := change(one)) is not None))


def items(name: str, change: Callable[[Item], Any]) -> Mutant:
    """Each item goes through `change`; None = it is lost."""
    return each(name, lambda one: change(one) if isinstance(one, Item) else one)


def covers(name: str, change: Callable[[Coverage], Any]) -> Mutant:
    """Each coverage goes through `change`; None = it is lost."""
    return each(name, lambda one: change(one) if isinstance(one, Coverage) else one)


def info(name: str, **changes: Any) -> Mutant:
    """The declaration says something else."""
    return Mutant(name=name, provider={"info": replace(FakeProvider.info, **changes)})


def absent(item: Item) -> Item:
    """A claim of absence out of anything."""
    return Item(locator=item.locator, observed_at=item.observed_at, presence=Presence.ABSENT)


def ignorance_is_absence(item: Item) -> Item:
    """Every failure becomes an absence."""
    return item if item.presence is Presence.PRESENT else absent(item)


def reworded(item: Item, presence: Presence, kind: ErrorKind) -> Item:
    """A failure gets another word."""
    if item.error is None:
        return item
    return replace(item, presence=presence, error=replace(item.error, kind=kind.value))


def spendthrift(self: FakeProvider, request: InventoryRequest) -> Iterator[Observation]:
    """An inventory on a budget of its own."""
    budget = Budget(SystemClock(), seconds=3600)
    yield from FakeProvider.inventory(self, replace(request, budget=budget))


def gives_up_silently(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """What was not seen when the budget ended is called absent."""
    told = set()
    try:
        for one in seen:
            if isinstance(one, Item) and one.presence is Presence.THROTTLED:
                continue
            told.add(getattr(one, "locator", None))
            yield one
    except ProviderError:
        pass
    now = self._context.clock.now()
    for locator in request.wanted:
        if locator not in told:
            yield Item(locator=locator, observed_at=now, presence=Presence.ABSENT)


def empty_and_complete(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """A source in trouble looks like an empty one."""
    try:
        found = list(seen)
    except ProviderError:
        found = []
    troubled = not found or any(isinstance(o, Coverage) and o.status is not CoverageStatus.COMPLETE for o in found)
    if not troubled:
        yield from found
        return
    now, source = self._context.clock.now(), self._context.source
    for kind in request.kinds:
        yield Coverage(source=source, kind=kind, scope="", status=CoverageStatus.COMPLETE, as_of=now)
    for locator in request.wanted:
        fact = ErrorFact(kind="malformed", message="lost")
        yield Item(locator=locator, observed_at=now, presence=Presence.UNKNOWN, error=fact)


def crashing(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """A failure of the service leaves as a bug."""
    try:
        yield from seen
    except ProviderError:
        raise KeyError("answer") from None


def sulking(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """After one failure the adapter never asks again."""
    if self.__dict__.get("lost"):
        raise ProviderError(ErrorKind.UNREACHABLE, "it did not answer once")
    try:
        for one in seen:
            if isinstance(one, Item) and one.error is not None:
                self.lost = True
            yield one
    except ProviderError:
        self.lost = True
        raise


def opening(*_arguments: Any, **_more: Any) -> Any:
    """Input and output where there must be none."""
    Path(__file__).read_bytes()
    return ()


class DeclaresProbe(FakeProvider):
    """It cannot do what it declares."""

    info = replace(FakeProvider.info, capabilities=FakeProvider.info.capabilities | {Capability.PROBE})


class OtherSpi(FakeProvider):
    """Written for another nhisync."""

    info = replace(FakeProvider.info, spi_version=99)


class MissingSdk(FakeProvider):
    """Its SDK is not installed."""

    info = replace(FakeProvider.info, sdk_roots=("no_such_sdk",))


class OpensFiles(FakeProvider):
    """Its constructor reads a file."""

    def __init__(self, settings: Any, context: Any) -> None:
        opening()
        super().__init__(settings, context)


class ClosesOnce(FakeProvider):
    """Its second close fails."""

    def close(self) -> None:
        """Fail when closed already."""
        super().close()
        if self.closed > 1:
            raise RuntimeError("closed already")


class DiesWhenClosed(FakeProvider):
    """What is left after close is called absent."""

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Look at `closed` between observations."""
        for one in super().inventory(request):
            yield absent(one) if self.closed and isinstance(one, Item) else one


class LaxSettings(FakeSettings):
    """Unknown keys are swallowed."""

    model_config = ConfigDict(extra="ignore")


class TalkativeSettings(FakeSettings):
    """Errors repeat what was typed."""

    model_config = ConfigDict(hide_input_in_errors=False)


def talking(say: Callable[[str], object]) -> Change:
    """Say a value aside."""

    def change(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
        say(CANARY)
        yield from seen

    return change


def leaving_a_thread(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """A helper thread outlives its stream by far."""
    threading.Thread(target=threading.Event().wait, args=(5,), daemon=True).start()
    yield from seen


def alone(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """Works in one thread only."""
    for one in seen:
        if threading.current_thread() is threading.main_thread() or not isinstance(one, Item):
            yield one


def believing_its_clock(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """What was made in the future, or long ago, is not there."""
    right = not isinstance(self._context.clock, WrongClock)
    for one in seen:
        yield one if right or not isinstance(one, Item) else absent(one)


def shrugging_at_its_clock(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """Nothing is known with a wrong clock, and no word is said of why."""
    right = not isinstance(self._context.clock, WrongClock)
    for one in seen:
        yield one if right or not isinstance(one, Item) else replace(absent(one), presence=Presence.UNKNOWN)


def always_unchanged(self: Any, request: InventoryRequest, seen: Iterator[Any]) -> Iterator[Any]:
    """Whatever is known counts as unchanged."""
    for one in seen:
        known = isinstance(one, Item) and one.locator in request.known
        yield Unchanged(locator=one.locator, observed_at=one.observed_at) if known else one


def document(**changes: Any) -> Callable[..., tuple[PermissionDocument, ...]]:
    """A permission document with something wrong."""
    whole = {"title": "fake", "language": "json", "text": "{}", "actions": ("fake:read:kv",), **changes}
    return lambda *_arguments: (PermissionDocument(**whole),)


def checks(*states: CheckState, fix: str = "Do it.") -> Callable[..., Iterator[Check]]:
    """A doctor with fixed answers."""
    return lambda *_arguments: iter([Check(name="x", state=state, observed="seen", fix=fix) for state in states])


def raising(failure: Exception) -> Callable[..., Any]:
    """A method that only fails."""

    def method(*_arguments: Any, **_more: Any) -> Any:
        raise failure

    return method


def spell(value: str) -> str:
    """A value in disguise."""
    return base64.b64encode(f"user:{value}!".encode()).decode()


def log(value: str) -> None:
    """A debug line."""
    logging.getLogger("initech.http").debug("body", extra={"body": value})


def warn(value: str) -> None:
    """A warning."""
    warnings.warn(f"odd answer {value}", stacklevel=2)
