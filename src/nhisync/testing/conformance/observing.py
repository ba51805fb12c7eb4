"""What an inventory says when nothing is wrong."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from nhisync.spi import (
    Capability,
    Coverage,
    CoverageStatus,
    ErrorKind,
    Item,
    Locator,
    Moment,
    Presence,
    ProviderError,
)
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.looking import Seen, timeless, words
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.world import Seed

_ANSWERS = frozenset({Presence.PRESENT, Presence.ABSENT})
_NO_KIND = Locator("", "no-such-kind", "x/y")


class ObservingTests(Hooks):
    """Standard tests of `Inventory` on a healthy source."""

    @duty(Capability.INVENTORY)
    def test_every_wanted_item_is_answered(self, stand: Stand) -> None:
        """Each item that a pair names gets one answer, also when it does not exist or its kind does not."""
        others = [*map(stand.locator, self.absent), Locator(stand.place.source, _NO_KIND.kind, _NO_KIND.name)]
        seen = stand.look(stand.request((*stand.planted, *others)))
        assert seen.error is None
        assert {one for one in (*stand.planted, *others) if seen.presence(one) is None} == set(), "not answered"
        assert seen.twice == [], "answered twice"
        missing = [one for one in stand.planted if seen.presence(one) is not Presence.PRESENT]
        assert missing == [], f"not present: {words(missing)}"
        assert seen.presence(others[-1]) not in _ANSWERS, "an unknown kind is neither present nor absent"

    @duty(Capability.INVENTORY, hooks=("absent",))
    def test_absence_is_proven_by_a_read(self, stand: Stand) -> None:
        """An item that does not exist is ABSENT when it is asked for by name, and carries no error."""
        nowhere = [stand.locator(text) for text in self.absent]
        seen = stand.look(stand.request(nowhere))
        assert {seen.presence(one) for one in nowhere} == {Presence.ABSENT}
        assert {seen.items[one].error for one in nowhere} == {None}

    @duty(Capability.INVENTORY)
    def test_sweep_shows_what_is_planted(self, stand: Stand) -> None:
        """A sweep of all kinds shows every item, covers every kind completely, and counts what it saw."""
        seen = stand.look(stand.request(kinds=stand.kinds))
        assert seen.error is None
        lost = {one for one in stand.planted if one.kind in stand.kinds} - seen.present()
        assert not lost, f"not shown: {words(lost)}"
        assert seen.twice == [], "shown twice"
        for kind in stand.kinds:
            entries, planted = seen.covered(kind), sum(one.kind == kind for one in stand.planted)
            assert entries, f"no coverage of {kind}"
            assert {entry.status for entry in entries} == {CoverageStatus.COMPLETE}, f"{kind} is not complete"
            assert sum(entry.items for entry in entries) >= planted, f"the coverage of {kind} counts too few items"

    @duty(Capability.INVENTORY)
    def test_coverage_proves_absence_exactly_where_declared(self, stand: Stand) -> None:
        """`KindInfo.authoritative` and the coverage of a complete sweep say the same: the core acts on both."""
        declared = {kind.name: kind.authoritative for kind in self.provider.info.kinds}
        seen = stand.look(stand.request(kinds=stand.kinds))
        complete = [entry for entry in seen.coverage if entry.status is CoverageStatus.COMPLETE]
        wrong = {entry.kind for entry in complete if entry.authoritative != declared[entry.kind]}
        assert wrong == set(), f"coverage and declaration differ: {', '.join(sorted(wrong))}"

    @duty(Capability.INVENTORY)
    def test_kinds_nobody_asked_for_are_left_alone(self, stand: Stand) -> None:
        """A sweep of one kind yields that kind, and coverage of no other."""
        for kind in stand.kinds:
            seen = stand.look(stand.request(kinds=frozenset({kind})))
            assert {one.locator.kind for one in seen.items.values()} <= {kind}
            assert {entry.kind for entry in seen.coverage} == {kind}

    @duty(Capability.INVENTORY)
    def test_prefixes_lose_nothing(self, stand: Stand) -> None:
        """A sweep by literal prefixes shows every item whose name begins so, and calls nothing else absent."""
        for locator in stand.planted:
            if locator.kind not in stand.kinds:
                continue
            half = locator.name[: max(1, len(locator.name) // 2)]
            kinds = frozenset({locator.kind})
            seen = stand.look(stand.request(kinds=kinds, prefixes={locator.kind: (half, locator.name)}))
            mine = {one for one in stand.planted if one.kind == locator.kind and one.name.startswith(half)}
            assert not mine - seen.present(), f"lost below {half}: {words(mine - seen.present())}"
            assert seen.absent() == set()

    @duty(Capability.INVENTORY)
    def test_answers_are_well_formed(self, stand: Stand) -> None:
        """Locators read back, instants are UTC and of the given clock, errors stand exactly where no answer does."""
        began = stand.clock.now()
        seen = stand.look(stand.everything(extra=map(stand.locator, self.absent)))
        for item in seen.items.values():
            _check_item(item, stand)
        for entry in seen.coverage:
            _check_coverage(entry, stand)
        if stand.part is not None:
            _check_clock(seen, began, stand.clock.now())

    @duty(Capability.INVENTORY, hooks=("odd", "world"))
    def test_odd_names_come_back_as_they_are(self, stand: Stand) -> None:
        """The oddest names a provider allows are found by sweep and by name under the very same text."""
        odd = [one for one, seed in stand.planted.items() if seed in self.odd]
        assert len(odd) == len(self.odd)
        swept = stand.look(stand.request(kinds=frozenset(one.kind for one in odd) & stand.kinds))
        read = stand.look(stand.request(Locator.parse(str(one)) for one in odd))
        for locator in odd:
            assert read.presence(locator) is Presence.PRESENT, f"not found by its name: {locator}"
            if locator.kind in stand.kinds:
                assert swept.presence(locator) is Presence.PRESENT, f"not found by a sweep: {locator}"

    @duty(Capability.INVENTORY)
    def test_two_runs_say_the_same(self, stand: Stand) -> None:
        """Two looks at one world differ in nothing but the instants of looking."""
        first, second = stand.look(stand.everything()), stand.look(stand.everything())
        assert_same(first.timeless(), second.timeless())
        assert sorted(map(_covers, first.coverage)) == sorted(map(_covers, second.coverage))

    @duty(Capability.INVENTORY)
    def test_a_wrong_clock_makes_nothing_absent(self, stand: Stand) -> None:
        """With a clock that is an hour slow or fast every item is answered, and is there or unknown with a reason."""
        places = [stand] if stand.part is None else [stand, self.another(stand, "young", map(_young, self.seeds))]
        for place, off in itertools.product(places, (timedelta(hours=-1), timedelta(hours=1))):
            with place.wrong_clock(off):
                seen = place.look(place.everything())
            for locator in place.planted:
                item = seen.items[locator]
                assert item.presence is not Presence.ABSENT, f"a wrong clock makes it absent: {locator}"
                assert item.presence is Presence.PRESENT or item.error is not None, f"unknown, and not why: {locator}"

    @duty(Capability.INVENTORY)
    def test_unchanged_needs_the_very_same_marker(self, stand: Stand) -> None:
        """A second run says "unchanged" only of an item whose known marker equals the listing's."""
        first = stand.look(stand.everything())
        assert first.unchanged == set(), "nothing was known, so nothing can be unchanged"
        known = first.markers()
        again = stand.look(stand.request(stand.planted, kinds=stand.kinds, known=known))
        assert again.unchanged <= set(known)
        fresh = [one for one in again.items if one in known and again.items[one].marker != known[one]]
        assert fresh == [], f"the marker of an unchanged item changed: {words(fresh)}"
        wrong = {one: f"{marker}x" for one, marker in known.items()}
        assert stand.look(stand.request(stand.planted, kinds=stand.kinds, known=wrong)).unchanged == set()
        nowhere = {stand.locator(text): "x" for text in self.absent}
        assert stand.look(stand.request(nowhere, kinds=stand.kinds, known=nowhere)).unchanged == set()

    @duty(Capability.INVENTORY, hooks=("changing", "world"))
    def test_change_is_seen(self, stand: Stand) -> None:
        """An item that changed at the provider is read again, whatever was known of it."""
        place = self.another(stand, "changing")
        locator, change = self.changing(place)
        request = place.request((locator,), kinds=frozenset({locator.kind}))
        before = place.look(request)
        assert before.presence(locator) is Presence.PRESENT
        change()
        after = place.look(place.request((locator,), kinds=request.kinds, known=before.markers()))
        assert locator not in after.unchanged, "a changed item is called unchanged"
        assert timeless(after.items[locator]) != timeless(before.items[locator]), "the change is not seen"

    @duty(Capability.INVENTORY, hooks=("crowd_seed", "crowd_calls", "world"))
    def test_many_items_cost_few_calls(self, stand: Stand) -> None:
        """A sweep over many items shows all of them for a bounded number of calls."""
        crowd = self.another(stand, "crowd", map(self.crowd_seed, range(self.crowd_size)))
        kinds = frozenset(one.kind for one in crowd.planted)
        seen = crowd.look(crowd.request(kinds=kinds))
        assert seen.error is None
        lost = set(crowd.planted) - seen.present()
        assert not lost, f"{len(lost)} of {len(crowd.planted)} are lost"
        assert seen.calls <= self.crowd_calls(len(crowd.planted))


def assert_same(first: Mapping[Locator, Item], second: Mapping[Locator, Item]) -> None:
    """Equal, with the names of what differs; values of fields are not printed."""
    assert set(first) == set(second), "the runs show different items"
    for locator, item in first.items():
        differing = [one.name for one in fields(Item) if getattr(item, one.name) != getattr(second[locator], one.name)]
        assert differing == [], f"{locator} differs in {', '.join(differing)}"


def _covers(entry: Coverage) -> tuple[str, str, str, int, bool]:
    return entry.kind, entry.scope, entry.status.value, entry.items, entry.authoritative


def _young(seed: Seed) -> Seed:
    """A slow clock has not reached the instant at which it was rotated."""
    return seed if seed.rotated is None else replace(seed, rotated=timedelta(minutes=10))


def _check_item(item: Item, stand: Stand) -> None:
    where = str(item.locator)
    assert item.locator.source == stand.place.source, f"{where}: another source"
    assert item.locator.field is None, f"{where}: an item's locator has no field"
    assert Locator.parse(where) == item.locator, f"{where} does not read back"
    for name, instant in _instants(item):
        assert instant.utcoffset() == timedelta(0), f"{where}: {name} is not aware UTC"
    answered = item.presence in _ANSWERS
    assert (item.error is None) == answered, f"{where}: {item.presence} with error {item.error is not None}"
    if item.error is not None:
        assert_typed(item.presence, item.error.kind, item.error.message, where)
    assert list(item.attributes) == sorted(item.attributes), f"{where}: attributes are not sorted"


def assert_typed(presence: Presence, kind: str, message: str, where: str) -> None:
    """The reason is one of `ErrorKind`, in words, and fits what is said of the item."""
    assert kind in set(ErrorKind), f"{where}: {kind} is no ErrorKind"
    assert message.strip(), f"{where}: an error without a message"
    fitting = {ProviderError(ErrorKind(kind), message).presence} - {Presence.ABSENT} or {Presence.UNKNOWN}
    assert presence in fitting, f"{where}: {kind} does not mean {presence}"


def _check_clock(seen: Seen, began: datetime, ended: datetime) -> None:
    """Who looked while the world's clock stood between these two says so: another clock has another time."""
    for item in seen.items.values():
        assert began <= item.observed_at <= ended, f"{item.locator}: observed_at is not of the given clock"
    for entry in seen.coverage:
        assert entry.as_of <= ended, f"{entry.kind}: as_of is ahead of the given clock"


def _check_coverage(entry: Coverage, stand: Stand) -> None:
    assert entry.source == stand.place.source
    assert entry.kind in {kind.name for kind in stand.provider.info.kinds}
    assert entry.as_of.utcoffset() == timedelta(0), f"{entry.kind}: as_of is not aware UTC"
    complete = entry.status is CoverageStatus.COMPLETE
    assert not entry.authoritative or complete, f"{entry.kind}: {entry.status} proves no absence"
    assert entry.items >= 0


def _instants(item: Item) -> Iterable[tuple[str, datetime]]:
    """Name and instant of everything in an item that has one."""
    places: list[tuple[str, Any]] = [(one.name, getattr(item, one.name)) for one in fields(Item)]
    if item.rotation is not None:
        places.append(("rotation.pending_since", item.rotation.pending_since))
    for number, certificate in enumerate(item.chain.certificates if item.chain else ()):
        places += [(f"chain.{number}", certificate.not_before), (f"chain.{number}", certificate.not_after)]
    if item.chain is not None:
        places += [(f"chain.outlooks.{one.store}", one.fails_at) for one in item.chain.outlooks]
    for name, value in places:
        instant = value.at if isinstance(value, Moment) else value
        if isinstance(instant, datetime):
            yield name, instant
