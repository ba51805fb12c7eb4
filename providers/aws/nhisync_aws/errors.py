"""AWS answers and SDK failures as `ProviderError`s: the one place where SDK exceptions are looked at.

Decided by error code and HTTP status, never by exception class (botocore's modelled classes differ by service). SDK
text is not passed on: of a denial only the parts of its fixed sentence are kept, each checked for its form.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NameResolutionError

from nhisync.spi import ErrorKind, ProviderError
from nhisync_aws.permissions import grant_text

_CODES: Mapping[str, ErrorKind] = {
    **dict.fromkeys(
        (
            "ExpiredIdentityToken",
            "ExpiredToken",
            "ExpiredTokenException",
            "IDPRejectedClaim",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidIdentityToken",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        ErrorKind.AUTH_FAILED,
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "OptInRequired"),
        ErrorKind.DENIED,
    ),
    **dict.fromkeys(
        (
            "InvalidResourceId",
            "NoSuchEntity",
            "NoSuchEntityException",
            "NotFoundException",
            "ParameterNotFound",
            "ResourceNotFoundException",
        ),
        ErrorKind.NOT_FOUND,
    ),
    **dict.fromkeys(
        (
            "ConcurrentModification",
            "ConcurrentModificationException",
            "EntityAlreadyExists",
            "EntityTemporarilyUnmodifiable",
            "InvalidRequestException",
            "ReportExpired",
            "ReportInProgress",
            "ReportNotPresent",
            "ResourceExistsException",
        ),
        ErrorKind.CONFLICT,
    ),
    **dict.fromkeys(
        (
            "LimitExceeded",
            "LimitExceededException",
            "ParameterMaxVersionLimitExceeded",
            "ServiceQuotaExceededException",
        ),
        ErrorKind.QUOTA,
    ),
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
        ),
        ErrorKind.THROTTLED,
    ),
    **dict.fromkeys(
        (
            "DecryptionFailure",
            "DisabledException",
            "EncryptionFailure",
            "KMSInvalidState",
            "KMSInvalidStateException",
            "KeyUnavailableException",
        ),
        ErrorKind.CRYPTO_UNAVAILABLE,
    ),
    **dict.fromkeys(
        ("InvalidMarker", "InvalidNextToken", "InvalidNextTokenException", "InvalidPaginationToken"),
        ErrorKind.MALFORMED,
    ),
    **dict.fromkeys(("UnknownOperationException", "NotImplemented", "InvalidAction"), ErrorKind.UNSUPPORTED),
    **dict.fromkeys(
        ("InvalidParameterException", "InvalidParameterValue", "ValidationError", "ValidationException"),
        ErrorKind.MISCONFIGURED,
    ),
}
"""Error code → kind; codes that are not listed are judged by their HTTP status."""

_SAID: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "AWS does not accept nhisync's own credential",
    ErrorKind.DENIED: "AWS denied the call",
    ErrorKind.NOT_FOUND: "AWS has no such item",
    ErrorKind.READ_ONLY_SIDE: "this is a replica; only its primary region can do that",
    ErrorKind.CONFLICT: "AWS refused: another change is in progress",
    ErrorKind.QUOTA: "a quota of the account is used up",
    ErrorKind.THROTTLED: "AWS asked to slow down",
    ErrorKind.CRYPTO_UNAVAILABLE: "the encryption key of the item cannot be used",
    ErrorKind.UNREACHABLE: "AWS answered with a server fault",
    ErrorKind.MALFORMED: "AWS did not accept its own page token",
    ErrorKind.UNSUPPORTED: "this endpoint does not offer the operation",
    ErrorKind.MISCONFIGURED: "AWS refuses the name or a parameter as invalid",
}

_FIX: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH_FAILED: "Check the source's auth: the key may be inactive, deleted, expired or of another account.",
    ErrorKind.QUOTA: "See Service Quotas in the console; a hard limit does not go away by waiting.",
    ErrorKind.THROTTLED: "Lower limits.rates of this source, or read it less often.",
    ErrorKind.CRYPTO_UNAVAILABLE: "Look at the KMS key: it must be enabled and usable in this region.",
    ErrorKind.MISCONFIGURED: "Check the locator's name against AWS's rules for names of this kind.",
}

_WAIT = re.compile(r"\d{1,9}", re.ASCII)
_OFF_TIME = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_OFF_TIME_TEXTS = ("Signature expired: ", "Signature not yet current: ")
"""How AWS refuses a signature for its time, under the codes of a wrong one besides (SigV4, troubleshooting)."""

_DENIAL = re.compile(
    r"User: (?P<principal>arn:[\w:/+=,.@*-]+) is not authorized to perform: (?P<action>[\w-]+:[\w*]+)"
    r"(?: on resource: (?P<resource>[\w:/+=,.@*?-]+))?(?P<why> .*)?",
    re.DOTALL,
)
_POLICIES = (
    "identity-based policy",
    "permissions boundary",
    "resource-based policy",
    "resource control policy",
    "service control policy",
    "session policy",
    "VPC endpoint policy",
)


@dataclass(frozen=True, slots=True)
class Called:
    """Which call failed.

    Attributes:
        name: ``service:Operation``.
        status: HTTP status, 0 when no answer came.
        request_id: AWS's id of the call, "" when no answer came.
    """

    name: str
    status: int = 0
    request_id: str = ""


class TruncatedError(Exception):
    """The body is shorter than announced, or not in the service's form; raised by our own event hook."""


def translate(error: Exception, called: Called) -> ProviderError:
    """The typed error for anything that a botocore call raised.

    Raise the result ``from None``: SDK exceptions hold request parameters and bodies.
    """
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, sdk.ClientError):
        return _answer(error.response, called)
    if isinstance(error, TruncatedError):
        return malformed(called, "the answer was cut on its way, or is not AWS's")
    if isinstance(error, (sdk.ParamValidationError, sdk.InvalidRegionError)):
        return _error(ErrorKind.MISCONFIGURED, called, fix=_FIX[ErrorKind.MISCONFIGURED])
    if isinstance(error, (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError)):
        return _error(ErrorKind.AUTH_FAILED, called, fix=_FIX[ErrorKind.AUTH_FAILED])
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
        return _no_answer(error, called)
    if isinstance(error, ResponseParserError) and called.status >= 500:
        return _error(ErrorKind.UNREACHABLE, called)
    return malformed(called, "the answer cannot be read")


def translate_code(code: str, text: str, called: Called) -> ProviderError:
    """The typed error of an error that came inside a good answer, as batch calls report single items."""
    kind = _kind(code, called.status, text)
    return _denied(text, called) if kind is ErrorKind.DENIED else _error(kind, called, fix=_FIX.get(kind, ""))


def malformed(called: Called, what: str) -> ProviderError:
    """An answer that cannot be believed; never an empty result."""
    fix = "Look for a proxy or gateway between nhisync and AWS; nothing is concluded from this answer."
    message = f"{what} ({called.name})"
    return ProviderError(ErrorKind.MALFORMED, message, request_id=called.request_id, fix=fix)


def _answer(response: Mapping[str, Any], called: Called) -> ProviderError:
    error: Mapping[str, Any] = response.get("Error") or {}
    metadata: Mapping[str, Any] = response.get("ResponseMetadata") or {}
    headers: Mapping[str, str] = metadata.get("HTTPHeaders") or {}
    status = int(metadata.get("HTTPStatusCode") or called.status)
    seen = Called(called.name, status, str(metadata.get("RequestId") or called.request_id))
    text = str(error.get("Message") or "")
    code = str(error.get("Code") or "")
    if code in _OFF_TIME or text.startswith(_OFF_TIME_TEXTS):
        return _off_time(seen)
    kind = _kind(code, status, text)
    if kind is ErrorKind.DENIED:
        return _denied(text, seen)
    return _error(kind, seen, retry_after=_retry_after(headers), fix=_FIX.get(kind, ""))


def _off_time(called: Called) -> ProviderError:
    """Not the key is wrong but our clock: another key would be refused as well."""
    said = "AWS refuses the time of the signature: this machine's clock is off by more than five minutes"
    message, fix = f"{said} ({called.name})", "Correct this machine's clock (NTP); the credential was not judged."
    return ProviderError(ErrorKind.AUTH_FAILED, message, request_id=called.request_id, fix=fix)


def _kind(code: str, status: int, text: str) -> ErrorKind:
    if "replica secret" in text.lower():
        return ErrorKind.READ_ONLY_SIDE
    found = _CODES.get(code) or _CODES.get(code.rpartition("#")[2])
    if found is not None:
        return found
    if status == 429:
        return ErrorKind.THROTTLED
    if status == 403:
        return ErrorKind.DENIED
    return ErrorKind.UNREACHABLE if status >= 500 or not status else ErrorKind.MISCONFIGURED


def _denied(text: str, called: Called) -> ProviderError:
    match = _DENIAL.match(text)
    action = match["action"] if match else _unnamed(text, called)
    resource = (match["resource"] or "") if match else ""
    reason, explicit = _why(match["why"] or "" if match else "")
    if explicit:
        fix = f"Remove or narrow the explicit Deny of {action}; no Allow can outrank it."
    else:
        fix = f"Grant it: {grant_text(action, resource)}"
    return ProviderError(
        ErrorKind.DENIED,
        f"AWS denied {action}" + (f" on {resource}" if resource else ""),
        action=action,
        resource=resource,
        principal=match["principal"] if match else "",
        reason=reason,
        request_id=called.request_id,
        fix=fix,
    )


def _unnamed(text: str, called: Called) -> str:
    """The action behind a denial that names none: the call itself, or the use of a key by Secrets Manager for us."""
    if not text.lower().startswith("access to kms is not allowed"):
        return called.name
    return "kms:Decrypt" if "GetSecretValue" in called.name else "kms:GenerateDataKey,kms:Decrypt"


def _why(text: str) -> tuple[str, bool]:
    """AWS's reason in our words, and whether an explicit Deny stands behind it."""
    policy = next((p for p in _POLICIES if p.lower() in text.lower()), "")
    if "explicit deny" in text:
        return (f"an explicit deny in its {policy}" if policy else "an explicit deny"), True
    return (f"no {policy} allows it" if policy else ""), False


def _no_answer(error: Exception, called: Called) -> ProviderError:
    url = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if url.netloc else ""
    said, fix = _lost(error, url.hostname or "", where or "the endpoint")
    return ProviderError(ErrorKind.UNREACHABLE, f"{said} ({called.name})", resource=where, fix=fix)


def _refused_tls(error: sdk.SSLError) -> tuple[str, str]:
    """An untrusted certificate and a handshake that failed have different ends (`ssl.SSLCertVerificationError`)."""
    causes: list[BaseException] = []
    cause = getattr(error, "kwargs", {}).get("error")
    cause = cause if isinstance(cause, BaseException) else None  # it may be a text
    while cause is not None and cause not in causes:
        causes.append(cause)
        inner = next((one for one in cause.args if isinstance(one, BaseException)), None)
        cause = cause.__cause__ or inner or getattr(cause, "reason", None) or cause.__context__
        cause = cause if isinstance(cause, BaseException) else None
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
        said = "the server's certificate is not trusted, or names another host"
        return said, "Set ca_file to the bundle of your proxy or private cloud, and check the endpoint's name."
    said = "the TLS handshake failed"
    return said, "Check that the endpoint speaks TLS there, in a version and with a suite that this machine allows."


def _lost(error: Exception, host: str, where: str) -> tuple[str, str]:
    """Which step failed, and what to look at."""
    route = f"Check routes, firewalls and security groups from this machine to {where}, and whether it needs a proxy."
    if isinstance(error, sdk.SSLError):
        return _refused_tls(error)
    if isinstance(error, sdk.ProxyConnectionError):
        return "the proxy cannot be reached", "Check the source's proxy, or HTTPS_PROXY and NO_PROXY."
    if isinstance(error, (sdk.ConnectTimeoutError, sdk.ReadTimeoutError)):
        return "no answer in time", route
    if isinstance(error, sdk.ConnectionClosedError):
        return "the connection closed before an answer came", route
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(cause, (NameResolutionError, socket.gaierror)):
        fix = "Check region and endpoint of the source, and the name servers of this machine."
        return (f"the name {host} has no address here" if host else "the endpoint's name has no address here"), fix
    if isinstance(getattr(cause, "__cause__", None), ConnectionRefusedError):
        return "the connection is refused: nothing listens there", "Check endpoint (or endpoints) of the source."
    return "no connection", route


def _error(kind: ErrorKind, called: Called, *, retry_after: timedelta | None = None, fix: str = "") -> ProviderError:
    message = f"{_SAID[kind]} ({called.name})"
    return ProviderError(kind, message, request_id=called.request_id, retry_after=retry_after, fix=fix)


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3) or milliseconds of AWS's own header; dates are not used by AWS.

    None where neither is a number that can be meant: a proxy's may be longer than any time.
    """
    seconds, milliseconds = headers.get("retry-after", ""), headers.get("x-amz-retry-after", "")
    if _WAIT.fullmatch(seconds):
        return timedelta(seconds=int(seconds))
    return timedelta(milliseconds=int(milliseconds)) if _WAIT.fullmatch(milliseconds) else None
