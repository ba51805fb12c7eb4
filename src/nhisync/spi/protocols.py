"""What an adapter may offer. Small protocols; a class declares which of them it meets in `ProviderInfo.capabilities`.

Constructors do no IO. Adapters observe and execute; they never decide. Everything they raise is a `ProviderError`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from nhisync.clock import Clock, Randomness
from nhisync.model import Coverage, ErrorFact, Item, Locator
from nhisync.spi.files import expanded
from nhisync.spi.grants import GrantReader, SecondOpinion
from nhisync.spi.guarding import ProtectionReader
from nhisync.spi.limits import Budget
from nhisync.spi.permissions import PermissionDocument
from nhisync.spi.rotation import Rotator
from nhisync.spi.secret import SecretBytes
from nhisync.spi.settings import SourceSettings

SPI_VERSION = 1
"""Raised when a change here breaks an adapter; the registry refuses other versions."""


class Capability(StrEnum):
    """What a provider class can do; each word stands for one protocol below.

    ROTATE may be declared and is held by the conformance kit; no use case calls it yet (ADR 8).
    """

    INVENTORY = "inventory"
    IDENTIFY = "identify"
    FINGERPRINT = "fingerprint"
    PERMISSIONS = "permissions"
    EXAMINE = "examine"
    PROBE = "probe"
    ISSUE = "issue"
    PREVIOUS = "previous"
    GRANTS = "grants"
    OPINIONS = "opinions"
    PROTECTION = "protection"
    ROTATE = "rotate"


class AccessMode(StrEnum):
    """The permission modes of `nhisync permissions`."""

    READ = "read"
    FINGERPRINT = "fingerprint"
    PROBE = "probe"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindInfo:
    """One kind of item a provider inventories.

    Attributes:
        name: first segment of its locators.
        title: what it is, for a person.
        locator: an example locator without the source (``kv/secret/payments/stripe#api_key``).
        authoritative: a complete listing proves absence (False = the adapter confirms absences by a single read).
        valued: an item may hold a secret value of which no public id tells a copy; where it cannot be read, the value
            comparison is unknown. False = there is none to compare.
        check: what is wrong with the name of a locator as far as its text tells: raises ValueError with one sentence
            for the reader. Pure; asked when the configuration is loaded. None = every name may be right.
    """

    name: str
    title: str
    locator: str
    authoritative: bool = True
    valued: bool = True
    check: Callable[[str], object] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """A provider's declaration; checked against its class when it is loaded.

    Attributes:
        name: word used in ``provider:`` and as the extra's name.
        title: for a person.
        capabilities: which protocols the class meets.
        kinds: what it inventories.
        settings: its settings class.
        sdk_roots: import roots of its SDKs, so that a missing SDK is told apart from a bug in the adapter.
        spi_version: the SPI it was written for.
        examples: actions, in its own words, that a second opinion is asked about where a statement has a wildcard.
    """

    name: str
    title: str
    capabilities: frozenset[Capability]
    kinds: tuple[KindInfo, ...]
    settings: type[SourceSettings]
    sdk_roots: tuple[str, ...] = ()
    spi_version: int = SPI_VERSION
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """Where an adapter instance stands.

    Attributes:
        path: name of the path.
        source: name of the source inside the path.
        region: the source's region, or the path's, or None.
        base: folder against which relative files of the configuration are resolved.
        clock: the only time.
        randomness: the only randomness.
    """

    path: str
    source: str
    region: str | None
    base: Path
    clock: Clock
    randomness: Randomness

    def file(self, name: Path | str) -> Path:
        """`name` resolved against the configuration's folder; ``~`` is expanded."""
        return self.base / expanded(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The listing's marker equals the known one: the stored detail still holds.

    Attributes:
        locator: address of the item.
        observed_at: when the listing said so.
    """

    locator: Locator
    observed_at: datetime


Observation = Item | Unchanged | Coverage
"""What an inventory yields, in any order; rows go straight to the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRequest:
    """What one cycle wants of one source.

    Attributes:
        kinds: kinds to sweep; other kinds are only touched for `wanted`.
        wanted: items (without field) that pairs name. Each must be answered: PRESENT, ABSENT after an authoritative
            read, or a typed reason.
        prefixes: kind → literal name prefixes that templates need; a kind that is absent here is swept whole.
        known: wanted items whose detail is stored → their marker.
        budget: spend before every request.
        protection: also tell how items are guarded (`Item.protection`), with a few calls more for the whole source.
    """

    budget: Budget
    kinds: frozenset[str] = frozenset()
    wanted: tuple[Locator, ...] = ()
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Mapping[Locator, str] = field(default_factory=dict)
    protection: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """Who we are at a provider, and where.

    Attributes:
        authority: the realm that judges identities (``aws:111122223333``, ``vault:<cluster_id>/<namespace>``).
        principal: who we are there (role ARN, entity or display name).
        endpoint: host that answered.
        detail: version and the like, for a person.
        cluster: the one installation that answers, where all of it fails at once whoever asks (a Vault cluster's id);
            two paths on one are refused. "" = the provider has no such thing, or does not tell.
    """

    authority: str
    principal: str
    endpoint: str
    detail: str = ""
    cluster: str = ""


class CheckState(StrEnum):
    """Result of one doctor check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of `nhisync doctor`.

    Attributes:
        name: ``reachable`` (or ``reachable:<what>``: when all of them fail nothing can be asked there), ``tls``,
            ``clock``, ``identity``, ``permission:<action>`` …
        state: result.
        observed: what was seen.
        fix: the exact next step when not OK.
        error: the typed reason, when there is one.
    """

    name: str
    state: CheckState
    observed: str
    fix: str = ""
    error: ErrorFact | None = None


class FieldValue:
    """One field of one item with its value; exists only inside the short-lived comparing process."""

    __slots__ = ("field", "locator", "value")

    def __init__(self, locator: Locator, field: str, value: SecretBytes) -> None:
        self.locator, self.field, self.value = locator, field, value


@runtime_checkable
class Provider(Protocol):
    """What every provider class has."""

    info: ClassVar[ProviderInfo]

    def __init__(self, settings: Any, context: SourceContext) -> None:
        """Keep the arguments; no IO."""
        ...

    def close(self) -> None:
        """Release sockets; safe to call twice and from another thread."""
        ...


@runtime_checkable
class Inventory(Protocol):
    """Lists items by metadata; must be unable to read a value with the READ permission document."""

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield items, unchanged marks and one coverage entry per kind × scope.

        One denied, broken or odd item never ends the run: it is yielded with its typed reason.

        Raises:
            ProviderError: only when nothing at all could be asked (own credential refused, endpoint unreachable).
        """
        ...


@runtime_checkable
class Identifier(Protocol):
    """Says who and where we are, so that both paths cannot be one identity."""

    def identify(self, budget: Budget) -> SourceIdentity:
        """Ask the provider.

        Raises:
            ProviderError: the kind says why not.
        """
        ...


@runtime_checkable
class Fingerprinter(Protocol):
    """Reads values for the opt-in reuse comparison, only ever inside the comparing process."""

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield every field of every wanted item, or why it cannot be read."""
        ...


@runtime_checkable
class Permissions(Protocol):
    """Prints what it needs."""

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """Least privilege for exactly these items and swept kinds; no IO."""
        ...


@runtime_checkable
class Examiner(Protocol):
    """Looks at its own situation for `nhisync doctor`."""

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a live authentication showed, without the credential.

    Attributes:
        locator: whose credential was presented.
        depth: ``tcp``, ``tls``, ``auth`` or ``txn``.
        accepted: True, False, or None when the probe itself could not be made.
        seen_as: the identity the service saw, or "".
        observed_at: when.
        error: why it could not be made, or why it was refused.
    """

    locator: Locator
    depth: str
    accepted: bool | None
    observed_at: datetime
    seen_as: str = ""
    error: ErrorFact | None = None


@runtime_checkable
class Prober(Protocol):
    """Presents a stored credential to the service that judges it, with least harm."""

    def probe(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[ProbeResult]:
        """Yield one result per wanted item; changes nothing it does not undo."""
        ...


@runtime_checkable
class Issuer(Protocol):
    """Mints what its own lifecycle gives out for a short time; only ever inside the probing process.

    A token that will be gone in minutes proves nothing about a failover: that the backup's own issuer still mints one,
    and that the minted one is let in, does.
    """

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Mint one credential of `wanted` and yield its fields; `close` gives it back, or it soon ends by itself.

        Raises:
            ProviderError: UNSUPPORTED where this kind mints nothing or what is minted could not be given back.
        """
        ...


@runtime_checkable
class Predecessor(Protocol):
    """Reads what an item held before its last rotation, to see it refused; only ever inside the probing process."""

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Yield every field of the version before the current one.

        Raises:
            ProviderError: NOT_FOUND where the store has none any more, UNSUPPORTED for kinds that keep none.
        """
        ...


PROTOCOLS: Mapping[Capability, type] = {
    Capability.INVENTORY: Inventory,
    Capability.IDENTIFY: Identifier,
    Capability.FINGERPRINT: Fingerprinter,
    Capability.PERMISSIONS: Permissions,
    Capability.EXAMINE: Examiner,
    Capability.PROBE: Prober,
    Capability.ISSUE: Issuer,
    Capability.PREVIOUS: Predecessor,
    Capability.GRANTS: GrantReader,
    Capability.OPINIONS: SecondOpinion,
    Capability.PROTECTION: ProtectionReader,
    Capability.ROTATE: Rotator,
}
"""Which protocol a declared capability promises."""
