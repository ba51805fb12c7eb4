"""IAM and STS as AWS answers them; reference: botocore's service models and the IAM user guide."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from moto.iam.models import Certificate, Group, ManagedPolicy, Role, User

from nhisync_aws.emulator.attached import BOUNDARY
from nhisync_aws.emulator.auth import PARTITION, Session, check_duration, iam
from nhisync_aws.emulator.cloud import Context, Handler, aware
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.policy import Query, trusts
from nhisync_aws.emulator.wire import ApiError

_MAX_ITEMS = 1000
_DEFAULT_ITEMS = 100
_REPORT_LIFETIME = timedelta(hours=4)
_SLOT_COLUMNS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
_COLUMNS = (
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *(f"access_key_1_{name}" for name in _SLOT_COLUMNS),
    *(f"access_key_2_{name}" for name in _SLOT_COLUMNS),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
)


def list_users(ctx: Context) -> dict[str, Any]:
    """ListUsers in pages; tags and boundary are left out of the list, as in AWS."""
    prefix = str(ctx.param("PathPrefix", "/"))
    users = sorted((u for u in iam(ctx.account.id).users.values() if u.path.startswith(prefix)), key=lambda u: u.name)
    return paged(ctx, "Users", users, _user_entry)


def list_roles(ctx: Context) -> dict[str, Any]:
    """ListRoles in pages, without RoleLastUsed, Tags and PermissionsBoundary."""
    prefix = str(ctx.param("PathPrefix", "/"))
    roles = sorted((r for r in iam(ctx.account.id).roles.values() if r.path.startswith(prefix)), key=lambda r: r.name)
    return paged(ctx, "Roles", roles, _role_entry)


def get_role(ctx: Context) -> dict[str, Any]:
    """GetRole: with last use, boundary and tags."""
    name = str(ctx.param("RoleName"))
    for role in iam(ctx.account.id).roles.values():
        if role.name == name:
            return {"Role": _role_detail(role)}
    raise no_such("role", name)


def list_access_keys(ctx: Context) -> dict[str, Any]:
    """ListAccessKeys of one user."""
    user = user_of(ctx)
    return paged(
        ctx,
        "AccessKeyMetadata",
        user.access_keys,
        lambda key: {
            "UserName": user.name,
            "AccessKeyId": key.access_key_id,
            "Status": key.status,
            "CreateDate": aware(key.create_date),
        },
    )


def get_access_key_last_used(ctx: Context) -> dict[str, Any]:
    """GetAccessKeyLastUsed: ``N/A`` for service and region of a key that was never used."""
    key = iam(ctx.account.id).access_keys.get(str(ctx.param("AccessKeyId")))
    if key is None:
        raise ApiError("AccessDenied", "The access key does not belong to this account.", status=403)
    used = key.last_used
    if used is None:
        return {"UserName": key.user_name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    last = {"LastUsedDate": aware(used.timestamp), "ServiceName": used.service, "Region": used.region}
    return {"UserName": key.user_name, "AccessKeyLastUsed": last}


def get_account_authorization_details(ctx: Context) -> dict[str, Any]:
    """GetAccountAuthorizationDetails: users, roles, groups and policies in one paged stream."""
    backend = iam(ctx.account.id)
    wanted = set(ctx.param("Filter", []) or ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"])
    stream: list[User | Role | Group | ManagedPolicy] = []
    if "User" in wanted:
        stream += sorted(backend.users.values(), key=lambda u: u.name)
    if "Role" in wanted:
        stream += sorted(backend.roles.values(), key=lambda r: r.name)
    if "Group" in wanted:
        stream += sorted(backend.groups.values(), key=lambda g: g.name)
    if {"LocalManagedPolicy", "AWSManagedPolicy"} & wanted:
        stream += sorted((p for p in backend.managed_policies.values() if _listed(p, wanted)), key=lambda p: p.arn)
    found = _page(ctx, stream)
    return {
        "UserDetailList": [_user_detail(ctx, u) for u in found.items if isinstance(u, User)],
        "RoleDetailList": [_role_detail(r) for r in found.items if isinstance(r, Role)],
        "GroupDetailList": [_group_detail(g) for g in found.items if isinstance(g, Group)],
        "Policies": [_policy_detail(p) for p in found.items if isinstance(p, ManagedPolicy)],
        **_marker(found.token),
    }


def _listed(policy: ManagedPolicy, wanted: set[str]) -> bool:
    """Own policies, and those of AWS that somebody has."""
    own = ":iam::aws:" not in policy.arn
    return "LocalManagedPolicy" in wanted if own else "AWSManagedPolicy" in wanted and policy.attachment_count > 0


def generate_credential_report(ctx: Context) -> dict[str, Any]:
    """GenerateCredentialReport: STARTED first, COMPLETE once it is made; a report younger than 4 hours is kept."""
    report = ctx.account.report
    _finish_report(ctx)
    if report.generated is not None and ctx.now - report.generated < _REPORT_LIFETIME:
        return {"State": "COMPLETE"}
    if report.started is None:
        report.started = ctx.now
        return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}
    return {"State": "INPROGRESS"}


def get_credential_report(ctx: Context) -> dict[str, Any]:
    """GetCredentialReport: 410 when there is none or it has expired, 404 while it is made."""
    report = ctx.account.report
    _finish_report(ctx)
    if report.started is not None:
        raise ApiError("ReportInProgress", "Credential report is still being generated", status=404)
    if report.generated is None:
        raise ApiError("ReportNotPresent", "Credential report not present", status=410)
    if ctx.now - report.generated >= _REPORT_LIFETIME:
        raise ApiError("ReportExpired", "Credential report has expired", status=410)
    return {"Content": report.content, "ReportFormat": "text/csv", "GeneratedTime": report.generated}


def _finish_report(ctx: Context) -> None:
    report = ctx.account.report
    slow = ctx.cloud.faults.hit(ctx.source, "slow_report", ctx.call.name)
    takes = timedelta(seconds=float(slow.options.get("seconds", 5.0))) if slow else timedelta()
    if report.started is not None and ctx.now - report.started >= takes:
        report.content, report.generated, report.started = _report(ctx), ctx.now, None


def list_server_certificates(ctx: Context) -> dict[str, Any]:
    """ListServerCertificates: names and dates, no body, no tags."""
    found = sorted(iam(ctx.account.id).certificates.values(), key=lambda c: c.cert_name)
    return paged(ctx, "ServerCertificateMetadataList", found, lambda c: server_certificate(ctx, c))


def get_server_certificate(ctx: Context) -> dict[str, Any]:
    """GetServerCertificate: the public PEM."""
    name = str(ctx.param("ServerCertificateName"))
    found = iam(ctx.account.id).certificates.get(name)
    if found is None:
        raise no_such("Server Certificate", name)
    return {
        "ServerCertificate": {
            "ServerCertificateMetadata": server_certificate(ctx, found),
            "CertificateBody": found.cert_body,
            "CertificateChain": found.cert_chain,
        }
    }


def get_caller_identity(ctx: Context) -> dict[str, Any]:
    """GetCallerIdentity: needs no permission, and no Deny stops it."""
    return {"UserId": ctx.principal.user_id, "Account": ctx.principal.account, "Arn": ctx.principal.arn}


def assume_role(ctx: Context) -> dict[str, Any]:
    """AssumeRole: the caller's policy allowed it already; now the role's trust policy must."""
    return _assume(ctx, ctx.principal.arn, "sts:AssumeRole")


def assume_role_with_web_identity(ctx: Context) -> dict[str, Any]:
    """AssumeRoleWithWebIdentity: the token is the proof."""
    if str(ctx.param("WebIdentityToken")) not in ctx.cloud.web_tokens:
        raise ApiError("InvalidIdentityToken", "No OpenIDConnect provider found in your account", status=400)
    account = str(ctx.param("RoleArn")).split(":")[4]
    provider = f"arn:{PARTITION}:iam::{account}:oidc-provider/oidc.example"
    return _assume(ctx, provider, "sts:AssumeRoleWithWebIdentity")


def _assume(ctx: Context, principal: str, action: str) -> dict[str, Any]:
    arn, name = str(ctx.param("RoleArn")), str(ctx.param("RoleSessionName"))
    account, role_name = arn.split(":")[4], arn.rpartition("/")[2]
    roles = iam(account).roles.values() if account in ctx.cloud.accounts else ()
    role = next((r for r in roles if r.name == role_name), None)
    said = ctx.param("ExternalId")
    query = Query(action, arn, {**ctx.principal.context, **({} if said is None else {"sts:externalid": str(said)})})
    if role is None or not trusts(json.loads(role.assume_role_policy_document), principal, query):
        text = f"User: {principal} is not authorized to perform: {action} on resource: {arn}"
        raise ApiError("AccessDenied", text, status=403)
    seconds, policy = int(ctx.param("DurationSeconds", 3600)), str(ctx.param("Policy", ""))
    check_duration(seconds, int(role.max_session_duration or 3600))
    session = Session(
        account, role_name, name, ctx.cloud.randomness.hex(20), ctx.cloud.randomness.hex(40),
        ctx.now + timedelta(seconds=seconds), json.loads(policy) if policy else None,
    )  # fmt: skip
    key_id = "ASIA" + ctx.cloud.randomness.hex(8).upper()
    ctx.cloud.sessions[key_id] = session
    if ctx.source is not None:
        ctx.cloud.owners[key_id] = ctx.source
    return {
        "Credentials": {
            "AccessKeyId": key_id,
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.token,
            "Expiration": session.expires,
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.id}:{name}",
            "Arn": f"arn:{PARTITION}:sts::{account}:assumed-role/{role_name}/{name}",
        },
    }


def _report(ctx: Context) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, restval="N/A", lineterminator="\n")
    writer.writeheader()
    root = f"arn:{PARTITION}:iam::{ctx.account.id}:root"
    flags = {"mfa_active": "true", "access_key_1_active": "false", "access_key_2_active": "false"}
    idle = {"cert_1_active": "false", "cert_2_active": "false"}
    writer.writerow({"user": "<root_account>", "arn": root, "password_enabled": "not_supported", **flags, **idle})
    for user in iam(ctx.account.id).users.values():
        row = {"user": user.name, "arn": user.arn, "user_creation_time": _iso(user.create_date)}
        row |= {"password_enabled": "false", "mfa_active": "false", **idle}
        for slot in (1, 2):
            row |= _report_slot(user, slot)
        writer.writerow(row)
    return out.getvalue().encode()


def _report_slot(user: User, slot: int) -> dict[str, str]:
    prefix = f"access_key_{slot}"
    if len(user.access_keys) < slot:
        return {f"{prefix}_active": "false"}
    key = user.access_keys[slot - 1]
    row = {
        f"{prefix}_active": "true" if key.status == "Active" else "false",
        f"{prefix}_last_rotated": _iso(key.create_date),
    }
    if key.last_used is not None:
        row[f"{prefix}_last_used_date"] = _iso(key.last_used.timestamp)
        row[f"{prefix}_last_used_region"] = key.last_used.region
        row[f"{prefix}_last_used_service"] = key.last_used.service
    return row


def _iso(instant: datetime) -> str:
    return aware(instant).replace(microsecond=0).isoformat()


def user_of(ctx: Context) -> User:
    """The user that the call names.

    Raises:
        ApiError: NoSuchEntity.
    """
    name = str(ctx.param("UserName") or "")
    user = iam(ctx.account.id).users.get(name)
    if user is None:
        raise no_such("user", name)
    return user


def no_such(kind: str, name: str) -> ApiError:
    """The answer about an entity that is not there."""
    return ApiError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", status=404)


def _user_entry(user: User) -> dict[str, Any]:
    entry = {"Path": user.path, "UserName": user.name, "UserId": user.id, "Arn": user.arn}
    return {**entry, "CreateDate": aware(user.create_date)}


def user_entry(ctx: Context, user: User) -> dict[str, Any]:
    """A user with what ListUsers leaves out: tags and boundary."""
    tags = iam(ctx.account.id).tagger.list_tags_for_resource(str(user.arn))["Tags"]
    arn = getattr(user, BOUNDARY, None)
    limit = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None
    return {**_user_entry(user), "Tags": tags, "PermissionsBoundary": limit}


def _user_detail(ctx: Context, user: User) -> dict[str, Any]:
    return {
        **user_entry(ctx, user),
        "GroupList": user.group_list,
        "UserPolicyList": user.user_policy_list,
        "AttachedManagedPolicies": user.attached_managed_policies,
    }


def _group_detail(group: Group) -> dict[str, Any]:
    return {
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "Path": group.path,
        "GroupPolicyList": [
            {"PolicyName": name, "PolicyDocument": quote(text)} for name, text in sorted(group.policies.items())
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": policy.name, "PolicyArn": policy.arn} for policy in group.managed_policies.values()
        ],
    }


def _policy_detail(policy: ManagedPolicy) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "Arn": policy.arn,
        "DefaultVersionId": policy.default_version_id,
        "PolicyVersionList": [
            {
                "VersionId": version.version_id,
                "IsDefaultVersion": version.version_id == policy.default_version_id,
                "Document": quote(version.document),
            }
            for version in policy.versions
        ],
    }


def _role_entry(role: Role) -> dict[str, Any]:
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": aware(role.create_date),
        "AssumeRolePolicyDocument": quote(role.assume_role_policy_document),
        "Description": role.description or None,
        "MaxSessionDuration": int(role.max_session_duration or 3600),
    }


def _role_detail(role: Role) -> dict[str, Any]:
    used = {"LastUsedDate": aware(role.last_used), "Region": role.last_used_region} if role.last_used else {}
    return {
        **_role_entry(role),
        "RoleLastUsed": used,
        "PermissionsBoundary": role.permissions_boundary,
        "Tags": role.tags,
        "RolePolicyList": role.role_policy_list,
        "AttachedManagedPolicies": role.attached_managed_policies,
    }


def server_certificate(ctx: Context, certificate: Certificate) -> dict[str, Any]:
    """Dates from the certificate itself; moto answers constants."""
    parsed = x509.load_pem_x509_certificate(certificate.cert_body.encode())
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.cert_name,
        "ServerCertificateId": "ASCA" + certificate.cert_name.upper()[:16],
        "Arn": certificate.arn,
        "UploadDate": ctx.account.server_certificate_dates.get(certificate.cert_name, ctx.now),
        "Expiration": parsed.not_valid_after_utc,
    }


def paged(ctx: Context, key: str, items: Sequence[Any], render: Callable[[Any], Mapping[str, Any]]) -> dict[str, Any]:
    """One page of a list under `key`."""
    found = _page(ctx, items)
    return {key: [render(item) for item in found.items], **_marker(found.token)}


def _page(ctx: Context, items: Sequence[Any]) -> Any:
    size = int(ctx.param("MaxItems", _DEFAULT_ITEMS))
    if not 1 <= size <= _MAX_ITEMS:
        raise ApiError("ValidationError", f"MaxItems must be between 1 and {_MAX_ITEMS}.")
    bad = ApiError("ValidationError", "Invalid Marker.")
    name = ctx.call.operation
    return page(items, name=name, token=ctx.param("Marker"), size=size, bad_token=bad, endless=ctx.endless)


def _marker(token: str) -> dict[str, Any]:
    return {"IsTruncated": True, "Marker": token} if token else {"IsTruncated": False}


HANDLERS: Mapping[str, Handler] = {
    "iam:ListUsers": list_users,
    "iam:ListRoles": list_roles,
    "iam:GetRole": get_role,
    "iam:ListAccessKeys": list_access_keys,
    "iam:GetAccessKeyLastUsed": get_access_key_last_used,
    "iam:GetAccountAuthorizationDetails": get_account_authorization_details,
    "iam:GenerateCredentialReport": generate_credential_report,
    "iam:GetCredentialReport": get_credential_report,
    "iam:ListServerCertificates": list_server_certificates,
    "iam:GetServerCertificate": get_server_certificate,
    "sts:GetCallerIdentity": get_caller_identity,
    "sts:AssumeRole": assume_role,
    "sts:AssumeRoleWithWebIdentity": assume_role_with_web_identity,
}
