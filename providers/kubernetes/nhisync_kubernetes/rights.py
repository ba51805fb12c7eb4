"""Rights that our own user holds, as the API server says it, beside those that a mode needs.

One SelfSubjectRulesReview tells all rights in a namespace; where it does not know everything (authorizers outside the
server answer ``incomplete``), and for the cluster as a whole, single SelfSubjectAccessReviews decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nhisync.spi import ErrorKind, ProviderError
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.metadata import entries, word
from nhisync_kubernetes.resources import ACCESS_REVIEWS, CERT_MANAGER, RULES_REVIEWS

_ANY = "*"
_DEFAULT = "default"
_READS = frozenset({"get", "list", "watch"})
_WRITES = frozenset(
    {"create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate", _ANY}
)
_OURS = frozenset(
    {
        ("", "secrets"),
        ("", "serviceaccounts"),
        ("", "serviceaccounts/token"),
        ("", "namespaces"),
        (CERT_MANAGER, "certificates"),
        (CERT_MANAGER, "certificates/status"),
        (CERT_MANAGER, "certificaterequests"),
        (CERT_MANAGER, "issuers"),
        (CERT_MANAGER, "clusterissuers"),
    }
)
"""Resources of which a right beyond need is worth a warning, besides a right to everything."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that applies to us in a namespace."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]

    def allows(self, grant: Grant, name: str) -> bool:
        """Whether it gives a right on one object ("" = on all of them)."""
        main, _, sub = grant.resource.partition("/")
        forms = {_ANY, grant.resource, *([f"*/{sub}"] if sub else [])}
        return (
            bool(self.verbs & {_ANY, grant.verb})
            and bool(self.groups & {_ANY, grant.group})
            and bool(self.resources & forms)
            and bool(main)
            and (not self.names or name in self.names)
        )


class Rights:
    """What the server says of our own user; each namespace is asked once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, tuple[list[Rule], bool]] = {}

    def missing(self, grant: Grant) -> list[str]:
        """Names of a grant that we have no right on; ``[""]`` when it is about all objects and we have none.

        Raises:
            ProviderError: the server does not tell.
        """
        names = grant.names or ("",)
        if grant.namespace:
            rules, _ = self.rules(grant.namespace)
            names = tuple(name for name in names if not any(rule.allows(grant, name) for rule in rules))
        return [name for name in names if not self._allowed(grant, name)]

    def rules(self, namespace: str) -> tuple[list[Rule], bool]:
        """Rules in a namespace, and whether they are all.

        Raises:
            ProviderError: the server does not tell.
        """
        if namespace not in self._known:
            status = self._api.review(RULES_REVIEWS, {"namespace": namespace})
            rules = [_rule(one) for one in entries(status.get("resourceRules"))]
            self._known[namespace] = (rules, status.get("incomplete") is not True)
        return self._known[namespace]

    def _allowed(self, grant: Grant, name: str) -> bool:
        resource, _, sub = grant.resource.partition("/")
        attributes = {
            "verb": grant.verb,
            "group": grant.group,
            "resource": resource,
            "subresource": sub,
            "namespace": grant.namespace,
            "name": name,
        }
        status = self._api.review(ACCESS_REVIEWS, {"resourceAttributes": {k: v for k, v in attributes.items() if v}})
        allowed = status.get("allowed")
        if not isinstance(allowed, bool):
            raise ProviderError(ErrorKind.MALFORMED, "the server does not say whether the call would be allowed")
        return allowed


def excess(rights: Rights, needed: Sequence[Grant]) -> list[str]:
    """Rights beyond the needed ones, in words, worst first.

    Raises:
        ProviderError: the server does not tell.
    """
    namespaces = sorted({grant.namespace for grant in needed if grant.namespace}) or [_DEFAULT]
    found: dict[str, None] = {}
    for namespace in namespaces:
        for rule in rights.rules(namespace)[0]:
            found.update(dict.fromkeys(_beyond(rule, namespace, needed)))
    return sorted(found, key=lambda said: (not said.startswith("everything"), said))


def _beyond(rule: Rule, namespace: str, needed: Sequence[Grant]) -> Iterator[str]:
    if _ANY in rule.resources and _ANY in rule.verbs:
        yield f"everything in {namespace}"
        return
    verbs = rule.verbs & (_READS | _WRITES)
    for group, resource in sorted(_OURS):
        if not rule.groups & {_ANY, group} or not rule.resources & {_ANY, resource}:
            continue
        for verb in sorted(verbs):
            if not _is_needed(rule, Grant(namespace, group, resource, verb), needed):
                yield Grant(namespace, group, resource, verb, tuple(sorted(rule.names))).action


def _is_needed(rule: Rule, held: Grant, needed: Sequence[Grant]) -> bool:
    """Whether some need covers this right: the same one, on no more objects, here or in the whole cluster."""
    same = [
        need
        for need in needed
        if (need.group, need.resource, need.verb) == (held.group, held.resource, held.verb)
        and need.namespace in ("", held.namespace)
    ]
    names = frozenset(name for need in same for name in need.names)
    return any(not need.names for need in same) or bool(same and rule.names and rule.names <= names)


def _rule(raw: Mapping[str, Any]) -> Rule:
    def words(key: str) -> frozenset[str]:
        listed = raw.get(key)
        return frozenset(map(word, listed)) if isinstance(listed, list) else frozenset()

    return Rule(words("verbs"), words("apiGroups"), words("resources"), words("resourceNames"))
