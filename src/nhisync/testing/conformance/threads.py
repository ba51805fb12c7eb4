"""Several threads: two adapters at once, closing in the middle, consumers that go away."""

import threading
from collections.abc import Callable, Iterable

from nhisync.spi import Capability, Locator, Presence
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.looking import Seen, words
from nhisync.testing.conformance.observing import assert_same
from nhisync.testing.conformance.stand import Stand

_PATIENCE = 60.0
"""Seconds until a thread counts as hanging."""


class ThreadTests(Hooks):
    """Standard tests of what the core does from several threads."""

    @duty(Capability.INVENTORY)
    def test_two_adapters_do_not_meet(self, stand: Stand) -> None:
        """Two adapters that run at the same time see what one alone sees, also where they want different things."""
        alone = stand.look(stand.everything())
        runs: list[Seen] = []
        in_threads([lambda: runs.append(stand.look(stand.everything()))] * 2)
        assert [run.error for run in runs] == [None, None]
        for run in runs:
            assert_same(run.timeless(), alone.timeless())
        self._met_halfway(stand, alone)

    def _met_halfway(self, stand: Stand, alone: Seen) -> None:
        """While one is in the middle of everything, another one looks for what is not there."""
        nothing = (*map(stand.locator, self.absent), Locator(stand.place.source, "no-such-kind", "x/y"))
        seen, other, request = Seen(), list[Seen](), stand.everything()
        with stand.adapter() as adapter:
            stream = iter(adapter.inventory(request))
            seen.take(next(stream))
            in_threads([lambda: other.append(stand.look(stand.request(nothing)))])
            seen.drain(stream, request.budget)
        assert set(other[0].items) == set(nothing), "answers what another adapter was asked"
        assert_same(seen.timeless(), alone.timeless())

    @duty(Capability.INVENTORY)
    def test_closing_in_the_middle_ends_the_run(self, stand: Stand) -> None:
        """`close` from another thread ends a run soon and typed, and makes nothing absent."""
        seen = Seen()
        with stand.adapter() as adapter:
            request = stand.everything()
            stream = iter(adapter.inventory(request))
            seen.take(next(stream))
            in_threads([adapter.close, adapter.close])
            in_threads([lambda: seen.drain(stream, request.budget)])
        gone = set(stand.planted) & seen.absent()
        assert not gone, f"exist and are called absent: {words(gone)}"
        if seen.error is not None:
            assert seen.error.presence is not Presence.ABSENT

    @duty(Capability.INVENTORY)
    def test_consumer_that_goes_leaves_no_thread(self, stand: Stand) -> None:
        """A stream that is closed early ends its threads."""
        before = set(threading.enumerate())
        with stand.adapter() as adapter:
            stream = adapter.inventory(stand.everything())
            next(iter(stream))
            stream.close()
        left, before_it_runs = [], threading.Event()
        for thread in set(threading.enumerate()) - before:
            while thread.ident is None:  # listed before it runs; it cannot be joined yet
                before_it_runs.wait(0.001)
            thread.join(_PATIENCE)
            left += [thread.name] if thread.is_alive() else []
        assert left == [], "threads are left behind"


def in_threads(work: Iterable[Callable[[], object]]) -> None:
    """Do all `work` at once and wait for it.

    Raises:
        BaseException: the first that any of them raised.
    """
    failures: list[BaseException] = []

    def kept(piece: Callable[[], object]) -> None:
        try:
            piece()
        except BaseException as failure:  # noqa: BLE001 - raised in the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=kept, args=(piece,), daemon=True) for piece in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
        assert not thread.is_alive(), "hangs"
    if failures:
        raise failures[0]
