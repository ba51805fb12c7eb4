"""Reads what service accounts may do: the rules of every role that is bound to them or to one of their groups.

RBAC only adds. A binding of a namespace gives its role's rules there, one of the cluster everywhere. A resource is
written ``namespace/group/resource/subresource/name``, ``+`` stands for any one of these. Source: kubernetes.io/docs,
Using RBAC Authorization; ``plugin/pkg/auth/authorizer/rbac`` of k8s.io/kubernetes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from nhisync.spi import (
    Effect,
    ErrorFact,
    ErrorKind,
    GrantFacts,
    Locator,
    ProviderError,
    Right,
    Syntax,
)
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.metadata import entries, word
from nhisync_kubernetes.names import split
from nhisync_kubernetes.permissions import HOLDERS
from nhisync_kubernetes.resources import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)

SCHEME = "kubernetes"

_ACCOUNT = "kubernetes.io/service-account.name"
"""Annotation of a legacy token that names its account."""

_SPECIAL = re.compile(r"[%*+/]")
_UNUSUAL = re.compile(r"[^a-z0-9-]")

Rules = Sequence[Mapping[str, Any]]


class GrantRun:
    """One look at the rights of some accounts; every listing is read once.

    Args:
        api: of one cluster.
        now: the time of observation.
    """

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self._api, self._now = api, now
        self._listings: dict[Resource, list[Mapping[str, Any]]] = {}

    def facts(self, wanted: Sequence[Locator]) -> Iterator[GrantFacts]:
        """The rights of each wanted account, or why they are not known.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        for locator in dict.fromkeys(one.item for one in wanted):
            if locator.kind not in HOLDERS:
                told = f"the kind {locator.kind} holds no rights at this cluster"
                error = ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=told)
                yield GrantFacts(locator=locator, observed_at=self._now(), error=error)
                continue
            try:
                yield self._single(locator)
            except ProviderError as failure:
                if failure.kind in {ErrorKind.AUTH_FAILED, ErrorKind.THROTTLED}:
                    raise
                yield GrantFacts(locator=locator, observed_at=self._now(), error=failure.fact)

    def _single(self, locator: Locator) -> GrantFacts:
        namespace, account = split(locator.name)
        if locator.kind == "service-account-token":
            account = account_behind(self._api, namespace, account)
        else:
            self._api.get(SERVICE_ACCOUNTS, namespace, account, metadata=True)
        return GrantFacts(
            locator=locator,
            observed_at=self._now(),
            scheme=SCHEME,
            syntax=Syntax.PATH,
            rights=tuple(sorted(set(self._rights(namespace, account)))),
        )

    def _rights(self, namespace: str, account: str) -> Iterator[Right]:
        who = subjects_of(namespace, account)
        for binding in self._listed(CLUSTER_BINDINGS):
            if bound(binding, who):
                yield from rights_of(self._rules(binding, ""), "")
        for binding in self._listed(BINDINGS):
            if bound(binding, who):
                place = str(binding["metadata"].get("namespace", ""))
                yield from rights_of(self._rules(binding, place), place)

    def _rules(self, binding: Mapping[str, Any], namespace: str) -> Rules:
        """The rules a binding gives; a role that is gone gives none."""
        reference = binding.get("roleRef")
        if not isinstance(reference, dict):
            return ()
        resource = ROLES if reference.get("kind") == "Role" else CLUSTER_ROLES
        place = namespace if resource is ROLES else ""
        for role in self._listed(resource):
            about = role["metadata"]
            if (about.get("namespace", ""), about.get("name")) == (place, reference.get("name")):
                return entries(role.get("rules"))
        return ()

    def _listed(self, resource: Resource) -> list[Mapping[str, Any]]:
        if resource not in self._listings:
            self._listings[resource] = list(self._api.listed(resource))
        return self._listings[resource]


def account_behind(api: Api, namespace: str, name: str) -> str:
    """The account behind a legacy token; it is there, for the token controller removes the Secret with its account.

    The account itself is not asked for: no locator names it, so that no printed document could grant that.

    Raises:
        ProviderError: MALFORMED, the Secret names none.
    """
    found = api.get(SECRETS, namespace, name, metadata=True)
    annotations = found["metadata"].get("annotations")
    account = annotations.get(_ACCOUNT) if isinstance(annotations, dict) else None
    if not isinstance(account, str) or not account:
        raise ProviderError(ErrorKind.MALFORMED, "the Secret does not name the account that its token is for")
    return account


def subjects_of(namespace: str, account: str) -> frozenset[tuple[str, str]]:
    """(kind, name) of everything that the account counts as."""
    return frozenset(
        {
            ("User", f"system:serviceaccount:{namespace}:{account}"),
            ("Group", "system:serviceaccounts"),
            ("Group", f"system:serviceaccounts:{namespace}"),
            ("Group", "system:authenticated"),
        }
    )


def bound(binding: Mapping[str, Any], who: frozenset[tuple[str, str]]) -> bool:
    """Whether a binding names one of `who`."""
    here = word(binding["metadata"].get("namespace"))
    for subject in entries(binding.get("subjects")):
        kind, name = word(subject.get("kind")), word(subject.get("name"))
        if kind == "ServiceAccount":
            kind, name = "User", f"system:serviceaccount:{word(subject.get('namespace')) or here}:{name}"
        if (kind, name) in who:
            return True
    return False


def rights_of(rules: Rules, namespace: str) -> Iterator[Right]:
    """The rights of rules that hold in one namespace, or everywhere (``""``); only there do bare URLs count."""
    for rule in rules:
        verbs = tuple(sorted(_verb(one) for one in texts(rule.get("verbs"))))
        named = [*_places(rule, namespace), *([] if namespace else _urls(rule))]
        if verbs and named:
            yield Right(Effect.ALLOW, verbs, tuple(sorted(set(named))))


def _places(rule: Mapping[str, Any], namespace: str) -> Iterator[str]:
    where = namespace or "+"
    # Among names a star stands for nothing but itself, which no object is called (rbac/v1 ResourceNameMatches).
    names = [_literal(one) for one in texts(rule["resourceNames"])] if rule.get("resourceNames") else ["+"]
    for group in texts(rule.get("apiGroups")):
        for resource in texts(rule.get("resources")):
            main, slash, sub = resource.partition("/")
            below = _literal(sub) if slash else ("+" if resource == "*" else "-")
            for name in names:
                yield f"{where}/{_any(group) or 'core'}/{_any(main)}/{below}/{name}"


def _urls(rule: Mapping[str, Any]) -> Iterator[str]:
    """Paths that are no resources; a star at the end is anything below."""
    for path in texts(rule.get("nonResourceURLs")):
        whole = path.removesuffix("*")
        yield f"url:{whole.replace('+', '%2B')}{path[len(whole) :]}"


def _any(text: str) -> str:
    return "+" if text == "*" else _literal(text)


def _literal(text: str) -> str:
    """A word of RBAC in which a star is no wildcard; names are never patterns there (``ResourceNameMatches``)."""
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02x}", text)


def literal(text: str) -> str:
    """A word as RBAC has it, of what `_literal` and `_verb` made of it."""
    return unquote(text)


def _verb(text: str) -> str:
    """A verb; it is compared as a pattern and without letter case, and RBAC does neither."""
    return text if text == "*" else _UNUSUAL.sub(lambda found: f"%{ord(found[0]):02x}", text)


def texts(value: Any) -> list[str]:
    """The texts of a list; anything else in it is no word of RBAC."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
