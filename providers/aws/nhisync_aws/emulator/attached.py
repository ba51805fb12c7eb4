"""Which policies a user, group or role has: inline and attached, with the names that AWS's answers give them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from moto.iam.models import Group, IAMBackend, ManagedPolicy, Role, User

from nhisync_aws.emulator.conditions import as_list

BOUNDARY = "permissions_boundary_arn"
"""Attribute of moto's roles that the overlay gives to users as well."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One policy of an identity.

    Attributes:
        name: ``<entity type>_<entity>_<policy>`` of an inline policy, else the name of the managed one.
        kind: ``user``, ``group``, ``role``, ``aws-managed`` or ``user-managed`` (botocore IAM model, PolicySourceType).
        document: the policy.
    """

    name: str
    kind: str
    document: Mapping[str, Any]


def policies_of(backend: IAMBackend, entity: User | Group | Role) -> Iterator[Attached]:
    """Own policies; a user's groups' besides."""
    kind = type(entity).__name__.lower()
    for name, text in entity.policies.items():
        yield Attached(f"{kind}_{entity.name}_{name}", kind, document_of(text))
    yield from (_managed(policy) for policy in entity.managed_policies.values())
    for group in backend.get_groups_for_user(entity.name) if isinstance(entity, User) else ():
        yield from policies_of(backend, group)


def boundary_of(backend: IAMBackend, entity: User | Group | Role) -> Mapping[str, Any] | None:
    """The permissions boundary; None = there is none."""
    arn = getattr(entity, BOUNDARY, None)
    return _managed(backend.get_policy(arn)).document if arn else None


def documents_of(policies: Iterable[Attached]) -> tuple[Mapping[str, Any], ...]:
    """The documents alone."""
    return tuple(policy.document for policy in policies)


def document_of(text: Any) -> Mapping[str, Any]:
    """A policy document as moto keeps it: parsed, JSON text, or percent-encoded JSON text.

    Raises:
        ValueError: it is not JSON.
    """
    if isinstance(text, Mapping):
        return text
    document = json.loads(unquote(text) if text.lstrip().startswith("%") else text)
    return document if isinstance(document, dict) else {"Statement": as_list(document)}


def _managed(policy: ManagedPolicy) -> Attached:
    version = next(v for v in policy.versions if v.version_id == policy.default_version_id)
    kind = "aws-managed" if ":iam::aws:" in policy.arn else "user-managed"
    return Attached(policy.name, kind, document_of(version.document))
