"""Cloud Resource Manager: allow policies of projects, over REST in versions 1 and 3."""

import re

from google.iam.v1 import iam_policy_pb2
from google.protobuf import json_format

from nhisync_gcp.emulator import policies
from nhisync_gcp.emulator.cloud import Project
from nhisync_gcp.emulator.refusals import denied, invalid
from nhisync_gcp.emulator.rpc import Call, Node
from nhisync_gcp.emulator.web import Route, WebReply, WebRequest, caller, json_reply

_REQUESTS = {
    "getIamPolicy": iam_policy_pb2.GetIamPolicyRequest,
    "setIamPolicy": iam_policy_pb2.SetIamPolicyRequest,
    "testIamPermissions": iam_policy_pb2.TestIamPermissionsRequest,
}


def answer(node: Node, request: WebRequest, match: re.Match[str]) -> WebReply:
    """``projects/P:getIamPolicy``, ``:setIamPolicy`` and ``:testIamPermissions``."""
    method = match.group(2)
    message = _REQUESTS[method]()
    try:
        json_format.ParseDict(request.form(), message)
    except json_format.ParseError:
        raise invalid("Invalid JSON payload received.") from None
    web = caller(node, request, f"Projects.{method}")
    call = Call(node=node, name=web.name, location="", request=message, member=web.member)
    return json_reply(200, json_format.MessageToDict(_policy(call, _project(call, match.group(1), method), method)))


def _policy(call: Call, project: Project, method: str) -> object:
    resource = f"projects/{project.id}"
    if method == "testIamPermissions":
        return policies.test_permissions(call, resource)
    call.require(f"resourcemanager.projects.{method}", resource)
    return (policies.get_policy if method == "getIamPolicy" else policies.set_policy)(call, resource)


def _project(call: Call, text: str, method: str) -> Project:
    found = call.cloud.find_project(text)
    if found is None:
        raise denied(f"resourcemanager.projects.{method}", f"projects/{text}")
    return found


ROUTES = (
    Route("POST", re.compile(r"/v[13]/projects/([^/:]+):(getIamPolicy|setIamPolicy|testIamPermissions)"), answer),
)
