"""The sources of a world: what they can be told, what they are made of, what can go wrong with them."""

from dataclasses import dataclass, field

from nhisync_azure.emulator.cloud import Traffic
from nhisync_azure.emulator.directory import Tenant
from nhisync_azure.emulator.identities import Identity
from nhisync_azure.emulator.server import Listener
from nhisync_azure.emulator.vaults import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What `AzureWorld.add_source` understands.

    Attributes:
        auth: ``client_secret``, ``certificate``, ``workload_identity`` or ``managed_identity``.
        mode: what nhisync's identity may do: ``read``, ``fingerprint``, ``probe`` or ``rotate``.
        access: ``rbac`` or ``policies`` (the vault's permission model).
        vault: the vault's name; "" = made from path and source.
        vault_of: ``path/source`` whose vault this source reads, too.
        tenant: label of the tenant; sources with one label share it. "" = a tenant of its own.
        identity_of: ``path/source`` whose identity this source uses, too.
        keyvault: the document names the vault; False = a source of the directory only.
        graph: nhisync's identity may read the tenant's applications, and the document asks for the directory.
        arm: nhisync's identity may read roles and settings, and the document names the vault's resource id.
        purge_protection: deleted names of the vault cannot be purged.
        retention_days: how long deleted names can be recovered.
    """

    auth: str = "client_secret"
    mode: str = "read"
    access: str = "rbac"
    vault: str = ""
    vault_of: str = ""
    tenant: str = ""
    identity_of: str = ""
    keyvault: bool = True
    graph: bool = True
    arm: bool = True
    purge_protection: bool = False
    retention_days: int = 90


@dataclass(slots=True, kw_only=True)
class Source:
    """One source: its tenant, vault, identity and books."""

    options: SourceOptions
    vault: Vault
    tenant: Tenant
    identity: Identity
    listener: Listener
    traffic: Traffic = field(default_factory=Traffic)


def unreachable(place: Source, *, off: bool = False) -> None:
    """The vault's port is closed."""
    place.listener.open() if off else place.listener.close()


def private(place: Source, *, off: bool = False) -> None:
    """The vault's public network access is off."""
    place.vault.public = off


def fail_over(place: Source, *, region: str = "northeurope", off: bool = False) -> None:
    """Another region serves the vault and refuses changes."""
    place.vault.served_by = "" if off else region
    place.traffic.faults.switch("read-only", off=off)


def pair(text: str) -> tuple[str, str]:
    """The parts of ``path/source``."""
    path, _, source = text.partition("/")
    return path, source
