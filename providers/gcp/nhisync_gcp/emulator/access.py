"""Who may do what: roles, allow policies on projects and resources, and their slow way through the service.

A permission is held when no deny policy takes it away and any binding on the resource, on its project or on what stands
above that names a role that includes it. The emulator evaluates no CEL: a condition is false, unless the caller says
that this very text holds.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from google.iam.v1 import policy_pb2

from nhisync_gcp.emulator.denying import takes_away
from nhisync_gcp.emulator.principals import Principals
from nhisync_gcp.emulator.roles import PREDEFINED
from nhisync_gcp.emulator.timeline import Timeline


class Access:
    """Policies and custom roles of all projects.

    Attributes:
        roles: custom roles by name.
        denials: project, folder or organisation → id → its deny policy.
        principals: groups, and what stands above what.
    """

    def __init__(self) -> None:
        self._policies: dict[str, Timeline] = {}
        self.roles: dict[str, Timeline] = {}
        self.denials: dict[str, dict[str, Any]] = {}
        self.principals = Principals()

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

    def holds(
        self,
        member: str,
        permission: str,
        resources: Sequence[str],
        instant: datetime | None = None,
        true: frozenset[str] = frozenset(),
    ) -> bool:
        """Whether `member` has `permission` on the first of `resources`, whose parents follow up to the project.

        `true` are the texts of conditions that hold.
        """
        line = (*resources, *self.principals.above(resources[-1]))
        denials = [policy for place in line for policy in self.denials.get(place, {}).values()]
        if takes_away(denials, self.principals, member, permission, true):
            return False
        return any(
            _matches(permission, self._permissions(binding.role, instant))
            for resource in line
            for binding in self.policy(resource, instant).bindings
            if (not binding.HasField("condition") or binding.condition.expression in true)
            and self.principals.among(member, binding.members)
        )

    def _permissions(self, role: str, instant: datetime | None) -> Iterable[str]:
        if role in PREDEFINED:
            return PREDEFINED[role]
        line = self.roles.get(role)
        found = line.at(instant) if line is not None else None
        return () if found is None or found.deleted else found.included_permissions


def _matches(permission: str, granted: Iterable[str]) -> bool:
    return any(permission == each or ("*" in each and fnmatchcase(permission, each)) for each in granted)
