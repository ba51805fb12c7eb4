"""Who we are, and in which cluster.

A cluster has no id of its own; the uid of the namespace ``kube-system`` is what everybody takes for one
(kubernetes/kubernetes#77487). Where it may not be read, the settings can choose the token issuer together with its
signing keys instead: the default issuer's name is the same in every cluster, its keys are not. Nothing is chosen by
what happens to be permitted, or one cluster would have two ids.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from nhisync.spi import ErrorFact, ErrorKind, ProviderError, SourceIdentity
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.credentials import claims_of
from nhisync_kubernetes.metadata import entries, mapping, short
from nhisync_kubernetes.resources import IDENTITY_REVIEWS, NAMESPACES, SYSTEM

_DISCOVERY, _KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
_ELSEWHERE = frozenset({ErrorKind.UNSUPPORTED, ErrorKind.DENIED, ErrorKind.MALFORMED})
"""Errors after which another way to learn the same thing is tried."""


@dataclass(frozen=True, slots=True)
class User:
    """For whom the server takes us.

    Attributes:
        name: user name.
        groups: its groups.
        told: who says so: the server, or only our own token.
    """

    name: str
    groups: tuple[str, ...] = ()
    told: bool = True


def identify(api: Api) -> SourceIdentity:
    """Ask for the user, the cluster and the version.

    Raises:
        ProviderError: the kind says why not.
    """
    user = who(api)
    cluster = cluster_id(api)
    remarks = [f"Kubernetes {version(api)}", "" if user.told else "the user is the token's own word"]
    return SourceIdentity(
        authority=f"kubernetes:{cluster}",
        principal=user.name,
        endpoint=api.session.access.endpoint,
        detail="; ".join(one for one in remarks if one),
        cluster=f"kubernetes:{cluster}",
    )


def who(api: Api) -> User:
    """The user by SelfSubjectReview (served since Kubernetes 1.28), else by the subject of our own token.

    Raises:
        ProviderError: neither tells.
    """
    try:
        info = mapping(api.review(IDENTITY_REVIEWS, {}).get("userInfo"))
    except ProviderError as error:
        bearer = api.session.access.bearer
        subject = claims_of(bearer.current()).subject if bearer else ""
        if error.kind in _ELSEWHERE and subject:
            return User(subject, told=False)
        raise
    name, groups = short(info.get("username")), info.get("groups")
    if not name:
        raise ProviderError(ErrorKind.MALFORMED, "the server does not say which user it took nhisync for")
    return User(name, tuple(sorted(map(short, groups))) if isinstance(groups, list) else ())


def cluster_id(api: Api) -> str:
    """What tells this cluster from others, by the settings' choice.

    Raises:
        ProviderError: it cannot be read, or says nothing.
    """
    found = _issuer(api) if api.settings.identify_by == "issuer" else _uid(api)
    if not found:
        raise ProviderError(ErrorKind.MALFORMED, "the server does not say which cluster it is")
    return found


def version(api: Api) -> str:
    """The server's version, or that it does not tell."""
    try:
        answer = api.public("/version")
    except ProviderError as error:
        if error.kind not in _ELSEWHERE:
            raise
        return "of unknown version"
    return short(answer.body.get("gitVersion")) or "of unknown version"


def _uid(api: Api) -> str:
    try:
        found = api.get(NAMESPACES, "", SYSTEM, metadata=True)
    except ProviderError as error:
        if error.kind is not ErrorKind.DENIED:
            raise
        fix = f"{error.fix} Where that is not possible, set identify_by: issuer in every source of this cluster."
        raise ProviderError(ErrorKind.DENIED, error.message, fix=fix, **_told(error.fact)) from None
    return short(mapping(found.get("metadata")).get("uid"))


def _told(fact: ErrorFact) -> dict[str, Any]:
    return {key: getattr(fact, key) for key in ("action", "resource", "principal", "reason", "request_id")}


def _issuer(api: Api) -> str:
    """Issuer and a digest of its keys, "" when it shows none."""
    about, keys = _body(api, _DISCOVERY), _body(api, _KEYS)
    issuer = short(about.get("issuer"))
    ids = sorted(short(key.get("kid")) for key in entries(keys.get("keys")))
    if not issuer or not any(ids):
        return ""
    return f"{issuer}#{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"


def _body(api: Api, path: str) -> dict[str, Any]:
    return dict(api.public(path).checked().body)
