"""From findings to a verdict: permission, never a trigger (pure)."""

from nhisync.readiness.attested import SKEW, Attested, attested
from nhisync.readiness.blackout import survival
from nhisync.readiness.fold import BLOCK_LIMIT, Tally, blocks, fold
from nhisync.readiness.own import Own, closed_by, covering, unfit

__all__ = [
    "BLOCK_LIMIT",
    "SKEW",
    "Attested",
    "Own",
    "Tally",
    "attested",
    "blocks",
    "closed_by",
    "covering",
    "fold",
    "survival",
    "unfit",
]
