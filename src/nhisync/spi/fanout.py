"""Several blocking readers at once, as one stream in bounded memory; its threads never keep the process alive.

For adapters. `nhisync.spi` itself does not import it.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")

_ROOM = 1_000
"""Values that wait for a slow consumer."""

_GLANCE = 0.2


class _End:
    """One reader is done, with the exception that ended it, if any."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Todo(Generic[A]):
    """A piece that a listing found and a worker is to do.

    Attributes:
        piece: the piece.
    """

    piece: A


class _Stream(Generic[T]):
    """The channel between readers and the one consumer."""

    def __init__(self, room: int) -> None:
        self._channel: queue.Queue[T | _End] = queue.Queue(room)
        self._abandoned = threading.Event()

    @property
    def abandoned(self) -> bool:
        """Whether the consumer has stopped."""
        return self._abandoned.is_set()

    def start(self, readers: Sequence[Callable[[], Iterable[T]]]) -> Iterator[T]:
        """Run `readers`, each in its own thread, and yield what they yield."""
        for reader in readers:
            threading.Thread(target=self.read, args=(reader,), name="nhisync-read", daemon=True).start()
        yield from self.drain(len(readers))

    def read(self, reader: Callable[[], Iterable[T]]) -> None:
        failure: BaseException | None = None
        try:
            for value in reader():
                if not self._put(value):
                    return
        except BaseException as caught:  # noqa: BLE001 - raised again in the consumer's thread
            failure = caught
        self._put(_End(failure))

    def drain(self, readers: int) -> Iterator[T]:
        try:
            while readers:
                value = self._channel.get()
                if not isinstance(value, _End):
                    yield value
                    continue
                readers -= 1
                if value.failure is not None:
                    raise value.failure
        finally:
            self._abandoned.set()

    def _put(self, value: T | _End) -> bool:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._channel.put(value, timeout=_GLANCE)
                return True
        return False


def merged(readers: Sequence[Callable[[], Iterable[T]]], room: int = _ROOM) -> Iterator[T]:
    """Run all `readers` at once, each in its own thread, and yield what they yield as it comes.

    An exception of a reader is raised here. When the consumer stops early, readers end at their next value.

    Args:
        readers: what to run.
        room: how many values may wait for the consumer before the readers do.
    """
    stream: _Stream[T] = _Stream(room)
    yield from stream.start(readers)


def spread(work: Sequence[A], each: Callable[[A], Iterable[T]], workers: int, room: int = _ROOM) -> Iterator[T]:
    """Do `each` piece of `work` in at most `workers` threads and yield all results, in any order.

    When the consumer stops early, what is not begun stays undone.

    Args:
        work: the pieces.
        each: reads one.
        workers: most threads.
        room: how many results may wait for the consumer before the workers do.
    """
    todo: queue.SimpleQueue[A] = queue.SimpleQueue()
    for piece in work:
        todo.put(piece)

    def reader() -> Iterator[T]:
        while True:
            try:
                piece = todo.get_nowait()
            except queue.Empty:  # of ours alone: one that `each` raises is no end of the work
                return
            yield from each(piece)

    yield from merged([reader] * min(workers, len(work)), room)


def listed(
    listing: Callable[[], Iterable[T | Todo[A]]], each: Callable[[A], Iterable[T]], workers: int, room: int = _ROOM
) -> Iterator[T]:
    """Yield what `listing` yields and, in any order, what `each` makes of the pieces it leaves `Todo`.

    The pages of a list follow one another; the pieces that a page showed are done while the next one is asked for.
    Pieces wait without bound, as they would in a list of the whole.

    Args:
        listing: yields results, and `Todo` for what a single read must answer; runs in one thread of its own.
        each: reads one piece.
        workers: most threads that do pieces.
        room: how many results may wait for the consumer before all of them do.
    """
    stream: _Stream[T] = _Stream(room)
    todo: queue.SimpleQueue[Todo[A] | None] = queue.SimpleQueue()

    def lister() -> Iterator[T]:
        try:
            for found in listing():
                if not isinstance(found, Todo):
                    yield found
                elif stream.abandoned:
                    return
                else:
                    todo.put(found)
        finally:
            for _ in range(workers):
                todo.put(None)

    def worker() -> Iterator[T]:
        while (found := todo.get()) is not None:
            yield from each(found.piece)

    yield from stream.start([lister, *[worker] * workers])
