"""Exchanges that ended without an answer: which step failed, and what to look at.

The SDK folds every step into one exception class; the step is told by what stands below it: the resolver's, the
socket's and OpenSSL's own exceptions. Their texts are not passed on.
"""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from nhisync.spi import ErrorKind, ProviderError
from nhisync_vault.answers import CutError
from nhisync_vault.errors import Called, malformed

_CUT = (CutError, requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
_DEEPEST = 8
"""More exceptions than this do not stand below one another."""

_EXPIRED, _NOT_YET_VALID, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""``X509_V_ERR_*`` of OpenSSL's x509_vfy.h; every other code speaks about the issuer."""

_VERIFICATION = {
    _EXPIRED: ("has expired", "Renew the server's certificate."),
    _NOT_YET_VALID: ("is not valid yet", "Check this machine's clock, then the server's certificate."),
    _OTHER_NAME: ("is for another name", "Name the host in address as the certificate does."),
    _OTHER_ADDRESS: ("is for another address", "Name the host in address as the certificate does."),
}


def lost(error: Exception, called: Called, endpoint: str, *, indeterminate: bool) -> ProviderError:
    """The typed error of an exchange that `error` ended; raise it ``from None``.

    Args:
        error: what the SDK raised.
        called: what was asked.
        endpoint: URL that was asked.
        indeterminate: the call may have taken effect.
    """
    if isinstance(error, _CUT):
        return malformed(called, "the answer was cut: fewer bytes came than it announced")
    said, fix = _step(error, endpoint)
    return ProviderError(
        ErrorKind.UNREACHABLE,
        f"{called.method} {called.path}: {said}",
        resource=endpoint,
        indeterminate=indeterminate,
        fix=fix,
    )


def _step(error: Exception, endpoint: str) -> tuple[str, str]:
    """Which step failed, and what to look at."""
    route = f"Check routes and firewalls from this machine to {endpoint}, and whether it needs a proxy."
    below = tuple(_below(error))
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached, or lets nothing through", "Check proxy of the source."
    if _has(below, socket.gaierror, urllib3.exceptions.LocationParseError):
        fix = "Check address and nodes of the source, and the name servers of this machine."
        return f"the name {urlsplit(endpoint).hostname} has no address here", fix
    if _has(below, ConnectionRefusedError):
        fix = f"Check that the server runs, and the port in address or nodes of the source: {endpoint}"
        return "the connection is refused: nothing listens there", fix
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time: host down or traffic dropped", route
    # An answer that stops in the middle is a ConnectionError of requests; what stands below tells it from the others.
    if isinstance(error, requests.exceptions.Timeout) or _has(below, urllib3.exceptions.ReadTimeoutError):
        return "connected, and no answer in time", "Look at the server's load, or raise read_timeout of the source."
    if isinstance(error, requests.exceptions.SSLError):
        return _handshake(below)
    if _has(below, urllib3.exceptions.ProtocolError):
        fix = f"Look at the logs of {endpoint}, and of a load balancer before it: without a live node it does this."
        return "the connection closed before an answer came", fix
    return "there is no way to the address", route


def _handshake(below: tuple[BaseException, ...]) -> tuple[str, str]:
    """A certificate that is not believed is another outage than a port that speaks no TLS."""
    refused = next((one for one in below if isinstance(one, ssl.SSLCertVerificationError)), None)
    if refused is None:
        return "the TLS handshake failed", "Check that the port in address speaks TLS, and in which versions."
    otherwise = "comes from no trusted authority", "Set ca_file of the source to the authority that issued it."
    why, fix = _VERIFICATION.get(refused.verify_code, otherwise)
    return f"the server's certificate {why}", fix


def _has(below: tuple[BaseException, ...], *classes: type[BaseException]) -> bool:
    return any(isinstance(one, classes) for one in below)


def _below(error: BaseException) -> Iterator[BaseException]:
    """`error` and what stands below it: requests and urllib3 keep it as cause, as ``reason`` or among the arguments."""
    current: BaseException | None = error
    for _ in range(_DEEPEST):
        if current is None:
            return
        yield current
        kept = (current.__cause__, getattr(current, "reason", None), *current.args)
        current = next((one for one in kept if isinstance(one, BaseException)), None)
