"""Pieces that all IAM documents are made of: ARNs of items, statements, and where a document applies."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nhisync.spi import Locator, PermissionDocument

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

VALUE_READS: Mapping[str, tuple[str, ...]] = {
    "secret": ("secretsmanager:GetSecretValue",),
    "parameter": ("ssm:GetParameter",),
}
"""Kind → calls that return the value of one of its items."""

_CERTIFICATE_ID = re.compile(r"(?:arn:aws[\w-]*:acm:[\w-]+:\d{12}:certificate/)?([0-9a-f-]{36}|mrk-[0-9a-f]+)\Z")

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


def fingerprint(wanted: Sequence[Locator], scope: Scope) -> list[Statement]:
    """Values of the named items and of no other, decrypted through their own services only."""
    statements: list[Statement] = []
    kept_closed = set(VALUE_ACTIONS) - {"kms:Decrypt"}
    services: list[str] = []
    for kind, actions in VALUE_READS.items():
        names = [item.name for item in wanted if item.kind == kind]
        if not names:
            continue
        named = resources(kind, names, scope)
        statements.append(allow(f"NhisyncCompare{word(kind)}", actions, named))
        statements.append(deny(f"NhisyncOnly{word(kind)}", actions, {"NotResource": named}))
        kept_closed -= set(actions)
        services.append("secretsmanager" if kind == "secret" else "ssm")
        if kind == "secret" and scope.batch:
            statements.append(allow("NhisyncCompareBatch", ["secretsmanager:BatchGetSecretValue"], ["*"]))
            kept_closed.discard("secretsmanager:BatchGetSecretValue")
    if services:
        statements.append(through_service("NhisyncDecrypt", ["kms:Decrypt"], services, scope))
    statements.append(deny("NhisyncNeverOtherValues", sorted(kept_closed), {"Resource": "*"}))
    return statements


def through_service(sid: str, actions: Iterable[str], services: Iterable[str], scope: Scope) -> Statement:
    """Use of whatever KMS key an item hangs on, but only by `services` on the caller's behalf."""
    suffix = "amazonaws.com.cn" if scope.partition == "aws-cn" else "amazonaws.com"
    via = [f"{service}.{scope.region}.{suffix}" for service in services]
    return {
        **allow(sid, actions, [scope.arn("kms", "key/*")]),
        "Condition": {"StringEquals": {"kms:ViaService": via}},
    }


def resources(kind: str, names: Iterable[str] | None, scope: Scope) -> list[str]:
    """ARNs of the items named; None = all items of the kind."""
    every = names is None
    given = ["*"] if names is None else sorted(set(names))
    match kind:
        case "secret":
            # A secret's ARN ends in six random characters, new ones after each re-creation.
            names = ["*"] if every else [n if n.startswith("arn:") else f"{n}-??????" for n in given]
            return [n if n.startswith("arn:") else scope.arn("secretsmanager", f"secret:{n}") for n in names]
        case "access-key":
            users = [n.partition("/")[0] for n in given]
            return [scope.arn("iam", f"user/{'*' if every else _path_free(u)}", regional=False) for u in users]
        case "service-credential":
            users = [n.partition("/")[2] or n for n in given]
            return [scope.arn("iam", f"user/{_path_free(u)}", regional=False) for u in users]
        case "role":
            return [scope.arn("iam", f"role/{'*' if every else _path_free(n)}", regional=False) for n in given]
        case "server-certificate":
            return [scope.arn("iam", f"server-certificate/{_path_free(n)}", regional=False) for n in given]
        case "certificate":
            # Named by domain, their ARNs are not known before they are listed.
            ids = [certificate_id(n) for n in given]
            return (
                [scope.arn("acm", "certificate/*")]
                if "" in ids
                else [scope.arn("acm", f"certificate/{i}") for i in ids]
            )
        case "parameter":
            return [scope.arn("ssm", f"parameter/{n.lstrip('/')}") for n in given]
        case _:
            return ["*"]


def certificate_id(name: str) -> str:
    """The id that a certificate's locator names, "" when it names a domain."""
    match = _CERTIFICATE_ID.match(name)
    return match[1] if match else ""


def _path_free(name: str) -> str:
    """IAM names may stand below a path that a locator does not carry."""
    return name if name == "*" else f"*{name}"


def allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Statement:
    """An Allow."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(dict.fromkeys(resources))}


def deny(sid: str, actions: Iterable[str], target: Mapping[str, Any]) -> Statement:
    """A Deny of `actions` on what `target` says (Resource or NotResource)."""
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), **target}


def document(title: str, statements: Sequence[Statement]) -> PermissionDocument:
    """The IAM document of `statements`."""
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)
    allowed = {action for one in statements if one["Effect"] == "Allow" for action in one["Action"]}
    return PermissionDocument(title=title, language="json", text=text, actions=tuple(sorted(allowed)))


def keyed(kind: str) -> bool:
    """Whether items of `kind` keep a value, and so hang on a KMS key."""
    return kind in VALUE_READS


def word(kind: str) -> str:
    """``access-key`` as ``AccessKey``."""
    return "".join(part.title() for part in kind.split("-"))
