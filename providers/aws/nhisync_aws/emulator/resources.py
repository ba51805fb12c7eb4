"""Which resource a call acts on, and the condition keys it carries: what Resource-scoped policies are matched against.

Source: service authorization reference, "Actions, resources, and condition keys" of each service.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from moto.kms.models import kms_backends
from moto.secretsmanager.models import secretsmanager_backends

from nhisync_aws.emulator.auth import PARTITION, iam
from nhisync_aws.emulator.ciphertext import key_id_of
from nhisync_aws.emulator.wire import Call


def resource_of(call: Call, account: str) -> str:
    """Full ARN of what the call acts on, ``*`` when the operation has no resource."""
    finder = _FINDERS.get(call.service)
    return finder(call, account) if finder else "*"


def secret_arn(account: str, region: str, secret_id: str) -> str:
    """ARN of a secret named by ARN or name.

    A name that does not exist stays a bare name, as AWS's denials print it; no ARN pattern matches it.
    """
    if secret_id.startswith("arn:"):
        return secret_id
    found = secretsmanager_backends[account][region].secrets.get(secret_id)
    return str(found.arn) if found is not None else secret_id


def account_in(name: str, default: str) -> str:
    """The account that an ARN names; `default` for a bare name."""
    return name.split(":")[4] if name.startswith("arn:") and name.count(":") >= 5 else default


def key_arn(account: str, region: str, key_id: str) -> str:
    """ARN of a KMS key named by id, ARN, alias or alias ARN."""
    name = key_id.rpartition(":")[2] if key_id.startswith("arn:") else key_id
    if name.startswith("alias/"):
        for key in kms_backends[account][region].keys.values():
            if name in key.aliases:
                return str(key.arn)
    if key_id.startswith("arn:"):
        return key_id
    return f"arn:{PARTITION}:kms:{region}:{account}:key/{name}"


def context_of(call: Call, account: str, resource: str) -> dict[str, str]:
    """Condition keys of the call, lower case."""
    context = {"aws:requestedregion": call.region, "aws:principalaccount": account}
    if call.service == "secretsmanager" and resource != "*":
        owner = account_in(resource, account)
        secret = secretsmanager_backends[owner][call.region].secrets.get(resource) if owner else None
        for tag in (secret.tags if secret is not None else None) or []:
            context[f"secretsmanager:resourcetag/{tag['Key']}".lower()] = tag["Value"]
            context[f"aws:resourcetag/{tag['Key']}".lower()] = tag["Value"]
    return context


def _secret(call: Call, account: str) -> str:
    secret_id = call.params.get("SecretId") or call.params.get("Name")
    return secret_arn(account, call.region, str(secret_id)) if secret_id else "*"


def _iam(call: Call, account: str) -> str:
    prefix = f"arn:{PARTITION}:iam::{account}:"
    params: Mapping[str, Any] = call.params
    if params.get("UserName"):
        user = iam(account).users.get(str(params["UserName"]))
        return str(user.arn) if user is not None else f"{prefix}user/{params['UserName']}"
    if params.get("RoleName"):
        name = str(params["RoleName"])
        return next((str(r.arn) for r in iam(account).roles.values() if r.name == name), f"{prefix}role/{name}")
    if params.get("ServerCertificateName"):
        return f"{prefix}server-certificate/{params['ServerCertificateName']}"
    if params.get("AccessKeyId"):
        key = iam(account).access_keys.get(str(params["AccessKeyId"]))
        return f"{prefix}user/{key.user_name}" if key is not None else "*"
    return str(params.get("PolicyArn") or params.get("PolicySourceArn") or params.get("Arn") or "*")


def _key(call: Call, account: str) -> str:
    """The key that is named, or else the one that made the ciphertext."""
    key_id = call.params.get("KeyId") or call.params.get("SourceKeyId")
    if key_id is None and "CiphertextBlob" in call.params:
        key_id = key_id_of(b64decode(str(call.params["CiphertextBlob"])))
    return key_arn(account, call.region, str(key_id)) if key_id else "*"


def _parameter(call: Call, account: str) -> str:
    name = call.params.get("Name") or call.params.get("ResourceId")
    if not name:
        return f"arn:{PARTITION}:ssm:{call.region}:{account}:*"
    return f"arn:{PARTITION}:ssm:{call.region}:{account}:parameter/{str(name).lstrip('/')}"


def _roles_anywhere(call: Call, account: str) -> str:
    kinds = {"trustAnchorId": "trust-anchor", "profileId": "profile", "crlId": "crl"}
    for member, kind in kinds.items():
        if call.params.get(member):
            prefix = f"arn:{PARTITION}:rolesanywhere:{call.region}:{account}"
            return f"{prefix}:{kind}/{call.params[member]}"
    return "*"


_FINDERS: Mapping[str, Callable[[Call, str], str]] = {
    "secretsmanager": _secret,
    "iam": _iam,
    "kms": _key,
    "ssm": _parameter,
    "rolesanywhere": _roles_anywhere,
    "acm-pca": lambda call, account: str(call.params.get("CertificateAuthorityArn") or "*"),  # noqa: ARG005
    "acm": lambda call, account: str(call.params.get("CertificateArn") or "*"),  # noqa: ARG005
    "cloudtrail": lambda call, account: str(call.params.get("Name") or call.params.get("TrailName") or "*"),  # noqa: ARG005
    "sts": lambda call, account: str(call.params.get("RoleArn") or "*"),  # noqa: ARG005
}
