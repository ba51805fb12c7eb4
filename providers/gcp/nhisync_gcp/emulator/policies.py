"""The three IAM methods that every resource has: get, set and test its allow policy."""

import hashlib
from typing import Any

import grpc
from google.iam.v1 import iam_policy_pb2, policy_pb2

from nhisync_gcp.emulator.messages import copy
from nhisync_gcp.emulator.refusals import RefusedError
from nhisync_gcp.emulator.rpc import Call

_VERSION_WITH_CONDITIONS = 3


def get_policy(call: Call, resource: str) -> Any:
    """The allow policy; conditions are left out, and the roles renamed, unless version 3 is asked for."""
    found = copy(call.cloud.access.policy(resource))
    if call.request.options.requested_policy_version < _VERSION_WITH_CONDITIONS:
        for binding in found.bindings:
            if binding.HasField("condition"):
                mark = hashlib.sha256(binding.condition.SerializeToString()).hexdigest()[:20]
                binding.role = f"{binding.role}_withcond_{mark}"
                binding.ClearField("condition")
    return found


def set_policy(call: Call, resource: str) -> Any:
    """Replace the allow policy, under its etag if one is given.

    Raises:
        RefusedError: ABORTED when somebody else was faster.
    """
    stored = call.cloud.access.policy(resource)
    given = call.request.policy
    if given.etag and given.etag != stored.etag:
        raise RefusedError(grpc.StatusCode.ABORTED, "There were concurrent policy changes. Please retry.")
    made = policy_pb2.Policy()
    made.CopyFrom(given)
    made.etag = f"{call.cloud.secrets.next_serial():012x}".encode()
    call.cloud.access.set_policy(resource, made, call.now)
    return made


def test_permissions(call: Call, *resources: str) -> Any:
    """Which of the permissions asked about the caller holds; of a missing resource none."""
    held = [each for each in call.request.permissions if resources and call.allows(each, *resources)]
    return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)
