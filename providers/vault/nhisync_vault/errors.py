"""Vault and OpenBao answers as `ProviderError`s: the one place where status codes and error texts are looked at.

Decided by status code and known phrases (OpenBao ``sdk/logical/response_util.go``; Vault API documentation for 472,
473, 474 and 530). Server text is matched, never passed on: it can hold what a caller sent.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from nhisync.spi import ErrorKind, ProviderError

_STATUS: Mapping[int, ErrorKind] = {
    400: ErrorKind.MISCONFIGURED,
    401: ErrorKind.AUTH_FAILED,
    403: ErrorKind.DENIED,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.UNSUPPORTED,
    412: ErrorKind.NOT_PROPAGATED,
    415: ErrorKind.UNSUPPORTED,
    429: ErrorKind.THROTTLED,
    472: ErrorKind.READ_ONLY_SIDE,
    473: ErrorKind.READ_ONLY_SIDE,
}
"""Status code → kind; the rest is UNREACHABLE (5xx) or MALFORMED."""

_PHRASES: Sequence[tuple[int, str, ErrorKind]] = (
    (400, "check-and-set parameter did not match", ErrorKind.CONFLICT),
    (400, "invalid role or secret id", ErrorKind.AUTH_FAILED),
    (400, "invalid role name", ErrorKind.AUTH_FAILED),
    (400, "error validating token", ErrorKind.AUTH_FAILED),
    (400, "invalid accessor", ErrorKind.NOT_FOUND),
    (400, "invalid lease", ErrorKind.NOT_FOUND),
    (400, "unknown role", ErrorKind.NOT_FOUND),
    (400, "no static role found", ErrorKind.NOT_FOUND),
    (400, "does not exist", ErrorKind.NOT_FOUND),
    (400, "unsupported path", ErrorKind.UNSUPPORTED),
    (404, "no handler for route", ErrorKind.SCOPE_MISSING),
    (404, "unsupported path", ErrorKind.UNSUPPORTED),
    (429, "lease count quota exceeded", ErrorKind.QUOTA),
    (500, "does not exist", ErrorKind.NOT_FOUND),
    (500, "unable to find pki issuer", ErrorKind.NOT_FOUND),
    (500, "failed to find accessor entry", ErrorKind.NOT_FOUND),
    (500, "read only", ErrorKind.READ_ONLY_SIDE),
    (503, "sealed", ErrorKind.CRYPTO_UNAVAILABLE),
)
"""Status and phrase (lower case) → kind; goes before the status alone."""

_SAID: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "the server does not accept nhisync's own credential",
    ErrorKind.NOT_PROPAGATED: "this node has not seen the latest writes yet",
    ErrorKind.DENIED: "the server denied the call",
    ErrorKind.NOT_FOUND: "the server has no such item",
    ErrorKind.SCOPE_MISSING: "the mount does not exist",
    ErrorKind.READ_ONLY_SIDE: "this node is a standby or a secondary and refused",
    ErrorKind.CONFLICT: "another write came first",
    ErrorKind.QUOTA: "the lease quota is used up",
    ErrorKind.THROTTLED: "the server asked to slow down",
    ErrorKind.CRYPTO_UNAVAILABLE: "the server is sealed",
    ErrorKind.UNREACHABLE: "the server answered with a fault",
    ErrorKind.MALFORMED: "the server answered with a status that its API does not have",
    ErrorKind.UNSUPPORTED: "this server does not offer the operation",
    ErrorKind.MISCONFIGURED: "the server refuses the request as invalid",
}

_FIX: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Check the source's auth: the token may be expired or revoked, the secret id used up.",
    ErrorKind.SCOPE_MISSING: "Check the mount in the locator against `vault secrets list` and `vault auth list`.",
    ErrorKind.READ_ONLY_SIDE: "Name the active node in address or nodes of this source.",
    ErrorKind.QUOTA: "Look at the lease count quotas: vault read sys/quotas/lease-count/…",
    ErrorKind.THROTTLED: "Lower limits.rates of this source, or raise the rate-limit quota that applies to it.",
    ErrorKind.CRYPTO_UNAVAILABLE: "Unseal the server (vault operator unseal), or repair its auto-unseal key.",
    ErrorKind.MISCONFIGURED: "Check the locator's name, and the namespace of the source.",
}

_CAPABILITY: Mapping[str, str] = {
    "GET": "read",
    "LIST": "list",
    "SCAN": "scan",
    "POST": "update",
    "PUT": "update",
    "DELETE": "delete",
}
_RETRY_AFTER = re.compile(r"\d{1,6}\Z")


@dataclass(frozen=True, slots=True)
class Called:
    """Which call failed.

    Attributes:
        method: HTTP method.
        path: API path below ``/v1/``.
        request_id: the server's id, "" when none came.
    """

    method: str
    path: str
    request_id: str = ""

    @property
    def capability(self) -> str:
        """The ACL capability the call needs."""
        return _CAPABILITY.get(self.method, self.method.lower())

    @property
    def granted_path(self) -> str:
        """The path as a policy names it: lists without their trailing slash match too."""
        return self.path.rstrip("/")


def refused(status: int, errors: Sequence[str], headers: Mapping[str, str], called: Called) -> ProviderError:
    """The typed error for an answer with an error status.

    Args:
        status: HTTP status code.
        errors: texts of the ``errors`` list; matched, not repeated.
        headers: of the answer, for Retry-After.
        called: what was asked.
    """
    kind = kind_of(status, errors)
    if kind is ErrorKind.DENIED:
        return denied(called)
    wait = retry_after(headers) if status in (429, 503) else None
    said = _SAID[kind]
    if kind is ErrorKind.UNREACHABLE:
        said = f"{said} (status {status})"
    return ProviderError(
        kind,
        f"{called.method} {called.path}: {said}",
        resource=called.path,
        request_id=called.request_id,
        retry_after=wait,
        fix=_FIX.get(kind, ""),
    )


def denied(called: Called) -> ProviderError:
    """403 with a living token: the exact policy block that is missing."""
    block = f'path "{called.granted_path}" {{ capabilities = ["{called.capability}"] }}'
    return ProviderError(
        ErrorKind.DENIED,
        f"the server denied {called.capability} on {called.path}",
        action=called.capability,
        resource=called.granted_path,
        reason="no policy of the token grants it, or one denies it",
        request_id=called.request_id,
        fix=f"Grant it: {block}",
    )


def dead_token(called: Called) -> ProviderError:
    """403 because the token itself is not accepted any more."""
    return ProviderError(
        ErrorKind.AUTH_FAILED,
        f"{called.method} {called.path}: {_SAID[ErrorKind.AUTH_FAILED]}",
        resource=called.path,
        request_id=called.request_id,
        fix=_FIX[ErrorKind.AUTH_FAILED],
    )


def malformed(called: Called, what: str) -> ProviderError:
    """An answer that cannot be believed; never an empty result."""
    return ProviderError(
        ErrorKind.MALFORMED,
        f"{called.method} {called.path}: {what}",
        resource=called.path,
        request_id=called.request_id,
        fix="Look for a proxy or gateway between nhisync and the server; nothing is concluded from this answer.",
    )


def unreachable(called: Called, what: str, *, endpoint: str) -> ProviderError:
    """Nothing was asked any more."""
    return ProviderError(
        ErrorKind.UNREACHABLE,
        f"{called.method} {called.path}: {what}",
        resource=endpoint,
        fix=f"Check that {endpoint} answers from where nhisync runs: nhisync doctor",
    )


def kind_of(status: int, errors: Sequence[str]) -> ErrorKind:
    """What an error status with these texts means."""
    text = " ".join(errors).lower()
    for code, phrase, kind in _PHRASES:
        if status == code and phrase in text:
            return kind
    known = _STATUS.get(status)
    if known is not None:
        return known
    return ErrorKind.UNREACHABLE if status >= 500 or status in (474, 475) else ErrorKind.MALFORMED


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Whole seconds of Retry-After (RFC 9110 §10.2.3; the servers never send a date); None when absent or odd."""
    raw = headers.get("Retry-After", "").strip()
    return timedelta(seconds=int(raw)) if _RETRY_AFTER.match(raw) else None
