"""Least-privilege IAM documents for exactly the configured items.

The read document carries an explicit Deny on every call that returns a value, so that the inventory mode is provable:
no other policy of the same principal can give it back (IAM user guide, "Policy evaluation logic"). Actions and
resource types follow the service authorization reference.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nhisync.spi import AccessMode, Locator, PermissionDocument

VALUE_ACTIONS = (
    "acm:ExportCertificate",
    "kms:Decrypt",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameterHistory",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
)
"""Every call that returns a value or a private key of the kinds served here."""

_LIST_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:ListSecrets",),
    "access-key": ("iam:GenerateCredentialReport", "iam:GetAccountAuthorizationDetails", "iam:GetCredentialReport"),
    "role": ("iam:GetAccountAuthorizationDetails",),
    "service-credential": ("iam:ListServiceSpecificCredentials",),
    "server-certificate": ("iam:ListServerCertificates",),
    "certificate": ("acm:ListCertificates",),
    "parameter": ("ssm:DescribeParameters",),
}

_ITEM_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"),
    "access-key": ("iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"),
    "role": ("iam:GetRole",),
    "service-credential": (),
    "server-certificate": ("iam:GetServerCertificate", "iam:ListServerCertificateTags"),
    "certificate": ("acm:GetCertificate", "acm:ListTagsForCertificate"),
    "parameter": ("ssm:ListTagsForResource",),
}

_VALUE_READS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:GetSecretValue",),
    "parameter": ("ssm:GetParameter",),
}

_KEYED_KINDS = frozenset({"secret", "parameter"})
"""Kinds whose items hang on a KMS key."""

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a document applies.

    Attributes:
        partition: ``aws``, ``aws-cn``, ``aws-us-gov``.
        account: 12 digits, or ``*`` when the configuration does not say.
        region: the source's region.
        batch: values are read through BatchGetSecretValue.
    """

    region: str
    account: str = "*"
    partition: str = "aws"
    batch: bool = False

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        """ARN of `resource` in this scope."""
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.account}:{resource}"


def documents(
    mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope
) -> tuple[PermissionDocument, ...]:
    """The documents of `mode`; none for modes that this adapter does not have.

    Args:
        mode: read or fingerprint.
        wanted: items that pairs name; whole kinds are granted only where `kinds` sweeps them.
        kinds: swept kinds.
        scope: partition, account and region.
    """
    if mode is AccessMode.READ:
        statements = [*_read(wanted, kinds, scope), _deny_all_values()]
        title = "nhisync inventory: metadata only, reading values is denied explicitly"
    elif mode is AccessMode.FINGERPRINT:
        statements = [*_read(wanted, kinds, scope), *_fingerprint(wanted, scope)]
        title = "nhisync value comparison: metadata, and the values of the paired items only"
    else:
        return ()
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
    return (PermissionDocument(title=title, language="json", text=text, actions=_allowed(statements)),)


def partition_of(region: str) -> str:
    """Partition of a region by its prefix (IAM user guide, "Amazon Resource Names")."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
        if region.startswith(prefix):
            return partition
    return "aws"


def item_actions(kind: str) -> tuple[str, ...]:
    """Actions that the detail of one item of `kind` needs."""
    return _ITEM_ACTIONS.get(kind, ())


def list_actions(kind: str) -> tuple[str, ...]:
    """Actions that a sweep of `kind` needs."""
    return _LIST_ACTIONS.get(kind, ())


def grant_text(action: str, resource: str) -> str:
    """One statement that grants one missing action, ready to paste into a policy."""
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource or "*"})


def _read(wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope) -> list[Statement]:
    touched = sorted(kinds | {locator.kind for locator in wanted})
    lists = sorted({action for kind in touched for action in list_actions(kind)})
    statements: list[Statement] = []
    if lists:
        statements.append(_allow("NhisyncList", lists, ["*"]))
    for kind in touched:
        actions = item_actions(kind)
        if kind == "secret":
            # ListSecrets shows the same metadata of all secrets, and a secret that does not exist has no ARN that a
            # narrower resource could match: with one, absence would look like a missing permission.
            statements.append(_allow("NhisyncReadSecret", actions, ["*"]))
        elif actions:
            names = None if kind in kinds else [item.name for item in wanted if item.kind == kind]
            statements.append(_allow(f"NhisyncRead{_word(kind)}", actions, _resources(kind, names, scope)))
    if _KEYED_KINDS.intersection(touched):
        key = scope.arn("kms", "key/*")
        statements.append(_allow("NhisyncReadKeys", ["kms:DescribeKey"], [key]))
    return statements


def _fingerprint(wanted: Sequence[Locator], scope: Scope) -> list[Statement]:
    statements: list[Statement] = []
    kept_closed = set(VALUE_ACTIONS) - {"kms:Decrypt"}
    services: list[str] = []
    for kind, actions in _VALUE_READS.items():
        names = [item.name for item in wanted if item.kind == kind]
        if not names:
            continue
        resources = _resources(kind, names, scope)
        statements.append(_allow(f"NhisyncCompare{_word(kind)}", actions, resources))
        statements.append(_deny(f"NhisyncOnly{_word(kind)}", actions, {"NotResource": resources}))
        kept_closed -= set(actions)
        services.append("secretsmanager" if kind == "secret" else "ssm")
        if kind == "secret" and scope.batch:
            statements.append(_allow("NhisyncCompareBatch", ["secretsmanager:BatchGetSecretValue"], ["*"]))
            kept_closed.discard("secretsmanager:BatchGetSecretValue")
    if services:
        decrypt = _allow("NhisyncDecrypt", ["kms:Decrypt"], [scope.arn("kms", "key/*")])
        suffix = "amazonaws.com.cn" if scope.partition == "aws-cn" else "amazonaws.com"
        via = [f"{service}.{scope.region}.{suffix}" for service in services]
        statements.append({**decrypt, "Condition": {"StringEquals": {"kms:ViaService": via}}})
    statements.append(_deny("NhisyncNeverOtherValues", sorted(kept_closed), {"Resource": "*"}))
    return statements


def _deny_all_values() -> Statement:
    return _deny("NhisyncNeverReadValues", VALUE_ACTIONS, {"Resource": "*"})


def _resources(kind: str, names: Iterable[str] | None, scope: Scope) -> list[str]:
    """ARNs of the items named; None = all items of the kind."""
    every = names is None
    given = ["*"] if names is None else sorted(set(names))
    match kind:
        case "secret":
            # A secret's ARN ends in six random characters, new ones after each re-creation.
            return [scope.arn("secretsmanager", "secret:*" if every else f"secret:{n}-??????") for n in given]
        case "access-key":
            users = [n.partition("/")[0] for n in given]
            return [scope.arn("iam", f"user/{'*' if every else _path_free(u)}", regional=False) for u in users]
        case "role":
            return [scope.arn("iam", f"role/{'*' if every else _path_free(n)}", regional=False) for n in given]
        case "server-certificate":
            return [scope.arn("iam", f"server-certificate/{_path_free(n)}", regional=False) for n in given]
        case "certificate":
            # Certificates are named by domain, their ARNs are not known before they are listed.
            return [scope.arn("acm", "certificate/*")]
        case "parameter":
            return [scope.arn("ssm", f"parameter/{n.lstrip('/')}") for n in given]
        case _:
            return ["*"]


def _path_free(name: str) -> str:
    """IAM names may stand below a path that a locator does not carry."""
    return name if name == "*" else f"*{name}"


def _allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(dict.fromkeys(resources))}


def _deny(sid: str, actions: Iterable[str], target: Mapping[str, Any]) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), **target}


def _allowed(statements: Iterable[Statement]) -> tuple[str, ...]:
    allowed = (s["Action"] for s in statements if s["Effect"] == "Allow")
    return tuple(sorted({action for actions in allowed for action in actions}))


def _word(kind: str) -> str:
    return "".join(part.title() for part in kind.split("-"))
