"""Sources that are asked after the sweep: each in a thread of its own, with what the sweep left of its budget.

One that hangs beyond its budget is left behind; what it said until then holds.
"""

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from nhisync.app.session import Session
from nhisync.clock import Clock
from nhisync.collect.cycle import GRACE, LATE, Leaving
from nhisync.model import Locator
from nhisync.spi import Capability, ErrorKind, Provider, ProviderError

Told = TypeVar("Told")

Lost = tuple[str, str]
"""Word of an error, and why a source says nothing, for a person."""


class Job(ABC, Generic[Told]):
    """What one source (path and name) says of some items; `work` runs in a thread of its own.

    Args:
        session: the configuration.
        where: path and source.
        capability: what its provider must be able to do.
        lacks: what is said of a provider that cannot.
    """

    name = "asking"

    def __init__(self, session: Session, where: tuple[str, str], capability: Capability, lacks: str) -> None:
        self.where, self.budget, self.session = where, session.budget(*where), session
        self.told: dict[Locator, Told] = {}
        self._capability, self._lacks = capability, lacks
        self._provider: Provider | None = None
        self._lost: Lost = (ErrorKind.MALFORMED.value, "the provider did not answer what it was asked")
        self._late = False

    @abstractmethod
    def ask(self, provider: Provider, told: dict[Locator, Told]) -> None:
        """Put what the provider says into `told` as it comes.

        Raises:
            ProviderError: nothing more can be asked.
        """

    @property
    def lost(self) -> Lost:
        """Why what is missing in `told` is missing."""
        return (ErrorKind.THROTTLED.value, LATE) if self._late else self._lost

    def work(self) -> None:
        """Ask."""
        told = self.told  # after `leave` this is the old one: what still comes goes nowhere
        if self._capability not in self.session.source_info(*self.where).capabilities:
            self._lost = (ErrorKind.UNSUPPORTED.value, self._lacks)
            return
        self._provider = self.session.provider(*self.where)
        try:
            self.budget.check()
            self.ask(self._provider, told)
        except ProviderError as failure:
            self._lost = (failure.kind.value, failure.message)
        finally:
            self._provider.close()

    def leave(self) -> None:
        """Leave it behind; what it said until now holds."""
        self.told, self._late = dict(self.told), True
        self.budget.cancel()
        if self._provider is not None:
            Leaving(self.budget, self._provider, f"nhisync-close-{'-'.join(self.where)}").wait(GRACE)


_Channel = queue.Queue[tuple[Job[Told], BaseException | None]]
"""Who is ready, with the bug that ended it, if any."""


def run(jobs: Sequence[Job[Told]], clock: Clock) -> None:
    """Ask all of them at once, and come back when each has answered or run out of its time."""
    channel: _Channel[Told] = queue.Queue()
    for job in jobs:
        name = f"nhisync-{job.name}-{'-'.join(job.where)}"
        threading.Thread(target=_work, args=(job, channel), name=name, daemon=True).start()
    ends = {job: clock.monotonic() + job.budget.remaining + GRACE for job in jobs}
    try:
        while ends:
            _next(channel, ends, clock)
    except BaseException:
        for job in ends:
            job.leave()
        raise


def _next(channel: _Channel[Told], ends: dict[Job[Told], float], clock: Clock) -> None:
    """Wait for the next job that is ready, and leave those behind whose end has come; both go out of `ends`."""
    try:
        job, failure = channel.get(timeout=max(0.01, min(ends.values()) - clock.monotonic()))
    except queue.Empty:
        for late in [job for job, end in ends.items() if clock.monotonic() >= end]:
            del ends[late]
            late.leave()
        return
    ends.pop(job, None)
    if failure is not None:
        raise failure


def _work(job: Job[Told], channel: _Channel[Told]) -> None:
    failure: BaseException | None = None
    try:
        job.work()
    except BaseException as bug:  # noqa: BLE001 - handed to the main thread, which raises it
        failure = bug
    channel.put((job, failure))
