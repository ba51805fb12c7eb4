"""How Azure Resource Manager shows vaults, roles and assignments."""

from datetime import datetime
from typing import Any

from nhisync_azure.emulator.rbac import EVERYONE, DenyAssignment, RoleAssignment, RoleDefinition
from nhisync_azure.emulator.vaults import Vault

_NAMESPACE = "Microsoft.Authorization"


def vault(one: Vault) -> dict[str, Any]:
    """A vault's settings; with roles its access policies are kept but without effect."""
    return {
        "id": one.id,
        "name": one.name,
        "type": "Microsoft.KeyVault/vaults",
        "location": one.region,
        "tags": one.tags,
        "properties": {
            "sku": {"family": "A", "name": one.sku},
            "tenantId": one.tenant,
            "accessPolicies": [
                {
                    "tenantId": one.tenant,
                    "objectId": policy.oid,
                    "permissions": {kind: list(held) for kind, held in policy.permissions.items()},
                }
                for policy in one.policies
            ],
            "enabledForDeployment": False,
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": one.retention.days,
            "enableRbacAuthorization": one.rbac,
            **({"enablePurgeProtection": True} if one.purge_protection else {}),
            "vaultUri": f"{one.address}/",
            "provisioningState": "Succeeded",
            "publicNetworkAccess": "Enabled" if one.public else "Disabled",
        },
    }


def assignment(one: RoleAssignment, subscription: str) -> dict[str, Any]:
    """A role assignment."""
    return {
        "id": f"{one.scope}/providers/{_NAMESPACE}/roleAssignments/{one.id}",
        "name": one.id,
        "type": f"{_NAMESPACE}/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{subscription}/providers/{_NAMESPACE}/roleDefinitions/{one.definition}",
            "principalId": one.principal,
            "principalType": one.principal_kind,
            "scope": one.scope,
            "condition": one.condition,
            "conditionVersion": "2.0" if one.condition else None,
            "createdOn": _moment(one.created),
            "updatedOn": _moment(one.created),
            "createdBy": one.created_by,
            "updatedBy": one.created_by,
            "delegatedManagedIdentityResourceId": None,
            "description": None,
        },
    }


def definition(one: RoleDefinition, subscription: str) -> dict[str, Any]:
    """A role definition."""
    return {
        "id": f"{subscription}/providers/{_NAMESPACE}/roleDefinitions/{one.id}",
        "name": one.id,
        "type": f"{_NAMESPACE}/roleDefinitions",
        "properties": {
            "roleName": one.name,
            "type": "CustomRole" if one.custom else "BuiltInRole",
            "description": one.description,
            "assignableScopes": list(one.scopes),
            "permissions": [_actions(one)],
        },
    }


def permission(one: RoleDefinition, by: RoleAssignment) -> dict[str, Any]:
    """One row of what somebody holds."""
    condition = {"condition": by.condition, "conditionVersion": "2.0"} if by.condition else {}
    return {**_actions(one), **condition}


def denial(one: DenyAssignment) -> dict[str, Any]:
    """A deny assignment."""

    def principals(ids: frozenset[str]) -> list[dict[str, Any]]:
        kinds = {EVERYONE: "SystemDefined"}
        return [{"id": oid, "type": kinds.get(oid, "ServicePrincipal")} for oid in sorted(ids)]

    return {
        "id": f"{one.scope}/providers/{_NAMESPACE}/denyAssignments/{one.id}",
        "name": one.id,
        "type": f"{_NAMESPACE}/denyAssignments",
        "properties": {
            "denyAssignmentName": one.name,
            "description": None,
            "permissions": [
                {
                    "actions": list(one.actions),
                    "notActions": list(one.not_actions),
                    "dataActions": list(one.data_actions),
                    "notDataActions": list(one.not_data_actions),
                }
            ],
            "scope": one.scope,
            "doNotApplyToChildScopes": one.alone,
            "principals": principals(one.principals),
            "excludePrincipals": principals(one.excluded),
            "isSystemProtected": True,
        },
    }


def _actions(one: RoleDefinition) -> dict[str, Any]:
    return {
        "actions": list(one.actions),
        "notActions": list(one.not_actions),
        "dataActions": list(one.data_actions),
        "notDataActions": list(one.not_data_actions),
    }


def _moment(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"
