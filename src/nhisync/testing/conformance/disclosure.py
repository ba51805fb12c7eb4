"""That no value is ever shown, and that values come out only where they must (law 2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    ErrorFact,
    ErrorKind,
    FieldValue,
    Locator,
    ProviderError,
    SecretBytes,
)
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.honesty import identified
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.looking import Seen
from nhisync.testing.conformance.secrecy import SHORTEST, leaks, listening, shown
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.conformance.words import Fault, Trouble


class DisclosureTests(Hooks):
    """Standard tests of silence, and of `Fingerprinter`."""

    @duty(Capability.INVENTORY, hooks=("canaries", "world"))
    def test_inventory_shows_no_value(self, stand: Stand) -> None:
        """No planted value is in any item, log record, warning or output of an inventory, in any spelling."""
        with listening() as heard:
            seen = stand.look(stand.everything(extra=map(stand.locator, self.absent)))
            text = shown(seen.observations)
        assert seen.present() >= set(stand.planted)
        self._silent(stand, f"{text}\n{heard.text}")

    @duty(Capability.FINGERPRINT, hooks=("canaries", "value_options", "world"))
    def test_inventory_of_an_identity_that_reads_values_shows_none(self, stand: Stand) -> None:
        """No planted value is in what an inventory says, also where the identity may read values to compare them."""
        place = self.another(stand, "open-values", self.seeds, self.value_options)
        with listening() as heard:
            seen = place.look(place.everything())
        assert seen.present() >= set(place.planted)
        self._silent(place, f"{shown(seen.observations)}\n{heard.text}")

    @duty(Capability.INVENTORY, hooks=("canaries", "world"))
    def test_failures_show_no_value(self, stand: Stand) -> None:
        """No planted value is in any error, check, log record, warning or output while something is wrong."""
        text = []
        with listening() as heard:
            for fault in (*self.troubles().values(), Fault()):
                with stand.trouble(fault) as settings:
                    text += self._everything_said(stand, settings)
            closed = self.faults.get(Trouble.DENIED_ITEM)
            if closed is not None and closed.seed is not None:
                place = self.another(stand, "closed", (*self.seeds, closed.seed))
                with place.trouble(closed) as settings:
                    text += self._everything_said(place, settings)
        self._silent(stand, "\n".join((*text, heard.text)))

    @duty(hooks=("canaries", "world"))
    def test_adapter_shows_no_value(self, stand: Stand) -> None:
        """Neither an adapter nor its settings show the credentials they use."""
        with stand.adapter() as adapter:
            if stand.has(Capability.INVENTORY):
                list(adapter.inventory(stand.everything()))
            self._silent(stand, shown(adapter) + shown(stand.settings()) + repr(getattr(adapter, "__dict__", "")))

    @duty(Capability.FINGERPRINT, hooks=("value_options", "world"))
    def test_values_are_answered_and_hidden(self, stand: Stand) -> None:
        """Each wanted item gives its fields as `SecretBytes`, or a typed reason; some give what was planted."""
        place = self.another(stand, "values", self.seeds, self.value_options)
        with listening() as heard, place.adapter() as adapter:
            answers = list(adapter.values(tuple(place.planted), place.budget()))
        given = [one for one in answers if isinstance(one, FieldValue)]
        refused = {one[0] for one in answers if not isinstance(one, FieldValue)}
        assert {one.locator for one in given} | refused == set(place.planted)
        assert not {one.locator for one in given} & refused, "an item gives values and a reason"
        assert {type(one.value) for one in given} <= {SecretBytes}
        assert all(one.field for one in given), "a value without the name of its field"
        right = [one for one in given if _as_planted(one, place)]
        assert right, "no value is the one that was planted"
        self._silent(place, heard.text + shown(answers))

    @duty(Capability.FINGERPRINT, hooks=("value_options", "world"))
    def test_values_of_what_is_not_there(self, stand: Stand) -> None:
        """An item that does not exist, or whose kind does not, is answered with a reason and ends nothing."""
        place = self.another(stand, "no-values", self.seeds[:1], self.value_options)
        odd = (*map(place.locator, self.absent), Locator(place.place.source, "no-such-kind", "x/y"))
        with place.adapter() as adapter:
            answers = list(adapter.values((*odd, *place.planted), place.budget()))
        reasons = _reasons(answers)
        assert set(odd) <= set(reasons)
        assert {fact.kind for fact in reasons.values()} <= set(ErrorKind)
        assert all(fact.message.strip() for fact in reasons.values())

    @duty(Capability.FINGERPRINT, hooks=("value_options", "world"))
    def test_values_keep_the_budget(self, stand: Stand) -> None:
        """Without calls no value is read, and every item says THROTTLED."""
        place = self.another(stand, "poor-values", self.seeds, self.value_options)
        with place.adapter() as adapter:
            answers = _values(adapter, place, place.budget(calls=0))
        reasons = _reasons(answers)
        assert set(reasons) == set(place.planted)
        assert ErrorKind.THROTTLED.value in {fact.kind for fact in reasons.values()}

    @duty(Capability.FINGERPRINT, hooks=("canaries", "world"))
    def test_inventory_identity_cannot_read_values(self, stand: Stand) -> None:
        """The identity of the inventory, with the READ document alone, is refused every value."""
        with stand.adapter() as adapter:
            answers = _values(adapter, stand, stand.budget())
        assert not [one for one in answers if isinstance(one, FieldValue)], "a value was read"
        assert set(_reasons(answers)) == set(stand.planted)

    def _everything_said(self, stand: Stand, settings: Mapping[str, Any]) -> list[str]:
        """Whatever the adapter says of a source in trouble."""
        text = []
        with stand.adapter(**settings) as adapter:
            request = stand.everything()
            seen = Seen().drain(adapter.inventory(request), request.budget)
            text += [shown(seen.observations), shown(seen.error)]
            if stand.has(Capability.IDENTIFY):
                text.append(shown(identified(adapter, stand)))
            if stand.has(Capability.EXAMINE):
                wanted, budget = tuple(stand.planted), stand.budget()
                text.append(shown(list(adapter.examine(AccessMode.READ, wanted, stand.kinds, budget))))
        return text

    def _silent(self, stand: Stand, text: str) -> None:
        values = [value for value in self.canaries(stand) if len(value) >= SHORTEST]
        assert values, f"nothing is looked for: canaries need {SHORTEST} characters"
        found = leaks(text, values)
        if found:
            pytest.fail(f"{found} of {len(values)} planted values are shown", pytrace=False)


def _values(adapter: Any, stand: Stand, budget: Budget) -> list[Any]:
    """The answers for all planted items; an error of the whole source is the answer of each."""
    try:
        return list(adapter.values(tuple(stand.planted), budget))
    except ProviderError as failure:
        return [(locator, failure.fact) for locator in stand.planted]


def _reasons(answers: Sequence[Any]) -> dict[Locator, ErrorFact]:
    return {one[0]: one[1] for one in answers if not isinstance(one, FieldValue)}


def _as_planted(given: FieldValue, stand: Stand) -> bool:
    seed = stand.planted[given.locator]
    return seed is not None and given.value.reveal().decode("utf-8", "replace") in seed.fields.values()
