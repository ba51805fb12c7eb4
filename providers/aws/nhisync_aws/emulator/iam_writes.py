"""Writes of IAM that moto lacks, or answers with constants or its own clock: boundaries, server certificates, keys.

Source: IAM API reference, PutUserPermissionsBoundary, DeleteUserPermissionsBoundary, UploadServerCertificate,
CreateAccessKey.
"""

from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from moto.iam.models import Certificate, User

from nhisync_aws.emulator.attached import BOUNDARY
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.cloud import Context, Handler, naive
from nhisync_aws.emulator.iam_overlay import no_such, server_certificate, user_entry, user_of
from nhisync_aws.emulator.wire import ApiError

_KEYS_PER_USER = 2


def put_user_permissions_boundary(ctx: Context) -> dict[str, Any]:
    """PutUserPermissionsBoundary: a managed policy that stands limits what the user's own policies allow."""
    user, arn = user_of(ctx), str(ctx.param("PermissionsBoundary"))
    if arn not in iam(ctx.account.id).managed_policies:
        raise ApiError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", status=404)
    setattr(user, BOUNDARY, arn)
    return {}


def delete_user_permissions_boundary(ctx: Context) -> dict[str, Any]:
    """DeleteUserPermissionsBoundary."""
    user = user_of(ctx)
    if getattr(user, BOUNDARY, None) is None:
        raise no_such("permissions boundary of the user", user.name)
    setattr(user, BOUNDARY, None)
    return {}


def create_access_key(ctx: Context) -> dict[str, Any]:
    """CreateAccessKey, by default of the caller: at most two of one user, made at the world's instant."""
    user = user_named(ctx)
    if len(user.access_keys) >= _KEYS_PER_USER:
        text = f"Cannot exceed quota for AccessKeysPerUser: {_KEYS_PER_USER}"
        raise ApiError("LimitExceeded", text, status=409)
    key = iam(ctx.account.id).create_access_key(user_name=user.name)
    key.create_date = naive(ctx.now)
    return {
        "AccessKey": {
            "UserName": user.name,
            "AccessKeyId": key.access_key_id,
            "Status": key.status,
            "SecretAccessKey": key.secret_access_key,
            "CreateDate": ctx.now,
        }
    }


def get_user(ctx: Context) -> dict[str, Any]:
    """GetUser, by default of the caller, with boundary and tags, which ListUsers leaves out."""
    return {"User": user_entry(ctx, user_named(ctx))}


def user_named(ctx: Context) -> User:
    """The user that the call names, or else the caller.

    Raises:
        ApiError: NoSuchEntity.
    """
    caller = ctx.principal.entity
    return caller if not ctx.param("UserName") and isinstance(caller, User) else user_of(ctx)


def upload_server_certificate(ctx: Context) -> dict[str, Any]:
    """UploadServerCertificate: a new name, a certificate and the key that belongs to it; dated by the world's clock."""
    name, backend = str(ctx.param("ServerCertificateName")), iam(ctx.account.id)
    if any(one.cert_name == name for one in backend.certificates.values()):
        text = f"The Server Certificate with name {name} already exists."
        raise ApiError("EntityAlreadyExists", text, status=409)
    body, key = str(ctx.param("CertificateBody")), str(ctx.param("PrivateKey"))
    _check_pair(body, key)
    chain, path = ctx.param("CertificateChain"), str(ctx.param("Path", "/"))
    made = Certificate(ctx.account.id, ctx.call.region, name, body, key, chain, path)
    backend.certificates[name] = made
    ctx.account.server_certificate_dates[name] = ctx.now
    return {"ServerCertificateMetadata": server_certificate(ctx, made)}


def _check_pair(body: str, key: str) -> None:
    try:
        parsed = x509.load_pem_x509_certificate(body.encode())
    except ValueError:
        text = "Unable to parse certificate. Please ensure the certificate is in PEM format."
        raise ApiError("MalformedCertificate", text) from None
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        text = "Unable to parse key; the body must be a PEM-encoded private key."
        raise ApiError("MalformedCertificate", text) from None
    if private.public_key() != parsed.public_key():
        raise ApiError("KeyPairMismatch", "The public key certificate and the private key do not match.")


HANDLERS: Mapping[str, Handler] = {
    "iam:CreateAccessKey": create_access_key,
    "iam:PutUserPermissionsBoundary": put_user_permissions_boundary,
    "iam:DeleteUserPermissionsBoundary": delete_user_permissions_boundary,
    "iam:GetUser": get_user,
    "iam:UploadServerCertificate": upload_server_certificate,
}
