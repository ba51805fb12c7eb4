"""Who may do what: roles, allow policies on projects and resources, and their slow way through the service.

A permission is held when any binding on the resource or on its project names a role that includes it. Bindings with a
condition are stored and shown, but grant nothing: the emulator evaluates no CEL.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from google.iam.v1 import policy_pb2

from nhisync_gcp.emulator.timeline import Timeline

#: Predefined roles, as far as nhisync meets them (Google Cloud: IAM basic and predefined roles reference).
PREDEFINED: Final[Mapping[str, tuple[str, ...]]] = {
    "roles/owner": ("*",),
    "roles/viewer": ("*.get", "*.list", "*.getIamPolicy"),
    "roles/secretmanager.viewer": (
        "secretmanager.locations.*",
        "secretmanager.secrets.get",
        "secretmanager.secrets.getIamPolicy",
        "secretmanager.secrets.list",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
    ),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add",),
    "roles/secretmanager.secretVersionManager": (
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
        "secretmanager.versions.disable",
        "secretmanager.versions.enable",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
    ),
    "roles/secretmanager.admin": ("secretmanager.*",),
    "roles/iam.serviceAccountViewer": (
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.list",
    ),
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.*", "iam.serviceAccounts.get"),
    "roles/iam.serviceAccountTokenCreator": ("iam.serviceAccounts.getAccessToken",),
    "roles/iam.workloadIdentityUser": ("iam.serviceAccounts.getAccessToken",),
    "roles/certificatemanager.viewer": (
        "certificatemanager.certs.get",
        "certificatemanager.certs.list",
        "certificatemanager.locations.*",
    ),
    "roles/privateca.auditor": (
        "privateca.caPools.get",
        "privateca.caPools.list",
        "privateca.certificateAuthorities.get",
        "privateca.certificateAuthorities.list",
        "privateca.certificates.get",
        "privateca.certificates.list",
        "privateca.locations.*",
    ),
}


class Access:
    """Policies and custom roles of all projects."""

    def __init__(self) -> None:
        self._policies: dict[str, Timeline] = {}
        self.roles: dict[str, Timeline] = {}

    def policy(self, resource: str, instant: datetime | None = None) -> Any:
        """The allow policy of a resource (``projects/p``, ``projects/p/secrets/s`` …); empty when none was set."""
        line = self._policies.get(resource)
        found = line.at(instant) if line is not None else None
        return found if found is not None else policy_pb2.Policy(version=1, etag=b"ACAB")

    def set_policy(self, resource: str, policy: Any, now: datetime) -> None:
        """Replace the allow policy of a resource."""
        self._policies.setdefault(resource, Timeline()).put(now, policy)

    def bind(self, resource: str, role: str, member: str, now: datetime) -> None:
        """Add one member to one role on a resource."""
        grown = policy_pb2.Policy()
        grown.CopyFrom(self.policy(resource))
        grown.bindings.add(role=role, members=[member])
        self.set_policy(resource, grown, now)

    def forget(self, resource: str, now: datetime) -> None:
        """The resource is new: a policy of an earlier one with its name is not its."""
        if resource in self._policies:
            self.set_policy(resource, None, now)

    def unbind(self, member: str, now: datetime) -> None:
        """Take one member out of every policy."""
        for resource in tuple(self._policies):
            kept = policy_pb2.Policy()
            kept.CopyFrom(self.policy(resource))
            for binding in kept.bindings:
                binding.members[:] = [each for each in binding.members if each != member]
            self.set_policy(resource, kept, now)

    def holds(self, member: str, permission: str, resources: Sequence[str], instant: datetime | None) -> bool:
        """Whether `member` has `permission` on the first of `resources`, whose parents follow."""
        return any(
            _matches(permission, self._permissions(binding.role, instant))
            for resource in resources
            for binding in self.policy(resource, instant).bindings
            if _names(binding, member)
        )

    def _permissions(self, role: str, instant: datetime | None) -> Iterable[str]:
        if role in PREDEFINED:
            return PREDEFINED[role]
        line = self.roles.get(role)
        found = line.at(instant) if line is not None else None
        return () if found is None or found.deleted else found.included_permissions


def _names(binding: Any, member: str) -> bool:
    if binding.HasField("condition"):
        return False
    return member in binding.members or "allUsers" in binding.members or "allAuthenticatedUsers" in binding.members


def _matches(permission: str, granted: Iterable[str]) -> bool:
    return any(permission == each or ("*" in each and fnmatchcase(permission, each)) for each in granted)
