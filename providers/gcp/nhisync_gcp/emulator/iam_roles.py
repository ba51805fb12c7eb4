"""IAM's methods on roles: predefined ones are read, custom ones of a project are written too."""

import re
from typing import Any

from google.cloud.iam_admin_v1 import types
from google.protobuf.field_mask_pb2 import FieldMask

from nhisync_gcp.emulator.accounts import etag
from nhisync_gcp.emulator.iam_names import SERVICE, project_of
from nhisync_gcp.emulator.messages import copy, plain
from nhisync_gcp.emulator.refusals import denied, exists, invalid, not_found
from nhisync_gcp.emulator.roles import PREDEFINED, included
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.timeline import Timeline

RoleMessage = plain(types.Role)
_ListResponse = plain(types.ListRolesResponse)
_ORGANISATIONS = re.compile(r"(organizations/[^/]+)/roles/[A-Za-z0-9_.]{3,64}")
_NAME = re.compile(r"(projects/[^/]+)/roles/([A-Za-z0-9_.]{3,64})")


def get_role(call: Call) -> Any:
    """GetRole: predefined roles are everybody's to read."""
    if call.request.name in PREDEFINED:
        return RoleMessage(name=call.request.name, included_permissions=included(call.request.name))
    if call.request.name.startswith("roles/"):
        raise not_found(f"The role named {call.request.name} was not found.")
    return _the_role(call, call.request.name, "iam.roles.get").current


def list_roles(call: Call) -> Any:
    """ListRoles: of a project; without a parent the predefined ones."""
    if not call.request.parent:
        return _ListResponse(roles=[RoleMessage(name=name) for name in PREDEFINED])
    project = project_of(call, call.request.parent, "iam.roles.list")
    rows = [line.current for name, line in call.cloud.access.roles.items() if name.startswith(f"projects/{project}/")]
    shown = [copy(row) for row in rows if row is not None and (call.request.show_deleted or not row.deleted)]
    if call.request.view != types.RoleView.FULL:
        for row in shown:
            row.ClearField("included_permissions")
    return _ListResponse(roles=shown)


def create_role(call: Call) -> Any:
    """CreateRole."""
    project = project_of(call, call.request.parent, "iam.roles.create")
    name = f"projects/{project}/roles/{call.request.role_id}"
    if _NAME.fullmatch(name) is None:
        raise invalid("A role ID has 3 to 64 letters, digits, underscores and periods.")
    if name in call.cloud.access.roles:
        raise exists(f"A role named {call.request.role_id} in {call.request.parent} already exists.")
    message = copy(call.request.role)
    message.name = name
    return _put(call, call.cloud.access.roles.setdefault(name, Timeline()), message)


def update_role(call: Call) -> Any:
    """UpdateRole: the fields of the mask, all without one."""
    line = _the_role(call, call.request.name, "iam.roles.update")
    paths = list(call.request.update_mask.paths) or ["title", "description", "included_permissions", "stage"]
    message = copy(line.current)
    FieldMask(paths=paths).MergeMessage(call.request.role, message, True, True)
    return _put(call, line, message)


def delete_role(call: Call) -> Any:
    """DeleteRole: its bindings grant nothing any more; it can come back."""
    return _mark(call, "iam.roles.delete", deleted=True)


def undelete_role(call: Call) -> Any:
    """UndeleteRole."""
    return _mark(call, "iam.roles.undelete", deleted=False)


def _mark(call: Call, permission: str, *, deleted: bool) -> Any:
    line = _the_role(call, call.request.name, permission)
    message = copy(line.current)
    message.deleted = deleted
    return _put(call, line, message)


def _the_role(call: Call, name: str, permission: str) -> Timeline:
    of_organisation = _ORGANISATIONS.fullmatch(name)
    if of_organisation is not None:
        call.require(permission, of_organisation[1], shown=name)
        return _there(call, name, name)
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid role name: {name}")
    project = call.cloud.find_project(match.group(1).partition("/")[2])
    if project is None:
        raise denied(permission, name)
    call.require(permission, f"projects/{project.id}", shown=name)
    return _there(call, f"projects/{project.id}/roles/{match.group(2)}", name)


def _there(call: Call, key: str, name: str) -> Timeline:
    line = call.cloud.access.roles.get(key)
    if line is None or line.current is None:
        raise not_found(f"The role named {name} was not found.")
    return line


def _put(call: Call, line: Timeline, message: Any) -> Any:
    message.etag = etag(call.cloud.secrets.next_serial())
    line.put(call.now, message)
    return message


def _rpc(method: str, request: Any, handler: Any, *, writes: bool = True) -> Rpc:
    return Rpc(service=SERVICE, method=method, request=plain(request), handler=handler, writes=writes)


METHODS = (
    _rpc("GetRole", types.GetRoleRequest, get_role, writes=False),
    _rpc("ListRoles", types.ListRolesRequest, list_roles, writes=False),
    _rpc("CreateRole", types.CreateRoleRequest, create_role),
    _rpc("UpdateRole", types.UpdateRoleRequest, update_role),
    _rpc("DeleteRole", types.DeleteRoleRequest, delete_role),
    _rpc("UndeleteRole", types.UndeleteRoleRequest, undelete_role),
)
