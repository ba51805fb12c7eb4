"""What an answer of a token endpoint means: pure but for looking at exception types.

The endpoint's own words (RFC 6749 §5.2, RFC 8693 §2.2.2, AIP-193) decide; its texts are matched, never passed on.
An endpoint that cannot be reached or has a fault is UNREACHABLE, not a rejected credential.
"""

import ipaddress
import json
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NameResolutionError

from nhisync.spi import ErrorKind, ProviderError

METADATA_HOST = "metadata.google.internal"

_REJECTED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_token"})
_WHY: tuple[tuple[str, str, str], ...] = (
    (
        r"signature",
        "the signature is not accepted: the key is disabled, deleted or not this account's",
        "Look at it: gcloud iam service-accounts keys list --iam-account=…; give the source a key that is enabled.",
    ),
    (
        r"account not found|not a valid email|user not found",
        "the account does not exist any more",
        "Give the source the key of an account that exists.",
    ),
    (
        r"disabled",
        "the account is disabled",
        "Enable it: gcloud iam service-accounts enable …; or give the source another one.",
    ),
    (
        r"reasonable timeframe|short-lived|\biat\b|\bexp\b|expired|time",
        "the signed request is outside of its time: this machine's clock is off, or the subject token is old",
        "Correct this machine's clock (NTP); for workload identity look at what renews the subject token.",
    ),
    (
        r"audience|attribute|issuer|condition|provider",
        "the pool or its provider does not accept the subject token",
        "Compare issuer, audience and attribute conditions of the workload identity provider with the token.",
    ),
)
"""What Google's descriptions speak of → reason and next step, in our words."""

_FIX = "Check the source's auth: gcloud iam service-accounts keys list shows which keys are enabled."


def judged(
    status: int, headers: Mapping[str, str], body: bytes, host: str, now: datetime
) -> tuple[datetime | None, timedelta | None]:
    """The endpoint's own time and the lifetime of the token that a good answer holds, each None when it says nothing.

    Raises:
        ProviderError: AUTH_FAILED, THROTTLED, UNREACHABLE, MISCONFIGURED or MALFORMED by what the answer means.
    """
    content = _json(body)
    if status == 200:
        return _date(headers), lifetime_of(content, now)
    if status == 429:
        raise _error(ErrorKind.THROTTLED, host, "the token endpoint asked to slow down", after=_after(headers))
    if status in {408, 425} or status >= 500:
        raise _error(ErrorKind.UNREACHABLE, host, "the token endpoint answered with a server fault")
    error = content.get("error")
    if isinstance(error, dict):
        raise _refused_by_iam(status, error, host)
    if error in _REJECTED:
        raise _rejected(str(content.get("error_description") or ""), host)
    if isinstance(error, str):
        fix = "Check the source's auth file: whoever made it wrote a scope, audience or type that Google does not take."
        raise _error(ErrorKind.MISCONFIGURED, host, "the token endpoint does not accept the request", fix=fix)
    if status == 404 and host == METADATA_HOST:
        fix = "Attach a service account to this machine, or name auth.account."
        raise _error(ErrorKind.AUTH_FAILED, host, "the metadata server knows no such service account", fix=fix)
    fix = "Look for a proxy or portal between nhisync and the token endpoint."
    raise _error(ErrorKind.MALFORMED, host, "something that is not a token endpoint answered", fix=fix)


def lifetime_of(content: Mapping[str, Any], now: datetime) -> timedelta | None:
    """How long the token of an answer lasts: seconds (RFC 6749 §5.1), or an instant (IAM Credentials API)."""
    seconds, until = content.get("expires_in"), content.get("expireTime")
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        return timedelta(seconds=min(max(0, seconds), 86_400))
    if isinstance(until, str):
        try:
            return max(timedelta(0), datetime.fromisoformat(until) - now)
        except (ValueError, TypeError):
            return None
    return None


def lost(error: requests.RequestException, host: str) -> ProviderError:
    """Why no answer came at all."""
    route = f"Check routes and firewalls from this machine to {host}, and whether it needs a proxy."
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        fix = "Set ca_file to the bundle of your proxy or private endpoint."
        return _error(ErrorKind.UNREACHABLE, host, "the TLS handshake with the token endpoint failed", fix=fix)
    if isinstance(error, requests.exceptions.ProxyError):
        fix = "Check the source's proxy, or HTTPS_PROXY and NO_PROXY."
        return _error(ErrorKind.UNREACHABLE, host, "the proxy cannot be reached or refuses", fix=fix)
    if isinstance(error, requests.exceptions.Timeout):
        return _error(ErrorKind.UNREACHABLE, host, "no answer of the token endpoint in time", fix=route)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return _error(ErrorKind.MALFORMED, host, "the token endpoint's answer was cut on its way", fix=route)
    if isinstance(reason, (NameResolutionError, socket.gaierror)):
        fix = "Check the endpoint's name and this machine's name servers."
        return _error(ErrorKind.UNREACHABLE, host, "the token endpoint's name has no address here", fix=fix)
    if isinstance(getattr(reason, "__cause__", None), ConnectionRefusedError):
        return _error(ErrorKind.UNREACHABLE, host, "the token endpoint refuses the connection", fix=route)
    return _error(ErrorKind.UNREACHABLE, host, "no connection to the token endpoint", fix=route)


def trusted(url: str) -> bool:
    """Whether a credential may travel to `url`: TLS, this machine, or its metadata service."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or not parts.hostname:
        return False
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return parts.hostname in {"localhost", METADATA_HOST}
    return address.is_loopback or address.is_link_local


def _rejected(description: str, host: str) -> ProviderError:
    for pattern, reason, fix in _WHY:
        if re.search(pattern, description, re.IGNORECASE):
            return _error(ErrorKind.AUTH_FAILED, host, "Google rejects nhisync's own credential", reason, fix=fix)
    return _error(ErrorKind.AUTH_FAILED, host, "Google rejects nhisync's own credential", fix=_FIX)


def _refused_by_iam(status: int, error: Mapping[str, Any], host: str) -> ProviderError:
    """IAM Credentials' answer to an impersonation (AIP-193 errors in JSON)."""
    if status == 403:
        action = "iam.serviceAccounts.getAccessToken"
        fix = "Bind roles/iam.workloadIdentityUser on the service account to the identity pool's principal."
        said = "the federated identity may not act as the service account"
        return _error(ErrorKind.AUTH_FAILED, host, said, action=action, fix=fix)
    if status == 401:
        return _error(ErrorKind.AUTH_FAILED, host, "Google rejects nhisync's own credential", fix=_FIX)
    known = str(error.get("status") or "") == "NOT_FOUND"
    said = "there is no such service account" if known else "the token endpoint does not accept the request"
    return _error(ErrorKind.MISCONFIGURED, host, said, fix="Check the service account that the auth file names.")


def _error(
    kind: ErrorKind,
    host: str,
    said: str,
    reason: str = "",
    *,
    action: str = "",
    fix: str = "",
    after: timedelta | None = None,
) -> ProviderError:
    return ProviderError(
        kind, f"{said} ({host})", action=action, resource=host, reason=reason, retry_after=after, fix=fix
    )


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _date(headers: Mapping[str, str]) -> datetime | None:
    """The Date header (RFC 9110 §6.6.1), aware UTC."""
    try:
        found = parsedate_to_datetime(headers.get("date") or headers.get("Date") or "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):  # an instant beyond the calendar tells no time either
        return None


def _after(headers: Mapping[str, str]) -> timedelta | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3)."""
    text = headers.get("retry-after") or headers.get("Retry-After") or ""
    return timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 8 else None
