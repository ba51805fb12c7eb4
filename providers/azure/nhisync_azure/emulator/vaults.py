"""The state of one Key Vault: settings, access, and three shelves of versioned objects.

Semantics: a name's current version is the newest, whatever its state; deletion moves the whole name to the deleted
shelf where it blocks the name until it is recovered or purged (learn.microsoft.com/azure/key-vault/general).
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from cryptography import x509

from nhisync_azure.emulator.material import KeyShape, PrivateKey


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a secret, key or certificate.

    Attributes:
        id: 32 hex digits.
        created: when this version was made.
        updated: last change of its attributes or tags.
        managed: it belongs to the certificate of the same name.
        previous: version this one replaced, for versions that belong to certificates.
    """

    id: str
    created: datetime
    updated: datetime
    enabled: bool = True
    not_before: datetime | None = None
    expires: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)
    managed: bool = False
    previous: str | None = None


@dataclass(slots=True, kw_only=True)
class KeyVersion(Version):
    """A key's version."""

    shape: KeyShape
    key: PrivateKey = field(repr=False)
    operations: tuple[str, ...] = ()
    exportable: bool = False


@dataclass(slots=True, kw_only=True)
class CertificateVersion(Version):
    """A certificate's version with its private key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()


@dataclass(slots=True, kw_only=True)
class SecretVersion(Version):
    """A secret's version; the value is never shown by repr.

    Attributes:
        certificate: what the value is made of when the secret belongs to a certificate.
    """

    value: str = field(repr=False)
    content_type: str | None = None
    certificate: CertificateVersion | None = None


V = TypeVar("V", bound=Version)


@dataclass(slots=True, kw_only=True)
class Deletion:
    """When a name was deleted, when it goes for good, and how many reads of it still answer 404."""

    at: datetime
    purge_at: datetime
    hidden: int = 0


@dataclass(slots=True, kw_only=True)
class Entry(Generic[V]):
    """One name with all its versions, oldest first."""

    name: str
    versions: list[V]
    deletion: Deletion | None = None
    hidden: int = 0

    @property
    def newest(self) -> V:
        """The current version: the newest, enabled or not."""
        return self.versions[-1]

    def version(self, version: str) -> V | None:
        """A version by id; "" = the newest."""
        if not version:
            return self.newest
        return next((one for one in reversed(self.versions) if one.id == version), None)


class Shelf(Generic[V]):
    """All names of one kind, living and deleted, in the order of their names."""

    def __init__(self) -> None:
        self._living: dict[str, Entry[V]] = {}
        self._order: list[str] = []
        self.deleted: dict[str, Entry[V]] = {}

    def get(self, name: str) -> Entry[V] | None:
        """The living entry; names are looked up without case."""
        return self._living.get(name.lower())

    def living(self, low: str) -> Entry[V]:
        """The living entry of a name from `names`."""
        return self._living[low]

    @property
    def names(self) -> Sequence[str]:
        """Living names in lower case, sorted."""
        return self._order

    def __iter__(self) -> Iterator[Entry[V]]:
        return (self._living[low] for low in self._order)

    def __len__(self) -> int:
        return len(self._living)

    def add(self, name: str, version: V) -> Entry[V]:
        """A new version; the first one makes the name."""
        entry = self._living.get(name.lower())
        if entry is not None:
            entry.versions.append(version)
            return entry
        made: Entry[V] = Entry(name=name, versions=[version])
        self.put(made)
        return made

    def put(self, entry: Entry[V]) -> None:
        """Make `entry` a living one, in place of one of that name."""
        low = entry.name.lower()
        if low not in self._living:
            insort(self._order, low)
        self._living[low] = entry

    def forget(self, name: str) -> None:
        """Remove a name, living or deleted, if it is there."""
        if name.lower() in self._living:
            self.take(name)
        self.deleted.pop(name.lower(), None)

    def take(self, name: str) -> Entry[V]:
        """Take a living entry out."""
        entry = self._living.pop(name.lower())
        self._order.remove(name.lower())
        return entry

    def settle(self, entry: Entry[V], deletion: Deletion | None) -> None:
        """Put an entry in, among the living or the deleted ones."""
        entry.deletion = deletion
        if deletion is None:
            self.put(entry)
        else:
            self.deleted[entry.name.lower()] = entry

    def bury(self, name: str, deletion: Deletion) -> Entry[V]:
        """Move a living entry to the deleted ones."""
        entry = self.take(name)
        self.settle(entry, deletion)
        return entry

    def restore(self, name: str) -> Entry[V]:
        """Move a deleted entry back."""
        entry = self.deleted.pop(name.lower())
        self.settle(entry, None)
        return entry


@dataclass(slots=True, kw_only=True)
class Pending:
    """A certificate operation under way, or the last one.

    Attributes:
        key: key of the new version.
        polls: reads that still answer ``inProgress``.
        status: ``inProgress``, ``completed``, ``cancelled`` or ``failed``.
    """

    issuer: str
    csr: x509.CertificateSigningRequest
    key: PrivateKey = field(repr=False)
    request_id: str
    created: datetime
    tags: dict[str, str]
    enabled: bool = True
    polls: int = 1
    status: str = "inProgress"
    cancelled: bool = False
    error: tuple[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Issuer:
    """A certification authority that a vault may order from.

    Attributes:
        provider: ``DigiCert`` or ``GlobalSign`` in Azure; any name here.
        failing: orders end in status ``failed``.
    """

    name: str
    provider: str
    account: str | None = None
    enabled: bool = True
    created: datetime
    updated: datetime
    failing: bool = False
    organization: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class AccessPolicy:
    """One entry of ``properties.accessPolicies``: permissions by kind (``secrets``, ``keys``, ``certificates``)."""

    oid: str
    permissions: dict[str, tuple[str, ...]]


@dataclass(slots=True, kw_only=True)
class Vault:
    """One Key Vault.

    Attributes:
        rbac: True = role assignments decide, False = access policies do.
        retention: how long deleted names can be recovered.
        purge_protection: deleted names cannot be purged before that.
        served_by: region that answers; differs from `region` after a failover to the pair.
        public: ``publicNetworkAccess``.
        address: URL it answers on.
        rotation_policies: of keys, certificate_policies: of certificates; both by name in lower case.
        pending: certificate operations by name in lower case.
        stuck: names (in lower case) whose automatic renewal or rotation does not happen although it is due.
        due: when the next automatic rotation may fall due; None = not known.
    """

    name: str
    tenant: str
    region: str
    subscription: str
    resource_group: str
    rbac: bool = True
    policies: list[AccessPolicy] = field(default_factory=list)
    retention: timedelta = timedelta(days=90)
    purge_protection: bool = False
    served_by: str = ""
    public: bool = True
    address: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    sku: str = "standard"
    secrets: Shelf[SecretVersion] = field(default_factory=Shelf)
    keys: Shelf[KeyVersion] = field(default_factory=Shelf)
    certificates: Shelf[CertificateVersion] = field(default_factory=Shelf)
    rotation_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    certificate_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    due: datetime | None = None

    @property
    def id(self) -> str:
        """ARM resource id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.KeyVault/vaults/{self.name}"

    @property
    def recovery_level(self) -> str:
        """``deletionRecoveryLevel`` of its objects."""
        shortened = "" if self.retention >= timedelta(days=90) else "Customized"
        protected = "" if self.purge_protection else "+Purgeable"
        return f"{shortened}Recoverable{protected}"
