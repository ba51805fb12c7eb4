"""From findings to a verdict: permission, never a trigger (pure)."""

from nhisync.readiness.blackout import survival
from nhisync.readiness.fold import BLOCK_LIMIT, Tally, blocks, fold

__all__ = ["BLOCK_LIMIT", "Tally", "blocks", "fold", "survival"]
