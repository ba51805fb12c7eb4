"""Allow policies of secrets."""

from typing import Any

from google.iam.v1 import iam_policy_pb2

from nhisync_gcp.emulator import policies
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.secret_names import located_secret, the_secret
from nhisync_gcp.emulator.secret_reads import SERVICE


def get_policy(call: Call) -> Any:
    """GetIamPolicy."""
    _, secret = the_secret(call, call.request.resource, "secretmanager.secrets.getIamPolicy")
    return policies.get_policy(call, secret.resource)


def set_policy(call: Call) -> Any:
    """SetIamPolicy."""
    _, secret = the_secret(call, call.request.resource, "secretmanager.secrets.setIamPolicy")
    return policies.set_policy(call, secret.resource)


def test_permissions(call: Call) -> Any:
    """TestIamPermissions: needs no permission, and says nothing about what does not exist."""
    target = located_secret(call, call.request.resource)
    found = target is not None and call.cloud.secrets.find(target.place, target.secret) is not None
    return policies.test_permissions(call, *(target.resources if target is not None and found else ()))


METHODS = (
    Rpc(service=SERVICE, method="GetIamPolicy", request=iam_policy_pb2.GetIamPolicyRequest, handler=get_policy),
    Rpc(
        service=SERVICE,
        method="SetIamPolicy",
        request=iam_policy_pb2.SetIamPolicyRequest,
        handler=set_policy,
        writes=True,
    ),
    Rpc(
        service=SERVICE,
        method="TestIamPermissions",
        request=iam_policy_pb2.TestIamPermissionsRequest,
        handler=test_permissions,
    ),
)
