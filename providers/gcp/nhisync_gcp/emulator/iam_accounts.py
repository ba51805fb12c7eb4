"""IAM's methods on service accounts."""

import re
from typing import Any

from google.cloud.iam_admin_v1 import types
from google.iam.v1 import iam_policy_pb2
from google.protobuf import empty_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from nhisync_gcp.emulator import policies
from nhisync_gcp.emulator.accounts import Account, etag
from nhisync_gcp.emulator.iam_names import SERVICE, project_of, resources, the_account
from nhisync_gcp.emulator.messages import copy, plain
from nhisync_gcp.emulator.paging import page
from nhisync_gcp.emulator.refusals import exists, invalid, not_found
from nhisync_gcp.emulator.rpc import Call, Rpc

_ListResponse = plain(types.ListServiceAccountsResponse)
_UndeleteResponse = plain(types.UndeleteServiceAccountResponse)
_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def list_accounts(call: Call) -> Any:
    """ListServiceAccounts: 20 a page by default, 100 at most."""
    project = project_of(call, call.request.name, "iam.serviceAccounts.list")
    things = call.cloud.accounts.of_project(project).oldest_first()
    found = page(call, things, default=20, cap=100, at=call.cloud.shown_at())
    return _ListResponse(accounts=found.rows, next_page_token=found.token)


def get_account(call: Call) -> Any:
    """GetServiceAccount: by address or unique id."""
    return the_account(call, call.request.name, "iam.serviceAccounts.get").account.shown.current


def create_account(call: Call) -> Any:
    """CreateServiceAccount."""
    request = call.request
    project = project_of(call, request.name, "iam.serviceAccounts.create")
    if _ID.fullmatch(request.account_id) is None:
        raise invalid("The account ID must have 6 to 30 lower-case letters, digits and hyphens.")
    if call.cloud.accounts.find(f"{request.account_id}@{project}.iam.gserviceaccount.com") is not None:
        raise exists(f"Service account {request.account_id} already exists within project projects/{project}.")
    given = request.service_account
    fields = {"display_name": given.display_name, "description": given.description}
    return call.cloud.accounts.create(project, request.account_id, call.now, **fields).shown.current


def patch_account(call: Call) -> Any:
    """PatchServiceAccount: display name and description."""
    request = call.request
    account = the_account(call, request.service_account.name, "iam.serviceAccounts.update").account
    paths = list(request.update_mask.paths)
    if not paths or not {"display_name", "description"}.issuperset(paths):
        raise invalid("The update mask may name display_name and description.")
    message = copy(account.shown.current)
    FieldMask(paths=paths).MergeMessage(request.service_account, message)
    return _put(call, account, message)


def enable_account(call: Call) -> Any:
    """EnableServiceAccount."""
    return _switch(call, "iam.serviceAccounts.enable", disabled=False)


def disable_account(call: Call) -> Any:
    """DisableServiceAccount: its tokens are refused from now on."""
    return _switch(call, "iam.serviceAccounts.disable", disabled=True)


def delete_account(call: Call) -> Any:
    """DeleteServiceAccount."""
    account = the_account(call, call.request.name, "iam.serviceAccounts.delete").account
    account.deleted = account.shown.current
    account.shown.put(call.now, None)
    return empty_pb2.Empty()


def undelete_account(call: Call) -> Any:
    """UndeleteServiceAccount: by unique id."""
    wanted = call.request.name.rpartition("/")[2]
    for account in call.cloud.accounts.by_email.values():
        if account.shown.current is None and account.deleted is not None and account.deleted.unique_id == wanted:
            call.require("iam.serviceAccounts.undelete", *resources(account))
            return _UndeleteResponse(restored_account=_put(call, account, copy(account.deleted)))
    raise not_found(f"Unknown service account: {wanted}")


def get_policy(call: Call) -> Any:
    """GetIamPolicy of a service account: who may act as it."""
    account = the_account(call, call.request.resource, "iam.serviceAccounts.getIamPolicy").account
    return policies.get_policy(call, account.name)


def set_policy(call: Call) -> Any:
    """SetIamPolicy of a service account."""
    account = the_account(call, call.request.resource, "iam.serviceAccounts.setIamPolicy").account
    return policies.set_policy(call, account.name)


def test_permissions(call: Call) -> Any:
    """TestIamPermissions on a service account; of a missing one nothing is held."""
    account = call.cloud.accounts.find(call.request.resource.rpartition("/")[2])
    return policies.test_permissions(call, *(resources(account) if account is not None else ()))


def _switch(call: Call, permission: str, *, disabled: bool) -> Any:
    account = the_account(call, call.request.name, permission).account
    message = copy(account.shown.current)
    message.disabled = disabled
    _put(call, account, message)
    return empty_pb2.Empty()


def _put(call: Call, account: Account, message: Any) -> Any:
    message.etag = etag(call.cloud.secrets.next_serial())
    account.shown.put(call.now, message)
    return message


def _rpc(method: str, request: Any, handler: Any, *, writes: bool = True) -> Rpc:
    return Rpc(service=SERVICE, method=method, request=request, handler=handler, writes=writes)


METHODS = (
    _rpc("ListServiceAccounts", plain(types.ListServiceAccountsRequest), list_accounts, writes=False),
    _rpc("GetServiceAccount", plain(types.GetServiceAccountRequest), get_account, writes=False),
    _rpc("CreateServiceAccount", plain(types.CreateServiceAccountRequest), create_account),
    _rpc("PatchServiceAccount", plain(types.PatchServiceAccountRequest), patch_account),
    _rpc("EnableServiceAccount", plain(types.EnableServiceAccountRequest), enable_account),
    _rpc("DisableServiceAccount", plain(types.DisableServiceAccountRequest), disable_account),
    _rpc("DeleteServiceAccount", plain(types.DeleteServiceAccountRequest), delete_account),
    _rpc("UndeleteServiceAccount", plain(types.UndeleteServiceAccountRequest), undelete_account),
    _rpc("GetIamPolicy", iam_policy_pb2.GetIamPolicyRequest, get_policy, writes=False),
    _rpc("SetIamPolicy", iam_policy_pb2.SetIamPolicyRequest, set_policy),
    _rpc("TestIamPermissions", iam_policy_pb2.TestIamPermissionsRequest, test_permissions, writes=False),
)
