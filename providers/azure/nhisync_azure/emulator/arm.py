"""Azure Resource Manager: vault settings, role assignments and definitions, deny assignments, own permissions.

learn.microsoft.com/rest/api/keyvault/keyvault/vaults and …/rest/api/authorization (2022-04-01).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nhisync_azure.emulator import arm_documents as documents
from nhisync_azure.emulator.cloud import Caller, Cloud, Token, Traffic
from nhisync_azure.emulator.conditions import Target
from nhisync_azure.emulator.pipeline import claims_challenge
from nhisync_azure.emulator.rbac import RoleAssignment, RoleDefinition, Subject, settled, within
from nhisync_azure.emulator.sts import ARM_AUDIENCE
from nhisync_azure.emulator.vaults import Vault
from nhisync_azure.emulator.wire import RefusedError, Reply, Request, reply

_VAULTS: Final = "microsoft.keyvault/vaults"
_AUTHORIZATION: Final = "microsoft.authorization"
_ASSIGNED_TO = re.compile(r"assignedTo\('([^']+)'\)", re.IGNORECASE)
_PRINCIPAL = re.compile(r"principalId\s+eq\s+'([^']+)'", re.IGNORECASE)
_ROLE_NAME = re.compile(r"roleName\s+eq\s+'([^']+)'", re.IGNORECASE)
_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request to Resource Manager.

    Attributes:
        scope: resource id the request is about, without a trailing slash.
        kind: what is asked for below it: ``vaults``, ``vault``, ``roleAssignments`` …
        name: last segment of a single object, "" = the collection.
    """

    cloud: Cloud
    traffic: Traffic
    caller: Caller
    request: Request
    now: datetime
    base: str
    query: Mapping[str, str]
    scope: str
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """What a path names."""

    scope: str
    kind: str
    name: str = ""


def address_of(request: Request) -> Address:
    """The parts of a path; a kind of "" when it names nothing known."""
    path = request.segments
    low = [part.lower() for part in path]
    if _AUTHORIZATION in low:
        at = len(low) - 1 - low[::-1].index(_AUTHORIZATION)
        kind = path[at + 1] if len(path) > at + 1 else ""
        name = path[at + 2] if len(path) > at + 2 else ""
        return Address("/" + "/".join(path[: at - 1]), kind, name)
    if low[-2:] == ["microsoft.keyvault", "vaults"]:
        return Address("/" + "/".join(path[:-3]), "vaults")
    if low[-3:-1] == ["microsoft.keyvault", "vaults"]:
        return Address("/" + "/".join(path), "vault", path[-1])
    return Address("/" + "/".join(path), "")


def operation_of(request: Request) -> str:
    """The request's name in books and faults: ``vault/get``, ``roleAssignments/list``."""
    address = address_of(request)
    single = address.kind == "vault" or bool(address.name)
    return f"{address.kind or 'unknown'}/{'get' if single else 'list'}"


def authenticate(cloud: Cloud, request: Request, scope: str) -> Token:
    """The token of a request.

    Raises:
        RefusedError: 401.
    """
    authority = f"{cloud.authority}/{_tenant_of(cloud, scope)}"
    challenge = {"WWW-Authenticate": f'Bearer authorization_uri="{authority}", error="invalid_token"'}
    token = cloud.token(request.bearer) if request.bearer else None
    if token is None:
        text = "Authentication failed. The 'Authorization' header is missing or not valid."
        raise RefusedError(401, "AuthenticationFailed", text, headers=challenge)
    if token.revoked:
        header = {"WWW-Authenticate": claims_challenge(authority, cloud.wall.now().timestamp())}
        raise RefusedError(401, "InvalidAuthenticationToken", "The session was revoked.", headers=header)
    if token.audience != ARM_AUDIENCE:
        text = "The access token has been obtained for wrong audience or resource."
        raise RefusedError(401, "InvalidAuthenticationTokenAudience", text, headers=challenge)
    if _tenant_of(cloud, scope) not in ("", token.caller.tenant):
        text = "The access token is from the wrong issuer. It must match the tenant of the subscription."
        raise RefusedError(401, "InvalidAuthenticationTokenTenant", text, headers=challenge)
    return token


def answer(call: Call) -> Reply:
    """One request.

    Raises:
        RefusedError: an answer with an error status.
    """
    if not call.query.get("api-version"):
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise RefusedError(400, "MissingApiVersionParameter", text)
    handler = _HANDLERS.get((call.request.method, call.kind.lower()))
    if handler is None:
        text = f"The resource type or method is not known here: {call.request.method} {call.kind or call.scope}"
        raise RefusedError(404, "InvalidResourceType", text)
    return handler(call)


def _vault(call: Call) -> Reply:
    _require(call, "Microsoft.KeyVault/vaults/read", call.scope)
    found = next((one for one in call.cloud.vaults.values() if one.id.lower() == call.scope.lower()), None)
    if found is None:
        text = f"The Resource 'Microsoft.KeyVault/vaults/{call.name}' was not found."
        raise RefusedError(404, "ResourceNotFound", text)
    return reply(documents.vault(found))


def _vaults(call: Call) -> Reply:
    """Those of the scope that the caller may read; the others are left out without a word."""
    inside = [one for one in call.cloud.vaults.values() if within(one.id, call.scope)]
    seen = [one for one in inside if _allowed(call, "Microsoft.KeyVault/vaults/read", one.id)]
    return _paged(call, sorted(seen, key=lambda one: one.name), documents.vault)


def _assignments(call: Call) -> Reply:
    _require(call, "Microsoft.Authorization/roleAssignments/read", call.scope)
    every = call.cloud.rbac.assignments
    near = [one for one in every if _near(call, one.scope)]
    if call.name:
        found = [one for one in near if one.id == call.name.lower()]
        if not found:
            raise RefusedError(404, "RoleAssignmentNotFound", f"The role assignment '{call.name}' is not found.")
        return reply(documents.assignment(found[0], _subscription(call)))
    chosen = _filtered(call, near)
    return _paged(call, chosen, lambda one: documents.assignment(one, _subscription(call)))


def _filtered(call: Call, near: Sequence[RoleAssignment]) -> list[RoleAssignment]:
    text = call.query.get("$filter", "").strip()
    assigned, principal = _ASSIGNED_TO.fullmatch(text), _PRINCIPAL.fullmatch(text)
    if not text:
        return list(near)
    if text.lower() == "atscope()":
        return [one for one in near if within(call.scope, one.scope)]
    if assigned:
        ids = _ids_of(call.cloud, assigned[1])
        return [one for one in near if one.principal in ids]
    if principal:
        return [one for one in near if one.principal == principal[1].lower()]
    raise RefusedError(400, "BadRequestFormat", f"The filter is not supported: {text}")


def _definitions(call: Call) -> Reply:
    _require(call, "Microsoft.Authorization/roleDefinitions/read", call.scope)
    every = call.cloud.rbac.definitions
    if call.name:
        found = every.get(call.name.lower())
        if found is None:
            text = f"The specified role definition with ID '{call.name}' does not exist."
            raise RefusedError(404, "RoleDefinitionDoesNotExist", text)
        return reply(documents.definition(found, _subscription(call)))
    named = _ROLE_NAME.fullmatch(call.query.get("$filter", "").strip())
    seen: Iterable[RoleDefinition] = (one for one in every.values() if _assignable(one, call.scope))
    chosen = [one for one in seen if named is None or one.name.lower() == named[1].lower()]
    return _paged(
        call, sorted(chosen, key=lambda one: one.id), lambda one: documents.definition(one, _subscription(call))
    )


def _assignable(definition: RoleDefinition, scope: str) -> bool:
    return any(place == "/" or within(scope, place) or within(place, scope) for place in definition.scopes)


def _denials(call: Call) -> Reply:
    _require(call, "Microsoft.Authorization/denyAssignments/read", call.scope)
    near = [one for one in call.cloud.rbac.denials if _near(call, one.scope)]
    return _paged(call, near, documents.denial)


def _near(call: Call, scope: str) -> bool:
    """Whether something assigned at `scope` holds at the scope of the call, or somewhere below it."""
    return call.cloud.rbac.reaches(scope, call.scope) or within(scope, call.scope)


def _permissions(call: Call) -> Reply:
    """What the caller itself holds at the scope, one row for each assignment."""
    _require(call, "Microsoft.Authorization/permissions/read", call.scope)
    held = [one for one in call.cloud.rbac.held(call.caller.subject, call.scope) if one.created <= _settled(call)]
    definitions = call.cloud.rbac.definitions
    return _paged(call, held, lambda one: documents.permission(definitions[one.definition], one))


_HANDLERS: Final[Mapping[tuple[str, str], Callable[[Call], Reply]]] = {
    ("GET", "vault"): _vault,
    ("GET", "vaults"): _vaults,
    ("GET", "roleassignments"): _assignments,
    ("GET", "roledefinitions"): _definitions,
    ("GET", "denyassignments"): _denials,
    ("GET", "permissions"): _permissions,
}


def _require(call: Call, action: str, scope: str) -> None:
    if _allowed(call, action, scope):
        return
    oid = call.caller.oid
    text = (
        f"The client '{oid}' with object id '{oid}' does not have authorization to perform action '{action}' over "
        f"scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    raise RefusedError(403, "AuthorizationFailed", text)


def _allowed(call: Call, action: str, scope: str) -> bool:
    subject: Subject = call.caller.subject
    return call.cloud.rbac.allows(subject, action, Target(id=scope), data=False, before=_settled(call))


def _settled(call: Call) -> datetime:
    fault = call.traffic.faults.state("rbac-lag", "arm")
    return settled(call.now, fault.seconds(600) if fault is not None else 0)


def _ids_of(cloud: Cloud, object_id: str) -> frozenset[str]:
    """The object and all groups it is in."""
    low = object_id.lower()
    groups = (tenant.groups_of(low) for tenant in cloud.tenants.values())
    return frozenset({low}).union(*groups)


def _tenant_of(cloud: Cloud, scope: str) -> str:
    """The tenant of the scope's subscription, "" = no such subscription."""
    owner: Vault | None = next(
        (one for one in cloud.vaults.values() if within(scope, f"/subscriptions/{one.subscription}")), None
    )
    return owner.tenant if owner else ""


def _subscription(call: Call) -> str:
    parts = call.scope.split("/")
    return f"/subscriptions/{parts[2]}" if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


def _paged(call: Call, rows: Sequence[Any], render: Callable[[Any], dict[str, Any]]) -> Reply:
    faults = call.traffic.faults
    short = faults.state("short-pages", "arm")
    size = _PAGE if short is None else int(short.options.get("size", 1))
    text = call.query.get("$skiptoken", "0")
    start = int(text.removeprefix("!")) if text.removeprefix("!").isdecimal() else 0
    if faults.state("empty-pages", "arm") is not None and not text.startswith("!"):
        return reply({"value": [], "nextLink": _next(call, f"!{start}")})
    link: str | None = None
    if start + size < len(rows):
        link = _next(call, str(start + size))
    elif faults.state("endless-paging", "arm") is not None:
        link = _next(call, "0")
    found: dict[str, Any] = {"value": [render(row) for row in rows[start : start + size]]}
    return reply(found | ({"nextLink": link} if link else {}))


def _next(call: Call, offset: str) -> str:
    kept = {name: value for name, value in call.query.items() if name != "$skiptoken"}
    query = "&".join(f"{name}={value}" for name, value in {**kept, "$skiptoken": offset}.items())
    return f"{call.base}{call.request.target.partition('?')[0]}?{query}"
