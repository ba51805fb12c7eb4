"""Google's answers and SDK failures as `ProviderError`s: the one place where SDK exceptions are looked at.

Decided by gRPC status and by the reason in ``google.rpc.ErrorInfo`` (AIP-193), never by an exception's text, but for
two things that only gRPC's own texts say: which step of a connection failed, and that an answer came from something
that does not speak gRPC. No text is passed on.

Google answers PERMISSION_DENIED for what may not be seen and for what may not exist alike ("or it may not exist"):
that is DENIED, and says nothing about absence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.api_core import exceptions as sdk
from google.rpc import error_details_pb2

from nhisync.spi import ErrorKind, ProviderError
from nhisync_gcp.calls import host_of
from nhisync_gcp.permissions import grant_text

_STATUS: Mapping[str, ErrorKind] = {
    "UNAUTHENTICATED": ErrorKind.AUTH_FAILED,
    "PERMISSION_DENIED": ErrorKind.DENIED,
    "NOT_FOUND": ErrorKind.NOT_FOUND,
    "FAILED_PRECONDITION": ErrorKind.CONFLICT,
    "ABORTED": ErrorKind.CONFLICT,
    "ALREADY_EXISTS": ErrorKind.CONFLICT,
    "RESOURCE_EXHAUSTED": ErrorKind.THROTTLED,
    "DEADLINE_EXCEEDED": ErrorKind.UNREACHABLE,
    "UNAVAILABLE": ErrorKind.UNREACHABLE,
    "CANCELLED": ErrorKind.UNREACHABLE,
    "INTERNAL": ErrorKind.UNREACHABLE,
    "UNKNOWN": ErrorKind.MALFORMED,
    "DATA_LOSS": ErrorKind.MALFORMED,
    "UNIMPLEMENTED": ErrorKind.UNSUPPORTED,
    "INVALID_ARGUMENT": ErrorKind.MISCONFIGURED,
    "OUT_OF_RANGE": ErrorKind.MISCONFIGURED,
}
"""gRPC status → kind; a reason of `_REASONS` goes before it."""

_REASONS: Mapping[str, tuple[ErrorKind, str, str]] = {
    "SERVICE_DISABLED": (
        ErrorKind.SCOPE_MISSING,
        "this API is switched off in the project",
        "gcloud services enable {service} --project {project}; or leave its kinds out of pairs and sweeps.",
    ),
    "CONSUMER_INVALID": (
        ErrorKind.SCOPE_MISSING,
        "there is no such project, or it is not active",
        "Check project of the source: gcloud projects describe {project}",
    ),
    "BILLING_DISABLED": (
        ErrorKind.SCOPE_MISSING,
        "the project has no active billing account, so the API answers nothing",
        "Link a billing account: gcloud billing projects link {project} --billing-account …",
    ),
    "SECURITY_POLICY_VIOLATED": (
        ErrorKind.DENIED,
        "a VPC Service Controls perimeter forbids the call from here",
        "Add this machine's network or nhisync's identity to an access level or ingress rule of the perimeter.",
    ),
    "ACCOUNT_STATE_INVALID": (
        ErrorKind.AUTH_FAILED,
        "nhisync's own account is disabled or deleted",
        "Enable it: gcloud iam service-accounts enable …; or give the source another one.",
    ),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        ErrorKind.AUTH_FAILED,
        "the access token carries no cloud-platform scope",
        "Give the machine (or whatever writes the token) the scope cloud-platform; roles then limit what it may do.",
    ),
}
"""Reasons of domain ``googleapis.com`` that mean something else than their status (google/api/error_reason.proto)."""

_SAID: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Google does not accept nhisync's own credential",
    ErrorKind.NOT_FOUND: "Google has no such item",
    ErrorKind.SCOPE_MISSING: "the project, location or pool that should hold the items is not there",
    ErrorKind.CONFLICT: "Google refused: the item's state does not allow it",
    ErrorKind.THROTTLED: "Google asked to slow down",
    ErrorKind.CRYPTO_UNAVAILABLE: "the Cloud KMS key of the item cannot be used",
    ErrorKind.UNREACHABLE: "Google answered with a server fault",
    ErrorKind.UNSUPPORTED: "this endpoint does not offer the operation",
    ErrorKind.MISCONFIGURED: "Google refuses the name or a parameter as invalid",
}

_FIX: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Check the source's auth: the key may be disabled, deleted, or its account gone.",
    ErrorKind.SCOPE_MISSING: "Check project and locations of the source.",
    ErrorKind.CONFLICT: "Look at the item: gcloud secrets versions list, or its state in the console.",
    ErrorKind.THROTTLED: "Lower limits.rates of this source, read it less often, or have the project's quota raised.",
    ErrorKind.CRYPTO_UNAVAILABLE: "Look at the Cloud KMS key: its version must be enabled, and the service agent of "
    "Secret Manager needs roles/cloudkms.cryptoKeyEncrypterDecrypter on it.",
    ErrorKind.MISCONFIGURED: "Check the locator's name against Google's rules for names of this kind.",
}

_FOREIGN = re.compile(r"http2 header with status|HTTP status|content-type|frame size|parsing HTTP/2", re.IGNORECASE)
"""Texts of gRPC core for answers of something that does not speak gRPC: proxies, portals, other servers."""

_UNREADABLE = re.compile(r"deseriali[sz]ing|parsing|message larger|decompress|malformed", re.IGNORECASE)
_NO_NAME = re.compile(r"DNS|lookup|resolving|resolution", re.IGNORECASE)
_REFUSED = re.compile(r"refused", re.IGNORECASE)
_UNTRUSTED = re.compile(r"handshake|CERTIFICATE|verification|\bSSL|\bTLS|peer name", re.IGNORECASE)
_PROXY = re.compile(r"HTTP proxy", re.IGNORECASE)
_LOST = re.compile(r"reset|closed|broken pipe|GOAWAY|EOF|RST_STREAM|shutdown", re.IGNORECASE)
_PERMISSION = re.compile(r"[a-z][A-Za-z]+(?:\.[a-zA-Z]+){2}\Z")
_RESOURCE = re.compile(r"[\w./:@~%+-]{1,512}\Z")


@dataclass(frozen=True, slots=True)
class Called:
    """Which call failed.

    Attributes:
        name: ``service.method``.
        permission: what Google checks before it answers, "" when it is not known.
        resource: on what.
        endpoint: URL that was called.
        scope: the call looks at a place, not at an item: "not found" is the place.
        project: the source's project.
        proxy: what every connection goes through, or "".
    """

    name: str
    permission: str = ""
    resource: str = ""
    endpoint: str = ""
    scope: bool = False
    project: str = ""
    proxy: str = ""

    @property
    def service(self) -> str:
        """API name, as ``gcloud services enable`` takes it."""
        return f"{host_of(self.name.partition('.')[0])}.googleapis.com"


def translate(error: Exception, called: Called) -> ProviderError:
    """The typed error for anything that a call raised.

    Raise the result ``from None``: SDK exceptions hold requests and answers.
    """
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, sdk.GoogleAPICallError):
        return _answer(error, called)
    # A channel that `close` took away, or a message that cannot be built or read.
    if isinstance(error, ValueError) and "closed channel" in str(error).lower():
        return closed(called)
    return malformed(called, "the answer cannot be read")


def closed(called: Called) -> ProviderError:
    """The source was closed while it was read."""
    return ProviderError(ErrorKind.UNREACHABLE, f"the source was closed while it was read ({called.name})")


def malformed(called: Called, what: str, request_id: str = "") -> ProviderError:
    """An answer that cannot be believed; never an empty result."""
    return ProviderError(
        ErrorKind.MALFORMED,
        f"{what} ({called.name})",
        request_id=request_id,
        fix="Look for a proxy or gateway between nhisync and Google; nothing is concluded from this answer.",
    )


@dataclass(frozen=True, slots=True)
class _Details:
    """What Google says besides the status."""

    reason: str = ""
    permission: str = ""
    resource: str = ""
    request_id: str = ""
    retry_after: timedelta | None = None


def _answer(error: sdk.GoogleAPICallError, called: Called) -> ProviderError:
    status = getattr(error.grpc_status_code, "name", "UNKNOWN")
    text, details = str(error.message or ""), _details(error.details)
    if _FOREIGN.search(text):
        return malformed(called, "something that is not Google's API answered")
    if status in {"INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN"} and not details.reason and _UNREADABLE.search(text):
        return malformed(called, "the answer was cut on its way, or cannot be read", details.request_id)
    if status in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}:
        return _no_answer(status, text, called, details)
    kind, said, fix = _meaning(status, text, called, details)
    if kind is ErrorKind.MALFORMED:
        return malformed(called, "the answer is none of those that Google documents", details.request_id)
    if kind is ErrorKind.DENIED:
        return _denied(called, details, said, fix)
    return ProviderError(
        kind,
        f"{said} ({called.name})",
        resource=called.resource,
        reason="" if details.reason in _REASONS else _word(details.reason),
        request_id=details.request_id,
        retry_after=details.retry_after,
        fix=fix,
    )


def _meaning(status: str, text: str, called: Called, details: _Details) -> tuple[ErrorKind, str, str]:
    """Kind, sentence and fix of an answer."""
    if details.reason in _REASONS:
        kind, said, fix = _REASONS[details.reason]
        return kind, said, fix.format(service=called.service, project=called.project)
    kind = _STATUS.get(status, ErrorKind.MALFORMED)
    if kind is ErrorKind.NOT_FOUND and called.scope:
        kind = ErrorKind.SCOPE_MISSING
    if status == "FAILED_PRECONDITION" and re.search(r"\bkms|crypto_?key", text, re.IGNORECASE):
        kind = ErrorKind.CRYPTO_UNAVAILABLE
    return kind, _SAID.get(kind, ""), _FIX.get(kind, "")


def _denied(called: Called, details: _Details, said: str, fix: str) -> ProviderError:
    action = details.permission or called.permission or called.name
    resource = details.resource or called.resource
    return ProviderError(
        ErrorKind.DENIED,
        said or f"Google denied {action} on {resource}, or hides that there is nothing",
        action=action,
        resource=resource,
        reason=_word(details.reason),
        request_id=details.request_id,
        fix=fix or f"Grant it: {grant_text(action, called.project)}",
    )


def _no_answer(status: str, text: str, called: Called, details: _Details) -> ProviderError:
    if status == "CANCELLED":
        return closed(called)
    said, fix = _step(status, text, called)
    return ProviderError(
        ErrorKind.UNREACHABLE,
        f"{said} ({called.name})",
        resource=called.endpoint,
        request_id=details.request_id,
        retry_after=details.retry_after,
        fix=fix,
    )


def _step(status: str, text: str, called: Called) -> tuple[str, str]:
    """Which step failed, and what to look at; the order matters, because gRPC's texts name several."""
    where = called.endpoint or "the endpoint"
    route = f"Check routes and firewalls from this machine to {where}, and whether it needs a proxy."
    if status == "DEADLINE_EXCEEDED":
        return "no answer in time", route
    if _PROXY.search(text) or (called.proxy and _REFUSED.search(text)):
        return "the proxy cannot be reached or refuses", "Check the source's proxy, or HTTPS_PROXY and NO_PROXY."
    if _NO_NAME.search(text):
        return "the endpoint's name has no address here", "Check endpoints, locations and this machine's name servers."
    if _UNTRUSTED.search(text):
        said = "the TLS handshake failed, or the server's certificate is not trusted"
        return said, "Set ca_file to the bundle of your proxy or private endpoint; check the endpoint's name."
    if _REFUSED.search(text):
        return "the connection is refused: nothing listens there", "Check endpoint and endpoints of the source."
    if _LOST.search(text):
        return "the connection closed before an answer came", route
    if "failed to connect" in text.lower():
        return "no connection", route
    return _SAID[ErrorKind.UNREACHABLE], "Look at status.cloud.google.com; nhisync asks again in the next cycle."


def _details(found: Any) -> _Details:
    """The ``google.rpc`` details that matter, each checked for its form before it is shown to anybody."""
    reason = permission = resource = request_id = ""
    retry_after = None
    for detail in found or ():
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason = detail.reason
            permission = _checked(detail.metadata.get("permission", ""), _PERMISSION)
            resource = _checked(detail.metadata.get("resource", ""), _RESOURCE)
        elif isinstance(detail, error_details_pb2.RequestInfo):
            request_id = _checked(detail.request_id, _RESOURCE)
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = _delay(detail.retry_delay)
    return _Details(reason, permission, resource, request_id, retry_after)


def _delay(wait: Any) -> timedelta | None:
    """A wait that can be waited; None for one before now or beyond every calendar."""
    try:
        found: timedelta = wait.ToTimedelta()
    except (OverflowError, ValueError):
        return None
    return found if found >= timedelta(0) else None


def _checked(text: str, form: re.Pattern[str]) -> str:
    return text if form.match(text) else ""


def _word(reason: str) -> str:
    """A reason is an upper-case word; anything else is not repeated."""
    return reason.lower().replace("_", " ") if re.fullmatch(r"[A-Z][A-Z0-9_]{0,62}", reason) else ""
