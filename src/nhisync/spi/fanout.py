"""Several blocking readers at once, as one stream in bounded memory; its threads never keep the process alive.

For adapters. `nhisync.spi` itself does not import it.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class _Stream(Generic[T]):
    """The channel between readers and the one consumer."""

    def __init__(self, room: int) -> None:
        self._channel: queue.Queue[T | _End] = queue.Queue(room)
        self._abandoned = threading.Event()

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
    for reader in readers:
        threading.Thread(target=stream.read, args=(reader,), name="nhisync-read", daemon=True).start()
    yield from stream.drain(len(readers))


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
        with contextlib.suppress(queue.Empty):
            while True:
                yield from each(todo.get_nowait())

    yield from merged([reader] * min(workers, len(work)), room)
