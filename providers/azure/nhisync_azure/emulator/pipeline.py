"""What every request passes on its way, whatever service answers it: books, faults, error envelopes, headers."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, Final

from nhisync_azure.emulator.cloud import Cloud, Traffic
from nhisync_azure.emulator.faults import Fault, Faults
from nhisync_azure.emulator.wire import DropError, RefusedError, Reply, encode

_THROTTLED: Final = {
    "kv": ("Throttled", "Request was not processed because too many requests were received."),
    "graph": ("TooManyRequests", "Too many requests."),
    "arm": ("TooManyRequests", "The request is being throttled."),
    "sts": ("temporarily_unavailable", "AADSTS90033: A transient error has occurred. Please try again."),
}
_UNAVAILABLE: Final = ("ServiceUnavailable", "The service is temporarily unavailable.")
_PROXY_PAGE: Final = b"<html><body>Please sign in to the network</body></html>"
_DENIED: Final = {
    "kv": ("Forbidden", "Caller is not authorized to perform action on resource."),
    "graph": ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    "arm": ("AuthorizationFailed", "The client does not have authorization to perform the action."),
    "sts": ("unauthorized_client", "AADSTS53003: Access has been blocked by Conditional Access policies."),
}


def through(traffic: Traffic, surface: str, operation: str, act: Callable[[], Reply]) -> Reply:
    """Count the request, let the source's faults happen around `act`, and turn refusals into replies.

    Raises:
        DropError: a fault wants the connection closed.
    """
    traffic.count(f"{surface}:{operation}")
    faults = traffic.faults
    try:
        early = _before(faults, surface, operation)
        answer = early or act()
    except RefusedError as refusal:
        answer = refused(refusal)
    return _after(faults, surface, operation, answer)


def refused(refusal: RefusedError) -> Reply:
    """The reply of a refusal."""
    return Reply(status=refusal.status, body=encode(refusal.document()), headers=refusal.headers)


def finished(cloud: Cloud, faults: Faults, surface: str, answer: Reply, extra: Mapping[str, str]) -> Reply:
    """The reply with the headers that every answer carries."""
    now = cloud.clock.now()
    skew = faults.hit("clock-skew", surface, "")
    if skew is not None:
        now += timedelta(seconds=skew.seconds())
    headers = {
        "Date": format_datetime(now, usegmt=True),
        "x-ms-request-id": cloud.ids.guid(),
        "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        **extra,
        **answer.headers,
    }
    return replace(answer, headers=headers)


def claims_challenge(authority: str, now: float) -> str:
    """``WWW-Authenticate`` of a continuous-access-evaluation challenge."""
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": str(int(now))}}})
    encoded = base64.b64encode(claims.encode()).decode()
    return (
        f'Bearer authorization="{authority}", error="insufficient_claims", '
        f'error_description="The session was revoked.", claims="{encoded}"'
    )


class _OAuthError(RefusedError):
    """A refusal in the shape of the token service."""

    def document(self) -> dict[str, str]:
        """The OAuth error body (RFC 6749 §5.2)."""
        return {"error": self.code, "error_description": self.text}


def _refusal(surface: str, status: int, said: tuple[str, str], **more: Any) -> RefusedError:
    """A refusal in the envelope of the surface."""
    kind = _OAuthError if surface == "sts" else RefusedError
    return kind(status, *said, **more)


def _before(faults: Faults, surface: str, operation: str) -> Reply | None:
    """What a fault answers in the service's place."""
    _wait(faults.hit("delay", surface, operation), None)
    _wait(faults.hit("hang", surface, operation), 60.0)
    if faults.hit("drop-before", surface, operation) is not None:
        raise DropError
    fault = faults.hit("throttled", surface, operation)
    if fault is not None:
        seconds = int(fault.seconds(1))
        headers = {"Retry-After": str(seconds)} if seconds else {}
        raise _refusal(surface, 429, _THROTTLED[surface], headers=headers)
    fault = faults.hit("unavailable", surface, operation)
    if fault is not None:
        raise _refusal(surface, int(fault.options.get("status", 503)), _UNAVAILABLE)
    if faults.hit("denied", surface, operation) is not None:
        raise _refusal(surface, 403, _DENIED[surface], inner="ForbiddenByRbac" if surface == "kv" else "")
    if surface != "kv" and faults.hit("unauthorized", surface, operation) is not None:  # a vault's needs its challenge
        raise _refusal(surface, 401, ("InvalidAuthenticationToken", "Access token validation failure."))
    if faults.hit("garbage", surface, operation) is not None:
        return Reply(status=200, body=_PROXY_PAGE, content_type="text/html")
    return None


def _after(faults: Faults, surface: str, operation: str, answer: Reply) -> Reply:
    """What a fault makes of the service's answer."""
    if faults.hit("drop", surface, operation) is not None:
        raise DropError
    if faults.hit("applied-then-503", surface, operation) is not None:
        return refused(_refusal(surface, 503, _UNAVAILABLE))
    if faults.hit("cut", surface, operation) is not None:
        return replace(answer, cut=True)
    return answer


def _wait(fault: Fault | None, limit: float | None) -> None:
    """Wait in real time until the fault ends or its time is up."""
    if fault is not None:
        fault.released.wait(fault.seconds() if limit is None else limit)
