"""Entra tenants: applications, service principals, their credentials, groups and application roles.

Shapes: Microsoft Graph v1.0 ``application``, ``servicePrincipal``, ``passwordCredential``, ``keyCredential``,
``federatedIdentityCredential``, ``appRoleAssignment`` (learn.microsoft.com/graph/api/resources).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509

GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
GRAPH_ROLES: Final = {
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "Application.ReadWrite.All": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    "Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Policy.Read.All": "246dd0d5-5bd0-4def-940b-0421030a5b68",
}
"""Application permissions of Microsoft Graph by name; these ids are the same in every tenant."""


@dataclass(slots=True, kw_only=True)
class PasswordCredential:
    """A client secret.

    Attributes:
        refusals: attempts that still meet a replica that does not know it (propagation).
        added: when it was added; None = long ago.
    """

    key_id: str
    display_name: str | None
    start: datetime
    end: datetime
    secret: str = field(repr=False)
    refusals: int = 0
    added: datetime | None = None

    @property
    def hint(self) -> str:
        """The first three characters of the secret, as Graph shows them."""
        return self.secret[:3]


@dataclass(slots=True, kw_only=True)
class KeyCredential:
    """A certificate by which an application proves who it is."""

    key_id: str
    display_name: str | None
    start: datetime
    end: datetime
    certificate: x509.Certificate
    custom_key_identifier: bytes
    usage: str = "Verify"
    refusals: int = 0
    added: datetime | None = None


@dataclass(slots=True, kw_only=True)
class FederatedCredential:
    """Trust in the tokens of another issuer."""

    id: str
    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...] = ("api://AzureADTokenExchange",)
    description: str = ""


@dataclass(slots=True, kw_only=True)
class AppRole:
    """A permission that an application offers to other applications."""

    id: str
    value: str
    display_name: str = ""


@dataclass(slots=True, kw_only=True)
class AppRoleAssignment:
    """One granted application permission."""

    id: str
    role_id: str
    resource_id: str
    created: datetime


@dataclass(slots=True, kw_only=True)
class Credentials:
    """What applications and service principals both may hold."""

    passwords: list[PasswordCredential] = field(default_factory=list)
    keys: list[KeyCredential] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Application(Credentials):
    """An application registration."""

    id: str
    app_id: str
    display_name: str
    created: datetime
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    roles: list[AppRole] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)
    deleted: datetime | None = None


@dataclass(slots=True, kw_only=True)
class ServicePrincipal(Credentials):
    """An application's identity in one tenant."""

    id: str
    app_id: str
    display_name: str
    created: datetime
    kind: str = "Application"
    enabled: bool = True
    tags: list[str] = field(default_factory=list)
    roles: list[AppRole] = field(default_factory=list)
    assignments: list[AppRoleAssignment] = field(default_factory=list)
    grants: list[dict[str, str]] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)
    owner_tenant: str = ""


@dataclass(slots=True, kw_only=True)
class AppPolicy:
    """The tenant's default app management policy, as far as credentials meet it.

    Attributes:
        password_addition: False = new client secrets are forbidden.
        key_addition: False = new certificates are forbidden.
        max_lifetime_days: longest allowed lifetime of a new credential, None = any.
    """

    password_addition: bool = True
    key_addition: bool = True
    max_lifetime_days: int | None = None


@dataclass(slots=True, kw_only=True)
class Tenant:
    """One Entra tenant.

    Attributes:
        groups: object id → its members.
        directory_roles: display name of a role of the directory → its members.
    """

    id: str
    name: str
    applications: dict[str, Application] = field(default_factory=dict)
    principals: dict[str, ServicePrincipal] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    directory_roles: dict[str, set[str]] = field(default_factory=dict)
    policy: AppPolicy = field(default_factory=AppPolicy)

    def application(self, app_id: str) -> Application | None:
        """The registration with this appId, if it is in this tenant."""
        found = (one for one in self.applications.values() if one.app_id == app_id and one.deleted is None)
        return next(found, None)

    def principal(self, app_id: str) -> ServicePrincipal | None:
        """The service principal of this appId."""
        return next((one for one in self.principals.values() if one.app_id == app_id), None)

    def groups_of(self, object_id: str) -> frozenset[str]:
        """Groups this object is a member of, nested ones included."""
        found: set[str] = set()
        fresh = {object_id}
        while fresh:
            fresh = {group for group, members in self.groups.items() if members & fresh} - found
            found |= fresh
        return frozenset(found)

    def directory_roles_of(self, object_id: str) -> list[str]:
        """Roles of the directory that this object holds, itself or through a group."""
        ids = self.groups_of(object_id) | {object_id}
        return sorted(name for name, members in self.directory_roles.items() if members & ids)

    def role_values(self, principal: ServicePrincipal, resource_app_id: str) -> tuple[str, ...]:
        """Values of the application roles that `principal` holds on a resource."""
        resource = self.principal(resource_app_id)
        if resource is None:
            return ()
        names = {role.id: role.value for role in resource.roles}
        held = (one.role_id for one in principal.assignments if one.resource_id == resource.id)
        return tuple(sorted(names[role] for role in held if role in names))
