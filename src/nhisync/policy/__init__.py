"""Tiers, thresholds and waivers: what is demanded, as values (pure)."""

from nhisync.policy.builtin import BUILTIN
from nhisync.policy.tier import (
    Authorization,
    BlackoutLimits,
    ChainLimits,
    ConsumerLimits,
    Damping,
    Evaluate,
    Evidence,
    Expiry,
    Failback,
    LiveLimits,
    Lockstep,
    ProtectionLimits,
    RotationLimits,
    SessionLimits,
    Tier,
)
from nhisync.policy.waivers import Waivers

__all__ = [
    "BUILTIN",
    "Authorization",
    "BlackoutLimits",
    "ChainLimits",
    "ConsumerLimits",
    "Damping",
    "Evaluate",
    "Evidence",
    "Expiry",
    "Failback",
    "LiveLimits",
    "Lockstep",
    "ProtectionLimits",
    "RotationLimits",
    "SessionLimits",
    "Tier",
    "Waivers",
]
