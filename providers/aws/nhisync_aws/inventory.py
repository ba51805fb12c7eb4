"""All kinds of one run at once, each in its own thread, so that one slow service costs only its own answers."""

from collections.abc import Iterator
from functools import partial

from nhisync.spi import ErrorKind, Observation, ProviderError
from nhisync.spi.fanout import merged
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors import COLLECTORS
from nhisync_aws.guarding import stream
from nhisync_aws.run import Run


def observe(run: Run) -> Iterator[Observation]:
    """Yield what the collectors of the kinds that were asked for find, as it comes."""
    kinds = frozenset(kind for kind in COLLECTORS if run.touched(kind))
    found = merged([partial(collect, run) for kind, collect in COLLECTORS.items() if kind in kinds])
    yield from stream(run, found, kinds)
    yield from run.shortfalls()
    yield from _unsupported(run)


def _unsupported(run: Run) -> Iterator[Observation]:
    """Kinds that this provider does not inventory are answered too."""
    request = run.request
    for kind in sorted((request.kinds | {locator.kind for locator in request.wanted}) - COLLECTORS.keys()):
        error = ProviderError(
            ErrorKind.UNSUPPORTED,
            f"the aws provider has no kind {kind}",
            fix=f"Its kinds: {', '.join(COLLECTORS)}.",
        )
        sweep = Sweep()
        sweep.error = error
        if run.swept(kind):
            yield run.coverage(kind, sweep, authoritative=False)
        yield from (run.failed(locator, error) for locator in run.wanted(kind).values())
