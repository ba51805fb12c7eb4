"""How an inventory ends when calls, time or patience run out."""

import threading

from nhisync.spi import Budget, Capability, CoverageStatus, ErrorKind, Locator, Presence
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.looking import Seen, TickingBudget, words
from nhisync.testing.conformance.stand import Stand

_IN_FLIGHT = 64
"""Calls that may have been begun before the end was seen."""

_PATIENCE = 60.0
"""Seconds until a thread counts as hanging."""

_CUT_SHORT = frozenset({CoverageStatus.THROTTLED, CoverageStatus.PARTIAL})


class SpendingTests(Hooks):
    """Standard tests of `Budget`: calls, deadline, cancellation."""

    @duty(Capability.INVENTORY)
    def test_calls_are_spent(self, stand: Stand) -> None:
        """An inventory accounts for its calls, so that they can be limited."""
        assert stand.look(stand.everything()).calls > 0

    @duty(Capability.INVENTORY, hooks=("served", "world"))
    def test_every_request_is_spent(self, stand: Stand) -> None:
        """No request reaches the provider that was not accounted for, logins and retries included."""
        request = stand.everything(extra=map(stand.locator, self.absent))
        before = self.served(stand)
        with stand.adapter() as adapter:
            seen = Seen().drain(adapter.inventory(request), request.budget)
            served = self.served(stand) - before  # what `close` sends afterwards belongs to no cycle
        assert served <= seen.calls

    @duty(Capability.INVENTORY)
    def test_call_budget_is_kept(self, stand: Stand) -> None:
        """With half the calls it needs, and with none, an inventory ends as THROTTLED and keeps what it saw."""
        full = stand.look(stand.everything())
        for calls in sorted({0, 1, full.calls // 2, full.calls - 1} & set(range(max(1, full.calls)))):
            seen = stand.look(stand.everything(budget=stand.budget(calls=calls)))
            assert seen.calls <= calls, f"{seen.calls} calls of {calls}"
            if calls == full.calls - 1 and _whole(seen, full):
                continue  # readers at once may log in once more or once less
            _cut_short(seen, stand, full, f"{calls} of {full.calls} calls")

    @duty(Capability.INVENTORY)
    def test_deadline_is_kept(self, stand: Stand) -> None:
        """When the time is over an inventory ends as THROTTLED, asks nothing more, and keeps what it saw."""
        full = stand.look(stand.everything())
        for seconds in sorted({0, full.calls // 2}):
            seen = stand.look(stand.everything(budget=TickingBudget(stand.clock, seconds=seconds)))
            assert seen.calls <= seconds + _IN_FLIGHT, f"{seen.calls} calls in {seconds} seconds"
            _cut_short(seen, stand, full, f"{seconds} of {full.calls} seconds")

    @duty(Capability.INVENTORY)
    def test_cancelled_before_it_began(self, stand: Stand) -> None:
        """A cancelled cycle asks nothing."""
        request, before = stand.everything(), self._answered(stand)
        request.budget.cancel()
        with stand.adapter() as adapter:
            seen = Seen().drain(adapter.inventory(request), request.budget)
            assert seen.calls == 0
            assert self._answered(stand) == before, "asks without having spent"
        _ends_honestly(seen, stand)

    @duty(Capability.INVENTORY)
    def test_cancelled_from_another_thread(self, stand: Stand) -> None:
        """A cycle that another thread ends stops asking, ends, and claims nothing that it has not seen."""
        full = stand.look(stand.everything())
        request, before = stand.everything(), self._answered(stand)
        with stand.adapter() as adapter:
            stream, seen = iter(adapter.inventory(request)), Seen()
            seen.take(next(stream))
            spent = _cancelled(request.budget)
            seen.drain(stream, request.budget)
            assert self._answered(stand) - before <= seen.calls, "goes on asking without having spent"
        assert seen.calls <= min(full.calls, spent + _IN_FLIGHT)
        _ends_honestly(seen, stand)
        assert seen.present() <= full.present()

    def _answered(self, stand: Stand) -> int:
        """Requests that the world has served; 0 where nobody counts them."""
        try:
            return self.served(stand) if stand.part is not None else 0
        except LookupError:
            return 0


def _cancelled(budget: Budget) -> int:
    """Cancel from another thread; returns what was spent until then."""
    thread = threading.Thread(target=budget.cancel)
    thread.start()
    thread.join(_PATIENCE)
    return budget.spent


def _whole(seen: Seen, full: Seen) -> bool:
    """Nothing is missing that the full run showed."""
    complete = all(entry.status is CoverageStatus.COMPLETE for entry in seen.coverage)
    return seen.error is None and complete and seen.present() == full.present()


def _cut_short(seen: Seen, stand: Stand, full: Seen, where: str) -> None:
    """The run says that it was cut short, and what it says of items is true."""
    _ends_honestly(seen, stand)
    assert seen.present() <= full.present(), f"{where}: shows items that are not there"
    if seen.error is not None:
        assert seen.error.kind is ErrorKind.THROTTLED, f"{where}: ends as {seen.error.kind}"
        return
    throttled = any(item.presence is Presence.THROTTLED for item in seen.items.values())
    partial = any(entry.status in _CUT_SHORT for entry in seen.coverage)
    assert throttled or partial, f"{where}: nothing says that it was cut short"


def _ends_honestly(seen: Seen, stand: Stand) -> None:
    """Nothing planted is called absent; whoever ends by itself answers everything."""
    gone = set(stand.planted) & seen.absent()
    assert not gone, f"exist and are called absent: {words(gone)}"
    if seen.error is not None:
        return
    silent: list[Locator] = [one for one in stand.planted if seen.presence(one) is None]
    assert not silent, f"not answered: {words(silent)}"
    for locator in stand.planted:
        allowed = {Presence.PRESENT, Presence.THROTTLED}
        assert seen.presence(locator) in allowed, f"{locator} is {seen.presence(locator)} when the budget is over"
