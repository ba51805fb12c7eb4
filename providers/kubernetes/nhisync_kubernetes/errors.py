"""API server answers as `ProviderError`s: the one place where status codes, reasons and texts are looked at.

Decided by code and ``reason`` of the Status object (k8s.io/apimachinery ``pkg/apis/meta/v1/types.go``). Server text is
matched, never passed on: it can hold what a caller sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from nhisync.spi import ErrorKind, ProviderError
from nhisync_kubernetes.grants import Grant

_STATUS: Mapping[int, ErrorKind] = {
    400: ErrorKind.MISCONFIGURED,
    401: ErrorKind.AUTH_FAILED,
    403: ErrorKind.DENIED,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.UNSUPPORTED,
    406: ErrorKind.UNSUPPORTED,
    409: ErrorKind.CONFLICT,
    410: ErrorKind.CONFLICT,
    413: ErrorKind.MISCONFIGURED,
    415: ErrorKind.UNSUPPORTED,
    422: ErrorKind.MISCONFIGURED,
    429: ErrorKind.THROTTLED,
}
"""Status code → kind; the rest is UNREACHABLE (5xx) or MALFORMED."""

_SAID: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "the server does not accept nhisync's own credential",
    ErrorKind.NOT_FOUND: "the server has no such object",
    ErrorKind.CONFLICT: "another change came first, or the listing's snapshot is gone",
    ErrorKind.THROTTLED: "the server asked to slow down",
    ErrorKind.UNREACHABLE: "the server answered with a fault",
    ErrorKind.MALFORMED: "the server answered with a status that its API does not have",
    ErrorKind.UNSUPPORTED: "this server does not offer the operation",
    ErrorKind.MISCONFIGURED: "the server refuses the request as invalid",
}

_FIX: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Check the source's auth: the token may be expired or of another cluster, the certificate "
    "unknown to it.",
    ErrorKind.CONFLICT: "Run it again; if it stays, raise limits.rates of this source, so that listings end sooner.",
    ErrorKind.THROTTLED: "Lower limits.rates of this source, or give its user a priority level of its own "
    "(FlowSchema).",
    ErrorKind.UNREACHABLE: "Look at the API server: kubectl get --raw '/readyz?verbose'",
    ErrorKind.MISCONFIGURED: "Check the locator's namespace and name.",
}

ANONYMOUS = "system:anonymous"
"""Whom the server sees when it accepts no credential and lets strangers in."""

_RETRY_AFTER = re.compile(r"\d{1,6}\Z")
_USER = re.compile(r'User "(system:(?:anonymous|serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}))" cannot ')
"""Only names that nobody can hide anything in."""


@dataclass(frozen=True, slots=True)
class Called:
    """Which call failed.

    Attributes:
        method: HTTP method.
        path: below the API server.
        grant: the right that it needs; None = every authenticated user has it.
        request_id: the server's ``Audit-Id``, "" when none came.
    """

    method: str
    path: str
    grant: Grant | None = None
    request_id: str = ""


def refused(status: int, message: str, headers: Mapping[str, str], called: Called) -> ProviderError:
    """The typed error for an answer with an error status.

    Args:
        status: HTTP status code.
        message: of the Status object; matched, not repeated.
        headers: of the answer, lower case, for Retry-After.
        called: what was asked.
    """
    kind = kind_of(status)
    if kind is ErrorKind.DENIED:
        return denied(message, called)
    said = _SAID[kind]
    if kind is ErrorKind.UNREACHABLE:
        said = f"{said} (status {status})"
    return ProviderError(
        kind,
        f"{called.method} {called.path}: {said}",
        resource=called.path,
        request_id=called.request_id,
        retry_after=retry_after(headers) if status == 429 or status >= 500 else None,
        fix=_FIX.get(kind, ""),
    )


def denied(message: str, called: Called) -> ProviderError:
    """403: the exact right that is missing, and for whom the server took us."""
    match = _USER.search(message)
    user = match.group(1) if match else ""
    if user == ANONYMOUS:
        return ProviderError(
            ErrorKind.AUTH_FAILED,
            f"{called.method} {called.path}: the server took nhisync for a stranger ({ANONYMOUS})",
            resource=called.path,
            principal=user,
            request_id=called.request_id,
            fix="Check the client certificate of the source's auth: the cluster's client CA must have issued it.",
        )
    grant = called.grant
    return ProviderError(
        ErrorKind.DENIED,
        f"the server denied {grant.action if grant else f'{called.method} {called.path}'}",
        action=grant.bare if grant else called.method,
        resource=_place(grant) if grant else called.path,
        principal=user,
        reason="no Role or ClusterRole that is bound to the user allows it",
        request_id=called.request_id,
        fix=grant.fix if grant else "Bind the default role system:discovery or system:basic-user to the user.",
    )


def malformed(called: Called, what: str) -> ProviderError:
    """An answer that cannot be believed; never an empty result."""
    return ProviderError(
        ErrorKind.MALFORMED,
        f"{called.method} {called.path}: {what}",
        resource=called.path,
        request_id=called.request_id,
        fix="Look for a proxy or gateway between nhisync and the API server; nothing is concluded from this answer.",
    )


def unreachable(
    called: Called, what: str, *, endpoint: str, indeterminate: bool = False, fix: str = ""
) -> ProviderError:
    """No answer at all."""
    return ProviderError(
        ErrorKind.UNREACHABLE,
        f"{called.method} {called.path}: {what}",
        resource=endpoint,
        indeterminate=indeterminate,
        fix=fix or f"Check that {endpoint} answers from where nhisync runs: nhisync doctor",
    )


def misconfigured(what: str, fix: str) -> ProviderError:
    """The configuration names something that cannot be right here."""
    return ProviderError(ErrorKind.MISCONFIGURED, what, fix=fix)


def kind_of(status: int) -> ErrorKind:
    """What an error status means."""
    return _STATUS.get(status, ErrorKind.UNREACHABLE if status >= 500 else ErrorKind.MALFORMED)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Whole seconds of Retry-After (RFC 9110 §10.2.3; the API server never sends a date); None when absent or odd."""
    raw = headers.get("retry-after", "").strip()
    return timedelta(seconds=int(raw)) if _RETRY_AFTER.match(raw) else None


def _place(grant: Grant) -> str:
    """``payments/stripe``, ``payments`` or the whole cluster."""
    return "/".join(part for part in (grant.namespace, *grant.names) if part) or "the whole cluster"
