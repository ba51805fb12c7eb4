"""The lowest rung: somebody listens. It proves no credential, and no policy lets it pass (R17)."""

from nhisync.probes.order import Order, Patience, Presented, Shown
from nhisync.probes.wire import connect, place


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Connect and leave.

    Raises:
        ProviderError: nobody answers.
    """
    del presented
    connect(*place(order.target), patience).close()
    return Shown(depth="tcp", accepted=True)
