"""Resource Manager, version 3, over gRPC: projects, folders and organisations, and their allow policies."""

from typing import Any

from google.iam.v1 import iam_policy_pb2

from nhisync_gcp.emulator import policies
from nhisync_gcp.emulator.refusals import denied, invalid
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.hierarchy import PACKAGE, Place, PlaceRequest


def get_project(call: Call) -> Any:
    """GetProject: named by its number, whatever it was asked for by."""
    place = _place(call, call.request.name, "projects", "get")
    principals = call.cloud.access.principals
    return Place(name=principals.numbers[place], parent=principals.parents.get(place, ""))


def get_folder(call: Call) -> Any:
    """GetFolder."""
    place = _place(call, call.request.name, "folders", "get")
    return Place(name=place, parent=call.cloud.access.principals.parents.get(place, ""))


def _policy(kind: str, method: str) -> Any:
    """``GetIamPolicy`` or ``SetIamPolicy`` of one kind of place."""

    def answer(call: Call) -> Any:
        place = _place(call, call.request.resource, kind, method)
        return (policies.get_policy if method == "getIamPolicy" else policies.set_policy)(call, place)

    return answer


def _place(call: Call, name: str, kind: str, method: str) -> str:
    """The place as policies are kept; the caller has the permission there.

    Raises:
        RefusedError: INVALID_ARGUMENT, or PERMISSION_DENIED for what is not there, too.
    """
    head, _, text = name.partition("/")
    permission, principals = f"resourcemanager.{kind}.{method}", call.cloud.access.principals
    if head != kind or not text:
        raise invalid(f"field [{name}] has issue [must be a {kind} name]")
    if kind == "projects":
        project = call.cloud.find_project(text)
        if project is None:
            raise denied(permission, name)
        name = f"projects/{project.id}"
    elif name not in {*principals.parents, *principals.parents.values()}:
        raise denied(permission, name)
    call.require(permission, name)
    return name


def _methods(service: str, kind: str) -> tuple[Rpc, ...]:
    get, put = iam_policy_pb2.GetIamPolicyRequest, iam_policy_pb2.SetIamPolicyRequest
    name = f"{PACKAGE}.{service}"
    return (
        Rpc(service=name, method="GetIamPolicy", request=get, handler=_policy(kind, "getIamPolicy")),
        Rpc(service=name, method="SetIamPolicy", request=put, handler=_policy(kind, "setIamPolicy"), writes=True),
    )


METHODS = (
    Rpc(service=f"{PACKAGE}.Projects", method="GetProject", request=PlaceRequest, handler=get_project),
    Rpc(service=f"{PACKAGE}.Folders", method="GetFolder", request=PlaceRequest, handler=get_folder),
    *_methods("Projects", "projects"),
    *_methods("Folders", "folders"),
    *_methods("Organizations", "organizations"),
)
