"""Kubernetes: a bearer token asks the API server whose it is (SelfSubjectReview), which every user may.

Served since Kubernetes 1.28 as ``authentication.k8s.io/v1``; the review is stored nowhere. A token that the server does
not know is answered with 401, also where strangers may ask (Kubernetes docs, "Authenticating", anonymous requests). A
proxy that asks under a name of its own (``kubectl proxy``) lets every token in, so that a made-up one is tried as well.
"""

import json
from typing import Final

from nhisync.probes.exchange import Answer, Request, exchange, unexpected, unsendable
from nhisync.probes.order import (
    Order,
    Patience,
    Presented,
    Shown,
    name_of,
    nobody_judges,
    not_made,
    refused,
    value_of,
)
from nhisync.probes.stranger import proven, stranger
from nhisync.probes.wire import place
from nhisync.spi import ErrorKind, ProviderError

_RESOURCE: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_KIND: Final = "SelfSubjectReview"
_REVIEW: Final = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": _KIND}).encode()
_STRANGER: Final = "system:anonymous"


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask who the token is.

    Raises:
        ProviderError: the service cannot be asked.
    """
    return proven(_asked(order, presented, patience), order.floor, lambda: _asked(order, stranger(), patience))


def _asked(order: Order, presented: Presented, patience: Patience) -> Shown:
    token = value_of(presented).decode("latin-1")
    if not token.isprintable():
        raise unsendable()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    answer = exchange(order, Request(_RESOURCE, headers, "POST", _REVIEW), patience)
    if answer.status == 201:
        return _seen(order, presented, answer)
    if answer.status == 401:
        return refused(order.floor, ErrorKind.AUTH_FAILED, "the API server does not accept the token")
    return not_made(order.floor, _unclear(answer.status))


def _seen(order: Order, presented: Presented, answer: Answer) -> Shown:
    status = answer.document.get("status")
    info = status.get("userInfo") if isinstance(status, dict) else None
    user = info.get("username") if isinstance(info, dict) else None
    if answer.document.get("kind") != _KIND or not isinstance(user, str) or not user:
        raise ProviderError(ErrorKind.MALFORMED, "what answered is no Kubernetes API server")
    if user == _STRANGER:
        return nobody_judges(order.floor, "the API server takes the token's bearer for a stranger: it judges none")
    host, port = place(order.target)
    name = name_of(user, presented)
    return Shown(depth="auth", accepted=True, seen_as=f"{name} at {host}:{port}" if name else "")


def _unclear(status: int) -> ProviderError:
    if status == 404:
        fix = "Use type http with auth bearer on a path that needs a login."
        return ProviderError(ErrorKind.UNSUPPORTED, "the API server knows no SelfSubjectReview (1.28)", fix=fix)
    if status == 403:
        fix = "Bind it to the ClusterRole system:basic-user."
        return ProviderError(ErrorKind.DENIED, "the token may not ask whose it is", fix=fix)
    told = unexpected(status)
    return ProviderError(ErrorKind(told.kind), told.message)
