"""What an inventory says when something is wrong: never more than it knows (law 3)."""

from collections.abc import Iterable
from typing import Any

import pytest

from nhisync.collect.absence import presence_of
from nhisync.spi import Capability, CoverageStatus, ErrorKind, Locator, Presence, ProviderError, SourceIdentity
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.looking import Seen, words
from nhisync.testing.conformance.observing import assert_typed
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.conformance.words import Trouble

_WORDS = {
    Trouble.DENIED: frozenset({Presence.DENIED}),
    Trouble.REFUSED: frozenset({Presence.DENIED}),
    Trouble.UNREACHABLE: frozenset({Presence.UNREACHABLE}),
    Trouble.THROTTLED: frozenset({Presence.THROTTLED}),
    Trouble.BROKEN: frozenset({Presence.UNKNOWN, Presence.UNREACHABLE}),
    Trouble.SCOPE_MISSING: frozenset({Presence.UNKNOWN}),
}
"""Trouble of a whole source → what may be said of its items."""

_ENDLESS_CALLS = 5_000
"""From this many calls on a listing counts as followed for ever."""


class HonestyTests(Hooks):
    """Standard tests of `Inventory` on a source in trouble."""

    @duty(Capability.INVENTORY, trouble=Trouble.DENIED_ITEM)
    def test_one_denied_item_ends_nothing(self, stand: Stand) -> None:
        """The denied item is DENIED with its reason; its neighbours are answered as if it were not there."""
        fault = self.faults[Trouble.DENIED_ITEM]
        assert fault.seed is not None, "Trouble.DENIED_ITEM needs the `seed` that is denied"
        place = self.another(stand, "denied-item", (*self.seeds, fault.seed))
        closed = next(one for one, seed in place.planted.items() if seed is fault.seed)
        others = set(place.planted) - {closed}
        with place.trouble(fault) as settings:
            seen = place.look(place.everything(), **settings)
        assert seen.error is None, "one denied item ended the run"
        assert seen.presence(closed) is Presence.DENIED
        error = seen.items[closed].error
        assert error is not None
        assert error.kind in {ErrorKind.DENIED.value, ErrorKind.AUTH_FAILED.value}
        assert error.action or error.resource or error.reason, "the error does not say what is missing"
        if self.request_ids:
            assert error.request_id, "the error does not carry the provider's id of the call"
        assert others <= seen.present(), f"not present: {words(others - seen.present())}"
        assert {entry.kind for entry in seen.coverage} == place.kinds

    @duty(Capability.INVENTORY, trouble=Trouble.DENIED)
    def test_denied_is_not_absent(self, stand: Stand) -> None:
        """A source that may not be read is DENIED: not absent, not unreachable, not empty."""
        self._told(stand, Trouble.DENIED)

    @duty(Capability.INVENTORY, trouble=Trouble.REFUSED)
    def test_refused_credential_is_not_an_empty_source(self, stand: Stand) -> None:
        """A source that does not accept our credential is DENIED, and says that it is our credential."""
        seen = self._told(stand, Trouble.REFUSED)
        kinds = {item.error.kind for item in seen.items.values() if item.error is not None}
        assert (kinds | ({seen.error.kind.value} if seen.error else set())) == {ErrorKind.AUTH_FAILED.value}

    @duty(Capability.INVENTORY, trouble=Trouble.UNREACHABLE)
    def test_unreachable_is_not_absent(self, stand: Stand) -> None:
        """A source that does not answer is UNREACHABLE: not absent, not denied, not empty."""
        self._told(stand, Trouble.UNREACHABLE)

    @duty(Capability.INVENTORY, trouble=Trouble.THROTTLED)
    def test_throttled_is_not_absent(self, stand: Stand) -> None:
        """A source that asks to slow down for longer than the cycle is THROTTLED."""
        self._told(stand, Trouble.THROTTLED)

    @duty(Capability.INVENTORY, trouble=Trouble.BROKEN)
    def test_broken_answers_are_not_empty_ones(self, stand: Stand) -> None:
        """A cut answer or somebody else's answer is neither an empty list nor an absent item."""
        self._told(stand, Trouble.BROKEN)

    @duty(Capability.INVENTORY, trouble=Trouble.SCOPE_MISSING)
    def test_missing_scope_is_not_a_missing_item(self, stand: Stand) -> None:
        """When the place that should hold the items is gone, nothing is proven about the items."""
        self._told(stand, Trouble.SCOPE_MISSING)

    @duty(Capability.INVENTORY, trouble=Trouble.ENDLESS)
    def test_endless_listing_is_left(self, stand: Stand) -> None:
        """A listing without an end is left after a bounded number of calls, and is not complete."""
        fault = self.faults[Trouble.ENDLESS]
        budget = stand.budget(calls=_ENDLESS_CALLS)
        with stand.trouble(fault) as settings:
            seen = stand.look(stand.everything(budget=budget), **settings)
        assert seen.calls < _ENDLESS_CALLS, "the listing is followed for ever"
        self._claims_nothing(stand, seen, fault.kinds, ())
        _answers_all(seen, stand.planted)

    @duty(Capability.INVENTORY, trouble=Trouble.SHORT_PAGES)
    def test_short_pages_are_followed(self, stand: Stand) -> None:
        """A page with fewer items than were asked for is not the last one."""
        self._sees_all(stand, Trouble.SHORT_PAGES)

    @duty(Capability.INVENTORY, trouble=Trouble.EMPTY_PAGE)
    def test_an_empty_page_is_not_the_end(self, stand: Stand) -> None:
        """A page without items is not the last one while it names a next."""
        self._sees_all(stand, Trouble.EMPTY_PAGE)

    @duty(Capability.INVENTORY)
    def test_every_trouble_ends_typed_and_claims_nothing(self, stand: Stand) -> None:
        """Under every fault that the world offers a run ends, without an untyped exception or a false absence."""
        for fault in self.troubles().values():
            with stand.trouble(fault) as settings:
                seen = stand.look(stand.everything(), **settings)
            _claims_no_planted(seen, stand)
            if seen.error is None:
                _answers_all(seen, stand.planted)

    @duty(Capability.INVENTORY)
    def test_trouble_leaves_nothing_behind(self, stand: Stand) -> None:
        """The same adapter sees everything again when the trouble is over."""
        for fault in self.troubles().values():
            with stand.adapter(**fault.settings) as adapter:
                with stand.trouble(fault):
                    Seen().drain(adapter.inventory(stand.everything()), stand.budget())
                request = stand.everything()
                seen = Seen().drain(adapter.inventory(request), request.budget)
            assert seen.error is None, f"still in trouble after {fault.name}"
            lost = set(stand.planted) - seen.present()
            assert not lost, f"after {fault.name} not present: {words(lost)}"

    @duty(Capability.IDENTIFY)
    def test_identify_fails_typed(self, stand: Stand) -> None:
        """Under every fault `identify` answers as always, or says in a typed error why it cannot."""
        with stand.adapter() as adapter:
            who = adapter.identify(stand.budget())
        for trouble, fault in self.troubles().items():
            with stand.trouble(fault) as settings, stand.adapter(**settings) as adapter:
                found = identified(adapter, stand)
            if isinstance(found, ProviderError):
                assert found.presence in {Presence.UNKNOWN, *_WORDS.get(trouble, ())}, f"{found.kind} for {trouble}"
                assert found.message.strip()
            else:
                assert found == who

    @duty(Capability.INVENTORY)
    def test_asking_nothing_is_no_trouble(self, stand: Stand) -> None:
        """A request for nothing yields no item, and is no error."""
        seen = stand.look(stand.request())
        assert seen.error is None
        assert seen.items == {}

    def _told(self, stand: Stand, trouble: Trouble) -> Seen:
        """A source in this trouble says exactly this of all its items, or of itself."""
        fault = self.faults[trouble]
        nowhere = [stand.locator(text) for text in self.absent]
        with stand.trouble(fault) as settings:
            seen = stand.look(stand.everything(extra=nowhere), **settings)
        self._claims_nothing(stand, seen, fault.kinds, nowhere)
        if seen.error is not None:
            assert seen.error.presence in _WORDS[trouble], f"{seen.error.kind} for {trouble}"
            return seen
        _answers_all(seen, (*stand.planted, *nowhere))
        concerned = [one for one in (*stand.planted, *nowhere) if not fault.kinds or one.kind in fault.kinds]
        for locator in concerned:
            item = seen.items.get(locator)
            assert item is not None, f"{locator}: unchanged, although nothing was known"
            assert item.presence in _WORDS[trouble], f"{locator} is {item.presence}"
            assert item.error is not None
            assert_typed(item.presence, item.error.kind, item.error.message, str(locator))
        return seen

    def _claims_nothing(self, stand: Stand, seen: Seen, kinds: frozenset[str], nowhere: Iterable[Locator]) -> None:
        """No false absence, and no complete coverage of the kinds in trouble."""
        _claims_no_planted(seen, stand)
        concerned = {one for one in nowhere if not kinds or one.kind in kinds}
        assert not concerned & seen.absent(), f"absent out of ignorance: {words(concerned & seen.absent())}"
        complete = {entry.kind for entry in seen.coverage if entry.status is CoverageStatus.COMPLETE}
        wrong = complete & (kinds or stand.kinds)
        assert not wrong, f"complete although it was lost: {', '.join(sorted(wrong))}"
        if seen.error is None:
            assert {entry.kind for entry in seen.coverage} >= stand.kinds, "a swept kind has no coverage"

    def _sees_all(self, stand: Stand, trouble: Trouble) -> None:
        fault = self.faults[trouble]
        with stand.trouble(fault) as settings:
            seen = stand.look(stand.request(kinds=stand.kinds), **settings)
        assert seen.error is None
        lost = {one for one in stand.planted if one.kind in stand.kinds} - seen.present()
        assert not lost, f"lost: {words(lost)}"
        assert {entry.status for entry in seen.coverage} == {CoverageStatus.COMPLETE}


def identified(adapter: Any, stand: Stand) -> SourceIdentity | ProviderError:
    """Who the adapter says we are, or why it does not."""
    try:
        found: SourceIdentity = adapter.identify(stand.budget())
    except ProviderError as failure:
        return failure
    return found


def _claims_no_planted(seen: Seen, stand: Stand) -> None:
    """No planted item is called absent, neither by an item nor by what the core concludes from coverage."""
    gone = set(stand.planted) & seen.absent()
    assert not gone, f"exist and are called absent: {words(gone)}"
    if seen.error is not None:
        return
    for locator in stand.planted:
        if locator.kind in stand.kinds and seen.presence(locator) is None:
            concluded = presence_of(locator, seen.coverage)
            assert concluded is not Presence.ABSENT, f"{locator} exists, and coverage says it does not"


def _answers_all(seen: Seen, wanted: Iterable[Locator]) -> None:
    silent = [one for one in wanted if seen.presence(one) is None]
    assert not silent, f"not answered: {words(silent)}"
    if seen.twice:
        pytest.fail(f"answered twice: {words(dict.fromkeys(seen.twice))}")
