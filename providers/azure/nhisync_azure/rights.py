"""Azure's assignments and access policies, and application roles of the directory, as rights of one principal (pure).

Actions are written ``control:…`` (Resource Manager), ``data:…`` (the service itself), ``role:…`` (an application role,
on the application that offers it) and ``directory:…`` (a role of the directory). A resource is a scope in lower case
and ``/*``: it and all that stands in it. Source: Microsoft Learn, "Understand Azure role definitions", "… role
assignments", "… deny assignments"; Microsoft Graph, appRoleAssignment and directoryRole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nhisync.spi import Effect, ProviderError, Right
from nhisync.spi.spelling import one_line
from nhisync_azure.errors import Called, malformed
from nhisync_azure.policy_words import data_actions, in_parts

EVERYONE = "00000000-0000-0000-0000-000000000000"
"""In deny assignments all principals; as an application role the mere access to an application."""

_BY_POLICY = ("secrets", "keys", "certificates", "storage")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where rights are read.

    Attributes:
        scope: a scope of the configuration, in lower case.
        shut: vaults in it that authorise by their own policies: no role reaches their data.
    """

    scope: str
    shut: tuple[str, ...] = ()

    def reach(self, scope: str) -> tuple[str, ...]:
        """Resources that something assigned at `scope` concerns; a management group is above by no name."""
        place = scope.rstrip("/").lower()
        if inside(self.scope, place) or inside(place, self.scope):
            return (f"{place}/*",)
        return (f"{place}/*", f"{self.scope}/*")

    def rights(
        self, effect: Effect, block: Row, where: tuple[str, ...], conditions: tuple[str, ...]
    ) -> Iterator[Right]:
        """One block of permissions: actions of Resource Manager and of data, each without its exceptions."""
        control, data = texts(block, "actions"), in_parts(texts(block, "dataActions"))
        but, never = texts(block, "notActions"), in_parts(texts(block, "notDataActions"))
        if control:
            yield Right(effect, _named("control", control), where, _named("control", but), (), conditions)
        if data:
            shut = tuple(sorted(f"{vault}/*" for vault in self.shut))
            yield Right(effect, _named("data", data), where, _named("data", never), shut, conditions)


def assigned(place: Place, assignment: Row, definition: Row) -> list[Right]:
    """What one role assignment gives; each block of a role may have a condition of its own."""
    about = properties(assignment)
    where = place.reach(text(about, "scope"))
    return [
        right
        for block in rows(properties(definition), "permissions")
        for right in place.rights(Effect.ALLOW, block, where, tuple(sorted({*_condition(about), *_condition(block)})))
    ]


def denied(place: Place, assignment: Row, ids: frozenset[str]) -> list[Right]:
    """What one deny assignment takes from the principal with these ids: its own, and those of its groups."""
    about = properties(assignment)
    if not _ids(about, "principals") & (ids | {EVERYONE}) or _ids(about, "excludePrincipals") & ids:
        return []
    where = place.reach(text(about, "scope"))
    if about.get("doNotApplyToChildScopes") is True:
        where = tuple(one.removesuffix("*") for one in where[:1])
    return [
        right
        for block in rows(about, "permissions")
        for right in place.rights(Effect.DENY, block, where, tuple(sorted({*_condition(about), *_condition(block)})))
    ]


def by_policies(vault: Row, ids: frozenset[str]) -> tuple[list[Right], list[str]]:
    """What a vault's own access policies give, and what of them is not clear."""
    rights, gaps = [], []
    for policy in rows(properties(vault), "accessPolicies"):
        if text(policy, "objectId").lower() not in ids:
            continue
        if policy.get("applicationId"):
            gaps.append("an access policy gives rights on behalf of somebody else")
            continue
        given = policy.get("permissions")
        words = {kind: texts(given, kind) for kind in _BY_POLICY} if isinstance(given, Mapping) else {}
        actions = data_actions(words)
        if actions:
            where = (f"{text(vault, 'id').lower()}/*",)
            rights.append(Right(Effect.ALLOW, _named("data", actions), where))
    return rights, gaps


def has_policies(vault: Row) -> bool:
    """Whether a vault authorises by its own policies; unset means so."""
    return properties(vault).get("enableRbacAuthorization") is not True


def in_applications(held: Iterable[Row], resources: Mapping[str, Row]) -> tuple[list[Right], list[str]]:
    """Application roles by value: their ids differ from tenant to tenant.

    Args:
        held: rows of appRoleAssignments.
        resources: object id → the service principal that offers roles.
    """
    rights, gaps = [], []
    for row in held:
        resource = resources[text(row, "resourceId").lower()]
        wanted, app = text(row, "appRoleId").lower(), text(resource, "appId").lower()
        roles = {text(one, "id").lower(): one for one in rows(resource, "appRoles")}
        value = "default" if wanted == EVERYONE else str((roles.get(wanted) or {}).get("value") or "")
        if value:
            rights.append(Right(Effect.ALLOW, (f"role:{value}",), (f"app:{app}",)))
        else:
            gaps.append(f"application {app} names no value of a role that is held on it")
    return rights, gaps


def in_directory(memberships: Iterable[Row]) -> tuple[list[Right], list[str]]:
    """Roles of the directory among what the principal is a member of."""
    rights, gaps = [], []
    for row in memberships:
        if str(row.get("@odata.type")).lower() != "#microsoft.graph.directoryrole":
            continue
        name = row.get("displayName")
        if isinstance(name, str) and name:
            rights.append(Right(Effect.ALLOW, (f"directory:{name}",), ("directory",)))
        else:
            gaps.append("a role of the directory is held; its name is only shown with RoleManagement.Read.Directory")
    return rights, gaps


def inside(scope: str, parent: str) -> bool:
    """Whether `scope` is `parent` or below it; both in lower case, the root is ``""``."""
    return scope == parent or scope.startswith(f"{parent}/")


def properties(row: Row) -> Row:
    """The properties of an object of Resource Manager.

    Raises:
        ProviderError: MALFORMED, there are none.
    """
    found = row.get("properties")
    if not isinstance(found, Mapping):
        raise _odd("an object without its properties")
    return found


def text(row: Row, name: str) -> str:
    """A text that must be there.

    Raises:
        ProviderError: MALFORMED, it is not.
    """
    found = row.get(name)
    if not isinstance(found, str) or not found:
        raise _odd(f"an object without its {name}")
    return found


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts; one that is not there is empty.

    Raises:
        ProviderError: MALFORMED, it is something else.
    """
    found = row.get(name)
    if found is None:
        return ()
    if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(one, str) for one in found):
        raise _odd(f"something else than texts as {name}")
    return tuple(found)


def rows(row: Row, name: str) -> list[Row]:
    """A list of objects that must be there.

    Raises:
        ProviderError: MALFORMED, it is not.
    """
    found = row.get(name)
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _odd(f"an object without its {name}")
    return found


def _ids(about: Row, name: str) -> frozenset[str]:
    return frozenset(text(one, "id").lower() for one in rows(about, name))


def _named(kind: str, actions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(f"{kind}:{one}" for one in actions))


def _condition(row: Row) -> tuple[str, ...]:
    found = row.get("condition")
    return (one_line(found),) if isinstance(found, str) and found.strip() else ()


def _odd(what: str) -> ProviderError:
    return malformed(Called(name="arm.rights"), f"the answer holds {what}")
