"""Azure role-based access control: definitions, assignments, deny assignments and who may do what where.

Rules: an action is allowed where some assignment's role matches it in ``actions`` (``dataActions``) and not in
``notActions`` (``notDataActions``), its condition holds, and no deny assignment matches
(learn.microsoft.com/azure/role-based-access-control/overview). Built-in roles hold what matters here of the published
definitions (…/built-in-roles/security), under their published ids.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from nhisync_azure.emulator.conditions import Target, holds

VAULTS: Final = "Microsoft.KeyVault/vaults"
EVERYONE: Final = "00000000-0000-0000-0000-000000000000"
"""Principal of deny assignments that means all (…/azure/role-based-access-control/deny-assignments)."""
_AUTHORIZATION_READ: Final = "Microsoft.Authorization/*/read"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDefinition:
    """A role.

    Attributes:
        id: GUID.
        scopes: where it may be assigned; ``/`` for built-in roles.
    """

    id: str
    name: str
    description: str = ""
    custom: bool = False
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("/",)

    def grants(self, action: str, *, data: bool) -> bool:
        """Whether the role holds this (data) action."""
        allowed, excluded = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return matches(allowed, action) and not matches(excluded, action)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role for a principal (or group) at a scope."""

    id: str
    principal: str
    definition: str
    scope: str
    created: datetime
    condition: str | None = None
    principal_kind: str = "ServicePrincipal"
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyAssignment:
    """What nobody of `principals` may do at a scope, whatever their roles say; only Azure itself makes these.

    Attributes:
        principals: object ids; `EVERYONE` means all.
        excluded: object ids that are spared.
        alone: it does not hold below its scope.
    """

    id: str
    name: str
    scope: str
    principals: frozenset[str]
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    not_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who asks: an object id and the groups it is in."""

    oid: str
    groups: frozenset[str] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """All ids an assignment may name."""
        return self.groups | {self.oid}


@dataclass(slots=True)
class Rbac:
    """All roles and assignments of the cloud.

    Attributes:
        management: subscription → the management group over it.
    """

    definitions: dict[str, RoleDefinition] = field(default_factory=dict)
    assignments: list[RoleAssignment] = field(default_factory=list)
    denials: list[DenyAssignment] = field(default_factory=list)
    management: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.definitions |= {role.id: role for role in BUILT_IN}

    def allows(self, subject: Subject, action: str, target: Target, *, data: bool, before: datetime) -> bool:
        """Whether `subject` may do `action` on `target`; assignments made after `before` do not count yet."""
        if self.denied(subject, action, target.id, data=data):
            return False
        return any(
            self.definitions[one.definition].grants(action, data=data) and holds(one.condition, action, target)
            for one in self.held(subject, target.id)
            if one.created <= before
        )

    def held(self, subject: Subject, scope: str) -> Iterator[RoleAssignment]:
        """The subject's assignments at `scope`, inherited ones and those of its groups included."""
        ids = subject.ids
        return (one for one in self.assignments if one.principal in ids and self.reaches(one.scope, scope))

    def reaches(self, place: str, scope: str) -> bool:
        """Whether what is assigned at `place` holds at `scope`: there, below, or through a management group."""
        if within(scope, place):
            return True
        groups = (group for below, group in self.management.items() if within(scope, below))
        return any(group.lower() == place.lower() for group in groups)

    def denied(self, subject: Subject, action: str, scope: str, *, data: bool) -> DenyAssignment | None:
        """The deny assignment that stands in the way."""
        for one in self.denials:
            patterns, but = (one.data_actions, one.not_data_actions) if data else (one.actions, one.not_actions)
            concerned = one.principals & (subject.ids | {EVERYONE}) and not one.excluded & subject.ids
            there = self.reaches(one.scope, scope) and (not one.alone or within(one.scope, scope))
            if concerned and there and matches(patterns, action) and not matches(but, action):
                return one
        return None

    def named(self, name: str) -> RoleDefinition:
        """A definition by its id or its display name.

        Raises:
            KeyError: there is none.
        """
        found = next((one for one in self.definitions.values() if name in (one.id, one.name)), None)
        if found is None:
            raise KeyError(name)
        return found

    def revoke(self, principal: str) -> None:
        """Remove all assignments of a principal."""
        self.assignments = [one for one in self.assignments if one.principal != principal]


def custom_role(document: Mapping[str, Any], role_id: str) -> RoleDefinition:
    """A role from a document as ``az role definition create`` takes it, or as the REST API does.

    Raises:
        ValueError: a permission in it is no string, or the document grants nothing.
    """
    inner: Mapping[str, Any] = document.get("properties", document)
    low = {str(name).lower(): value for name, value in inner.items()}
    blocks = [{str(k).lower(): v for k, v in block.items()} for block in low.get("permissions", [low])]
    name = low.get("rolename") or low.get("name") or "custom role"

    def gather(field_name: str) -> tuple[str, ...]:
        found = [value for block in blocks for value in block.get(field_name, ())]
        if not all(isinstance(value, str) for value in found):
            msg = f"{field_name} of role {name!r} holds something that is no string"
            raise ValueError(msg)
        return tuple(found)

    scopes = tuple(low.get("assignablescopes") or ("/",))
    if any("/providers/" in scope for scope in scopes if "/managementgroups/" not in scope.lower()):
        msg = f"AssignableScopes of role {name!r} names a resource; a subscription or resource group is the smallest"
        raise ValueError(msg)
    return RoleDefinition(
        id=role_id,
        name=str(name),
        description=str(low.get("description") or ""),
        custom=True,
        actions=gather("actions"),
        not_actions=gather("notactions"),
        data_actions=gather("dataactions"),
        not_data_actions=gather("notdataactions"),
        scopes=scopes,
    )


def within(scope: str, parent: str) -> bool:
    """Whether `scope` is `parent` or below it; scopes compare without case."""
    low, top = scope.lower().rstrip("/"), parent.lower().rstrip("/")
    return low == top or low.startswith(top + "/")


def matches(patterns: Iterable[str], action: str) -> bool:
    """Whether any pattern (``*`` = anything) covers `action`."""
    return any(_compiled(pattern).fullmatch(action) is not None for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE)


def settled(now: datetime, lag_seconds: float) -> datetime:
    """The instant up to which changes have taken effect."""
    return now - timedelta(seconds=lag_seconds)


BUILT_IN: Final = (
    RoleDefinition(id="8e3af657-a8ff-443c-a75c-2fe8c4bcb635", name="Owner", actions=("*",)),
    RoleDefinition(
        id="b24988ac-6180-42a0-ab88-20f7382dd24c",
        name="Contributor",
        actions=("*",),
        not_actions=("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"),
    ),
    RoleDefinition(id="acdd72a7-3385-48ef-bd42-f606fba81ae7", name="Reader", actions=("*/read",)),
    RoleDefinition(
        id="21090545-7ca7-4776-b22c-e363652d74d2",
        name="Key Vault Reader",
        actions=(_AUTHORIZATION_READ, f"{VAULTS}/*/read"),
        data_actions=(f"{VAULTS}/*/read", f"{VAULTS}/secrets/readMetadata/action"),
    ),
    RoleDefinition(
        id="4633458b-17de-408a-b874-0445c86b69e6",
        name="Key Vault Secrets User",
        data_actions=(f"{VAULTS}/secrets/getSecret/action", f"{VAULTS}/secrets/readMetadata/action"),
    ),
    RoleDefinition(
        id="b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        name="Key Vault Secrets Officer",
        actions=(_AUTHORIZATION_READ, f"{VAULTS}/*/read"),
        data_actions=(f"{VAULTS}/secrets/*",),
    ),
    RoleDefinition(
        id="a4417e6f-fecd-4de8-b567-7b0420556985",
        name="Key Vault Certificates Officer",
        actions=(_AUTHORIZATION_READ, f"{VAULTS}/*/read"),
        data_actions=(
            f"{VAULTS}/certificatecas/*",
            f"{VAULTS}/certificates/*",
            f"{VAULTS}/certificatecontacts/write",
        ),
    ),
    RoleDefinition(
        id="14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        name="Key Vault Crypto Officer",
        actions=(_AUTHORIZATION_READ, f"{VAULTS}/*/read"),
        data_actions=(f"{VAULTS}/keys/*", f"{VAULTS}/keyrotationpolicies/*"),
    ),
    RoleDefinition(
        id="00482a5a-887f-4fb3-b363-3b7fe8e74483",
        name="Key Vault Administrator",
        actions=(_AUTHORIZATION_READ, f"{VAULTS}/*/read"),
        data_actions=(f"{VAULTS}/*",),
    ),
)
