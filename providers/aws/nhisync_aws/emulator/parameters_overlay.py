"""SSM as AWS answers it, as far as metadata goes."""

import json
from collections.abc import Mapping
from typing import Any

from moto.ssm.models import Parameter, ssm_backends

from nhisync_aws.emulator.auth import PARTITION
from nhisync_aws.emulator.cloud import Context, Handler, aware
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.wire import ApiError

_PARAMETERS_MAX = 50
_PARAMETERS_DEFAULT = 10


def describe_parameters(ctx: Context) -> dict[str, Any]:
    """DescribeParameters: metadata in pages of at most 50; filters by name and type."""
    backend = ssm_backends[ctx.account.id][ctx.call.region]
    names = sorted(name for name, versions in dict(backend._parameters).items() if versions)  # noqa: SLF001
    rows = [_parameter(ctx, backend._parameters[name]) for name in names]  # noqa: SLF001
    rows = [r for r in rows if all(_holds(r, f) for f in ctx.param("ParameterFilters", []))]
    size = int(ctx.param("MaxResults", _PARAMETERS_DEFAULT))
    if not 1 <= size <= _PARAMETERS_MAX:
        raise ApiError("ValidationException", f"MaxResults must be between 1 and {_PARAMETERS_MAX}.")
    bad = ApiError("InvalidNextToken", "The specified token isn't valid.")
    token = ctx.param("NextToken")
    found = page(rows, name="DescribeParameters", token=token, size=size, bad_token=bad, endless=ctx.endless)
    result: dict[str, Any] = {"Parameters": list(found.items)}
    return {**result, "NextToken": found.token} if found.token else result


def _parameter(ctx: Context, versions: list[Parameter]) -> dict[str, Any]:
    current = versions[-1]
    name = current.name.lstrip("/")
    return {
        "Name": current.name,
        "ARN": f"arn:{PARTITION}:ssm:{ctx.call.region}:{ctx.account.id}:parameter/{name}",
        "Type": current.parameter_type,
        "KeyId": current.keyid if current.parameter_type == "SecureString" else None,
        "LastModifiedDate": aware(current.last_modified_date),
        "LastModifiedUser": f"arn:{PARTITION}:iam::{ctx.account.id}:user/deploy",
        "Description": current.description or None,
        "Version": current.version,
        "Tier": current.tier or "Standard",
        "DataType": current.data_type,
        "Policies": _policies(current),
    }


def _policies(parameter: Parameter) -> list[dict[str, str]]:
    if not parameter.policies:
        return []
    found = json.loads(parameter.policies)
    return [{"PolicyText": json.dumps(p), "PolicyType": p["Type"], "PolicyStatus": "Pending"} for p in found]


def _holds(row: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    text = str(row.get(str(given.get("Key"))) or "")
    values = [str(v) for v in given.get("Values", [])]
    if given.get("Option") == "BeginsWith":
        return any(text.startswith(value) for value in values)
    return text in values


HANDLERS: Mapping[str, Handler] = {
    "ssm:DescribeParameters": describe_parameters,
}
