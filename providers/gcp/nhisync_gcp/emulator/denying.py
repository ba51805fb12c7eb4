"""What deny policies (``google.iam.v2.Policy``) take away."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from nhisync_gcp.emulator.principals import Principals

_SERVICES = {"resourcemanager": "cloudresourcemanager"}


def takes_away(
    policies: Iterable[Any], principals: Principals, member: str, permission: str, true: frozenset[str]
) -> bool:
    """Whether a rule of `policies` keeps `member` from `permission` while exactly the conditions `true` hold."""
    service, _, rest = permission.partition(".")
    name = f"{_SERVICES.get(service, service)}.googleapis.com/{rest}"
    return any(_applies(rule.deny_rule, principals, member, name, true) for one in policies for rule in one.rules)


def _applies(rule: Any, principals: Principals, member: str, permission: str, true: frozenset[str]) -> bool:
    if rule.HasField("denial_condition") and rule.denial_condition.expression not in true:
        return False
    if not _named(permission, rule.denied_permissions) or _named(permission, rule.exception_permissions):
        return False
    named, spared = rule.denied_principals, rule.exception_principals
    return principals.among(member, named) and not principals.among(member, spared)


def _named(permission: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(permission, pattern) for pattern in patterns)
