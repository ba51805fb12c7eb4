"""What one criticality tier demands; frozen values, read from ``policies/<tier>.yaml`` by `nhisync.config`.

The numbers of the built-in tiers are those of the readiness contract (per-tier table): three evaluations fit into
`entry_max_age`, and expiry horizons cover the stay lease plus the longest outage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from nhisync.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """When the app is evaluated and how long an evaluation is believed.

    Attributes:
        every: cadence of the sync job.
        entry_max_age: a verdict older than this never lets traffic in.
        stay_lease: how long a serving backup may stay on ignorance alone.
        rise: how long a backup must be ready before the signal says so.
        primary_baseline_max_age: how long the primary's last complete snapshot stays the reference in an outage.
    """

    every: timedelta
    entry_max_age: timedelta
    stay_lease: timedelta
    rise: timedelta
    primary_baseline_max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How old evidence may be, and when a sweep is not believed (R5, R6).

    Attributes:
        inventory_max_age: an observation older than this is stale.
        shrink_share: a sweep that lost more than this share of its items (0..1) is not believed.
        compare_values: whether values are compared for reuse (opt-in; reads values in a child process).
    """

    inventory_max_age: timedelta
    shrink_share: float
    compare_values: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Whether both identities of a pair must be allowed the same (R20).

    Attributes:
        compare: whether rights are read and compared (opt-in; needs permissions of its own).
        max_age: what is known of the backup's rights may be this old; the primary's as old as its baseline.
        second_opinion: whether the services themselves are asked, too, where they have an opinion (opt-in).
    """

    compare: bool
    max_age: timedelta
    second_opinion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockstep:
    """How closely the generations of both sides follow each other (R29).

    Attributes:
        max_lag: the other side's generation may be this much older.
        grace: time the lagging side has after the leading side rotated.
        max_cycles: the most rotations of the leading side that the lagging one may miss.
    """

    max_lag: timedelta
    grace: timedelta
    max_cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationLimits:
    """What counts as an active lifecycle (R41).

    Attributes:
        max_age: the current generation may be this old.
        overdue_share: part of the interval that a scheduled rotation may be late (0..1).
        max_pending: an unfinished rotation may last this long.
    """

    max_age: timedelta
    overdue_share: float
    max_pending: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """How much validity must be left.

    Attributes:
        failover_window: the longest expected outage plus the stay; nothing may expire inside it.
        block_fraction: a credential with less than this share of its lifetime left blocks (0..1).
        warn_fraction: with less than this share left it warns (0..1).
    """

    failover_window: timedelta
    block_fraction: float
    warn_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLimits:
    """What a certificate chain must offer.

    Attributes:
        horizon: no certificate of the chain may end inside it.
        min_rsa_bits: smallest RSA or DSA modulus.
        min_ec_bits: smallest elliptic curve.
    """

    horizon: timedelta
    min_rsa_bits: int
    min_ec_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackoutLimits:
    """How long the backup has to live without its issuers, rotators and identity providers; not asked by default.

    Attributes:
        ask: whether the tier asks; an end that is not known is then unknown, and blocks.
        rto: longest time until issuers and identity providers are back (recovery time objective).
        longest_stay: longest time the traffic then stays on the backup.
        margin: what is added for safety.
    """

    ask: bool = False
    rto: timedelta = timedelta(0)
    longest_stay: timedelta = timedelta(0)
    margin: timedelta = timedelta(0)

    @property
    def required(self) -> timedelta | None:
        """The shortest horizon that is enough, or None when the tier does not ask."""
        return self.rto + self.longest_stay + self.margin if self.ask else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Whether sessions must be seen to survive a switch (R38); not asked by default.

    Attributes:
        ask: whether an app needs a pair that shows it, or the declaration that its sessions are lost.
    """

    ask: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionLimits:
    """Whether the backup must be guarded as the primary is (R33); not asked by default.

    Attributes:
        key: whether the key that encrypts an item may not be weaker than the primary's; unknown blocks.
        audit: whether reads must be recorded where the primary's are; unknown blocks.
    """

    key: bool = False
    audit: bool = False

    @property
    def asked(self) -> bool:
        """Whether the tier asks at all."""
        return self.key or self.audit


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """What live authentication must prove (R17, R22).

    Attributes:
        min_depth: ``none`` (nothing is asked), ``tls``, ``auth`` or ``txn``; an open port alone is never enough.
        max_age: a result older than this proves nothing; probes are repeated at half of it.
        grace: how long after a rotation a refusal may still be propagation.
        previous_refused: whether what a rotation replaced is presented too, and must be refused (opt-in).
        overlap: how long after a rotation both may be good; until then nothing old is presented.
    """

    min_depth: str
    max_age: timedelta
    grace: timedelta
    previous_refused: bool = False
    overlap: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerLimits:
    """Whether running workloads must have loaded the current generation; not asked by default.

    Attributes:
        ask: ``none``, ``named`` (consumers that pairs name) or ``all`` (a pair that names none is then unknown).
        max_age: what a consumer was seen with proves nothing when it is older; probes are repeated at half of it.
        grace: how long after a rotation a consumer may still hold an earlier generation.
    """

    ask: str = "none"
    max_age: timedelta = timedelta(hours=1)
    grace: timedelta = timedelta(hours=1)

    @property
    def asked(self) -> bool:
        """Whether the tier asks at all."""
        return self.ask != "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failback:
    """When traffic may return (used by the readiness machine).

    Attributes:
        mode: ``approve`` needs a person, ``auto`` does not.
        min_hold: shortest stay on the backup.
        stability: how long the primary must have been good.
        silent: ``closed`` or ``open``: what controllers do while nhisync is silent.
    """

    mode: str
    min_hold: timedelta
    stability: timedelta
    silent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Damping:
    """Flap penalty in the terms of RFC 2439.

    Attributes:
        half_life: time in which the penalty halves.
        suppress: penalty above which failback is suppressed.
        reuse: penalty below which it is allowed again.
        max_suppress: longest suppression.
    """

    half_life: timedelta
    suppress: int
    reuse: int
    max_suppress: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The effective policy of one criticality tier.

    Attributes:
        name: ``critical``, ``high``, ``standard`` or an operator's own.
        severities: rule code → severity, where it differs from the rule's default.
        off: rule codes this tier does not ask.
        attestations: kind of attestation this tier asks for → how long one counts (R2, R19, R23, R24, R38).
        origins: dotted key → where its value came from (``policies/critical.yaml:7`` or ``built-in``).
        digest: ``sha256:…`` over the canonical effective values.
    """

    name: str
    evaluate: Evaluate
    evidence: Evidence
    authorization: Authorization
    lockstep: Lockstep
    rotation: RotationLimits
    expiry: Expiry
    chain: ChainLimits
    live: LiveLimits
    failback: Failback
    damping: Damping
    blackout: BlackoutLimits = BlackoutLimits()
    sessions: SessionLimits = SessionLimits()
    consumers: ConsumerLimits = ConsumerLimits()
    protection: ProtectionLimits = ProtectionLimits()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    attestations: Mapping[str, timedelta] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
