"""A workload, asked which generation of a credential it has loaded: one GET without any credential.

What it says is a version id of the store and nothing else: the member is bounded, and whoever asks keeps it only where
the store has shown that id (a workload that answers with the value itself is thus told by nobody).
"""

from nhisync.probes.exchange import Request, exchange, member_of, resource_of, unexpected
from nhisync.probes.order import Order, Patience, Presented, Shown, nobody_judges
from nhisync.spi import ErrorKind, ProviderError

LONGEST = 200
"""Characters of a generation; a longer text is none."""


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask; the generation is what was `seen_as`.

    Raises:
        ProviderError: the workload cannot be asked, or what it says is no generation.
    """
    del presented
    answer = exchange(order, Request(resource_of(order.target)), patience)
    if answer.status not in order.expect:
        return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))
    told = member_of(answer.body, order.seen_as)
    if not told:
        return nobody_judges(order.floor, "the workload's answer lacks the member that holds the generation")
    if len(told) > LONGEST or not told.isprintable():
        raise ProviderError(ErrorKind.MALFORMED, "what the workload says is no version id")
    return Shown(depth=order.floor, accepted=True, seen_as=told)
