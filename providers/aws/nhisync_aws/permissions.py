"""Least-privilege IAM documents for exactly the configured items.

The read document carries an explicit Deny on every call that returns a value, so that the inventory mode is provable:
no other policy of the same principal can give it back (IAM user guide, "Policy evaluation logic"). Actions and
resource types follow the service authorization reference.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nhisync.spi import AccessMode, Locator, PermissionDocument
from nhisync_aws.lifecycle import rotate
from nhisync_aws.statements import (
    VALUE_ACTIONS,
    VALUE_READS,
    Scope,
    Statement,
    allow,
    deny,
    document,
    fingerprint,
    keyed,
    resources,
    word,
)

_LIST_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:ListSecrets",),
    "access-key": ("iam:GetAccountAuthorizationDetails",),
    "service-credential": ("iam:ListServiceSpecificCredentials",),
    "certificate": ("acm:ListCertificates",),
    "parameter": ("ssm:DescribeParameters",),
}
"""Lists that answer for named items, too; they have no resource to be narrowed to."""

_SWEEP_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "access-key": ("iam:GenerateCredentialReport", "iam:GetCredentialReport"),
    "role": ("iam:GetAccountAuthorizationDetails",),
    "server-certificate": ("iam:ListServerCertificates",),
}
"""Lists that only a sweep needs."""

_ITEM_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"),
    "access-key": ("iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"),
    "role": ("iam:GetRole",),
    "service-credential": (),
    "server-certificate": ("iam:GetServerCertificate",),
    "certificate": ("acm:GetCertificate", "acm:ListTagsForCertificate"),
    "parameter": ("ssm:ListTagsForResource",),
}


def documents(
    mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope
) -> tuple[PermissionDocument, ...]:
    """The documents of `mode`; none where the mode has nothing to do with these items.

    Args:
        mode: read, fingerprint, probe or rotate.
        wanted: items that pairs name; whole kinds are granted only where `kinds` sweeps them.
        kinds: swept kinds.
        scope: partition, account and region.
    """
    if mode is AccessMode.READ:
        statements = [*_read(wanted, kinds, scope), _deny_all_values()]
        title = "nhisync inventory: metadata only, reading values is denied explicitly"
    elif mode is AccessMode.FINGERPRINT:
        statements = [*_read(wanted, kinds, scope), *fingerprint(wanted, scope)]
        title = "nhisync value comparison: metadata, and the values of the paired items only"
    elif mode is AccessMode.PROBE:
        statements = _probing(wanted, scope)
        title = "nhisync probes: the values that probes of the named items present, and sessions of the named roles"
    else:
        statements = rotate(wanted, scope)
        title = "nhisync rotation: the named items by their own lifecycle, reading values is denied explicitly"
    if not statements:
        return ()
    return (document(title, statements),)


def partition_of(region: str) -> str:
    """Partition of a region by its prefix (IAM user guide, "Amazon Resource Names")."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
        if region.startswith(prefix):
            return partition
    return "aws"


def item_actions(kind: str) -> tuple[str, ...]:
    """Actions that the detail of one item of `kind` needs."""
    return _ITEM_ACTIONS.get(kind, ())


def list_actions(kind: str, *, swept: bool) -> tuple[str, ...]:
    """Actions that listing items of `kind` needs: all of them when swept, or what answers for named ones."""
    return _LIST_ACTIONS.get(kind, ()) + (_SWEEP_ACTIONS.get(kind, ()) if swept else ())


def value_reads(kind: str) -> tuple[str, ...]:
    """Actions that return the value of an item of `kind`."""
    return VALUE_READS.get(kind, ())


def grant_text(action: str, resource: str) -> str:
    """One statement that grants what is missing (actions joined by commas), ready to paste into a policy."""
    actions: object = action.split(",") if "," in action else action
    return json.dumps({"Effect": "Allow", "Action": actions, "Resource": resource or "*"})


def _read(wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope) -> list[Statement]:
    touched = sorted(kinds | {locator.kind for locator in wanted})
    lists = sorted({action for kind in touched for action in list_actions(kind, swept=kind in kinds)})
    statements: list[Statement] = []
    if lists:
        statements.append(allow("NhisyncList", lists, ["*"]))
    for kind in touched:
        actions = item_actions(kind)
        if kind == "secret":
            # ListSecrets shows the same metadata of all secrets, and a secret that does not exist has no ARN that a
            # narrower resource could match: with one, absence would look like a missing permission.
            statements.append(allow("NhisyncReadSecret", actions, ["*"]))
        elif actions:
            names = None if kind in kinds else [item.name for item in wanted if item.kind == kind]
            statements.append(allow(f"NhisyncRead{word(kind)}", actions, resources(kind, names, scope)))
    if any(keyed(kind) for kind in touched):
        key = scope.arn("kms", "key/*")
        statements.append(allow("NhisyncReadKeys", ["kms:DescribeKey"], [key]))
    return statements


def _probing(wanted: Sequence[Locator], scope: Scope) -> list[Statement]:
    """Values as they are stored, and sessions of roles; a role's path is in no locator, and its ARN needs it."""
    presented = fingerprint(wanted, replace(scope, batch=False)) if _valued(wanted) else []
    roles = sorted({item.name for item in wanted if item.kind == "role"})
    if not roles:
        return presented
    arns = [scope.arn("iam", f"role/{form}{name}", regional=False) for name in roles for form in ("", "*/")]
    return [
        allow("NhisyncMintSession", ["iam:GetRole", "sts:AssumeRole"], arns),
        *(presented or [_deny_all_values()]),
    ]


def _deny_all_values() -> Statement:
    return deny("NhisyncNeverReadValues", VALUE_ACTIONS, {"Resource": "*"})


def _valued(wanted: Iterable[Locator]) -> bool:
    return any(item.kind in VALUE_READS for item in wanted)
