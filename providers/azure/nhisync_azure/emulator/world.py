"""Azure in the embedded world: tenants, vaults, identities and sources on loopback.

Options of sources: `sources`; of seeds: `seeding`, `seeding_vault`, `seeding_directory`; faults: `faults`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from nhisync.spi import AccessMode, Clock, SystemRandomness
from nhisync.testing.world import Seed
from nhisync_azure.emulator import grants, identities
from nhisync_azure.emulator.cloud import Cloud, Traffic
from nhisync_azure.emulator.directory import Tenant
from nhisync_azure.emulator.front import Front
from nhisync_azure.emulator.identities import Identity
from nhisync_azure.emulator.metadata import MachineMetadata
from nhisync_azure.emulator.rbac import RoleAssignment, custom_role
from nhisync_azure.emulator.seeding import Plot, seed_secret
from nhisync_azure.emulator.seeding_directory import (
    seed_app_certificate,
    seed_app_federation,
    seed_app_secret,
    seed_sp_certificate,
    seed_sp_secret,
)
from nhisync_azure.emulator.seeding_vault import seed_certificate, seed_key
from nhisync_azure.emulator.server import Listener
from nhisync_azure.emulator.sources import Source, SourceOptions, fail_over, pair, private, unreachable
from nhisync_azure.emulator.tls import ListenerAuthority
from nhisync_azure.emulator.vaults import AccessPolicy, Vault


class AzureWorld:
    """One emulated Azure for any number of sources; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "azure"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._directory = directory
        self.cloud = Cloud.new(clock, SystemRandomness())
        self._front = Front(self.cloud)
        self._authority: ListenerAuthority | None = None
        self._main: Listener | None = None
        self._listeners: dict[str, Listener] = {}
        self._sources: dict[tuple[str, str], Source] = {}
        self._seeders: dict[str, Callable[[Plot], str]] = {
            "secret": seed_secret,
            "key": seed_key,
            "certificate": seed_certificate,
            "app-secret": seed_app_secret,
            "app-certificate": seed_app_certificate,
            "app-federation": seed_app_federation,
            "sp-secret": seed_sp_secret,
            "sp-certificate": seed_sp_certificate,
        }

    def start(self) -> None:
        """Make the CA and open the listener of the token service, Graph and Resource Manager."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = ListenerAuthority(self.cloud.ids, self._directory, self.cloud.wall.now())
        self._main = self._open()
        self.cloud.authority = self._main.address

    @property
    def address(self) -> str:
        """URL of the token service, Microsoft Graph and Azure Resource Manager."""
        return self.cloud.authority

    @property
    def ca_file(self) -> Path:
        """Certificate of the CA that signed the listeners' certificates."""
        assert self._authority is not None, "start() comes first"
        return self._authority.ca_file

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one source and return its configuration document.

        Raises:
            TypeError: an option that `SourceOptions` does not have.
            KeyError: ``vault_of`` or ``identity_of`` names no source.
        """
        chosen = SourceOptions(**options)
        tenant = self._tenant(chosen, path, source)
        vault, listener = self._vault(chosen, tenant.id, f"kv-{path}-{source}", region)
        traffic = Traffic()
        identity = self._identity(chosen, tenant, f"nhisync-{path}-{source}", traffic)
        made = Source(options=chosen, vault=vault, tenant=tenant, identity=identity, listener=listener, traffic=traffic)
        self._sources[path, source] = made
        self.cloud.vault_traffic.setdefault(vault.name, traffic)
        self.cloud.tenant_traffic.setdefault(tenant.id, traffic)
        self._grant(made)
        return self._document(made, self._directory / path / source)

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant `item`; returns ``<kind>/<name>``.

        Raises:
            ValueError: a kind or name the provider does not have.
            TypeError: an option that the kind does not have.
        """
        if item.kind not in self._seeders:
            msg = f"the Azure world has no kind {item.kind}; it has {', '.join(sorted(self._seeders))}"
            raise ValueError(msg)
        place = self.source(path, source)
        with self.cloud.lock:
            plot = Plot(
                cloud=self.cloud,
                vault=place.vault,
                tenant=place.tenant,
                principal=place.identity.principal,
                seed=item,
            )
            return self._seeders[item.kind](plot)

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault on, or off again with ``off=True``; names: `FAULTS` and `WORLD_FAULTS`.

        Raises:
            ValueError: no such fault.
            KeyError: no such source.
        """
        place = self.source(path, source)
        switches: dict[str, Callable[..., None]] = {
            "unreachable": unreachable,
            "tls": self._strange_tls,
            "revoked": self._revoke,
            "private": private,
            "failed-over": fail_over,
        }
        if name in switches:
            switches[name](place, **options)
        else:
            place.traffic.faults.switch(name, **options)

    def install(
        self,
        path: str,
        source: str,
        *,
        role: Mapping[str, Any] | None = None,
        policy: Mapping[str, tuple[str, ...]] | None = None,
        graph_roles: tuple[str, ...] | None = None,
        scope: str = "",
        condition: str | None = None,
    ) -> None:
        """Give the source's identity exactly this, in place of what it has; None leaves that part as it is.

        Args:
            path: the path.
            source: the source.
            role: a custom role document (``az role definition create`` or REST form), assigned at `scope`.
            policy: permissions of the vault's access policy by kind (``secrets``, ``keys``, ``certificates``).
            graph_roles: application permissions of Microsoft Graph; they are in tokens issued from now on.
            scope: where the role is assigned; "" = the vault.
            condition: condition of the assignment.

        Raises:
            ValueError: a document that grants something unknown.
        """
        place = self.source(path, source)
        principal = place.identity.principal
        with self.cloud.lock:
            if role is not None:
                self.cloud.rbac.revoke(principal.id)
                self.assign(path, source, role=role, scope=scope, condition=condition)
            if policy is not None:
                kept = [one for one in place.vault.policies if one.oid != principal.id]
                made = AccessPolicy(oid=principal.id, permissions={kind: tuple(held) for kind, held in policy.items()})
                place.vault.policies[:] = [*kept, made]
            if graph_roles is not None:
                identities.set_graph_roles(self.cloud, place.tenant, principal, graph_roles)

    def assign(
        self,
        path: str,
        source: str,
        *,
        role: Mapping[str, Any] | str,
        scope: str = "",
        condition: str | None = None,
        principal: str = "",
    ) -> RoleAssignment:
        """One role assignment more: a custom role document, or a built-in role by name or id.

        Raises:
            KeyError: no such built-in role.
        """
        place = self.source(path, source)
        rbac = self.cloud.rbac
        if isinstance(role, str):
            definition = rbac.named(role)
        else:
            definition = custom_role(role, self.cloud.ids.guid())
            rbac.definitions[definition.id] = definition
        made = RoleAssignment(
            id=self.cloud.ids.guid(),
            principal=principal or place.identity.principal.id,
            definition=definition.id,
            scope=scope or place.vault.id,
            created=self.cloud.clock.now(),
            condition=condition,
        )
        rbac.assignments.append(made)
        return made

    def source(self, path: str, source: str) -> Source:
        """The source itself, for tests that look at it from the server's side.

        Raises:
            KeyError: there is none.
        """
        return self._sources[path, source]

    def calls(self, path: str, source: str) -> Counter[str]:
        """Requests of a source since the last reset, by ``<surface>:<operation>``."""
        return Counter(self.source(path, source).traffic.calls)

    def reset_calls(self) -> None:
        """Count again from zero."""
        for place in self._sources.values():
            place.traffic.calls.clear()

    def stop(self) -> None:
        """Close every listener; safe to call twice."""
        for place in self._sources.values():
            place.traffic.faults.release()
        for listener in (self._main, *self._listeners.values()):
            if listener is not None:
                listener.close()

    def _open(self) -> Listener:
        assert self._authority is not None, "start() comes first"
        listener = Listener(self._front.answer, self._authority.server_context())
        listener.open()
        return listener

    def _machine(self, place: Source) -> str:
        """Open the metadata service of a machine that has the source's identity; its address."""
        principal = place.identity.principal
        principal.kind = "ManagedIdentity"
        place.tenant.applications.pop(place.identity.application.id, None)  # it has no registration
        listener = Listener(MachineMetadata(self.cloud, place.tenant, principal).answer, None)
        listener.open()
        self._listeners[f"metadata:{listener.authority}"] = listener
        return listener.address

    def _strange_tls(self, place: Source, *, off: bool = False) -> None:
        assert self._authority is not None, "start() comes first"
        authority = self._authority
        if not off:
            folder = self._directory / "strange"
            folder.mkdir(exist_ok=True)
            authority = ListenerAuthority(self.cloud.ids, folder, self.cloud.wall.now())
        place.listener.present(authority.server_context())

    def _revoke(self, place: Source, *, off: bool = False) -> None:
        if not off:
            self.cloud.revoke_tokens(place.identity.principal.app_id)

    def _tenant(self, chosen: SourceOptions, path: str, source: str) -> Tenant:
        for twin in (chosen.vault_of, chosen.identity_of):
            if twin and not chosen.tenant:
                return self.source(*pair(twin)).tenant
        label = (chosen.tenant or f"{path}-{source}").lower()
        found = self.cloud.tenant(f"{label}.onmicrosoft.com")
        return found or identities.new_tenant(self.cloud, self.cloud.ids.guid(), label)

    def _vault(self, chosen: SourceOptions, tenant: str, name: str, region: str) -> tuple[Vault, Listener]:
        if chosen.vault_of:
            twin = self.source(*pair(chosen.vault_of))
            return twin.vault, twin.listener
        vault = Vault(
            name=self._free_name(chosen.vault or name),
            tenant=tenant,
            region=region,
            subscription=self.cloud.ids.guid(),
            resource_group=f"rg-{name}",
            rbac=chosen.access == "rbac",
            retention=timedelta(days=chosen.retention_days),
            purge_protection=chosen.purge_protection,
        )
        listener = self._open()
        vault.address = listener.address
        self._front.route(listener.authority, vault.name)
        self.cloud.vaults[vault.name] = vault
        self._listeners[vault.name] = listener
        return vault, listener

    def _free_name(self, wanted: str) -> str:
        """A name that Key Vault allows (3 to 24 letters, digits and hyphens) and that no other vault has."""
        base = re.sub(r"[^a-z0-9-]", "-", wanted.lower())[:24]
        taken = self.cloud.vaults
        return next(name for name in (base, *(f"{base[:20]}-{n}" for n in range(1000))) if name not in taken)

    def _identity(self, chosen: SourceOptions, tenant: Tenant, name: str, traffic: Traffic) -> Identity:
        if chosen.identity_of:
            return self.source(*pair(chosen.identity_of)).identity
        identity = identities.new_identity(self.cloud, tenant, name)
        self.cloud.traffic[identity.application.app_id] = traffic
        return identity

    def _grant(self, place: Source) -> None:
        mode, principal = AccessMode(place.options.mode), place.identity.principal
        role = grants.role_document(mode, arm=place.options.arm, scope=place.vault.id)
        if not place.vault.rbac:
            role["DataActions"] = []
            made = AccessPolicy(oid=principal.id, permissions=grants.policy_document(mode))
            place.vault.policies.append(made)
        definition = custom_role(role, self.cloud.ids.guid())
        self.cloud.rbac.definitions[definition.id] = definition
        # Long before any lag, or no test of a lag could log in.
        created = self.cloud.clock.now() - timedelta(days=100)
        self.cloud.rbac.assignments.append(
            RoleAssignment(
                id=self.cloud.ids.guid(),
                principal=principal.id,
                definition=definition.id,
                scope=place.vault.id,
                created=created,
            )
        )
        if place.options.graph:
            identities.set_graph_roles(self.cloud, place.tenant, principal, grants.graph_roles(mode))

    def _document(self, place: Source, folder: Path) -> dict[str, Any]:
        document: dict[str, Any] = {"provider": self.provider, "region": place.vault.region}
        if place.options.keyvault:
            document["vault"] = place.vault.address
            document["access"] = place.options.access
            document |= {"vault_id": place.vault.id} if place.options.arm else {}
        document |= {"directory": place.options.graph, "ca_file": str(self.ca_file)}
        document |= dict.fromkeys(("authority", "graph", "arm"), self.address)
        return document | {"auth": self._auth(place, folder)}

    def _auth(self, place: Source, folder: Path) -> dict[str, Any]:
        application, method = place.identity.application, place.options.auth
        document = {"method": method, "tenant": place.tenant.id, "client_id": application.app_id}
        if method == "managed_identity":
            return document | {"endpoint": self._machine(place)}
        if method == "client_secret":
            proof = identities.client_secret(self.cloud, application).encode()
            name, file = "secret_file", folder / "client-secret"
        elif method == "certificate":
            proof = identities.client_certificate(self.cloud, application)
            name, file = "certificate_file", folder / "client.pem"
        elif method == "workload_identity":
            proof = identities.federated_token(self.cloud, application).encode()
            name, file = "token_file", folder / "token"
        else:
            msg = f"the Azure world knows no method {method}"
            raise ValueError(msg)
        return {**document, name: identities.secret_file(file, proof)}
