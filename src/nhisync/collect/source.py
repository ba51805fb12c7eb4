"""One source, one cycle: identify, inventory, translate into rows, answer for everything that was wanted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from nhisync.clock import Clock
from nhisync.model import NOTHING_KEPT, Coverage, CoverageStatus, ErrorFact, Item, Locator, Presence, SourceSummary
from nhisync.parity.pairing import UNMAPPED, Pairing
from nhisync.parity.row import Row, digest_of, row_of, unanswered
from nhisync.spi import (
    LEFT_OUT,
    Budget,
    Capability,
    ErrorKind,
    Identifier,
    Inventory,
    InventoryRequest,
    Observation,
    Provider,
    ProviderError,
    SourceIdentity,
    Unchanged,
)

_COVERAGE = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.QUOTA: CoverageStatus.THROTTLED,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}

_FIELD_MARK = "#"
"""An item whose name holds it reads as a field of another item."""

_ASKED = "+protection"
"""Ends the marker of a row that was read together with how it is guarded: one without it answers less."""

Emitted = Row | Coverage | Unchanged
"""What a source's thread hands to the one writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What to ask of one source.

    Attributes:
        path: name of its path.
        name: name of the source.
        provider: the adapter, not yet used.
        domain: region of an item (None = the source's own) → fault domain, or None when unknown.
        pairing: which keys its items stand for.
        budget: of this cycle.
        kinds: kinds to sweep.
        wanted: items that need an answer.
        prefixes: kind → literal name prefixes.
        known: wanted item → stored marker.
        unmapped: also emit items that no pair claims (inventory, discover).
        identify: ask who we are first.
        protection: also ask how items are guarded.
    """

    path: str
    name: str
    provider: Provider
    domain: Callable[[str | None], str | None]
    pairing: Pairing
    budget: Budget
    kinds: frozenset[str] = frozenset()
    wanted: tuple[Locator, ...] = ()
    prefixes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    known: dict[Locator, str] = field(default_factory=dict)
    unmapped: bool = False
    identify: bool = True
    protection: bool = False


@dataclass(slots=True)
class SourceRun:
    """One source's cycle; `stream` is consumed in the source's own thread.

    Attributes:
        plan: what to ask.
        clock: the clock.
        identity: filled when the provider said who we are.
        error: why nothing at all could be asked.
        seconds: how long it took; 0.0 while it runs.
    """

    plan: SourcePlan
    clock: Clock
    identity: SourceIdentity | None = None
    error: ErrorFact | None = None
    seconds: float = 0.0
    _owed: set[Locator] = field(default_factory=set)

    def stream(self) -> Iterator[Emitted]:
        """Rows, coverage and unchanged marks; always ends, and every wanted item is answered."""
        started = self.clock.monotonic()
        try:
            yield from self._observe()
        except ProviderError as failure:
            yield from self._lost(failure)
        else:
            yield from self._unanswered(Presence.UNKNOWN, None)
        finally:
            self.seconds = self.clock.monotonic() - started

    def summary(self) -> SourceSummary:
        """What happened, for the report."""
        who = self.identity
        return SourceSummary(
            name=self.plan.name,
            provider=self.plan.provider.info.name,
            region=(self.plan.domain(None) or "").partition("/")[2],
            identity=f"{who.principal} at {who.authority}" if who else "",
            error=self.error,
            calls=self.plan.budget.spent,
            seconds=self.seconds,
        )

    def _observe(self) -> Iterator[Emitted]:
        plan = self.plan
        self._owed = set(plan.wanted)
        if plan.identify and Capability.IDENTIFY in plan.provider.info.capabilities:
            self.identity = cast("Identifier", plan.provider).identify(plan.budget)
        request = InventoryRequest(
            budget=plan.budget,
            kinds=plan.kinds,
            wanted=plan.wanted,
            prefixes=plan.prefixes,
            known=dict(_known(plan)),
            protection=plan.protection,
        )
        bare = frozenset(kind.name for kind in plan.provider.info.kinds if not kind.valued)
        for seen in cast("Inventory", plan.provider).inventory(request):
            _refuse_nonsense(seen, plan.name)
            if isinstance(seen, Item):
                self._owed.discard(seen.locator)
                yield from self._rows(_guarded(seen, bare) if plan.protection else seen)
            else:
                if isinstance(seen, Unchanged):
                    self._owed.discard(seen.locator)
                yield self._asked(seen) if isinstance(seen, Coverage) else seen

    def _asked(self, seen: Coverage) -> Coverage:
        """A kind that the configuration leaves out was not asked for, unless a pair or a template needs it."""
        left_out = (
            seen.status is CoverageStatus.UNSUPPORTED and seen.error is not None and seen.error.reason == LEFT_OUT
        )
        needed = self.plan.pairing.swept.get(self.plan.name, frozenset()) | {w.kind for w in self.plan.wanted}
        return replace(seen, status=CoverageStatus.NOT_ASKED) if left_out and seen.kind not in needed else seen

    def _rows(self, item: Item) -> Iterator[Row]:
        claims = self.plan.pairing.claims(item)
        domain = self.plan.domain(item.region)
        for claim in claims:
            row = row_of(item, key=claim.key, domain=domain)
            yield _ambiguous(row) if claim.ambiguous or _FIELD_MARK in item.locator.name else row
        if not claims and self.plan.unmapped:
            yield row_of(item, key=f"{UNMAPPED}{item.locator}", domain=domain)

    def _lost(self, failure: ProviderError) -> Iterator[Emitted]:
        """Nothing at all could be asked: say so for every kind and every wanted item."""
        self.error = failure.fact
        status = _COVERAGE.get(failure.kind, CoverageStatus.UNREACHABLE)
        for kind in sorted(self.plan.kinds | {w.kind for w in self.plan.wanted}):
            yield Coverage(
                source=self.plan.name, kind=kind, scope="", status=status, as_of=self.clock.now(), error=failure.fact
            )
        presence = failure.presence if failure.kind is not ErrorKind.NOT_FOUND else Presence.UNKNOWN
        yield from self._unanswered(presence, failure.fact)

    def _unanswered(self, presence: Presence, error: ErrorFact | None) -> Iterator[Row]:
        reason = error or ErrorFact(kind=ErrorKind.MALFORMED.value, message="the adapter gave no answer for this item")
        for locator in self.plan.wanted:
            if locator in self._owed:
                blank = Item(locator=locator, observed_at=self.clock.now())
                for claim in self.plan.pairing.claims(blank):
                    yield unanswered(claim.key, str(locator), presence, reason, self.clock.now())


def _known(plan: SourcePlan) -> Iterator[tuple[Locator, str]]:
    """Markers of rows that hold what this run asks for, as the adapter gave them."""
    for locator, marker in plan.known.items():
        if marker.endswith(_ASKED) is plan.protection:
            yield locator, marker.removesuffix(_ASKED)


def _guarded(item: Item, bare: frozenset[str]) -> Item:
    """Of kinds without a value (`bare`) the core knows that nothing is kept; the marker says that this was asked."""
    protection = NOTHING_KEPT if item.locator.kind in bare else item.protection
    return replace(item, protection=protection, marker=f"{item.marker}{_ASKED}" if item.marker else "")


def _ambiguous(row: Row) -> Row:
    row = row._replace(presence=Presence.AMBIGUOUS.value)
    return row._replace(digest=digest_of(row))


def _refuse_nonsense(seen: Observation, source: str) -> None:
    """A source speaks for itself alone, and says when: anything else is no evidence, whoever wrote the adapter.

    Raises:
        ProviderError: MALFORMED; what the source still owes becomes unknown.
    """
    speaker = seen.source if isinstance(seen, Coverage) else seen.locator.source
    if speaker != source:
        raise ProviderError(ErrorKind.MALFORMED, "the adapter answered for another source than its own")
    if not all(instant is None or instant.tzinfo is not None for instant in _instants(seen)):
        raise ProviderError(ErrorKind.MALFORMED, "the adapter gave an instant without a time zone")


def _instants(seen: Observation) -> tuple[datetime | None, ...]:
    if isinstance(seen, Coverage):
        return (seen.as_of,)
    if isinstance(seen, Unchanged):
        return (seen.observed_at,)
    moments = (seen.created, seen.rotated, seen.not_before, seen.expires, seen.next_rotation)
    pending = seen.rotation.pending_since if seen.rotation else None
    return (seen.observed_at, seen.source_as_of, pending, *(m.at if m else None for m in moments))
