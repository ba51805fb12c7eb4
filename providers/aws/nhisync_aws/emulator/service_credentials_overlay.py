"""IAM's service-specific credentials, which moto lacks; reference: botocore's service model."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nhisync_aws.emulator.cloud import Context, Handler, ServiceCredential
from nhisync_aws.emulator.iam_overlay import no_such, paged, user_of
from nhisync_aws.emulator.wire import ApiError

_CREDENTIALS_PER_SERVICE = 2


def list_service_specific_credentials(ctx: Context) -> dict[str, Any]:
    """ListServiceSpecificCredentials of one user, or of all users of one service."""
    found = list(ctx.account.service_credentials.values())
    if not ctx.param("AllUsers", default=False):
        name = str(ctx.param("UserName") or "")
        found = [c for c in found if c.user == name]
    if ctx.param("ServiceName"):
        found = [c for c in found if c.service == ctx.param("ServiceName")]
    return paged(ctx, "ServiceSpecificCredentials", found, _credential_entry)


def create_service_specific_credential(ctx: Context) -> dict[str, Any]:
    """CreateServiceSpecificCredential: at most two of one service for one user."""
    user = user_of(ctx)
    service = str(ctx.param("ServiceName"))
    same = [c for c in ctx.account.service_credentials.values() if c.user == user.name and c.service == service]
    if len(same) >= _CREDENTIALS_PER_SERVICE:
        raise ApiError("LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2", status=409)
    days = ctx.param("CredentialAgeDays")
    credential = ServiceCredential(
        id="ACCA" + ctx.cloud.randomness.hex(8).upper(),
        user=user.name,
        service=service,
        service_user=f"{user.name}-at-{ctx.account.id}",
        created=ctx.now,
        expires=ctx.now + timedelta(days=int(days)) if days else None,
        password=ctx.cloud.randomness.hex(20),
    )
    ctx.account.service_credentials[credential.id] = credential
    entry = {**_credential_entry(credential), "ServicePassword": credential.password}
    return {"ServiceSpecificCredential": entry}


def update_service_specific_credential(ctx: Context) -> dict[str, Any]:
    """UpdateServiceSpecificCredential: Active or Inactive."""
    _credential(ctx).status = str(ctx.param("Status"))
    return {}


def delete_service_specific_credential(ctx: Context) -> dict[str, Any]:
    """DeleteServiceSpecificCredential."""
    ctx.account.service_credentials.pop(_credential(ctx).id)
    return {}


def _credential(ctx: Context) -> ServiceCredential:
    found = ctx.account.service_credentials.get(str(ctx.param("ServiceSpecificCredentialId")))
    if found is None or found.user != ctx.param("UserName", found.user):
        raise no_such("Service Specific Credential", str(ctx.param("ServiceSpecificCredentialId")))
    return found


def _credential_entry(credential: ServiceCredential) -> dict[str, Any]:
    return {
        "UserName": credential.user,
        "Status": credential.status,
        "ServiceUserName": credential.service_user,
        "CreateDate": credential.created,
        "ExpirationDate": credential.expires,
        "ServiceSpecificCredentialId": credential.id,
        "ServiceName": credential.service,
    }


HANDLERS: Mapping[str, Handler] = {
    "iam:ListServiceSpecificCredentials": list_service_specific_credentials,
    "iam:CreateServiceSpecificCredential": create_service_specific_credential,
    "iam:UpdateServiceSpecificCredential": update_service_specific_credential,
    "iam:DeleteServiceSpecificCredential": delete_service_specific_credential,
}
