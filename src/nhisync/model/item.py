"""What is known of one credential without its value: the facts adapters yield."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nhisync.model.chain import Chain
from nhisync.model.keyset import KeySet
from nhisync.model.locator import Locator
from nhisync.model.protection import Protection
from nhisync.model.words import CredentialState, Lifecycle, Precision, Presence


@dataclass(frozen=True, slots=True)
class Moment:
    """An aware instant and how exact it is."""

    at: datetime
    precision: Precision = Precision.EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFact:
    """Why something is not known; safe to store and print (never text of a value).

    Attributes:
        kind: the word of `spi.ErrorKind`.
        message: one sentence in our own words.
        action: the permission that was missing (``secretsmanager:DescribeSecret``), or "".
        resource: on what it was missing, in the provider's notation, or "".
        principal: as whom, or "".
        reason: the provider's reason in our words (``no identity-based policy allows it``), or "".
        request_id: the provider's own id of the failed call, or "".
        retry_after: how long the provider asked to wait, or None.
        fix: the next step for the reader, or "".
    """

    kind: str
    message: str
    action: str = ""
    resource: str = ""
    principal: str = ""
    reason: str = ""
    request_id: str = ""
    retry_after: timedelta | None = None
    fix: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something an identity needs in order to be read, issued, rotated or used.

    Attributes:
        kind: ``kms-key``, ``rotation-function``, ``issuer``, ``master-secret``, ``replica-source``, ``mount`` …
        id: the provider's own id.
        region: where it lives; None when the provider does not say.
        usable: whether it works now; None when that is not known.
        multi_region: whether it also exists outside `region` (a multi-Region KMS key); None = not known.
        detail: one short clause for a person, or "".
    """

    kind: str
    id: str
    region: str | None = None
    usable: bool | None = None
    multi_region: bool | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How the item is rotated on its own side.

    Attributes:
        enabled: whether the schedule runs; None = the provider has no schedule or does not say.
        interval: time between two rotations; None = none or not known.
        mechanism: ``lambda``, ``managed``, ``vault-database`` … or "".
        pending_since: when an unfinished rotation began; None = none is pending.
        pending_version: the unfinished version's own id, or None.
    """

    enabled: bool | None = None
    interval: timedelta | None = None
    mechanism: str = ""
    pending_since: datetime | None = None
    pending_version: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class PublicId:
    """A public identifier; the same one on both paths means the same credential.

    `scheme` is one of ``access-key-id``, ``spki-sha256``, ``issuer-serial``, ``role-id``, ``service-account``,
    ``login`` (``host/name``), ``token-accessor``, ``secret-version``, ``file``, ``resource`` (a cloud's own
    name of the item), ``cluster-id``. A scheme in `SHARED_TARGET_SCHEMES` means "both drive the same target".
    """

    scheme: str
    value: str


SHARED_TARGET_SCHEMES = frozenset({"login"})
"""Schemes whose equality means a shared target account rather than an equal credential."""

COPY_SCHEMES = frozenset(
    {
        *("access-key-id", "spki-sha256", "issuer-serial", "role-id"),
        *("secret-version", "service-account", "token-accessor", "file", "resource"),
    }
)
"""Schemes whose equality means that the very same credential stands on both paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One credential of one source, or a typed statement of why nothing is known of it.

    Attributes:
        locator: address without field.
        presence: what was learnt; everything below is only meaningful when PRESENT.
        observed_at: when the provider answered (aware, UTC).
        source_as_of: age of the provider's own source when it is older (credential report, standby); else None.
        error: why `presence` is no answer; None when it is one.
        provider_id: the provider's id (ARN, accessor …); never secret.
        region: the item's own region; None = that of its source.
        lifecycle: who rotates it on this side.
        state: NIST state of the current version; None = the provider knows no states.
        version: provider's id of the current version.
        created: creation of the item.
        rotated: creation of the current generation; None = never rotated since `created`.
        not_before: start of validity.
        expires: end of validity; None = it does not expire.
        last_used: last use seen by the provider.
        next_rotation: when the provider says it will rotate.
        rotation: schedule and unfinished rotation; None = the kind has neither.
        owner: owner tag; "" = the kind carries owners and none is set; None = the kind carries none.
        logical_name: ``nhisync:name`` tag or ``nhisync_name`` custom metadata, or None.
        fields: names of the fields of the value; None = not known without reading the value.
        ids: public identifiers.
        dependencies: what it needs.
        chain: certificate chain, for certificates and TLS endpoints.
        accepts: ``<id> <subject>`` of the roots of a trust bundle, sorted; None = it is none.
        key_set: what a published set of public keys tells; None = the item is none.
        exposure: who besides the owner can read it (``world-readable (0644)``), or "".
        protection: how it is guarded where it is kept; None = nobody told, or nobody asked.
        endless: why it can never end, although its provider issues ones that do, or "".
        marker: opaque; equal markers in two listings mean the detail need not be read again.
        attributes: further display facts, sorted by name.
    """

    locator: Locator
    observed_at: datetime
    presence: Presence = Presence.PRESENT
    source_as_of: datetime | None = None
    error: ErrorFact | None = None
    provider_id: str = ""
    region: str | None = None
    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    state: CredentialState | None = None
    version: str | None = None
    created: Moment | None = None
    rotated: Moment | None = None
    not_before: Moment | None = None
    expires: Moment | None = None
    last_used: Moment | None = None
    next_rotation: Moment | None = None
    rotation: Rotation | None = None
    owner: str | None = None
    logical_name: str | None = None
    fields: tuple[str, ...] | None = None
    ids: tuple[PublicId, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    chain: Chain | None = None
    accepts: tuple[str, ...] | None = None
    key_set: KeySet | None = None
    exposure: str = ""
    protection: Protection | None = None
    endless: str = ""
    marker: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
