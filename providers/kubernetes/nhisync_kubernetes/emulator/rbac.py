"""RBAC as the API server evaluates it: additive rules, resource names, default roles of every authenticated user.

Source: k8s.io/kubernetes ``plugin/pkg/auth/authorizer/rbac/rbac.go``, ``pkg/apis/rbac/v1/evaluation_helpers.go`` and
``bootstrappolicy/policy.go``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nhisync_kubernetes.emulator.definitions import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Attributes,
    Definition,
)
from nhisync_kubernetes.emulator.faults import Faults
from nhisync_kubernetes.emulator.store import Object, Store, stamp

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ACCOUNTS = "system:serviceaccounts"
_PUBLIC = frozenset({"/version", "/healthz", "/livez", "/readyz"})
_DISCOVERY = frozenset({"/api", "/apis", "/api/v1", "/openapi"})
_ISSUER = frozenset({"/.well-known/openid-configuration", "/openid/v1/jwks"})
_BASIC: Sequence[Mapping[str, Any]] = (
    {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectrulesreviews"], "verbs": ["create"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
)
"""ClusterRole ``system:basic-user``."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks.

    Attributes:
        name: user name.
        groups: its groups.
        uid: of a service account, else "".
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Outside:
    """An authorizer that is asked before RBAC, run by the owner of the cluster.

    Attributes:
        user: whom it is about.
        verbs: what it denies that user, whatever RBAC says.
        failing: it gives no answer any more: what RBAC does not allow stays undecided.
    """

    user: str = ""
    verbs: frozenset[str] = frozenset()
    failing: bool = False


class Rbac:
    """Authorization by the roles and bindings in a store; the authorizer's cache may lag behind it.

    Attributes:
        issuer_hidden: the token issuer may not be read.
        outside: another authorizer before it.
    """

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults
        self.issuer_hidden = False
        self.outside = Outside()

    def told(self, user: User, asked: Attributes) -> dict[str, Any]:
        """The status of an access review."""
        allowed = self.allows(user, asked)
        if allowed or not self.outside.failing:
            return {"allowed": allowed}
        return {"allowed": False, "evaluationError": "the authorizer gave no answer: context deadline exceeded"}

    def allows(self, user: User, asked: Attributes) -> bool:
        """Whether `user` may do what is asked."""
        if MASTERS in user.groups:
            return True
        if user.name == self.outside.user and asked.verb in self.outside.verbs:
            return False
        if not asked.resource:
            return self._path(user, asked)
        return any(_matches(rule, asked) for rule in self.rules(user, asked.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Every rule that applies to `user` in a namespace ("" = only those of the whole cluster)."""
        if AUTHENTICATED in user.groups:
            yield from _BASIC
        if MASTERS in user.groups:
            yield {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        for binding in self._known(CLUSTER_ROLE_BINDINGS, ""):
            if _bound(binding, user):
                yield from self._role(binding, "")
        for binding in self._known(ROLE_BINDINGS, namespace) if namespace else []:
            if _bound(binding, user):
                yield from self._role(binding, namespace)

    def _known(self, definition: Definition, namespace: str) -> list[Object]:
        """Bindings that the cache holds; with ``role-lag`` not those of the last `seconds`."""
        found, lag = self._store.all(definition, namespace), self._faults.on("role-lag")
        if lag is None:
            return found
        newest = stamp(self._store.now() - timedelta(seconds=lag.options.get("seconds", 60)))
        return [one for one in found if one["metadata"]["creationTimestamp"] <= newest]

    def _path(self, user: User, asked: Attributes) -> bool:
        path = asked.path
        if path in _PUBLIC or any(_matches_path(rule, asked) for rule in self.rules(user, "")):
            return True
        if path in _ISSUER:
            return ACCOUNTS in user.groups and not self.issuer_hidden
        return AUTHENTICATED in user.groups and (path in _DISCOVERY or path.startswith("/apis/"))

    def _role(self, binding: Mapping[str, Any], namespace: str) -> Iterator[Mapping[str, Any]]:
        reference = binding["roleRef"]
        definition = ROLES if reference["kind"] == "Role" else CLUSTER_ROLES
        role = self._store.get(definition, namespace, reference["name"])
        yield from (role or {}).get("rules") or ()


def _bound(binding: Mapping[str, Any], user: User) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "ServiceAccount":
            kind, name = "User", f"system:serviceaccount:{subject.get('namespace')}:{name}"
        if (kind, name) == ("User", user.name) or (kind == "Group" and name in user.groups):
            return True
    return False


def _matches(rule: Mapping[str, Any], asked: Attributes) -> bool:
    forms = {"*", asked.full, *([f"*/{asked.subresource}"] if asked.subresource else [])}
    names = rule.get("resourceNames") or ()
    return (
        bool({"*", asked.verb} & set(rule.get("verbs") or ()))
        and bool({"*", asked.group} & set(rule.get("apiGroups") or ()))
        and bool(forms & set(rule.get("resources") or ()))
        and (not names or asked.name in names)
    )


def _matches_path(rule: Mapping[str, Any], asked: Attributes) -> bool:
    """``NonResourceURLMatches``: the very path, or what comes before a star at the end."""
    urls = rule.get("nonResourceURLs") or ()
    fits = any(one in {"*", asked.path} or (one.endswith("*") and asked.path.startswith(one[:-1])) for one in urls)
    return fits and bool({"*", asked.verb} & set(rule.get("verbs") or ()))
