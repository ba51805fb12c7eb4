"""All sources of a cycle at once: a thread each, one writer, and an end that does not depend on anybody's goodwill."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nhisync.clock import Clock
from nhisync.collect.sink import Sink
from nhisync.collect.source import Emitted, SourcePlan, SourceRun
from nhisync.model import Coverage, CoverageStatus, ErrorFact, Presence, SourceSummary
from nhisync.parity.row import Row, unanswered
from nhisync.spi import Budget, ErrorKind, Provider, SourceIdentity, Unchanged

BATCH = 500
"""Rows handed to the sink at once."""

GRACE = 5.0
"""Seconds a source may overrun its deadline before its thread is left behind."""

LATE = "the source did not finish within its deadline"
"""Why nothing is known of what a source owed that was left behind."""

_IGNORANCE = frozenset({Presence.UNREACHABLE.value, Presence.THROTTLED.value})

Progress = Callable[[str, str], None]
"""(path/source, what is happening) for a person."""


def silent(_where: str, _what: str) -> None:
    """No progress display."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What one cycle brought.

    Attributes:
        sources: path → one summary per source.
        identities: (path, source) → who we were there.
        coverage: path → its coverage entries.
    """

    sources: dict[str, tuple[SourceSummary, ...]]
    identities: dict[tuple[str, str], SourceIdentity]
    coverage: dict[str, tuple[Coverage, ...]]


class _Done:
    """The end of one source's stream, with the bug that ended it, if any."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


_Channel = queue.Queue[tuple[int, Emitted | _Done]]


class _Writer:
    """Batches what comes in for one path by what must be done with it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rows: list[Row] = []
        self._ignorance: list[Row] = []
        self._unchanged: dict[datetime, list[str]] = {}
        self._waiting = 0

    def take(self, emitted: Emitted) -> None:
        if isinstance(emitted, Coverage):
            self._sink.cover(emitted)
        elif isinstance(emitted, Unchanged):
            self._touch(emitted)
        elif emitted.presence in _IGNORANCE:
            self._ignorance.append(emitted)
        else:
            self._rows.append(emitted)
            if len(self._rows) >= BATCH:
                self._sink.put(self._rows)
                self._rows = []

    def flush(self) -> None:
        self._settle()
        self._sink.put(self._rows)
        self._sink.keep(self._ignorance)
        self._rows, self._ignorance = [], []

    def _touch(self, seen: Unchanged) -> None:
        """Wait for others of the same second, which is as exact as rows are: a commit for each item costs its fsync."""
        self._unchanged.setdefault(seen.observed_at.replace(microsecond=0), []).append(str(seen.locator))
        self._waiting += 1
        if self._waiting >= BATCH:
            self._settle()

    def _settle(self) -> None:
        for second, locators in self._unchanged.items():
            self._sink.touch(locators, second)
        self._unchanged, self._waiting = {}, 0


def collect(
    plans: Sequence[SourcePlan], sinks: Mapping[str, Sink], clock: Clock, progress: Progress = silent
) -> Collected:
    """Run all `plans` in parallel and write what they bring to the sinks of their paths from this thread.

    A source that hangs beyond its deadline is left behind: what it owes becomes THROTTLED ignorance. A bug in an
    adapter is raised here, not swallowed.
    """
    channel: _Channel = queue.Queue(maxsize=8 * BATCH)
    runs = [SourceRun(plan, clock) for plan in plans]
    for index, run in enumerate(runs):
        threading.Thread(
            target=_work, args=(index, run, channel), name=f"nhisync-{run.plan.path}-{run.plan.name}", daemon=True
        ).start()
        progress(f"{run.plan.path}/{run.plan.name}", "reading")
    try:
        for sink in sinks.values():
            sink.put(())  # one that has to get ready does so now, while the sources wait for their first answers
        coverage = _drain(runs, channel, {path: _Writer(sink) for path, sink in sinks.items()}, progress)
    except BaseException:
        _stop(runs)
        raise
    return Collected(
        sources={path: tuple(run.summary() for run in runs if run.plan.path == path) for path in sinks},
        identities={(r.plan.path, r.plan.name): r.identity for r in runs if r.identity is not None},
        coverage={path: tuple(entries) for path, entries in coverage.items()},
    )


def _work(index: int, run: SourceRun, channel: _Channel) -> None:
    failure: BaseException | None = None
    try:
        try:
            for emitted in run.stream():
                channel.put((index, emitted), timeout=4 * GRACE)
        finally:
            run.plan.provider.close()
    except queue.Full:
        return  # the writer left this source behind
    except BaseException as bug:  # noqa: BLE001 - handed to the main thread, which raises it
        failure = bug
    channel.put((index, _Done(failure)))


def _drain(
    runs: list[SourceRun], channel: _Channel, writers: dict[str, _Writer], progress: Progress
) -> dict[str, list[Coverage]]:
    open_runs = dict(enumerate(runs))
    ends = {i: run.clock.monotonic() + run.plan.budget.remaining + GRACE for i, run in open_runs.items()}
    coverage: dict[str, list[Coverage]] = {path: [] for path in writers}
    while open_runs:
        index, emitted = _next(channel, min(ends[i] - run.clock.monotonic() for i, run in open_runs.items()))
        if index in open_runs and isinstance(emitted, _Done):
            run = open_runs.pop(index)
            if emitted.failure is not None:
                raise emitted.failure
            progress(f"{run.plan.path}/{run.plan.name}", "done")
        elif index in open_runs and emitted is not None and not isinstance(emitted, _Done):
            path = open_runs[index].plan.path
            if isinstance(emitted, Coverage):
                coverage[path].append(emitted)
            writers[path].take(emitted)
        late = [open_runs.pop(i) for i in [*open_runs] if open_runs[i].clock.monotonic() >= ends[i]]
        _stop(late)
        for run in late:
            coverage[run.plan.path].extend(_owed(run, writers[run.plan.path]))
    for writer in writers.values():
        writer.flush()
    return coverage


def _next(channel: _Channel, seconds: float) -> tuple[int, Emitted | _Done | None]:
    """The next thing any source said, or ``(-1, None)`` when nobody spoke for `seconds`."""
    try:
        return channel.get(timeout=max(0.01, seconds))
    except queue.Empty:
        return -1, None


class Leaving:
    """Cancels a source's cycle and closes its provider, which may itself wait for a thread that hangs.

    Args:
        budget: of the source.
        provider: whose close may hang.
        name: of the closing thread.
    """

    def __init__(self, budget: Budget, provider: Provider, name: str) -> None:
        self._provider, self._failures = provider, list[BaseException]()
        budget.cancel()
        self._thread = threading.Thread(target=self._close, name=name, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait at most `seconds` for the end of the close; raises what it raised."""
        self._thread.join(seconds)
        if self._failures:
            raise self._failures[0]

    def _close(self) -> None:
        try:
            self._provider.close()
        except BaseException as bug:  # noqa: BLE001 - raised in the thread that waits
            self._failures.append(bug)


def _stop(runs: Sequence[SourceRun]) -> None:
    """Leave all of `runs` at once: several that hang must not be waited for one after the other."""
    leaving = [
        Leaving(run.plan.budget, run.plan.provider, f"nhisync-close-{run.plan.path}-{run.plan.name}") for run in runs
    ]
    end = runs[0].clock.monotonic() + GRACE if runs else 0.0
    for run, one in zip(runs, leaving, strict=True):
        one.wait(max(0.0, end - run.clock.monotonic()))


def _owed(run: SourceRun, writer: _Writer) -> list[Coverage]:
    """What a source that was left behind still owes is not known."""
    now = run.clock.now()
    run.error = ErrorFact(kind=ErrorKind.THROTTLED.value, message=LATE)
    lost = [
        Coverage(source=run.plan.name, kind=kind, scope="", status=CoverageStatus.THROTTLED, as_of=now, error=run.error)
        for kind in sorted(run.plan.kinds | {w.kind for w in run.plan.wanted})
    ]
    for entry in lost:
        writer.take(entry)
    for key in (key for locator in run.plan.wanted for key in run.plan.pairing.keys_of(locator)):
        locator = run.plan.pairing.expected(key)
        writer.take(unanswered(key, str(locator), Presence.THROTTLED, run.error, now))
    return lost
