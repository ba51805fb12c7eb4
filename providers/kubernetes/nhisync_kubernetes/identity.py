"""Who we are, and in which cluster.

A cluster has no id of its own; the uid of the namespace ``kube-system`` is what everybody takes for one
(kubernetes/kubernetes#77487). Where it may not be read, the token issuer together with its signing keys stands in: the
default issuer's name is the same in every cluster, its keys are not.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from nhisync.spi import ErrorKind, ProviderError, SourceIdentity
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
    authority, remark = _authority(api)
    remarks = [f"Kubernetes {version(api)}", remark, "" if user.told else "the user is the token's own word"]
    return SourceIdentity(
        authority=authority,
        principal=user.name,
        endpoint=api.session.access.endpoint,
        detail="; ".join(one for one in remarks if one),
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
    """Uid of the system namespace.

    Raises:
        ProviderError: it cannot be read.
    """
    found = api.get(NAMESPACES, "", SYSTEM, metadata=True)
    return short(mapping(found.get("metadata")).get("uid"))


def version(api: Api) -> str:
    """The server's version, or that it does not tell."""
    try:
        answer = api.public("/version")
    except ProviderError as error:
        if error.kind not in _ELSEWHERE:
            raise
        return "of unknown version"
    return short(answer.body.get("gitVersion")) or "of unknown version"


def _authority(api: Api) -> tuple[str, str]:
    """The realm, and a remark when it is not the system namespace's uid."""
    try:
        uid = cluster_id(api)
    except ProviderError as error:
        if error.kind not in {*_ELSEWHERE, ErrorKind.NOT_FOUND}:
            raise
        issuer = _issuer(api)
        if not issuer:
            raise
        return (
            f"kubernetes:{issuer}",
            f"the cluster's id may not be read (get namespaces: {SYSTEM}), its issuer stands in",
        )
    if not uid:
        raise ProviderError(ErrorKind.MALFORMED, f"the namespace {SYSTEM} has no uid")
    return f"kubernetes:{uid}", ""


def _issuer(api: Api) -> str:
    """Issuer and a digest of its keys, "" when they may not be read."""
    try:
        about, keys = _body(api, _DISCOVERY), _body(api, _KEYS)
    except ProviderError as error:
        if error.kind not in {*_ELSEWHERE, ErrorKind.NOT_FOUND}:
            raise
        return ""
    issuer = short(about.get("issuer"))
    ids = sorted(short(key.get("kid")) for key in entries(keys.get("keys")))
    if not issuer or not any(ids):
        return ""
    return f"{issuer}#{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"


def _body(api: Api, path: str) -> dict[str, Any]:
    return dict(api.public(path).checked().body)
