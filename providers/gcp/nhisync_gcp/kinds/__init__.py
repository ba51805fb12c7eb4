"""One collector per family of kinds; each answers for its kinds alone."""

from collections.abc import Callable, Iterator, Mapping

from nhisync.spi import Observation
from nhisync_gcp.kinds import account_keys, accounts, cas, certificates, secrets
from nhisync_gcp.run import Run

COLLECTORS: Mapping[str, Callable[[Run], Iterator[Observation]]] = {
    secrets.GLOBAL: secrets.collect_global,
    secrets.REGIONAL: secrets.collect_regional,
    accounts.KIND: accounts.collect,
    account_keys.KIND: account_keys.collect,
    certificates.KIND: certificates.collect,
    cas.KIND: cas.collect,
}
"""Kind → its collector."""
