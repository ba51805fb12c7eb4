"""Reads what the applications behind credentials may do, in the scopes of the configuration and in the directory.

For each application: its role assignments (those of its groups included), deny assignments, the access policies of
vaults that go by them, its application roles, and its roles of the directory. Roles, vaults and deny assignments are
read once.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import quote

from nhisync.spi import Budget, ErrorKind, GrantFacts, Locator, ProviderError, Right, Syntax
from nhisync_azure.connection import Connection
from nhisync_azure.errors import Called, malformed
from nhisync_azure.kinds.directory import named, resolve
from nhisync_azure.operations import VAULT
from nhisync_azure.permissions import grant_text
from nhisync_azure.rights import (
    Place,
    Row,
    assigned,
    by_policies,
    denied,
    has_policies,
    in_applications,
    in_directory,
    properties,
    text,
    texts,
)
from nhisync_azure.settings import DIRECTORY_KINDS, AzureSettings

SCHEME = "azure"

_AUTHORIZATION = "/providers/Microsoft.Authorization"
_RIGHTS_VERSION, _VAULT_VERSION = "2022-04-01", "2023-07-01"
_A_VAULT = re.compile(r"/providers/microsoft\.keyvault/vaults/[^/]+\Z")
_A_RESOURCE = re.compile(r"/providers/")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_HOLDER = {"$select": "id,appId,displayName"}


class Scope(NamedTuple):
    """What one scope says, whoever is asked about.

    Attributes:
        place: the scope.
        closed: vaults in it that go by access policies.
        denials: deny assignments that hold there or below.
    """

    place: Place
    closed: tuple[Row, ...]
    denials: tuple[Row, ...]


class GrantRun:
    """One look at the rights of some applications.

    Args:
        connection: of the source.
        settings: of the source.
        budget: every call is spent.
        now: the time of observation.
    """

    def __init__(
        self, connection: Connection, settings: AzureSettings, budget: Budget, now: Callable[[], datetime]
    ) -> None:
        self._connection, self._settings, self._budget, self._now = connection, settings, budget, now
        self._scopes: tuple[Scope, ...] | ProviderError | None = None
        self._definitions: dict[str, Row] = {}
        self._resources: dict[str, Row] = {}
        self._known: dict[str, tuple[tuple[Right, ...], tuple[str, ...]]] = {}

    def facts(self, wanted: Sequence[Locator]) -> Iterator[GrantFacts]:
        """The rights of each wanted credential's application, or why they are not known; those without rights first."""
        for item in sorted(dict.fromkeys(one.item for one in wanted), key=lambda one: one.kind in DIRECTORY_KINDS):
            try:
                yield self._single(item)
            except ProviderError as error:
                yield GrantFacts(locator=item, observed_at=self._now(), error=error.fact)

    def _single(self, item: Locator) -> GrantFacts:
        if item.kind not in DIRECTORY_KINDS or not self._settings.serves(item.kind):
            raise ProviderError(ErrorKind.UNSUPPORTED, f"the kind {item.kind} holds no rights at this source")
        if self._settings.places is None:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "the source does not say where rights are to be read",
                fix="Set scopes: [/subscriptions/…], or scopes: [] for roles of the directory alone.",
            )
        principal = self._principal(item)
        if principal not in self._known:
            self._known[principal] = self._read(principal)
        rights, gaps = self._known[principal]
        return GrantFacts(
            locator=item,
            observed_at=self._now(),
            scheme=SCHEME,
            syntax=Syntax.PATH,
            rights=rights,
            gaps=gaps,
        )

    def _principal(self, item: Locator) -> str:
        """Object id of the service principal that a credential's name stands for.

        Raises:
            ProviderError: NOT_FOUND, there is none; MISCONFIGURED, there are several.
        """
        collection = "servicePrincipals" if item.kind.startswith("sp-") else "applications"
        found = resolve(item.kind, item.name, lambda name: self._named(collection, name)).holders
        if collection == "applications" and len(found) == 1:
            found = self._named("servicePrincipals", found[0].app_id)
        if len(found) == 1:
            return found[0].id.lower()
        if found:
            said = f"{len(found)} applications carry this display name"
            raise ProviderError(ErrorKind.MISCONFIGURED, said, fix="Name it by its application (client) id.")
        raise ProviderError(ErrorKind.NOT_FOUND, "the tenant has no service principal of this name")

    def _named(self, collection: str, name: str) -> list[Any]:
        return named(self._connection, self._budget, collection, name, **_HOLDER)

    def _read(self, principal: str) -> tuple[tuple[Right, ...], tuple[str, ...]]:
        path = f"servicePrincipals/{quote(principal, safe='')}"
        memberships = self._graph("transitiveMemberOf", f"{path}/transitiveMemberOf")
        ids = frozenset({principal, *(text(row, "id").lower() for row in memberships)})
        held = self._graph("appRoleAssignments", f"{path}/appRoleAssignments")
        parts = [in_directory(memberships), in_applications(held, self._offering(held))]
        for scope in self._everywhere():
            parts.append(self._assigned(scope, principal, ids))
            parts.append(([right for row in scope.denials for right in denied(scope.place, row, ids)], []))
            parts.extend(by_policies(vault, ids) for vault in scope.closed)
        rights = {right for found, _ in parts for right in found}
        return tuple(sorted(rights)), tuple(sorted({gap for _, gaps in parts for gap in gaps}))

    def _assigned(self, scope: Scope, principal: str, ids: frozenset[str]) -> tuple[list[Right], list[str]]:
        """Role assignments of the principal and of its groups, as Resource Manager finds them."""
        rights, gaps, asked = list[Right](), list[str](), scope.place.scope
        for row in self._arm("roleAssignments", asked, **{"$filter": f"assignedTo('{principal}')"}):
            about = properties(row)
            if text(about, "principalId").lower() not in ids:
                gaps.append("a role is assigned to a group of which the directory does not say that it is a member")
            else:
                rights += assigned(scope.place, row, self._definition(asked, text(about, "roleDefinitionId")))
        return rights, gaps

    def _everywhere(self) -> tuple[Scope, ...]:
        """What the scopes say, read once.

        Raises:
            ProviderError: a part cannot be read: without it nobody's rights are known.
        """
        if self._scopes is None:
            try:
                self._scopes = tuple(self._scope(one.rstrip("/").lower()) for one in self._settings.places or ())
            except ProviderError as error:
                self._scopes = error
        if isinstance(self._scopes, ProviderError):
            raise self._scopes
        return self._scopes

    def _scope(self, scope: str) -> Scope:
        closed = tuple(vault for vault in self._vaults(scope) if has_policies(vault))
        denials = tuple(self._arm("denyAssignments", scope))
        return Scope(Place(scope, tuple(text(vault, "id").lower() for vault in closed)), closed, denials)

    def _vaults(self, scope: str) -> Iterator[Row]:
        """The vaults of a scope.

        Raises:
            ProviderError: DENIED, too, when a list would leave out without a word what we may not see.
        """
        if _A_VAULT.search(scope):
            yield self._connection.arm("vault", scope, self._budget, version=_VAULT_VERSION)
            return
        if _A_RESOURCE.search(scope):
            return
        own = self._arm("permissions", scope)
        if not any(_allows(block, f"{VAULT}/read") for block in own):
            raise ProviderError(
                ErrorKind.DENIED,
                "Azure leaves vaults out of lists that this identity may not read",
                action=f"{VAULT}/read",
                resource=scope,
                fix=grant_text("arm.vaults", self._settings),
            )
        path = f"{scope}/providers/Microsoft.KeyVault/vaults"
        for page in self._connection.arm_pages("vaults", path, self._budget, version=_VAULT_VERSION):
            yield from map(_row, page)

    def _definition(self, scope: str, name: str) -> Row:
        """A role by the id that an assignment names."""
        guid = name.rpartition("/")[2].lower()
        if not _GUID.match(guid):
            raise malformed(Called(name="arm.roleAssignments"), "an assignment does not name its role by an id")
        if guid not in self._definitions:
            path = f"{scope}{_AUTHORIZATION}/roleDefinitions/{guid}"
            found = self._connection.arm("roleDefinitions", path, self._budget, version=_RIGHTS_VERSION)
            if str(found.get("name")).lower() != guid:
                raise malformed(Called(name="arm.roleDefinitions"), "the answer is about another role")
            self._definitions[guid] = found
        return self._definitions[guid]

    def _offering(self, held: Sequence[Row]) -> dict[str, Row]:
        """The service principals that offer these application roles, by object id."""
        for row in held:
            resource = text(row, "resourceId").lower()
            if resource not in self._resources:
                path, query = f"servicePrincipals/{quote(resource, safe='')}", {"$select": "id,appId,appRoles"}
                self._resources[resource] = self._connection.graph("servicePrincipals", path, self._budget, **query)
        return self._resources

    def _graph(self, call: str, path: str) -> list[Row]:
        return [_row(raw) for page in self._connection.graph_pages(call, path, self._budget) for raw in page]

    def _arm(self, kind: str, scope: str, **query: str) -> Iterator[Row]:
        path = f"{scope}{_AUTHORIZATION}/{kind}"
        for page in self._connection.arm_pages(kind, path, self._budget, version=_RIGHTS_VERSION, **query):
            yield from map(_row, page)


def _row(raw: Any) -> Row:
    """A row of a list.

    Raises:
        ProviderError: MALFORMED, it is none: what is left out would look like a right that is not held.
    """
    if not isinstance(raw, dict):
        raise malformed(Called(name="arm.rights"), "a row of the list is no object")
    return raw


def _allows(block: Row, action: str) -> bool:
    """Whether one block of our own permissions holds an action of Resource Manager."""

    def holds(member: str) -> bool:
        return any(fnmatchcase(action.lower(), one.lower()) for one in texts(block, member))

    return holds("actions") and not holds("notActions")
