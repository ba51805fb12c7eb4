"""Microsoft Graph v1.0: applications, service principals and what hangs on them, with its permissions and pages.

learn.microsoft.com/graph/api: application-list, serviceprincipal-list, application-list-federatedidentitycredentials,
serviceprincipal-list-approleassignments. Changes of credentials are in `graph_credentials`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from nhisync_azure.emulator import graph_documents as documents
from nhisync_azure.emulator.cloud import Caller, Cloud, Token, Traffic
from nhisync_azure.emulator.directory import Application, ServicePrincipal, Tenant
from nhisync_azure.emulator.pipeline import claims_challenge
from nhisync_azure.emulator.sts import GRAPH_AUDIENCE
from nhisync_azure.emulator.wire import RefusedError, Reply, Request, reply

READ_ROLES: Final = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
)
"""Each of them lets an application read applications and principals (graph/permissions-reference)."""
_PAGE, _MOST, _EXPANDED = 100, 999, 20
_EXPAND = re.compile(r"(\w+)(?:\(\$select=([\w, ]+)\))?")
_BY_APP_ID = re.compile(r"(applications|servicePrincipals)\(appId='([^']*)'\)", re.IGNORECASE)
_FILTER = re.compile(r"(\w+)\s+eq\s+'((?:[^']|'')*)'", re.IGNORECASE)
_STARTS = re.compile(r"startswith\((\w+),\s*'((?:[^']|'')*)'\)", re.IGNORECASE)
Object = Application | ServicePrincipal


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request to Graph."""

    cloud: Cloud
    tenant: Tenant
    traffic: Traffic
    caller: Caller
    request: Request
    now: datetime
    base: str
    query: Mapping[str, str]

    def body(self) -> dict[str, Any]:
        """The JSON body.

        Raises:
            RefusedError: it is none.
        """
        try:
            return self.request.json()
        except ValueError:
            raise bad_request("Unable to read JSON request payload.") from None

    @property
    def seen_until(self) -> datetime:
        """What was added later is not shown yet."""
        fault = self.traffic.faults.state("list-lag", "graph")
        return documents.earlier(self.now, fault.seconds(60) if fault is not None else 0)


class GraphError(RefusedError):
    """A refusal with Graph's ``innerError``."""

    def __init__(self, status: int, code: str, text: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, code, text, headers=headers)

    def document(self) -> dict[str, Any]:
        """The error envelope."""
        return {"error": {"code": self.code, "message": self.text, "innerError": {}}}


def bad_request(text: str, code: str = "Request_BadRequest") -> GraphError:
    """400."""
    return GraphError(400, code, text)


def not_found(what: str) -> GraphError:
    """404: no such object."""
    text = f"Resource '{what}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", text)


def authenticate(cloud: Cloud, request: Request) -> Token:
    """The token of a request.

    Raises:
        GraphError: 401.
    """
    token = cloud.token(request.bearer) if request.bearer else None
    if token is not None and token.revoked:
        authority = f"{cloud.authority}/{token.caller.tenant}/oauth2/authorize"
        header = {"WWW-Authenticate": claims_challenge(authority, cloud.wall.now().timestamp())}
        raise GraphError(401, "InvalidAuthenticationToken", "Continuous access evaluation failed.", headers=header)
    if token is None or token.audience != GRAPH_AUDIENCE:
        text = "Access token validation failure. Invalid audience." if token else "Access token is empty or invalid."
        header = {"WWW-Authenticate": f'Bearer realm="", authorization_uri="{cloud.authority}/common/oauth2/authorize"'}
        raise GraphError(401, "InvalidAuthenticationToken", text, headers=header)
    return token


def path_of(request: Request) -> tuple[str, ...]:
    """The segments below ``/v1.0``; ``applications(appId='x')`` becomes two of them."""
    found: list[str] = []
    for segment in request.segments[1:]:
        keyed = _BY_APP_ID.fullmatch(segment)
        found.extend((keyed[1], f"appId={keyed[2]}") if keyed else (segment.removeprefix("microsoft.graph."),))
    return tuple(found)


def operation_of(request: Request) -> str:
    """The request's name in books and faults: ``applications/list``, ``applications/addPassword``."""
    path = path_of(request)
    if len(path) == 1:
        return f"{path[0]}/list" if request.method == "GET" else f"{path[0]}/create"
    if len(path) == 2:
        return f"{path[0]}/{ {'GET': 'get', 'PATCH': 'update', 'DELETE': 'delete'}.get(request.method, 'other') }"
    return f"{path[0]}/{path[2]}" if path else "root"


def require(call: Call, *roles: str) -> None:
    """The caller's token holds one of these permissions.

    Raises:
        GraphError: 403.
    """
    if not set(roles) & set(call.caller.roles):
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def find(call: Call, collection: str, key: str) -> Object:
    """An object by id or by ``appId=…``.

    Raises:
        GraphError: 404.
    """
    tenant, app_id = call.tenant, key.removeprefix("appId=")
    found: Object | None
    if collection == "applications":
        found = tenant.application(app_id) if app_id != key else tenant.applications.get(key)
    else:
        found = tenant.principal(app_id) if app_id != key else tenant.principals.get(key)
    if found is None or (isinstance(found, Application) and found.deleted is not None):
        raise not_found(app_id)
    return found


def answer_read(call: Call) -> Reply:
    """A GET.

    Raises:
        GraphError: an answer with an error status.
    """
    path = path_of(call.request)
    if path[:2] == ("policies", "defaultAppManagementPolicy"):
        require(call, "Policy.Read.All")
        return reply(documents.policy(call.base, call.tenant.policy))
    if not path or path[0] not in ("applications", "servicePrincipals") or len(path) > 3:
        raise bad_request("Resource not found for the segment.", "BadRequest")
    require(call, *READ_ROLES)
    if len(path) == 1:
        return _list(call, path[0])
    target = find(call, path[0], path[1])
    if len(path) == 2:
        return _one(call, path[0], target)
    return _related(call, path[0], target, path[2])


def _list(call: Call, collection: str) -> Reply:
    chosen = _filtered(call, _shelf(call, collection))
    select = _select(call)

    def render(one: Object) -> dict[str, Any]:
        document = documents.of(one, seen_until=call.seen_until, with_keys=False)
        return documents.selected(document, select) | _expanded(call, one)

    return _paged(call, collection, sorted(chosen, key=lambda one: one.id), render)


def _one(call: Call, collection: str, target: Object) -> Reply:
    select = _select(call)
    # The public certificate comes only when one object's keyCredentials are asked for by name
    # (graph/api/resources/keycredential, property ``key``).
    document = documents.of(target, seen_until=call.seen_until, with_keys="keyCredentials" in select)
    context = f"{call.base}/v1.0/$metadata#{collection}/$entity"
    return reply({"@odata.context": context, **documents.selected(document, select), **_expanded(call, target)})


def _expanded(call: Call, target: Object) -> dict[str, Any]:
    """The one relation that may come along with each object, twenty rows of it (graph/query-parameters, $expand)."""
    text = call.query.get("$expand", "").strip()
    if not text:
        return {}
    match = _EXPAND.fullmatch(text)
    rows: list[dict[str, Any]]
    if match is not None and match[1] == "owners":
        rows = [documents.owner(call.tenant, one) for one in sorted(target.owners)]
    elif match is not None and match[1] == "federatedIdentityCredentials" and isinstance(target, Application):
        rows = [documents.federated(one) for one in target.federated]
    else:
        raise bad_request(f"Parsing OData Select and Expand failed: {text}", "BadRequest")
    names = tuple(name.strip() for name in (match[2] or "").split(",") if name.strip())
    return {match[1]: [documents.selected(row, names) for row in rows[:_EXPANDED]]}


def _related(call: Call, collection: str, target: Object, name: str) -> Reply:
    rows: Sequence[Any]
    if name == "federatedIdentityCredentials" and isinstance(target, Application):
        rows = [documents.federated(one) for one in target.federated]
    elif name == "owners":
        rows = [documents.owner(call.tenant, one) for one in sorted(target.owners)]
    elif name == "appRoleAssignments" and isinstance(target, ServicePrincipal):
        rows = [documents.assignment(call.tenant, target, one) for one in target.assignments]
    elif name == "oauth2PermissionGrants" and isinstance(target, ServicePrincipal):
        require(call, "Directory.Read.All")
        rows = target.grants
    elif name in ("memberOf", "transitiveMemberOf") and isinstance(target, ServicePrincipal):
        rows = [documents.group(one) for one in sorted(call.tenant.groups_of(target.id))]
        rows += [documents.directory_role(one) for one in call.tenant.directory_roles_of(target.id)]
    else:
        raise bad_request(f"Resource not found for the segment '{name}'.", "BadRequest")
    return _paged(call, f"{collection}('{target.id}')/{name}", rows, dict)


def _paged(call: Call, context: str, rows: Sequence[Any], render: Callable[[Any], dict[str, Any]]) -> Reply:
    faults = call.traffic.faults
    size = _size(call)
    short = faults.state("short-pages", "graph")
    if short is not None:
        size = min(size, int(short.options.get("size", 1)))
    start, empty_done = _skip(call)
    document: dict[str, Any] = {"@odata.context": f"{call.base}/v1.0/$metadata#{context}"}
    if faults.state("empty-pages", "graph") is not None and not empty_done:
        return reply({**document, "@odata.nextLink": _next(call, f"!{start}"), "value": []})
    end = start + size
    if end < len(rows):
        document["@odata.nextLink"] = _next(call, str(end))
    elif faults.state("endless-paging", "graph") is not None:
        document["@odata.nextLink"] = _next(call, "0")
    return reply({**document, "value": [render(row) for row in rows[start:end]]})


def _size(call: Call) -> int:
    text = call.query.get("$top", str(_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise bad_request(f"Invalid page size specified: '{text}'. Must be between 1 and {_MOST} inclusive.")
    return int(text)


def _skip(call: Call) -> tuple[int, bool]:
    try:
        text = base64.urlsafe_b64decode(call.query.get("$skiptoken", "").encode()).decode() or "0"
        return int(text.removeprefix("!")), text.startswith("!")
    except (ValueError, binascii.Error):
        raise bad_request("The skip token is malformed.", "Directory_ExpiredPageToken") from None


def _next(call: Call, offset: str) -> str:
    token = base64.urlsafe_b64encode(offset.encode()).decode()
    kept = {name: value for name, value in call.query.items() if name != "$skiptoken"}
    query = "&".join(f"{name}={quote(value)}" for name, value in {**kept, "$skiptoken": token}.items())
    return f"{call.base}{call.request.target.partition('?')[0]}?{query}"


def _select(call: Call) -> tuple[str, ...]:
    return tuple(name.strip() for name in call.query.get("$select", "").split(",") if name.strip())


def _shelf(call: Call, collection: str) -> Iterable[Object]:
    if collection == "applications":
        return (one for one in call.tenant.applications.values() if one.deleted is None)
    return call.tenant.principals.values()


def _filtered(call: Call, objects: Iterable[Object]) -> Iterable[Object]:
    text = call.query.get("$filter", "").strip()
    if not text:
        return objects
    equal, starts = _FILTER.fullmatch(text), _STARTS.fullmatch(text)
    match = equal or starts
    fields = {"appid": "app_id", "displayname": "display_name", "id": "id"}
    if match is None or match[1].lower() not in fields:
        raise bad_request(f"Unsupported or invalid query filter clause: {text}", "Request_UnsupportedQuery")
    name, wanted = fields[match[1].lower()], match[2].replace("''", "'").lower()
    if equal:
        return (one for one in objects if str(getattr(one, name)).lower() == wanted)
    return (one for one in objects if str(getattr(one, name)).lower().startswith(wanted))
