"""Allow and deny policies of Google Cloud as rights of one service account (pure).

An allow policy holds for its resource and everything below; deny policies win; a condition is a word of its own. A
resource is written by its name and ``/*``: it and all that stands in it. Source: IAM documentation, "Allow policies",
"Deny policies", "Principal identifiers", "Permissions supported in deny policies".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nhisync.spi import TRUST, Effect, Right
from nhisync.spi.spelling import one_line

MOST_PERMISSIONS = 1_000
"""A predefined role that holds more is compared as a whole, by its name: Editor alone has many thousands."""

_EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers", "principalSet://goog/public:all"})
_OTHERS = ("user:", "domain:", "deleted:")
"""People, everybody of a Workspace domain (of which accounts are no part), and whoever is gone."""

_AN_ACCOUNT = ("principal://iam.googleapis.com/projects/-/serviceAccounts/", "principal://goog/subject/")
_A_GROUP = "principalSet://goog/group/"
_POOL = re.compile(
    r"principal(?:Set)?://iam\.googleapis\.com/(?:projects/[^/]+/)?locations/[^/]+/work(?:load|force)\w+/"
)
_PLACE = re.compile(r"principalSet://cloudresourcemanager\.googleapis\.com/((?:projects|folders|organizations)/[^/]+)"
                    r"(?:/type/(ServiceAccount|ServiceAgent))?\Z")  # fmt: skip
_HIDDEN_CONDITION = re.compile(r"_withcond_[0-9a-f]+\Z")
_DENIED = re.compile(r"([a-z][\w-]*)\.googleapis\.com/((?:\w+|\*)\.(?:\w+|\*))\Z")
_OTHERWISE = {"cloudresourcemanager": "resourcemanager"}
"""Services whose name in deny policies is not that of their permissions."""

Found = tuple[tuple[Right, ...], tuple[str, ...]]
"""Rights and gaps."""

Permissions = Callable[[str], tuple[str, ...]]
"""Role → what it holds; () = nothing any more."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rights are compiled.

    Attributes:
        email: address of the service account.
        home: the project it lives in and what stands above (``projects/<number>``, ``folders/…``, ``organizations/…``);
            empty = not known.
        groups: group → accounts in it, as far as the configuration says.
    """

    email: str
    home: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_meant(self, member: str) -> bool | None:
        """Whether a member of a policy is this account; None = that cannot be known."""
        if member in _EVERYBODY:
            return True
        if member.startswith(_OTHERS) or _POOL.match(member):
            return False
        for prefix in ("serviceAccount:", *_AN_ACCOUNT):
            if member.startswith(prefix):
                return member.removeprefix(prefix).casefold() == self.email.casefold()
        for prefix in ("group:", _A_GROUP):
            if member.startswith(prefix):
                return self._in_group(member.removeprefix(prefix))
        place = _PLACE.match(member)
        if place is None or not self.home or place[2] == "ServiceAgent":
            return None
        return place[1] in self.home

    def any_of(self, members: Iterable[str]) -> tuple[bool, list[str]]:
        """Whether one of `members` is this account, and those of which it cannot be known."""
        answers = {member: self.is_meant(member) for member in members}
        return any(answers.values()), [member for member, meant in answers.items() if meant is None]

    def _in_group(self, group: str) -> bool | None:
        known = self.groups.get(group.casefold())
        return None if known is None else self.email.casefold() in known


class Policy(NamedTuple):
    """One policy and what it holds for.

    Attributes:
        where: patterns of the resources below it.
        text: the message, of google.iam.v1 (allow) or google.iam.v2 (deny).
    """

    where: tuple[str, ...]
    text: Any


def compiled(who: Account, allow: Iterable[Policy], deny: Iterable[Policy], permissions: Permissions) -> Found:
    """What `who` holds by these policies, and what cannot be known of it."""
    gaps: set[str] = set()
    denials = [right for one in deny for right in _denials(who, one, gaps)]
    rights = [right for one in allow for right in _grants(who, one, permissions, gaps)]
    if denials:
        whole = {action for right in rights for action in right.actions if action.startswith("role:")}
        gaps |= {f"{one} is too large to be compared beside a deny policy" for one in whole}
    return tuple(sorted({*rights, *denials})), tuple(sorted(gaps))


def trusted(policy: Any, permissions: Permissions) -> Found:
    """Who may act as the account, by its own allow policy."""
    gaps: set[str] = set()
    rights = []
    for binding in policy.bindings:
        members = tuple(sorted({_anybody(one) for one in binding.members if not one.startswith("deleted:")}))
        actions = _actions(binding, permissions, gaps)
        if members and actions:
            rights.append(Right(Effect.ALLOW, actions, members, (), (), _conditions(binding), TRUST))
    return tuple(sorted(set(rights))), tuple(sorted(gaps))


def _grants(who: Account, policy: Policy, permissions: Permissions, gaps: set[str]) -> Iterator[Right]:
    for binding in policy.text.bindings:
        meant, unknown = who.any_of(binding.members)
        if not meant:
            gaps.update(f"whether the account is in {member} is not known" for member in unknown)
            continue
        actions = _actions(binding, permissions, gaps)
        if actions:
            yield Right(Effect.ALLOW, actions, policy.where, conditions=_conditions(binding))


def _actions(binding: Any, permissions: Permissions, gaps: set[str]) -> tuple[str, ...]:
    if _HIDDEN_CONDITION.search(binding.role):
        gaps.add(f"a binding of {_HIDDEN_CONDITION.sub('', binding.role)} came without its condition")
        return ()
    held = permissions(binding.role)
    if len(held) > MOST_PERMISSIONS and binding.role.startswith("roles/"):
        return (f"role:{binding.role}",)
    return tuple(sorted(set(held)))


def _denials(who: Account, policy: Policy, gaps: set[str]) -> Iterator[Right]:
    for rule in policy.text.rules:
        deny = rule.deny_rule
        meant, unknown = who.any_of(deny.denied_principals)
        spared, unsure = who.any_of(deny.exception_principals)
        if spared or not (meant or unknown):
            continue
        doubts = [*([] if meant else unknown), *unsure]
        actions, but = map(_denied, (deny.denied_permissions, deny.exception_permissions))
        gaps.update(f"whether a deny policy's {member} is the account is not known" for member in doubts)
        if doubts:
            continue
        if not all((*actions, *but)):
            gaps.add("a deny policy names permissions in a form that has no meaning here")
            continue
        conditions = (one_line(deny.denial_condition.expression),) if deny.HasField("denial_condition") else ()
        yield Right(Effect.DENY, actions, policy.where, but_actions=but, conditions=conditions)


def _denied(permissions: Iterable[str]) -> tuple[str, ...]:
    """Permissions of a deny policy in the words of roles: ``iam.googleapis.com/roles.get`` is ``iam.roles.get``.

    One in another form becomes "".
    """
    found = map(_DENIED.match, permissions)
    return tuple(sorted(f"{_OTHERWISE.get(one[1], one[1])}.{one[2]}" if one else "" for one in found))


def _anybody(member: str) -> str:
    return "*" if member in _EVERYBODY else member


def _conditions(binding: Any) -> tuple[str, ...]:
    return (one_line(binding.condition.expression),) if binding.HasField("condition") else ()
