"""Names of Secret Manager's resources: what each endpoint accepts, and how answers spell them."""

import re
from typing import Any, NamedTuple

from nhisync_gcp.emulator.messages import copy
from nhisync_gcp.emulator.refusals import denied, invalid, not_found
from nhisync_gcp.emulator.rpc import Call
from nhisync_gcp.emulator.secret_store import Place, Secret, Version, resource_of

_ID = r"[A-Za-z0-9_-]{1,255}"
_SECRET = re.compile(rf"projects/([^/]+)(?:/locations/([^/]+))?/secrets/({_ID})")
_VERSION = re.compile(rf"projects/([^/]+)(?:/locations/([^/]+))?/secrets/({_ID})/versions/([A-Za-z0-9_-]+)")
_PARENT = re.compile(r"projects/([^/]+)(?:/locations/([^/]+))?")


class Target(NamedTuple):
    """What a request names.

    Attributes:
        place: project and location; the project by id.
        secret: id of the secret; "" in a parent.
        version: number, alias or ``latest``; "" elsewhere.
        given: the name as the request spelled it.
    """

    place: Place
    secret: str
    version: str
    given: str

    @property
    def resources(self) -> tuple[str, ...]:
        """The secret and its project, as policies are kept."""
        project = f"projects/{self.place.project}"
        return (resource_of(self.place, self.secret), project) if self.secret else (project,)


def parent(call: Call, name: str, permission: str) -> Target:
    """The project (and location) that `name` names; the caller holds `permission` there."""
    return _target(call, name, _PARENT, "Parent", "projects/*", permission)


def secret_target(call: Call, name: str, permission: str) -> Target:
    """The secret that `name` names, which need not exist; the caller holds `permission` on it."""
    return _target(call, name, _SECRET, "Secret ID", "projects/*/secrets/*", permission)


def version_target(call: Call, name: str, permission: str) -> Target:
    """The version that `name` names, which need not exist; the caller holds `permission` on its secret."""
    return _target(call, name, _VERSION, "Secret ID", "projects/*/secrets/*/versions/*", permission)


def the_secret(call: Call, name: str, permission: str) -> tuple[Target, Secret]:
    """An existing secret.

    Raises:
        RefusedError: PERMISSION_DENIED before NOT_FOUND, so that names cannot be guessed.
    """
    target = secret_target(call, name, permission)
    return target, _existing(call, target)


def the_version(call: Call, name: str, permission: str, *, aliases: bool) -> tuple[Secret, Version]:
    """An existing version; with `aliases`, ``latest`` and the secret's own aliases are names too."""
    target = version_target(call, name, permission)
    secret = _existing(call, target)
    number = target.version
    if aliases and not number.isdecimal():
        number = _by_alias(call, secret, number)
    elif not number.isdecimal():
        raise invalid(f"The provided Secret Version ID [{name}] must be a number.")
    version = secret.versions.get(number)
    if version is None or version.shown.current is None:
        raise not_found(f"Secret Version [{spell(call, target, secret.resource)}/versions/{number}] not found.")
    return secret, version


def spell(call: Call, target: Target, resource: str) -> str:
    """A resource's name as answers spell it: with the project's number, unless the world imitates other servers."""
    project = call.cloud.project(target.place.project)
    shown = project.id if call.cloud.knobs.answer_with_id else project.number
    return resource.replace(f"projects/{project.id}", f"projects/{shown}", 1)


def answered(call: Call, place: Place, message: Any) -> Any:
    """A copy of a stored message with its name spelled for answers."""
    made = copy(message)
    made.name = spell(call, Target(place, "", "", ""), made.name)
    return made


def located_secret(call: Call, name: str) -> Target | None:
    """The secret that `name` names, without asking whether the caller may know; None = no such project."""
    return _locate(call, name, _SECRET, "Secret ID", "projects/*/secrets/*")


def _locate(call: Call, name: str, pattern: re.Pattern[str], what: str, expected: str) -> Target | None:
    match = pattern.fullmatch(name)
    location = (match.group(2) or "") if match is not None else ""
    if match is None or location != call.location:
        if call.location:
            expected = expected.replace("projects/*", f"projects/*/locations/{call.location}", 1)
        raise invalid(f"The provided {what} [{name}] does not match the expected format [{expected}]")
    project = call.cloud.find_project(match.group(1))
    parts = [*match.groups()[2:], "", ""]
    return Target(Place(project.id, location), parts[0], parts[1], name) if project is not None else None


def _target(call: Call, name: str, pattern: re.Pattern[str], what: str, expected: str, permission: str) -> Target:
    target = _locate(call, name, pattern, what, expected)
    if target is None:
        raise denied(permission, name)
    call.require(permission, *target.resources, shown=name)
    return target


def _existing(call: Call, target: Target) -> Secret:
    secret = call.cloud.secrets.find(target.place, target.secret)
    if secret is None:
        raise not_found(f"Secret [{spell(call, target, resource_of(target.place, target.secret))}] not found.")
    return secret


def _by_alias(call: Call, secret: Secret, alias: str) -> str:
    at = call.cloud.shown_at()
    if alias == "latest":
        newest = secret.latest(at)
        if newest is None:
            target = Target(secret.place, secret.id, "", "")
            raise not_found(f"Secret [{spell(call, target, secret.resource)}] not found or has no versions.")
        return str(newest.number)
    shown = secret.shown.at(at) or secret.shown.current
    if alias not in shown.version_aliases:
        target = Target(secret.place, secret.id, "", "")
        raise not_found(f"Secret Version [{spell(call, target, secret.resource)}/versions/{alias}] not found.")
    return str(shown.version_aliases[alias])
