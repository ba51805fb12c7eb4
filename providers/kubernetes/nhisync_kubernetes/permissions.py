"""RBAC documents for `nhisync permissions` and the doctor: exactly the configured items.

RBAC knows no right to an object's metadata alone: whoever may get or list a Secret may read its value. Where no Secret
is wanted the read document holds no right on Secrets at all; where one is, it is named.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import AccessMode, Locator, PermissionDocument, ProviderError
from nhisync_kubernetes.grants import Grant, flow, merge
from nhisync_kubernetes.names import split
from nhisync_kubernetes.resources import (
    BINDINGS,
    CERTIFICATES,
    CLUSTER_BINDINGS,
    CLUSTER_ISSUERS,
    CLUSTER_ROLES,
    ISSUERS,
    NAMESPACES,
    OTHERS_REVIEWS,
    RBAC,
    REQUESTS,
    RESOURCE_OF,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SYSTEM,
    Resource,
)
from nhisync_kubernetes.settings import KubernetesSettings

_ACCOUNT = "system:serviceaccount:"
_PURPOSE: Mapping[AccessMode, str] = {
    AccessMode.READ: "inventory",
    AccessMode.FINGERPRINT: "inventory, and the values of the named Secrets for the reuse comparison",
    AccessMode.PROBE: "presenting the named credentials to the services that judge them",
    AccessMode.ROTATE: "inventory, and new issuances of the named Certificates and service account tokens",
}
RULED_BY = (BINDINGS, CLUSTER_BINDINGS, ROLES, CLUSTER_ROLES)
"""What rights are read from, each as one listing of the whole cluster."""

HOLDERS = frozenset({"service-account", "service-account-token"})
"""Kinds that may do something at the cluster."""

_RIGHTS = "the rules of every role and who is bound to it, for tiers that compare rights"
_OPINIONS = "asking what the server would allow others, for tiers that want a second opinion"
MAY_OTHERS = Grant("", OTHERS_REVIEWS.group, OTHERS_REVIEWS.plural, "create")
"""What it takes to ask about others than oneself."""

_VALUES = frozenset({"secret", "service-account-token"})


def documents(
    settings: KubernetesSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
) -> tuple[PermissionDocument, ...]:
    """One manifest for `mode`; none when the mode has nothing to do with what is wanted."""
    grants = needed(settings, mode, wanted, kinds)
    if not grants:
        return ()
    return (document_of(settings, f"nhisync-{mode.value}", _PURPOSE[mode], grants),)


def document_of(settings: KubernetesSettings, name: str, purpose: str, grants: Sequence[Grant]) -> PermissionDocument:
    """The manifest `name` for the configured subject."""
    title = f"RBAC {name} for {settings.subject}: {purpose}"
    text = f"# {title}\n" + "".join(f"---\n{_yaml(one)}" for one in objects(name, settings.subject, grants))
    actions = tuple(one for grant in grants for one in grant.actions)
    return PermissionDocument(title=title, language="yaml", text=text, actions=actions)


def rights_needed() -> list[Grant]:
    """Listing bindings and roles; RBAC has no way to list only those of one account."""
    return [_grant(one, "", "list") for one in RULED_BY]


def rights_documents(settings: KubernetesSettings, kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
    """What reading rights needs beside the READ document; none where no account is asked about."""
    return (document_of(settings, "nhisync-rights", _RIGHTS, rights_needed()),) if kinds & HOLDERS else ()


def opinion_documents(settings: KubernetesSettings, kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
    """What asking the server about accounts needs beside what reading their rights does."""
    if not kinds & HOLDERS:
        return ()
    return (document_of(settings, "nhisync-opinions", _OPINIONS, [MAY_OTHERS]),)


def needed(
    settings: KubernetesSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
) -> list[Grant]:
    """Every right of a mode, one per line of the manifest, sorted.

    Reviews about oneself and discovery are not among them: every authenticated user has those by default.
    """
    items = list(_addressed(wanted))
    extra = list(_EXTRA[mode](items))
    if mode is AccessMode.READ:
        return merge(_reading(settings, items, kinds))
    if mode is AccessMode.FINGERPRINT or (mode is AccessMode.ROTATE and extra):
        return merge([*_reading(settings, items, kinds), *extra])
    return merge([*_cluster(settings), *extra]) if extra else []


def objects(name: str, subject: str, grants: Iterable[Grant]) -> list[dict[str, Any]]:
    """The manifests: a ClusterRole for what concerns the cluster, a Role for each namespace, and their bindings."""
    places: dict[str, list[Grant]] = {}
    for grant in grants:
        places.setdefault(grant.namespace, []).append(grant)
    return [one for place, mine in sorted(places.items()) for one in _role(name, subject, place, mine)]


_Item = tuple[str, str, str]
"""Kind, namespace and name."""


def _addressed(wanted: Sequence[Locator]) -> Iterator[_Item]:
    """Wanted items that an object can be; others need nothing, for nothing is asked for them."""
    for locator in dict.fromkeys(one.item for one in wanted):
        if locator.kind not in RESOURCE_OF:
            continue
        try:
            yield locator.kind, *split(locator.name)
        except ProviderError:
            continue


def _cluster(settings: KubernetesSettings) -> Iterator[Grant]:
    """What it takes to tell one cluster from another; the issuer may be read by every service account."""
    if settings.identify_by == "namespace":
        yield Grant("", "", NAMESPACES.plural, "get", (SYSTEM,))


def _reading(settings: KubernetesSettings, items: Sequence[_Item], kinds: frozenset[str]) -> Iterator[Grant]:
    yield from _cluster(settings)
    swept = [kind for kind in RESOURCE_OF if kind in kinds]
    for kind in swept:
        for namespace in settings.namespaces or ("",):
            yield _grant(RESOURCE_OF[kind], namespace, "list")
            yield from _issuing(kind, namespace)
    for kind, namespace, name in items:
        yield _grant(RESOURCE_OF[kind], namespace, "get", name)
        yield from _issuing(kind, namespace)
    for namespace in sorted({one[1] for one in items} | (set(settings.namespaces) if swept else set())):
        yield Grant("", "", NAMESPACES.plural, "get", (namespace,))


def _issuing(kind: str, namespace: str) -> Iterator[Grant]:
    """What an issuance needs besides the Certificate: what was signed, and by whom. All of it is public."""
    if kind == "certificate":
        yield _grant(REQUESTS, namespace, "list")
        yield _grant(ISSUERS, namespace, "get")
        yield _grant(CLUSTER_ISSUERS, "", "get")


def _no_extra(_: Sequence[_Item]) -> Iterator[Grant]:
    yield from ()


def _values(items: Sequence[_Item]) -> Iterator[Grant]:
    """A Secret's value comes with the Secret."""
    for kind, namespace, name in items:
        if kind in _VALUES:
            yield _grant(SECRETS, namespace, "get", name)


def _probing(items: Sequence[_Item]) -> Iterator[Grant]:
    """The stored credential, or a short-lived token of the account."""
    yield from _values(items)
    yield from _tokens(items)


def _rotating(items: Sequence[_Item]) -> Iterator[Grant]:
    """cert-manager renews when its Issuing condition is set; accounts get their tokens from the API server.

    A Secret is rotated by whatever writes it; nhisync does not.
    """
    for kind, namespace, name in items:
        if kind == "certificate":
            yield Grant(namespace, CERTIFICATES.group, f"{CERTIFICATES.plural}/status", "patch", (name,))
    yield from _tokens(items)


def _tokens(items: Sequence[_Item]) -> Iterator[Grant]:
    for kind, namespace, name in items:
        if kind == "service-account":
            yield Grant(namespace, "", f"{SERVICE_ACCOUNTS.plural}/token", "create", (name,))


_EXTRA = {
    AccessMode.READ: _no_extra,
    AccessMode.FINGERPRINT: _values,
    AccessMode.PROBE: _probing,
    AccessMode.ROTATE: _rotating,
}


def _grant(resource: Resource, namespace: str, verb: str, *names: str) -> Grant:
    return Grant(namespace, resource.group, resource.plural, verb, names)


def _role(name: str, subject: str, namespace: str, grants: Sequence[Grant]) -> Iterator[dict[str, Any]]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    version = f"{RBAC}/v1"
    yield {"apiVersion": version, "kind": kind, "metadata": metadata, "rules": [one.rule for one in grants]}
    yield {
        "apiVersion": version,
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [_subject(subject)],
    }


def _subject(subject: str) -> dict[str, str]:
    if subject.startswith(_ACCOUNT) and subject.count(":") == 3:
        namespace, name = subject.removeprefix(_ACCOUNT).split(":")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"kind": "User", "apiGroup": RBAC, "name": subject}


def _yaml(manifest: Mapping[str, Any]) -> str:
    """One key a line, one rule a line."""
    lines = []
    for key, value in manifest.items():
        if key == "rules":
            lines += ["rules:", *(f"- {flow(rule)}" for rule in value)]
        else:
            lines.append(f"{key}: {value if isinstance(value, str) else flow(value)}")
    return "\n".join(lines) + "\n"
