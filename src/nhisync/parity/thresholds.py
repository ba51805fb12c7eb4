"""A tier's numbers in the unit of rows (whole seconds), computed once per tier and run."""

from dataclasses import dataclass

from nhisync.parity.proof import depth_of
from nhisync.policy import Tier

DOUBTED = "NHS506"
"""The rule without which documents count, whatever contradicts them."""

COMPARED = "NHS401"
"""The rule without which values are not compared, whatever the tier says of comparing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """See `nhisync.policy.tier` for the meaning of each number; spans are seconds, shares 0..1, depths are rungs.

    `first_fraction` is the greater one of `block_fraction` and `warn_fraction`: below it nothing need be said.
    `blackout` is the horizon that the tier requires without issuers, None when it does not ask.
    `documents_doubted` says whether rights conclude nothing where their service or a live probe contradicts them.
    `consumers_all` says whether a pair that does not name its consumers is unknown.
    `guarded_key` and `guarded_audit` say what is asked of how items are guarded.
    """

    inventory_max_age: int
    primary_baseline_max_age: int
    compare_rights: bool
    rights_max_age: int
    second_opinion: bool
    documents_doubted: bool
    max_lag: int
    grace: int
    max_cycles: int
    rotation_max_age: int
    overdue_share: float
    max_pending: int
    failover_window: int
    block_fraction: float
    warn_fraction: float
    first_fraction: float
    chain_horizon: int
    min_rsa_bits: int
    min_ec_bits: int
    compare_values: bool = False
    blackout: int | None = None
    guarded_key: bool = False
    guarded_audit: bool = False
    live_depth: int
    live_max_age: int
    live_grace: int
    consumers_all: bool
    consumers_max_age: int
    consumers_grace: int
    previous_refused: bool
    overlap: int


def thresholds_of(tier: Tier) -> Thresholds:
    """Flatten `tier`."""
    blackout = tier.blackout.required
    return Thresholds(
        inventory_max_age=int(tier.evidence.inventory_max_age.total_seconds()),
        primary_baseline_max_age=int(tier.evaluate.primary_baseline_max_age.total_seconds()),
        compare_values=tier.evidence.compare_values and COMPARED not in tier.off,
        compare_rights=tier.authorization.compare,
        rights_max_age=int(tier.authorization.max_age.total_seconds()),
        second_opinion=tier.authorization.second_opinion,
        documents_doubted=DOUBTED not in tier.off,
        max_lag=int(tier.lockstep.max_lag.total_seconds()),
        grace=int(tier.lockstep.grace.total_seconds()),
        max_cycles=tier.lockstep.max_cycles,
        rotation_max_age=int(tier.rotation.max_age.total_seconds()),
        overdue_share=tier.rotation.overdue_share,
        max_pending=int(tier.rotation.max_pending.total_seconds()),
        failover_window=int(tier.expiry.failover_window.total_seconds()),
        block_fraction=tier.expiry.block_fraction,
        warn_fraction=tier.expiry.warn_fraction,
        first_fraction=max(tier.expiry.block_fraction, tier.expiry.warn_fraction),
        chain_horizon=int(tier.chain.horizon.total_seconds()),
        min_rsa_bits=tier.chain.min_rsa_bits,
        min_ec_bits=tier.chain.min_ec_bits,
        blackout=None if blackout is None else int(blackout.total_seconds()),
        live_depth=depth_of(tier.live.min_depth),
        live_max_age=int(tier.live.max_age.total_seconds()),
        live_grace=int(tier.live.grace.total_seconds()),
        guarded_key=tier.protection.key,
        guarded_audit=tier.protection.audit,
        consumers_all=tier.consumers.ask == "all",
        consumers_max_age=int(tier.consumers.max_age.total_seconds()),
        consumers_grace=int(tier.consumers.grace.total_seconds()),
        previous_refused=tier.live.previous_refused,
        overlap=int(tier.live.overlap.total_seconds()),
    )
