"""Several readers as one stream: everything arrives, errors too, and nobody reads ahead without bound."""

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from nhisync.spi.fanout import Todo, listed, merged, spread


def test_all_readers_are_merged_and_errors_arrive() -> None:
    """Everything that any reader yields comes out; an exception of one is raised in the consumer."""
    assert sorted(merged([lambda: range(3), lambda: range(10, 12)])) == [0, 1, 2, 10, 11]

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        list(merged([broken]))


def test_an_empty_queue_of_an_adapter_is_no_end_of_the_work() -> None:
    """What looks like the end of our own queue but comes out of a piece is raised, and no piece is dropped silently."""

    def each(piece: int) -> Iterator[int]:
        if piece == 1:
            raise queue.Empty
        yield piece

    with pytest.raises(queue.Empty):
        list(spread(range(3), each, 1))


def test_spread_uses_at_most_the_workers() -> None:
    """Never more pieces at once than workers, and every piece is done once."""
    running, most, lock = 0, 0, threading.Lock()

    def each(piece: int) -> Iterator[int]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        yield piece
        with lock:
            running -= 1

    assert sorted(spread(range(50), each, 4)) == list(range(50))
    assert most <= 4
    assert list(spread([], each, 4)) == []


def test_readers_wait_for_a_slow_consumer() -> None:
    """At most `room` results wait, and one more in the hand of each reader: memory does not grow with the list."""
    made = 0

    def endless() -> Iterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    stream = merged([endless], room=2)
    assert [next(stream), next(stream)] == [1, 2]
    deadline = time.monotonic() + 10
    while made < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made == 5  # two taken, two that wait, one in hand
    stream.close()  # type: ignore[attr-defined]


def test_what_is_not_begun_stays_undone() -> None:
    """A consumer that stops early ends the readers at their next result."""
    begun: list[int] = []

    def each(piece: int) -> Iterator[int]:
        begun.append(piece)
        yield piece

    stream = spread(range(1000), each, 1, room=1)
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    assert len(begun) < 10


def test_pieces_are_done_while_the_listing_goes_on() -> None:
    """What the first page showed is read before the second page is there, and everything comes out once."""
    done = threading.Event()

    def listing() -> Iterator[str | Todo[int]]:
        yield "first page"
        yield Todo(1)
        assert done.wait(10)  # the second page comes only when the first one's piece was read
        yield Todo(2)
        yield "last page"

    def each(piece: int) -> Iterator[str]:
        yield f"piece {piece}"
        done.set()

    assert sorted(listed(listing, each, 2)) == ["first page", "last page", "piece 1", "piece 2"]


def test_a_listing_and_its_workers_hand_on_their_errors() -> None:
    """An exception of the listing or of a piece is raised in the consumer, and no thread is left."""

    def broken() -> Iterator[int | Todo[int]]:
        yield Todo(1)
        raise ValueError("the listing")

    def bad(_piece: int) -> Iterator[int]:
        raise ValueError("the piece")
        yield 0

    with pytest.raises(ValueError, match="the listing"):
        list(listed(broken, lambda _: [], 3))
    with pytest.raises(ValueError, match="the piece"):
        list(listed(lambda: iter([Todo(1)]), bad, 3))
    assert _left_soon()


def test_a_consumer_that_goes_ends_the_listing_and_its_workers() -> None:
    """A listing that yields nothing but pieces ends too, when nobody wants the results any more."""

    def endless() -> Iterator[int | Todo[int]]:
        piece = 0
        while True:
            yield Todo(piece)
            piece += 1
            time.sleep(0.001)

    stream = listed(endless, lambda piece: [piece], 2)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert _left_soon()


def _left_soon() -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(thread.name == "nhisync-read" for thread in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False
