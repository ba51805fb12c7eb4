"""CloudTrail as far as it tells which trails log: three reads over trails that a world's source plants.

Shapes: botocore's service model; behaviour: CloudTrail API reference, "DescribeTrails", "GetTrailStatus",
"GetEventSelectors". Moto's own wants a bucket for every trail.
"""

from collections.abc import Mapping
from typing import Any

from nhisync_aws.emulator.auth import PARTITION
from nhisync_aws.emulator.cloud import Account, Context, Handler, Trail
from nhisync_aws.emulator.wire import ApiError

_EVERYTHING = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]


def plant_trail(account: Account, region: str, options: Mapping[str, Any]) -> None:
    """Add a trail; options: ``name``, ``region``, ``everywhere``, ``logging``, ``failing``, ``basic``, ``advanced``."""
    known = dict(options)
    home = str(known.pop("region", region))
    account.trails.append(Trail(region=home, **known))


def describe_trails(ctx: Context) -> dict[str, Any]:
    """DescribeTrails: those of the Region, and shadows of those that apply everywhere."""
    shown = [one for one in ctx.account.trails if one.region == ctx.call.region or one.everywhere]
    return {"trailList": [_entry(ctx, one) for one in shown]}


def get_trail_status(ctx: Context) -> dict[str, Any]:
    """GetTrailStatus: a shadow is named by its ARN."""
    trail = _trail(ctx, "Name")
    failing = {"LatestDeliveryError": "AccessDenied"} if trail.failing else {}
    return {"IsLogging": trail.logging, **failing}


def get_event_selectors(ctx: Context) -> dict[str, Any]:
    """GetEventSelectors: of one form or the other."""
    trail = _trail(ctx, "TrailName")
    arn = {"TrailARN": _arn(ctx, trail)}
    if trail.advanced is not None:
        return {**arn, "AdvancedEventSelectors": trail.advanced}
    return {**arn, "EventSelectors": _EVERYTHING if trail.basic is None else trail.basic}


def _entry(ctx: Context, trail: Trail) -> dict[str, Any]:
    return {
        "Name": trail.name,
        "TrailARN": _arn(ctx, trail),
        "HomeRegion": trail.region,
        "S3BucketName": "audit-logs",
        "IsMultiRegionTrail": trail.everywhere,
        "IsOrganizationTrail": False,
        "HasCustomEventSelectors": trail.basic is not None or trail.advanced is not None,
    }


def _arn(ctx: Context, trail: Trail) -> str:
    return f"arn:{PARTITION}:cloudtrail:{trail.region}:{ctx.account.id}:trail/{trail.name}"


def _trail(ctx: Context, parameter: str) -> Trail:
    named = str(ctx.param(parameter) or "")
    for one in ctx.account.trails:
        if named == _arn(ctx, one) or (named == one.name and one.region == ctx.call.region):
            return one
    raise ApiError("TrailNotFoundException", f"Unknown trail: {named} for the user: {ctx.account.id}")


HANDLERS: Mapping[str, Handler] = {
    "cloudtrail:DescribeTrails": describe_trails,
    "cloudtrail:GetTrailStatus": get_trail_status,
    "cloudtrail:GetEventSelectors": get_event_selectors,
}
