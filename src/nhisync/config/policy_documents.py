"""Policy files as pydantic documents: the keys of `nhisync.policy.tier`, each optional, because a file overrides.

Null is not a value of a file: `nhisync.config.validation.refuse_empty` reports it, the JSON schema leaves it out.
"""

from typing import Annotated, Literal

from pydantic import Field

from nhisync.config.fields import Code, Fraction, PositiveSpan, Share, ShareBelowOne, Span, Strict, Word


class EvaluateDocument(Strict):
    """When the app is evaluated and how long an evaluation is believed."""

    every: PositiveSpan | None = Field(default=None, description="Cadence of the sync job.")
    entry_max_age: PositiveSpan | None = Field(
        default=None, description="A verdict older than this never lets traffic in; at least twice `every`."
    )
    stay_lease: PositiveSpan | None = Field(
        default=None, description="How long a serving backup may stay on ignorance alone."
    )
    rise: Span | None = Field(default=None, description="How long a backup must be ready before the signal says so.")
    primary_baseline_max_age: PositiveSpan | None = Field(
        default=None, description="How long the primary's last complete snapshot stays the reference in an outage."
    )


class EvidenceDocument(Strict):
    """How old evidence may be, and when a sweep is not believed."""

    inventory_max_age: PositiveSpan | None = Field(default=None, description="An observation older than this is stale.")
    shrink_share: ShareBelowOne | None = Field(
        default=None, description="A sweep that lost more than this share of its items is not believed."
    )
    compare_values: bool | None = Field(
        default=None, description="Compare values for reuse; reads them in a short-lived child process."
    )


class AuthorizationDocument(Strict):
    """Whether both identities of a pair must be allowed the same."""

    compare: bool | None = Field(
        default=None, description="Read and compare the rights of both identities; needs permissions of its own."
    )
    max_age: PositiveSpan | None = Field(
        default=None, description="What is known of the backup's rights may be this old."
    )
    second_opinion: bool | None = Field(
        default=None, description="Also ask the services what they would allow, where they have such a question."
    )


class LockstepDocument(Strict):
    """How closely the generations of both sides follow each other."""

    max_lag: PositiveSpan | None = Field(
        default=None, description="The other side's generation may be this much older."
    )
    grace: Span | None = Field(default=None, description="Time the lagging side has after the leading side rotated.")
    max_cycles: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most rotations of the leading side that the lagging one may miss."
    )


class RotationDocument(Strict):
    """What counts as an active lifecycle."""

    max_age: PositiveSpan | None = Field(default=None, description="The current generation may be this old.")
    overdue_share: Share | None = Field(
        default=None, description="Part of the interval that a scheduled rotation may be late."
    )
    max_pending: PositiveSpan | None = Field(default=None, description="An unfinished rotation may last this long.")


class ExpiryDocument(Strict):
    """How much validity must be left."""

    failover_window: PositiveSpan | None = Field(
        default=None, description="Longest expected outage plus the stay; nothing may expire inside it."
    )
    block_fraction: Fraction | None = Field(
        default=None, description="A credential with less than this share of its lifetime left blocks."
    )
    warn_fraction: Fraction | None = Field(
        default=None, description="With less than this share left it warns; at least `block_fraction`."
    )


class ChainDocument(Strict):
    """What a certificate chain must offer."""

    horizon: PositiveSpan | None = Field(default=None, description="No certificate of the chain may end inside it.")
    min_rsa_bits: Annotated[int, Field(ge=1024)] | None = Field(
        default=None, description="Smallest RSA or DSA modulus, bits."
    )
    min_ec_bits: Annotated[int, Field(ge=160)] | None = Field(
        default=None, description="Smallest elliptic curve, bits."
    )


class BlackoutDocument(Strict):
    """How long the backup has to live without its issuers, rotators and identity providers."""

    ask: bool | None = Field(
        default=None, description="Ask for it; an end that is not known then blocks. No built-in tier asks."
    )
    rto: Span | None = Field(
        default=None, description="Longest time until issuers and identity providers are back; needed by `ask`."
    )
    longest_stay: Span | None = Field(
        default=None, description="Longest time the traffic then stays on the backup; at least `evaluate.stay_lease`."
    )
    margin: Span | None = Field(default=None, description="What is added for safety.")


class SessionsDocument(Strict):
    """Whether sessions must be seen to survive a switch."""

    ask: bool | None = Field(
        default=None,
        description="Every app needs a pair of kind signing-key, or declares its sessions lost. No built-in tier asks.",
    )


class ProtectionDocument(Strict):
    """Whether the backup must be guarded as the primary is."""

    key: bool | None = Field(
        default=None,
        description="The backup's encryption key may not be weaker than the primary's; unknown blocks. No built-in "
        "tier asks.",
    )
    audit: bool | None = Field(
        default=None,
        description="Reads of the backup must be recorded where the primary's are; unknown blocks. No built-in tier "
        "asks.",
    )


class LiveDocument(Strict):
    """What live authentication must prove."""

    min_depth: Literal["none", "tls", "auth", "txn"] | None = Field(
        default=None,
        description="How deep every pair must be proven: `none` asks nothing, an open port alone is never enough.",
    )
    max_age: PositiveSpan | None = Field(
        default=None, description="A result older than this proves nothing; probes are repeated at half of it."
    )
    grace: Span | None = Field(
        default=None, description="How long after a rotation a refusal may still be propagation."
    )
    previous_refused: bool | None = Field(
        default=None, description="Present what a rotation replaced, too: its service must refuse it."
    )
    overlap: Span | None = Field(
        default=None, description="How long after a rotation both may be good; until then nothing old is presented."
    )


class ConsumersLimitsDocument(Strict):
    """Whether running workloads must have loaded the current generation."""

    ask: Literal["none", "named", "all"] | None = Field(
        default=None,
        description="`named` asks about the consumers that pairs name, `all` also wants every pair to name them. No "
        "built-in tier asks.",
    )
    max_age: PositiveSpan | None = Field(
        default=None, description="What a consumer was seen with proves nothing when it is older."
    )
    grace: Span | None = Field(
        default=None, description="How long after a rotation a consumer may still hold an earlier generation."
    )


class FailbackDocument(Strict):
    """When traffic may return."""

    mode: Literal["approve", "auto"] | None = Field(default=None, description="`approve` needs a person.")
    min_hold: Span | None = Field(default=None, description="Shortest stay on the backup.")
    stability: Span | None = Field(default=None, description="How long the primary must have been good.")
    silent: Literal["closed", "open"] | None = Field(
        default=None, description="What controllers do while nhisync is silent: block, or look at the app alone."
    )


class DampingDocument(Strict):
    """Flap penalty in the terms of RFC 2439; a failover adds 1000."""

    half_life: PositiveSpan | None = Field(default=None, description="Time in which the penalty halves.")
    suppress: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Penalty above which failback is suppressed."
    )
    reuse: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Penalty below which it is allowed again."
    )
    max_suppress: PositiveSpan | None = Field(default=None, description="Longest suppression.")


class PolicyDocument(Strict):
    """What one criticality tier demands. Values that a file leaves out come from the tier it inherits."""

    version: Literal[1] = Field(description="Version of this format.")
    tier: Word = Field(description="Name of the tier; equals the name of the file.", examples=["critical"])
    inherits: Word | None = Field(
        default=None, description="Tier that fills the gaps; a built-in tier fills its own gaps without it."
    )
    evaluate: EvaluateDocument = Field(default=EvaluateDocument(), description="Cadence and belief.")
    evidence: EvidenceDocument = Field(default=EvidenceDocument(), description="Age and completeness.")
    authorization: AuthorizationDocument = Field(default=AuthorizationDocument(), description="Rights of both sides.")
    lockstep: LockstepDocument = Field(default=LockstepDocument(), description="How closely both sides rotate.")
    rotation: RotationDocument = Field(default=RotationDocument(), description="What counts as an active lifecycle.")
    expiry: ExpiryDocument = Field(default=ExpiryDocument(), description="How much validity must be left.")
    chain: ChainDocument = Field(default=ChainDocument(), description="What a certificate chain must offer.")
    blackout: BlackoutDocument = Field(default=BlackoutDocument(), description="Life without issuers.")
    sessions: SessionsDocument = Field(default=SessionsDocument(), description="Sessions across a switch.")
    protection: ProtectionDocument = Field(
        default=ProtectionDocument(), description="Encryption keys and records of reads."
    )
    live: LiveDocument = Field(default=LiveDocument(), description="What live authentication must prove.")
    consumers: ConsumersLimitsDocument = Field(
        default=ConsumersLimitsDocument(), description="What running workloads must have loaded."
    )
    failback: FailbackDocument = Field(default=FailbackDocument(), description="When traffic may return.")
    damping: DampingDocument = Field(default=DampingDocument(), description="Flap penalty.")
    severities: dict[Code, Literal["error", "warning", "info"]] = Field(
        default={}, description="Rule code → severity, where it differs from the rule's own."
    )
    attestations: dict[Word, PositiveSpan] = Field(
        default={},
        description="Kind of attestation that must be there (`nhisync attest`) → how long one counts. Missing or "
        "older: unknown, so not ready.",
        examples=[{"capacity-test": "90d", "patch-level": "7d", "data-lag": "15m"}],
    )
    off: list[Code] = Field(default=[], description="Rule codes this tier does not ask.")
