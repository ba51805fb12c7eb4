"""How Microsoft Graph shows the directory's objects (learn.microsoft.com/graph/api/resources)."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from cryptography.hazmat.primitives import serialization

from nhisync_azure.emulator.directory import (
    Application,
    AppPolicy,
    AppRoleAssignment,
    FederatedCredential,
    KeyCredential,
    PasswordCredential,
    ServicePrincipal,
    Tenant,
)


def earlier(now: datetime, seconds: float) -> datetime:
    """`now` less so many seconds."""
    return now - timedelta(seconds=seconds)


def moment(instant: datetime | None) -> str | None:
    """ISO 8601 with Z, whole seconds."""
    return None if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def of(one: Application | ServicePrincipal, *, seen_until: datetime, with_keys: bool) -> dict[str, Any]:
    """An application or service principal."""
    common: dict[str, Any] = {
        "id": one.id,
        "appId": one.app_id,
        "displayName": one.display_name,
        "createdDateTime": moment(one.created),
        "tags": one.tags,
        "passwordCredentials": [password(each) for each in one.passwords if _seen(each.added, seen_until)],
        "keyCredentials": [key(each, with_key=with_keys) for each in one.keys if _seen(each.added, seen_until)],
        "appRoles": [
            {"id": role.id, "value": role.value, "displayName": role.display_name, "isEnabled": True}
            for role in one.roles
        ],
    }
    if isinstance(one, Application):
        return {**common, "signInAudience": "AzureADMyOrg", "notes": one.notes, "identifierUris": []}
    return {
        **common,
        "accountEnabled": one.enabled,
        "servicePrincipalType": one.kind,
        "appOwnerOrganizationId": one.owner_tenant,
        "servicePrincipalNames": [one.app_id],
    }


def selected(document: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Only the named properties; all when none is named."""
    return {name: document[name] for name in names if name in document} if names else dict(document)


def password(one: PasswordCredential) -> dict[str, Any]:
    """A client secret without the secret, but with its first three characters."""
    return {
        "customKeyIdentifier": None,
        "displayName": one.display_name,
        "endDateTime": moment(one.end),
        "hint": one.hint,
        "keyId": one.key_id,
        "secretText": None,
        "startDateTime": moment(one.start),
    }


def key(one: KeyCredential, *, with_key: bool) -> dict[str, Any]:
    """A certificate; its public part only when asked for."""
    raw = one.certificate.public_bytes(serialization.Encoding.DER)
    return {
        "customKeyIdentifier": one.custom_key_identifier.hex().upper(),
        "displayName": one.display_name,
        "endDateTime": moment(one.end),
        "key": base64.b64encode(raw).decode() if with_key else None,
        "keyId": one.key_id,
        "startDateTime": moment(one.start),
        "type": "AsymmetricX509Cert",
        "usage": one.usage,
    }


def federated(one: FederatedCredential) -> dict[str, Any]:
    """Trust in another issuer."""
    return {
        "id": one.id,
        "name": one.name,
        "issuer": one.issuer,
        "subject": one.subject,
        "audiences": list(one.audiences),
        "description": one.description,
    }


def assignment(tenant: Tenant, principal: ServicePrincipal, one: AppRoleAssignment) -> dict[str, Any]:
    """A granted application permission."""
    resource = tenant.principals.get(one.resource_id)
    return {
        "id": one.id,
        "appRoleId": one.role_id,
        "createdDateTime": moment(one.created),
        "principalDisplayName": principal.display_name,
        "principalId": principal.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource.display_name if resource else None,
        "resourceId": one.resource_id,
    }


def owner(tenant: Tenant, object_id: str) -> dict[str, Any]:
    """An owner: a principal of the tenant, else a user."""
    principal = tenant.principals.get(object_id)
    kind = "servicePrincipal" if principal else "user"
    name = principal.display_name if principal else object_id
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": object_id, "displayName": name}


def group(object_id: str) -> dict[str, Any]:
    """A group."""
    return {"@odata.type": "#microsoft.graph.group", "id": object_id}


def directory_role(name: str) -> dict[str, Any]:
    """A role of the directory that is held."""
    found = uuid5(NAMESPACE_OID, name)
    return {"@odata.type": "#microsoft.graph.directoryRole", "id": str(found), "displayName": name}


def policy(base: str, one: AppPolicy) -> dict[str, Any]:
    """The tenant's default app management policy."""
    passwords: list[dict[str, Any]] = []
    if not one.password_addition:
        passwords.append({"restrictionType": "passwordAddition", "state": "enabled", "maxLifetime": None})
    if one.max_lifetime_days is not None:
        lifetime = f"P{one.max_lifetime_days}D"
        passwords.append({"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": lifetime})
    restrictions = {"passwordCredentials": passwords, "keyCredentials": []}
    return {
        "@odata.context": f"{base}/v1.0/$metadata#policies/defaultAppManagementPolicy/$entity",
        "id": "00000000-0000-0000-0000-000000000000",
        "displayName": "Default app management tenant policy",
        "isEnabled": bool(passwords),
        "applicationRestrictions": restrictions,
        "servicePrincipalRestrictions": restrictions,
    }


def _seen(added: datetime | None, until: datetime) -> bool:
    return added is None or added <= until
