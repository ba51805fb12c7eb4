"""Which permission each call needs, in the notations of roles, of access policies and of Microsoft Graph.

Data actions follow Microsoft Learn, "Azure permissions for Security" (Microsoft.KeyVault); access-policy words the
reference of each call ("This operation requires the secrets/list permission").
"""

from collections.abc import Mapping
from dataclasses import dataclass

VAULT = "Microsoft.KeyVault/vaults"
GRAPH_READ = "Application.Read.All"
GRAPH_OWN = "Application.ReadWrite.OwnedBy"


@dataclass(frozen=True, slots=True)
class Need:
    """What one call needs.

    Attributes:
        role: data action of a role, app role of Graph, or action of ARM.
        policy: word of an access policy (``secrets/list``), "" where access policies do not reach.
    """

    role: str
    policy: str = ""

    def of(self, access: str) -> str:
        """The permission in the notation of the vault's model (``rbac`` or ``policies``)."""
        return self.policy if access == "policies" and self.policy else self.role


_METADATA = f"{VAULT}/secrets/readMetadata/action"
_KEYS = f"{VAULT}/keys/read"
_CERTIFICATES = f"{VAULT}/certificates/read"

NEEDS: Mapping[str, Need] = {
    "secrets.list_properties_of_secrets": Need(_METADATA, "secrets/list"),
    "secrets.list_properties_of_secret_versions": Need(_METADATA, "secrets/list"),
    "secrets.list_deleted_secrets": Need(_METADATA, "secrets/list"),
    "secrets.get_secret": Need(f"{VAULT}/secrets/getSecret/action", "secrets/get"),
    "secrets.set_secret": Need(f"{VAULT}/secrets/setSecret/action", "secrets/set"),
    "secrets.update_secret_properties": Need(f"{VAULT}/secrets/update/action", "secrets/set"),
    "keys.list_properties_of_keys": Need(_KEYS, "keys/list"),
    "keys.list_properties_of_key_versions": Need(_KEYS, "keys/list"),
    "keys.list_deleted_keys": Need(_KEYS, "keys/list"),
    "keys.get_key": Need(_KEYS, "keys/get"),
    "keys.get_key_rotation_policy": Need(f"{VAULT}/keyrotationpolicies/read", "keys/getrotationpolicy"),
    "keys.rotate_key": Need(f"{VAULT}/keys/rotate/action", "keys/rotate"),
    "keys.update_key_properties": Need(f"{VAULT}/keys/update/action", "keys/update"),
    "keys.sign": Need(f"{VAULT}/keys/sign/action", "keys/sign"),
    "keys.verify": Need(f"{VAULT}/keys/verify/action", "keys/verify"),
    "certificates.list_properties_of_certificates": Need(_CERTIFICATES, "certificates/list"),
    "certificates.list_properties_of_certificate_versions": Need(_CERTIFICATES, "certificates/list"),
    "certificates.list_deleted_certificates": Need(_CERTIFICATES, "certificates/list"),
    "certificates.get_certificate": Need(_CERTIFICATES, "certificates/get"),
    "certificates.get_certificate_operation": Need(_CERTIFICATES, "certificates/get"),
    "certificates.get_issuer": Need(f"{VAULT}/certificatecas/read", "certificates/getissuers"),
    "certificates.begin_create_certificate": Need(f"{VAULT}/certificates/create/action", "certificates/create"),
    "certificates.merge_certificate": Need(f"{VAULT}/certificates/create/action", "certificates/create"),
    "certificates.update_certificate_properties": Need(f"{VAULT}/certificates/update/action", "certificates/update"),
    "graph.applications": Need(GRAPH_READ),
    "graph.servicePrincipals": Need(GRAPH_READ),
    "graph.federatedIdentityCredentials": Need(GRAPH_READ),
    "graph.appRoleAssignments": Need(GRAPH_READ),
    "graph.transitiveMemberOf": Need(GRAPH_READ),
    "graph.addPassword": Need(GRAPH_OWN),
    "graph.removePassword": Need(GRAPH_OWN),
    "arm.permissions": Need("Microsoft.Authorization/permissions/read"),
    "arm.vault": Need(f"{VAULT}/read"),
    "arm.vaults": Need(f"{VAULT}/read"),
    "arm.roleAssignments": Need("Microsoft.Authorization/roleAssignments/read"),
    "arm.roleDefinitions": Need("Microsoft.Authorization/roleDefinitions/read"),
    "arm.denyAssignments": Need("Microsoft.Authorization/denyAssignments/read"),
}
"""``service.call`` → what it needs."""
