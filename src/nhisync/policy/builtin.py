"""The three built-in tiers. `policies/*.yaml` hold the same values for operators to edit; a test compares them.

Sources of the numbers: evaluate, failback and damping are the per-tier table of the readiness contract; damping uses
the terms of RFC 2439 with common BGP vendor defaults; certificate fractions follow the CA/Browser Forum's shortening
lifetimes (fractions, never fixed days).
"""

from datetime import timedelta

from nhisync.model import Severity
from nhisync.policy.tier import (
    Authorization,
    ChainLimits,
    Damping,
    Evaluate,
    Evidence,
    Expiry,
    Failback,
    LiveLimits,
    Lockstep,
    RotationLimits,
    Tier,
)

_S, _M, _H, _D = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))

CRITICAL = Tier(
    name="critical",
    evaluate=Evaluate(
        every=30 * _S, entry_max_age=90 * _S, stay_lease=15 * _M, rise=60 * _S, primary_baseline_max_age=12 * _H
    ),
    evidence=Evidence(inventory_max_age=90 * _S, shrink_share=0.2, compare_values=False),
    authorization=Authorization(compare=False, max_age=90 * _S),
    lockstep=Lockstep(max_lag=24 * _H, grace=24 * _H, max_cycles=2),
    rotation=RotationLimits(max_age=90 * _D, overdue_share=0.1, max_pending=6 * _H),
    expiry=Expiry(failover_window=48 * _H, block_fraction=1 / 6, warn_fraction=1 / 3),
    chain=ChainLimits(horizon=48 * _H, min_rsa_bits=2048, min_ec_bits=256),
    live=LiveLimits(min_depth="none", max_age=5 * _M, grace=60 * _S),
    failback=Failback(mode="approve", min_hold=15 * _M, stability=10 * _M, silent="closed"),
    damping=Damping(half_life=15 * _M, suppress=2000, reuse=750, max_suppress=60 * _M),
)
"""Money and safety: everything blocks."""

HIGH = Tier(
    name="high",
    evaluate=Evaluate(
        every=60 * _S, entry_max_age=180 * _S, stay_lease=30 * _M, rise=120 * _S, primary_baseline_max_age=24 * _H
    ),
    evidence=Evidence(inventory_max_age=180 * _S, shrink_share=0.2, compare_values=False),
    authorization=Authorization(compare=False, max_age=180 * _S),
    lockstep=Lockstep(max_lag=48 * _H, grace=48 * _H, max_cycles=2),
    rotation=RotationLimits(max_age=90 * _D, overdue_share=0.1, max_pending=12 * _H),
    expiry=Expiry(failover_window=24 * _H, block_fraction=1 / 6, warn_fraction=1 / 3),
    chain=ChainLimits(horizon=24 * _H, min_rsa_bits=2048, min_ec_bits=256),
    live=LiveLimits(min_depth="none", max_age=10 * _M, grace=2 * _M),
    failback=Failback(mode="auto", min_hold=10 * _M, stability=10 * _M, silent="closed"),
    damping=Damping(half_life=15 * _M, suppress=2000, reuse=750, max_suppress=60 * _M),
)
"""Customers notice: as critical, with more time."""

STANDARD = Tier(
    name="standard",
    evaluate=Evaluate(
        every=5 * _M, entry_max_age=15 * _M, stay_lease=60 * _M, rise=5 * _M, primary_baseline_max_age=48 * _H
    ),
    evidence=Evidence(inventory_max_age=15 * _M, shrink_share=0.3, compare_values=False),
    authorization=Authorization(compare=False, max_age=15 * _M),
    lockstep=Lockstep(max_lag=7 * _D, grace=7 * _D, max_cycles=3),
    rotation=RotationLimits(max_age=180 * _D, overdue_share=0.25, max_pending=24 * _H),
    expiry=Expiry(failover_window=12 * _H, block_fraction=1 / 12, warn_fraction=1 / 4),
    chain=ChainLimits(horizon=12 * _H, min_rsa_bits=2048, min_ec_bits=256),
    live=LiveLimits(min_depth="none", max_age=30 * _M, grace=5 * _M),
    failback=Failback(mode="auto", min_hold=5 * _M, stability=5 * _M, silent="open"),
    damping=Damping(half_life=10 * _M, suppress=3000, reuse=750, max_suppress=30 * _M),
    severities={
        "NHS203": Severity.WARNING,
        "NHS206": Severity.WARNING,
        "NHS208": Severity.WARNING,
        "NHS303": Severity.WARNING,
        "NHS405": Severity.WARNING,
        "NHS502": Severity.WARNING,
    },
)
"""Internal work: governance findings warn instead of blocking."""

BUILTIN = {tier.name: tier for tier in (CRITICAL, HIGH, STANDARD)}
"""Built-in tiers by name."""
