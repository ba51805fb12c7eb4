"""Several blocking reads at once, with results in order of completion and an end when the consumer stops."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


def spread(work: Iterable[Work], each: Callable[[Work], Result], workers: int) -> Iterator[Result]:
    """Do `each` piece of `work` in at most `workers` threads; at most twice as many are begun ahead.

    An exception of `each` is raised here. When the consumer stops early, what is not begun stays undone.
    """
    todo = iter(work)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="nhisync-kubernetes") as pool:
        running: set[Future[Result]] = {pool.submit(each, piece) for piece in islice(todo, 2 * workers)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(each, piece) for piece in islice(todo, len(done))}
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()
