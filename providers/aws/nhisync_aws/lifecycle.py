"""What rotating the named items needs, each by its own lifecycle, and what no rotation may ever do.

Mint, store, move, observe, retire: no step reads a value. Deletion is granted only where retiring is one: the old
access key and the old service-specific credential of the named user.
"""

from collections.abc import Mapping, Sequence

from nhisync.spi import Locator
from nhisync_aws.statements import VALUE_ACTIONS, Scope, Statement, allow, deny, resources, through_service, word

_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "secret": (
        "secretsmanager:DescribeSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecretVersionStage",
    ),
    "access-key": (
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
        "iam:GetAccessKeyLastUsed",
        "iam:ListAccessKeys",
        "iam:UpdateAccessKey",
    ),
    "service-credential": (
        "iam:CreateServiceSpecificCredential",
        "iam:DeleteServiceSpecificCredential",
        "iam:ListServiceSpecificCredentials",
        "iam:UpdateServiceSpecificCredential",
    ),
    "certificate": ("acm:DescribeCertificate", "acm:ImportCertificate"),
    "parameter": ("ssm:LabelParameterVersion", "ssm:PutParameter"),
}
"""Kind → actions on its named items. Roles mint sessions by themselves; certificates kept in IAM cannot be renewed."""

_UNSCOPED: Mapping[str, tuple[str, ...]] = {"parameter": ("ssm:DescribeParameters",)}
"""Actions that know no resource."""

_KEYS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "secret": ("secretsmanager", ("kms:Decrypt", "kms:GenerateDataKey")),
    "parameter": ("ssm", ("kms:Encrypt", "kms:GenerateDataKey")),
}
"""Kind → service, and what writing a value under a customer managed key needs of that key (PutSecretValue: both;
PutParameter: Encrypt in the standard tier, GenerateDataKey in the advanced one)."""

NEVER = (
    "iam:PassRole",
    "iam:ResetServiceSpecificCredential",
    "secretsmanager:CancelRotateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:StopReplicationToReplica",
    "ssm:DeleteParameter",
    "ssm:DeleteParameters",
)
"""Calls that end a lifecycle instead of moving it on; denied whatever else the identity holds."""


def rotate(wanted: Sequence[Locator], scope: Scope) -> list[Statement]:
    """The statements for the named items; none when nothing of them has a lifecycle that can be driven."""
    statements: list[Statement] = []
    for kind, actions in _ACTIONS.items():
        names = [item.name for item in wanted if item.kind == kind]
        if not names:
            continue
        statements.append(allow(f"NhisyncRotate{word(kind)}", actions, resources(kind, names, scope)))
        if kind in _UNSCOPED:
            statements.append(allow(f"NhisyncFind{word(kind)}", _UNSCOPED[kind], ["*"]))
        if kind in _KEYS:
            service, uses = _KEYS[kind]
            statements.append(through_service(f"NhisyncEncrypt{word(kind)}", uses, [service], scope))
        if kind == "secret":
            # RotateSecret needs it on the secret's rotation function, which no locator names.
            function = scope.arn("lambda", "function:*")
            statements.append(allow("NhisyncRotationFunction", ["lambda:InvokeFunction"], [function]))
    if statements:
        closed = sorted({*VALUE_ACTIONS, *NEVER} - {"kms:Decrypt"})
        statements.append(deny("NhisyncNeverReadOrDelete", closed, {"Resource": "*"}))
    return statements
