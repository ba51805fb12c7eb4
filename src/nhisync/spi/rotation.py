"""The steps of a rotation, which an adapter executes and never decides."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from nhisync.model import Item, Locator
from nhisync.spi.limits import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStep:
    """One provider call of a rotation, planned; see the rotation protocol of architecture.md law 7.

    Attributes:
        target: whose credential.
        action: the provider's own verb.
        operation: our operation id, embedded where the provider allows it.
        reversible: the undo exists and is possible now.
    """

    target: Locator
    action: str
    operation: str
    reversible: bool


@runtime_checkable
class Rotator(Protocol):
    """Executes single rotation steps through this side's own lifecycle, each re-entrant from observed state."""

    def execute(self, step: RotationStep, budget: Budget) -> Item:
        """Run one step on the mint client (no retries) and return the item as observed afterwards.

        Raises:
            ProviderError: `indeterminate` when the effect may have happened.
        """
        ...
