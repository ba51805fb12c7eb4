"""Deny policies (IAM API, version 2): the two methods that show them."""

import re
from collections.abc import Sequence
from typing import Any

from google.cloud.iam_v2 import types

from nhisync_gcp.emulator.messages import copy, plain
from nhisync_gcp.emulator.refusals import denied, invalid, not_found
from nhisync_gcp.emulator.rpc import Call, Rpc

SERVICE = "google.iam.v2.Policies"
DenyPolicy = plain(types.Policy)
_ListResponse = plain(types.ListPoliciesResponse)
_PARENT = re.compile(
    r"policies/cloudresourcemanager\.googleapis\.com%2[Ff]([a-z]+)%2[Ff]([^/]+)/denypolicies(?:/([^/]+))?"
)


def list_policies(call: Call) -> Any:
    """ListPolicies: all that are attached to a place, without their rules."""
    place, _ = _attachment(call, call.request.parent, "iam.denypolicies.list")
    shown = [copy(each) for each in call.cloud.access.denials.get(place, {}).values()]
    for each in shown:
        each.ClearField("rules")
    return _ListResponse(policies=shown)


def get_policy(call: Call) -> Any:
    """GetPolicy: with its rules."""
    place, name = _attachment(call, call.request.name, "iam.denypolicies.get")
    found = call.cloud.access.denials.get(place, {}).get(name)
    if found is None:
        raise not_found(f"Policy {call.request.name} was not found.")
    return found


def attach(place: str, name: str, rules: Sequence[Any]) -> Any:
    """A deny policy as the service keeps it; `rules` are ``google.iam.v2.DenyRule`` messages."""
    at = f"cloudresourcemanager.googleapis.com%2F{place.replace('/', '%2F')}"
    made = DenyPolicy(name=f"policies/{at}/denypolicies/{name}")
    made.kind = "DenyPolicy"
    for each in rules:
        made.rules.add().deny_rule.CopyFrom(each)
    return made


def _attachment(call: Call, text: str, permission: str) -> tuple[str, str]:
    """The place and the policy's id that a name holds; the caller has `permission` there."""
    match = _PARENT.fullmatch(text)
    if match is None:
        raise invalid("The resource name of the policy is invalid.")
    place = f"{match[1]}/{match[2]}"
    if match[1] == "projects":
        project = call.cloud.find_project(match[2])
        if project is None:
            raise denied(permission, place)
        place = f"projects/{project.id}"
    call.require(permission, place)
    return place, match[3] or ""


METHODS = (
    Rpc(service=SERVICE, method="ListPolicies", request=plain(types.ListPoliciesRequest), handler=list_policies),
    Rpc(service=SERVICE, method="GetPolicy", request=plain(types.GetPolicyRequest), handler=get_policy),
)
