"""ACME problems (RFC 8555 §6.7) and lost requests as typed errors; no text of a server or library is passed on."""

import ssl
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import requests
from acme import errors as acme_errors
from acme import messages
from urllib3.exceptions import NameResolutionError, NewConnectionError

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.host import connect

_PROBLEMS: Final = MappingProxyType(
    {
        "accountDoesNotExist": (ErrorKind.NOT_FOUND, "the authority has no account for this key", "Register one."),
        "unauthorized": (
            ErrorKind.AUTH_FAILED,
            "the authority refuses the account: it was deactivated or revoked",
            "Register a new account on this path.",
        ),
        "badPublicKey": (ErrorKind.MISCONFIGURED, "the authority refuses keys of this kind", "Use an EC P-256 key."),
        "badSignatureAlgorithm": (ErrorKind.MISCONFIGURED, "the authority refuses this signature", "Use EC P-256."),
        "malformed": (ErrorKind.UNSUPPORTED, "the authority did not understand the request", "Compare RFC versions."),
        "rateLimited": (ErrorKind.THROTTLED, "the authority asks to slow down", "Wait; raise the source's cadence."),
        "serverInternal": (ErrorKind.UNREACHABLE, "the authority has an internal error", "Look at its status page."),
        "userActionRequired": (
            ErrorKind.DENIED,
            "the authority wants the account's owner to act first, as after a change of its terms",
            "Log in with the ACME client and agree.",
        ),
    }
)


def problem(error: messages.Error, where: str, retry_after: timedelta | None) -> ProviderError:
    """The typed error of a problem document.

    Args:
        error: as the library read it; its detail is not repeated.
        where: the authority's host.
        retry_after: from the answer's header.
    """
    code = str(error.code or "")
    unknown = (ErrorKind.MALFORMED, "the authority answered with a problem that nobody knows", "Look at its manual.")
    kind, message, fix = _PROBLEMS.get(code, unknown)
    reason = code if code in _PROBLEMS else ""
    return ProviderError(kind, f"{where}: {message}", resource=where, reason=reason, retry_after=retry_after, fix=fix)


def lost(error: BaseException, where: str, dialled: str) -> ProviderError:
    """The typed error of an exchange that brought no believable answer.

    Args:
        error: as the library raised it.
        where: the authority's host.
        dialled: ``host:port`` of the connection; named as what may not be open when there was none.
    """
    action = ""
    if isinstance(error, requests.exceptions.SSLError) or _holds(error, ssl.SSLError):
        message, fix = "the TLS handshake failed, or the certificate is not trusted", "Set ca_file to its authority."
    elif isinstance(error, requests.exceptions.TooManyRedirects):
        return malformed(where, "the answer leads elsewhere, which an ACME server's does not")
    elif isinstance(error, requests.exceptions.ProxyError):
        message, fix = "the proxy does not answer, or refuses", "Look at proxy of the source."
    elif _holds(error, NameResolutionError):
        message, fix = "the name has no address here (DNS)", "Look at directory and at the resolver."
    elif isinstance(error, requests.exceptions.Timeout):
        message, fix = "no answer in time", "Look at the network, or raise read_timeout."
        action = connect(dialled) if isinstance(error, requests.exceptions.ConnectTimeout) else ""
    elif _holds(error, NewConnectionError) or _holds(error, ConnectionRefusedError):
        message, action = "nobody listens there", connect(dialled)
        fix = f"Open {action} for this host; look at directory, and whether the authority runs."
    elif isinstance(error, requests.exceptions.ConnectionError):
        message, fix = "the connection was lost", "Look at the network and at proxies in between."
    else:
        return malformed(where, "the answer is cut, or is none of an ACME server")
    return ProviderError(ErrorKind.UNREACHABLE, f"{where}: {message}", action=action, resource=where, fix=fix)


def malformed(where: str, what: str) -> ProviderError:
    """An answer that cannot be believed."""
    fix = "Look at directory, and at proxies in between."
    return ProviderError(ErrorKind.MALFORMED, f"{where}: {what}", resource=where, fix=fix)


def status_error(status: int, where: str, retry_after: timedelta | None) -> ProviderError:
    """An error status without a problem document: a proxy or a broken server spoke."""
    if status == 429:
        fix = "Wait; raise the source's cadence."
        return ProviderError(
            ErrorKind.THROTTLED, f"{where}: asks to slow down", resource=where, retry_after=retry_after, fix=fix
        )
    if status >= 500:
        fix = "Look at the authority's status page."
        return ProviderError(
            ErrorKind.UNREACHABLE, f"{where}: server fault {status}", resource=where, retry_after=retry_after, fix=fix
        )
    return malformed(where, f"status {status} without a problem document")


SDK_ERRORS: Final = (
    acme_errors.Error,
    messages.Error,
    requests.RequestException,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)
"""What the library raises; ValueError covers JSON, josepy's errors and undecodable answers, the last three an answer
without a Location or of another shape, which it does not check."""


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `kind` is anywhere in the chain of causes; requests hides urllib3's error in its arguments."""
    seen: list[BaseException] = [error]
    for one in seen:
        if isinstance(one, kind):
            return True
        nested = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        seen += [found for found in nested if isinstance(found, BaseException) and found not in seen]
    return False
