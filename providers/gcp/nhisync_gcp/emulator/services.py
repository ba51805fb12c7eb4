"""Which methods a global and a regional endpoint serve."""

from nhisync_gcp.emulator import secret_reads
from nhisync_gcp.emulator.rpc import Rpc

GLOBAL: tuple[Rpc, ...] = (*secret_reads.METHODS,)
REGIONAL: tuple[Rpc, ...] = (*secret_reads.METHODS,)
