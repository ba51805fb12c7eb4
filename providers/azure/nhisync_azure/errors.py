"""Azure answers and SDK failures as `ProviderError`s: the one place where SDK exceptions are looked at.

azure-identity wraps everything in ClientAuthenticationError, a name that does not resolve included; only the causes
differ. So causes come first, then the token service's own code, then status and error codes. SDK and server texts are
matched, never passed on: they can hold what a caller sent.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from azure.core import exceptions as sdk
from urllib3 import exceptions as lib

from nhisync.spi import ErrorKind, ProviderError

_STATUS: Mapping[int, ErrorKind] = {
    400: ErrorKind.MISCONFIGURED,
    401: ErrorKind.AUTH_FAILED,
    403: ErrorKind.DENIED,
    405: ErrorKind.UNSUPPORTED,
    408: ErrorKind.UNREACHABLE,
    409: ErrorKind.CONFLICT,
    412: ErrorKind.CONFLICT,
    429: ErrorKind.THROTTLED,
    501: ErrorKind.UNSUPPORTED,
}
"""Status → kind; 404 is judged by its code, 5xx is UNREACHABLE, anything else MALFORMED."""

_CODES: Mapping[str, ErrorKind] = {
    **dict.fromkeys(
        ("SecretNotFound", "KeyNotFound", "CertificateNotFound", "PendingCertificateNotFound"), ErrorKind.NOT_FOUND
    ),
    **dict.fromkeys(("CertificateIssuerNotFound", "Request_ResourceNotFound"), ErrorKind.NOT_FOUND),
    **dict.fromkeys(
        ("VaultNotFound", "ResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound"), ErrorKind.SCOPE_MISSING
    ),
    **dict.fromkeys(("SecretDisabled", "KeyDisabled", "CertificateDisabled"), ErrorKind.CONFLICT),
    **dict.fromkeys(
        ("ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted", "ObjectIsBeingRecovered"), ErrorKind.CONFLICT
    ),
    **dict.fromkeys(("InvalidAuthenticationToken", "ExpiredAuthenticationToken"), ErrorKind.AUTH_FAILED),
    **dict.fromkeys(("Authorization_RequestDenied", "AuthorizationFailed"), ErrorKind.DENIED),
    **dict.fromkeys(("TooManyRequests", "Throttled", "ActivityLimitReached"), ErrorKind.THROTTLED),
    **dict.fromkeys(("VaultReadOnly", "VaultIsReadOnly"), ErrorKind.READ_ONLY_SIDE),
    **dict.fromkeys(("MaxVersionsReached", "Directory_QuotaExceeded"), ErrorKind.QUOTA),
}
"""Error or inner error code → kind; goes before the status."""

_READ_ONLY = re.compile(r"read[- ]?only", re.IGNORECASE)

_NETWORK: Mapping[str, str] = {
    "ForbiddenByFirewall": "the vault's firewall refuses the address this call came from",
    "ForbiddenByConnection": "the vault takes calls through its private endpoint only",
}
"""Inner codes of a 403 that no permission can cure → reason."""

_AADSTS: Mapping[int, tuple[ErrorKind, str, str]] = {
    7000215: (
        ErrorKind.NOT_PROPAGATED,
        "the token service does not know this client secret: it is wrong, removed, or so new that it has not spread",
        "A new secret needs up to minutes. After that: compare the file with the application's secrets by their ids.",
    ),
    7000222: (
        ErrorKind.AUTH_FAILED,
        "the client secret has expired",
        "Add a new secret to the application and put it into secret_file.",
    ),
    700016: (
        ErrorKind.AUTH_FAILED,
        "the tenant has no such application",
        "Check client_id and tenant of the source's auth.",
    ),
    700027: (
        ErrorKind.NOT_PROPAGATED,
        "the token service does not know the key of this certificate: it is wrong, removed, or has not spread yet",
        "A new certificate needs up to minutes. After that: upload it to the application again.",
    ),
    **dict.fromkeys(
        (70021, 700211, 700212, 700213),
        (
            ErrorKind.NOT_PROPAGATED,
            "no federated credential of the application matches the token's issuer, audience or subject, or not yet",
            "Compare them with the application's federated credentials: az ad app federated-credential list",
        ),
    ),
    700024: (
        ErrorKind.AUTH_FAILED,
        "the client assertion is outside its validity",
        "Check this machine's clock, and that the token file is renewed.",
    ),
    7000112: (
        ErrorKind.AUTH_FAILED,
        "the application is disabled in the tenant",
        "Enable the service principal (accountEnabled).",
    ),
    90002: (ErrorKind.MISCONFIGURED, "there is no such tenant", "Check tenant of the source's auth."),
    900023: (ErrorKind.MISCONFIGURED, "the tenant's name cannot be one", "Check tenant of the source's auth."),
    500011: (
        ErrorKind.MISCONFIGURED,
        "the tenant does not know the service that a token was asked for",
        "Check cloud and tenant of the source.",
    ),
    53003: (
        ErrorKind.AUTH_FAILED,
        "a conditional access policy blocks the application",
        "Exempt the workload identity, or run nhisync from an allowed place.",
    ),
    50196: (ErrorKind.THROTTLED, "the token service sees a loop of requests", "Ask less often."),
    90033: (ErrorKind.UNREACHABLE, "the token service has a passing fault", ""),
    90024: (ErrorKind.THROTTLED, "the token service is too busy", ""),
}
"""Code of the token service → kind, what it means, next step (Microsoft Learn, "Microsoft Entra error codes")."""

_REFUSED = (
    ErrorKind.AUTH_FAILED,
    "the token service refuses nhisync's own credential",
    "Check the source's auth, or what it names.",
)

_SAID: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Azure does not accept nhisync's token",
    ErrorKind.NOT_FOUND: "Azure has no such item",
    ErrorKind.SCOPE_MISSING: "Azure has no such vault or path",
    ErrorKind.READ_ONLY_SIDE: "the vault is read-only, as during a failover to its paired region",
    ErrorKind.CONFLICT: "the item is disabled, deleted, or being changed",
    ErrorKind.QUOTA: "a limit of the vault or tenant is reached",
    ErrorKind.THROTTLED: "Azure asked to slow down",
    ErrorKind.UNREACHABLE: "Azure answered with a server fault",
    ErrorKind.MALFORMED: "Azure answered with a status that its API does not have",
    ErrorKind.UNSUPPORTED: "this endpoint does not offer the operation",
    ErrorKind.MISCONFIGURED: "Azure refuses the name or a parameter as invalid",
}

_FIX: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Check that the vault belongs to the tenant of the source's auth, and this machine's clock.",
    ErrorKind.SCOPE_MISSING: "Check vault and cloud of the source; az keyvault list-deleted shows deleted vaults.",
    ErrorKind.READ_ONLY_SIDE: "Wait until Microsoft has failed back; until then nothing can be rotated on this side.",
    ErrorKind.CONFLICT: "Enable or recover the item: az keyvault secret set-attributes --enabled, or … recover",
    ErrorKind.THROTTLED: "Lower limits.rates of this source, or read it less often.",
    ErrorKind.MISCONFIGURED: "Check the locator's name: letters, digits and hyphens.",
}

_ACTION = re.compile(r"Action: '(Microsoft\.[\w./]{1,120})'")
_RESOURCE = re.compile(r"Resource: '(/[\w./ ()-]{1,400})'")
_CALLER = re.compile(r"appid=([0-9a-f-]{36})", re.IGNORECASE)
_POLICY = re.compile(r"does not have (secrets|keys|certificates) (\w{1,40}) permission")
_NO_TENANT = "Unable to get authority configuration"
"""MSAL's words when the tenant's discovery document is refused; the token service's own code is lost in them."""

_AADSTS_CODE = re.compile(r"AADSTS(\d{5,8})")
_SECONDS = re.compile(r"\d{1,6}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Which call failed, and what was seen of it.

    Attributes:
        name: ``service.call``.
        action: the permission it needs, in the notation of this source.
        resource: vault, tenant or item.
        grant: how to grant the permission.
        status: HTTP status of the last answer, 0 when none came.
        request_id: Azure's id of the call, "" when no answer came.
        login_status: HTTP status of the token service's last answer, 0 when it was not asked or gave none.
    """

    name: str
    action: str = ""
    resource: str = ""
    grant: str = ""
    status: int = 0
    request_id: str = ""
    login_status: int = 0


class UnbelievableError(sdk.ServiceResponseError):
    """An answer that no Azure service gives; the SDK's retry policy asks once more, as for a lost one."""


def translate(error: BaseException, called: Called) -> ProviderError:
    """The typed error for anything that an SDK call raised.

    Raise the result ``from None``: SDK exceptions hold requests and bodies.
    """
    lost = _by_cause(tuple(_causes(error)), called)
    if lost is not None:
        return lost
    if isinstance(error, sdk.HttpResponseError) and error.response is not None and _is_service(error, called):
        return _answer(error.response, called)
    if isinstance(error, sdk.ClientAuthenticationError):
        return _login(str(error), called)
    if isinstance(error, ValueError) and "challenge resource" in str(error):
        return _error(
            ErrorKind.MISCONFIGURED,
            called,
            said="the vault asks for a token of another service than its own, and gets none",
            fix="Check vault and cloud of the source; a private cloud's vault needs its own endpoint settings.",
        )
    return malformed(called, "the answer cannot be read")


def malformed(called: Called, what: str) -> ProviderError:
    """An answer that cannot be believed; never an empty result."""
    fix = "Look for a proxy or gateway between nhisync and Azure; nothing is concluded from this answer."
    return _error(ErrorKind.MALFORMED, called, said=what, fix=fix)


def denied(called: Called, *, action: str = "", resource: str = "", principal: str = "") -> ProviderError:
    """Authenticated, and not allowed: the permission that is missing, and how to grant it."""
    missing, on = action or called.action, resource or called.resource
    return ProviderError(
        ErrorKind.DENIED,
        f"Azure denied {missing or called.name}" + (f" on {on}" if on else ""),
        action=missing,
        resource=on,
        principal=principal,
        reason="no role assignment, access policy or consent allows it, or a condition of one excludes it",
        request_id=called.request_id,
        fix=called.grant,
    )


def _by_cause(causes: tuple[BaseException, ...], called: Called) -> ProviderError | None:
    """What stands behind an exception, whatever name the SDK gave it: our own refusal, or no believable answer."""
    own = next((cause for cause in causes if isinstance(cause, ProviderError)), None)
    if own is not None:
        return own
    for cause in causes:
        if isinstance(cause, (UnbelievableError, sdk.DecodeError)):
            return malformed(called, "the answer was cut on its way, or is not Azure's")
        if isinstance(cause, (sdk.ServiceRequestError, sdk.ServiceResponseError)):
            return _no_answer(cause, called)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: by ``from``, or as azure-core keeps it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _is_service(error: sdk.HttpResponseError, called: Called) -> bool:
    """Whether the answer is the service's own, and not the token service's."""
    refused_login = isinstance(error, sdk.ClientAuthenticationError) and called.login_status >= 400
    return not refused_login


def _login(text: str, called: Called) -> ProviderError:
    """The token service said no, or something that is no answer: its trouble goes before its words."""
    status, code = called.login_status, _AADSTS_CODE.search(text)
    if status == 429:
        return _error(ErrorKind.THROTTLED, called, said="the token service asked to slow down")
    if status >= 500:
        return _error(ErrorKind.UNREACHABLE, called, said=f"the token service answered with a fault (status {status})")
    if status < 400:
        return malformed(called, "the token service's answer cannot be read")
    number = int(code[1]) if code else 90002 if _NO_TENANT in text and status in (400, 404) else 0
    kind, said, fix = _AADSTS.get(number, _REFUSED)
    return _error(kind, called, said=f"{said} (AADSTS{number})" if number else said, fix=fix)


def _answer(response: Any, called: Called) -> ProviderError:
    """An error status of the service itself."""
    status, headers = int(response.status_code or called.status), response.headers
    codes, text = _said(response)
    kind = kind_of(status, codes, text)
    if kind is ErrorKind.DENIED:
        return _refused(codes, text, called)
    if kind is ErrorKind.UNREACHABLE:
        return _error(kind, called, said=f"{_SAID[kind]} (status {status})", retry_after=retry_after(headers))
    return _error(kind, called, retry_after=retry_after(headers))


def kind_of(status: int, codes: tuple[str, ...], text: str = "") -> ErrorKind:
    """What an error status with these codes means; absence is only what the service itself calls so."""
    for code in reversed(codes):  # the inner code says more than the outer one
        if code in _CODES:
            return _CODES[code]
    if status in (403, 409) and _READ_ONLY.search(text):
        return ErrorKind.READ_ONLY_SIDE
    if status in _STATUS:
        return _STATUS[status]
    return ErrorKind.UNREACHABLE if status >= 500 else ErrorKind.MALFORMED


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Whole seconds of Retry-After (RFC 9110 §10.2.3); None when absent, a date, or odd."""
    raw = str(headers.get("Retry-After") or "").strip()
    return timedelta(seconds=int(raw)) if _SECONDS.match(raw) else None


def _said(response: Any) -> tuple[tuple[str, ...], str]:
    """Error codes, outer to inner, and the message, of Azure's envelope; nothing of any other body."""
    try:
        body = response.json()
    except (ValueError, RecursionError, sdk.AzureError):
        return (), ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return (), ""
    codes: list[str] = []
    text = str(error.get("message") or "")
    while isinstance(error, dict) and len(codes) < 5:
        codes.append(str(error.get("code") or ""))
        error = error.get("innererror")
    return tuple(codes), text


def _refused(codes: tuple[str, ...], text: str, called: Called) -> ProviderError:
    for code in codes:
        if code in _NETWORK:
            return ProviderError(
                ErrorKind.DENIED,
                f"{_NETWORK[code]} ({called.name})",
                resource=called.resource,
                reason=_NETWORK[code],
                request_id=called.request_id,
                fix="Add nhisync's address to the vault's network rules, or run it behind the private endpoint.",
            )
    policy, action, resource, caller = (p.search(text) for p in (_POLICY, _ACTION, _RESOURCE, _CALLER))
    return denied(
        called,
        action=f"{policy[1]}/{policy[2]}" if policy else action[1] if action else "",
        resource=resource[1] if resource else "",
        principal=f"appid={caller[1].lower()}" if caller else "",
    )


def _no_answer(error: sdk.ServiceRequestError | sdk.ServiceResponseError, called: Called) -> ProviderError:
    root = tuple(_roots(error))
    where = called.resource or "the endpoint"
    said, fix = _lost(root, where)
    return ProviderError(ErrorKind.UNREACHABLE, f"{said} ({called.name})", resource=called.resource, fix=fix)


def _roots(error: object) -> Iterator[object]:
    """What the transport's error was made of: requests keeps urllib3's as argument, urllib3 the socket's as reason."""
    for _ in range(8):
        yield error
        inner = getattr(error, "inner_exception", None) or getattr(error, "reason", None)
        arguments = getattr(error, "args", ())
        held = arguments[0] if arguments and isinstance(arguments[0], BaseException) else None
        following = inner if isinstance(inner, BaseException) else held or getattr(error, "__cause__", None)
        if following is None or following is error:
            return
        error = following


def _lost(root: tuple[object, ...], where: str) -> tuple[str, str]:
    """Which step failed, and what to look at."""
    host = urlsplit(where).hostname or where
    route = f"Check routes, firewalls and the proxy between this machine and {where}."

    def held(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in root)

    if held(lib.ProxyError):
        return "the proxy cannot be reached, or refuses", "Check the source's proxy."
    if held(ssl.SSLError, lib.SSLError):
        said = "the TLS handshake failed, or the server's certificate is not trusted"
        return said, "Set ca_file to the bundle of your proxy or private cloud."
    if held(lib.NameResolutionError, socket.gaierror):
        fix = "Check the vault's name (a deleted vault has no address), cloud, and this machine's name servers."
        return f"the name {host} has no address here", fix
    if held(ConnectionRefusedError):
        return f"the connection to {host} is refused: nothing listens there", "Check the endpoints of the source."
    if held(sdk.ServiceRequestTimeoutError, sdk.ServiceResponseTimeoutError):
        return f"no answer from {host} in time", route
    if isinstance(root[0], sdk.ServiceResponseError):
        return "the connection closed before an answer came", route
    return f"no connection to {host}", route


def _error(
    kind: ErrorKind, called: Called, *, said: str = "", retry_after: timedelta | None = None, fix: str = ""
) -> ProviderError:
    return ProviderError(
        kind,
        f"{said or _SAID[kind]} ({called.name})",
        resource=called.resource,
        request_id=called.request_id,
        retry_after=retry_after,
        fix=fix or _FIX.get(kind, ""),
    )
