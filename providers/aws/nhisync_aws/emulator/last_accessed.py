"""IAM's "last accessed" reports: which services an identity's policies open, and when it last called them.

Source: IAM API reference, GenerateServiceLastAccessedDetails. Asked about users, groups and roles, not about policies.
Of ``*`` the report names the services of this emulator, because AWS's whole catalogue is not at hand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.core.utils import get_service_model
from moto.iam.models import Group, Role, User

from nhisync_aws.emulator.attached import policies_of
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.conditions import as_list, glob
from nhisync_aws.emulator.iam_overlay import no_such, paged
from nhisync_aws.emulator.simulation import entity_of

_SERVED = ("acm", "acm-pca", "iam", "kms", "rolesanywhere", "secretsmanager", "ssm", "sts")


@dataclass(frozen=True, slots=True)
class Job:
    """A report as it stood when it was asked for."""

    made: datetime
    granularity: str
    services: tuple[Mapping[str, Any], ...]


def generate_service_last_accessed_details(ctx: Context) -> dict[str, Any]:
    """GenerateServiceLastAccessedDetails: the report is done at once."""
    entity = entity_of(ctx, str(ctx.param("Arn")))
    text = ctx.cloud.randomness.hex(16)
    job_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    granularity = str(ctx.param("Granularity", "SERVICE_LEVEL"))
    services = tuple(_service(ctx, entity, name, granularity) for name in _opened(ctx, entity))
    ctx.account.access_jobs[job_id] = Job(ctx.now, granularity, services)
    return {"JobId": job_id}


def get_service_last_accessed_details(ctx: Context) -> dict[str, Any]:
    """GetServiceLastAccessedDetails, in pages."""
    job_id = str(ctx.param("JobId"))
    job: Job | None = ctx.account.access_jobs.get(job_id)
    if job is None:
        raise no_such("job", job_id)
    told = {"JobStatus": "COMPLETED", "JobType": job.granularity}
    dates = {"JobCreationDate": job.made, "JobCompletionDate": job.made}
    return {**told, **dates, **paged(ctx, "ServicesLastAccessed", job.services, dict)}


def _opened(ctx: Context, entity: User | Group | Role) -> list[str]:
    """Namespaces that some Allow reaches; denies and boundaries do not count, as in AWS."""
    patterns = list(_patterns(ctx, entity))
    named = {pattern for pattern in patterns if not set(pattern) & set("*?")}
    return sorted(named | {name for name in _SERVED if any(glob(pattern).fullmatch(name) for pattern in patterns)})


def _patterns(ctx: Context, entity: User | Group | Role) -> Iterator[str]:
    for policy in policies_of(iam(ctx.account.id), entity):
        for statement in as_list(policy.document.get("Statement")):
            if statement.get("Effect") == "Allow":
                actions = as_list(statement.get("Action")) or ["*"]
                yield from (str(action).lower().partition(":")[0] for action in actions)


def _service(ctx: Context, entity: User | Group | Role, namespace: str, granularity: str) -> dict[str, Any]:
    arns = {str(entity.arn)}
    if isinstance(entity, Group):
        arns = {str(user.arn) for user in entity.users}
    uses = [
        (at, arn, call.partition(":")[2], region)
        for (arn, call), (at, region) in ctx.account.uses.items()
        if arn in arns and call.partition(":")[0] == namespace
    ]
    row: dict[str, Any] = {"ServiceName": _title(namespace), "ServiceNamespace": namespace}
    row["TotalAuthenticatedEntities"] = len({arn for _, arn, _, _ in uses})
    if uses:
        at, arn, _, region = max(uses)
        row |= {"LastAuthenticated": at, "LastAuthenticatedEntity": arn, "LastAuthenticatedRegion": region}
    if granularity == "ACTION_LEVEL":
        row["TrackedActionsLastAccessed"] = [
            {"ActionName": name, "LastAccessedEntity": arn, "LastAccessedTime": at, "LastAccessedRegion": region}
            for at, arn, name, region in sorted(uses, key=lambda use: use[2])
        ]
    return row


def _title(namespace: str) -> str:
    return str(get_service_model(namespace).metadata["serviceFullName"]) if namespace in _SERVED else namespace


HANDLERS: Mapping[str, Handler] = {
    "iam:GenerateServiceLastAccessedDetails": generate_service_last_accessed_details,
    "iam:GetServiceLastAccessedDetails": get_service_last_accessed_details,
}
