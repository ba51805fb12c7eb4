"""A provider with the rarer capabilities, and what is wrong with it: each of their standard tests must fail on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from nhisync.spi import (
    AccessMode,
    Audited,
    Budget,
    Capability,
    Effect,
    FieldValue,
    GrantFacts,
    Guarding,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    PermissionDocument,
    Presence,
    ProbeResult,
    Protection,
    ProviderError,
    Right,
    SecretBytes,
    SystemClock,
)
from nhisync.testing.provider import FakeProvider

from .asked import Asked
from .mutants import Mutant, document

RARE = frozenset({Capability.PROBE, Capability.ISSUE, Capability.PREVIOUS, Capability.GRANTS}) | {
    Capability.OPINIONS,
    Capability.PROTECTION,
}
"""What few providers can do."""


class Servant(Asked, FakeProvider):
    """A provider with the rarer capabilities."""

    info = replace(
        FakeProvider.info,
        capabilities=FakeProvider.info.capabilities | RARE,
    )
    accepted: ClassVar[bool | None] = True
    rights: ClassVar[tuple[Right, ...]] = (
        Right(Effect.ALLOW, ("read",), ("a",)),
        Right(Effect.ALLOW, ("read",), ("b",)),
    )
    scheme: ClassVar[str] = "fake"
    protection: ClassVar[Protection | None] = Protection(key="the fake does not tell", audited=Audited.YES)

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """What the script yields, guarded alike when that is asked for."""
        yield from self.guarding(request) if request.protection else super().inventory(request)

    def guarding(self, request: InventoryRequest) -> Iterator[Observation]:
        """The same with what guards it, and markers that end with that."""
        marking = Guarding(self.protection)
        for one in super().inventory(replace(request, known=marking.known(request.known))):
            there = isinstance(one, Item) and one.presence is Presence.PRESENT
            yield marking.guarded(one, self.protection) if there and isinstance(one, Item) else one

    def probe(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[ProbeResult]:
        """Every credential is accepted while there are calls."""
        now = self._context.clock.now()
        for locator in wanted:
            error, accepted = None, self.accepted
            try:
                budget.spend()
            except ProviderError as failure:
                error, accepted = failure.fact, None
            yield ProbeResult(locator=locator, depth="auth", accepted=accepted, observed_at=now, error=error)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """One field while there are calls."""
        budget.spend()
        yield FieldValue(wanted, "password", SecretBytes(b"canary-minted"))

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """One field while there are calls."""
        budget.spend()
        yield FieldValue(wanted, "password", SecretBytes(b"canary-before"))

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Two rights for everybody."""
        for locator in wanted:
            budget.spend()
            now = self._context.clock.now()
            yield GrantFacts(locator=locator, scheme=self.scheme, rights=self.rights, observed_at=now)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """One document, whatever is wanted."""
        del wanted, kinds
        return (PermissionDocument(title="rights", language="json", text="{}", actions=("fake:rights",)),)

    def protection_permissions(
        self, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """One document, whatever is wanted."""
        del wanted, kinds
        return (PermissionDocument(title="guarding", language="json", text="{}", actions=("fake:guarding",)),)


def always_guarding(self: Any, request: InventoryRequest) -> Iterator[Observation]:
    """How items are guarded, asked or not."""
    return Servant.guarding(self, request)


def bare_markers(self: Any, request: InventoryRequest) -> Iterator[Observation]:
    """What guards an item is told, and its marker says nothing of it."""
    for one in FakeProvider.inventory(self, request):
        yield replace(one, protection=self.protection) if isinstance(one, Item) else one


def forgetful(self: Any, request: InventoryRequest) -> Iterator[Observation]:
    """No marker of a guarded item is known again."""
    return Servant.guarding(self, replace(request, known={}))


def read_again(self: Any, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
    """The READ document once more."""
    found: tuple[PermissionDocument, ...] = self.permissions(AccessMode.READ, wanted, kinds)
    return found


def servant(**changes: Any) -> dict[str, Any]:
    """The hooks of a `Servant` that does some things otherwise."""
    return {"provider": type("P", (Servant,), changes)}


def unspent(name: str) -> Callable[..., Iterator[Any]]:
    """That method of `Servant`, with a budget of its own."""
    return lambda self, wanted, _budget: getattr(Servant, name)(self, wanted, Budget(SystemClock(), seconds=60))


def minting(value: bytes = b"canary-minted", times: int = 1) -> Callable[..., Iterator[FieldValue]]:
    """Mints without counting."""
    return lambda _self, wanted, _budget: iter([FieldValue(wanted, "password", SecretBytes(value))] * times)


RARER: Mapping[str, tuple[Mutant, ...]] = {
    "test_probe_answers_for_every_item": (Mutant(name="no reason", hooks=servant(accepted=False)),),
    "test_probe_keeps_the_budget": (Mutant(name="free", hooks=servant(probe=unspent("probe"))),),
    "test_issue_mints_or_says_why_not": (
        Mutant(name="nothing", hooks=servant(issue=lambda _s, _w, _b: iter(()))),
        Mutant(name="twice", hooks=servant(issue=minting(times=2))),
        Mutant(name="empty", hooks=servant(issue=minting(value=b""))),
    ),
    "test_previous_is_another_version_or_a_reason": (
        Mutant(name="nothing", hooks=servant(previous=lambda _s, _w, _b: iter(()))),
        Mutant(name="twice", hooks=servant(previous=minting(times=2))),
    ),
    "test_previous_keeps_the_budget": (Mutant(name="free", hooks=servant(previous=minting())),),
    "test_issue_keeps_the_budget": (Mutant(name="free", hooks=servant(issue=minting())),),
    "test_grants_answer_for_every_item": (
        Mutant(name="unsorted", hooks=servant(rights=Servant.rights[::-1])),
        Mutant(name="nobody's words", hooks=servant(scheme="")),
    ),
    "test_grants_keep_the_budget": (Mutant(name="spends nothing", hooks=servant(grants=unspent("grants"))),),
    "test_grant_permissions_stand_beside_the_read_document": (
        Mutant(name="no actions", hooks=servant(grant_permissions=document(actions=()))),
    ),
    "test_opinions_answer_what_was_asked": (
        Mutant(name="something else", hooks=servant(heard=lambda _s, named: [*named, *named])),
    ),
    "test_opinions_keep_the_budget": (Mutant(name="free", hooks=servant(opinions=unspent("opinions"))),),
    "test_opinion_permissions_stand_beside_those_of_rights": (
        Mutant(name="the same", hooks=servant(opinion_permissions=Servant.grant_permissions)),
    ),
    "test_protection_is_told_when_asked": (
        Mutant(name="silent", hooks=servant(protection=None)),
        Mutant(name="no reason", hooks=servant(protection=Protection(audited=Audited.YES))),
        Mutant(name="unasked", hooks=servant(inventory=always_guarding)),
    ),
    "test_protection_keeps_what_is_unchanged": (
        Mutant(name="bare markers", hooks=servant(guarding=bare_markers)),
        Mutant(name="forgetful", hooks=servant(guarding=forgetful)),
    ),
    "test_protection_permissions_stand_beside_the_read_document": (
        Mutant(name="no actions", hooks=servant(protection_permissions=document(actions=()))),
        Mutant(name="not of its own", hooks=servant(protection_permissions=read_again)),
    ),
}
"""Standard test → what fails it."""
