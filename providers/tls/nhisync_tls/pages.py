"""Fetch one small page over HTTPS from a pinned address, as a verifier of tokens does.

OpenSSL verifies chain and name on the connection itself, before anything is asked. Only its look at the machine's
clock is left out, and `nhisync_tls.items.key_set_item` makes up for it at the injected instant. No redirect is
followed, no proxy is asked, no credential is sent. The whole exchange has one end, however slowly the server drips.
"""

import contextlib
import io
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any, cast

from nhisync.spi import Clock, ErrorKind, ProviderError
from nhisync_tls.handshake import Patience, countdown, dial, endpoint_error, not_shaken, served_chain
from nhisync_tls.target import Page, Target

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are judged by the injected clock."""

LARGEST = 128 * 1024
"""Bytes of a whole answer, headers included."""

_PART = 16 * 1024
_FIX = "Name the address, name and path at which verifiers really fetch the set, and let it answer there with 200."


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back.

    Attributes:
        certificates: DER certificates as served.
        content: the body.
    """

    certificates: tuple[bytes, ...]
    content: bytes


def fetch(page: Page, name: str, roots: bytes, patience: Patience, clock: Clock) -> Fetched:
    """Get `page`; safe in a worker thread.

    Args:
        page: where.
        name: the name to verify and to ask for; "" = the address itself must stand in the certificate.
        roots: DER certificates of the trusted roots, one after the other.
        patience: limits; `handshake` covers the handshake, the request and the whole answer.
        clock: for the limits.

    Raises:
        ProviderError: the `reason` of its fact is one of the words in the README's table.
    """
    target = page.target
    if not roots:
        raise endpoint_error(
            ErrorKind.MISCONFIGURED,
            "trust-unusable",
            f"{target.endpoint}: there is no root to verify it with, so nothing is asked",
            target,
            "Set trust_file to the roots that verifiers trust.",
        )
    with contextlib.closing(dial(target, patience.connect, clock)) as connection:
        left = countdown(patience.handshake, clock)
        context = _context(roots)
        with contextlib.closing(
            context.wrap_socket(connection, server_hostname=name or target.host, do_handshake_on_connect=False)
        ) as tls:
            _shake(tls, target, left)
            try:
                tls.settimeout(left())
                tls.sendall(_request(page, name))
                status, content = _answer(tls, target, left)
            except TimeoutError:
                raise _no_page(target, ErrorKind.UNREACHABLE, "http-timeout", "does not answer in time") from None
            except OSError:
                raise _no_page(target, ErrorKind.UNREACHABLE, "http-closed", "ends the connection") from None
            _check_status(target, status)
            return Fetched(served_chain(tls), content)


def _context(roots: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.load_verify_locations(cadata=roots)
    return context


def _shake(tls: ssl.SSLSocket, target: Target, left: Callable[[], float]) -> None:
    try:
        tls.settimeout(left())
        tls.do_handshake()
    except ssl.SSLCertVerificationError:
        raise not_verified(target, "") from None
    except TimeoutError:
        raise _no_page(target, ErrorKind.UNREACHABLE, "handshake-timeout", "hangs in the TLS handshake") from None
    except OSError as failure:
        raise not_shaken(target, failure) from None


def _request(page: Page, name: str) -> bytes:
    host = Target(host=name or page.target.host, port=page.target.port).endpoint.removesuffix(":443")
    lines = (
        f"GET {page.path} HTTP/1.1",
        f"Host: {host}",
        "Accept: application/jwk-set+json, application/json",
        "Accept-Encoding: identity",
        "User-Agent: nhisync",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _answer(tls: ssl.SSLSocket, target: Target, left: Callable[[], float]) -> tuple[int, bytes]:
    """Status and body, as soon as the answer is complete."""
    heard = b""
    while True:
        tls.settimeout(left())
        part = tls.recv(_PART)
        heard += part
        if len(heard) > LARGEST:
            raise _no_page(target, ErrorKind.MALFORMED, "too-large", f"answers with more than {LARGEST} bytes")
        try:
            found = _complete(heard, ended=not part)
        except (HTTPException, ValueError):
            raise _no_page(target, ErrorKind.MALFORMED, "not-http", "answers with what is no HTTP, or cut") from None
        if found is not None:
            return found


class _Heard:
    """What was received, in the only shape `HTTPResponse` reads."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: Any, **__: Any) -> io.BytesIO:
        """A stream over it."""
        return io.BytesIO(self._raw)


def _complete(heard: bytes, *, ended: bool) -> tuple[int, bytes] | None:
    """Status and body; None while more must come.

    Raises:
        HTTPException: it is no HTTP, or was cut.
    """
    if b"\r\n\r\n" not in heard:
        if ended:
            raise IncompleteRead(b"")
        return None
    response = HTTPResponse(cast("Any", _Heard(heard)), method="GET")
    response.begin()
    if response.length is None and not response.chunked and not ended:
        return None  # only the end of the connection ends such a body (RFC 9112 §6.3)
    try:
        return response.status, response.read()
    except IncompleteRead:
        if ended:
            raise
        return None


def _check_status(target: Target, status: int) -> None:
    if status == 200:
        return
    kind = ErrorKind.MALFORMED
    if status == 429:
        kind = ErrorKind.THROTTLED
    elif status >= 500:
        kind = ErrorKind.UNREACHABLE
    more = ", which is not followed" if status in range(300, 400) else ""
    raise _no_page(target, kind, f"http-{status}", f"answers with HTTP {status}{more}")


def _no_page(target: Target, kind: ErrorKind, reason: str, said: str) -> ProviderError:
    return endpoint_error(kind, reason, f"{target.endpoint}: {said} where a key set is asked for", target, _FIX)


def not_verified(target: Target, problem: str) -> ProviderError:
    """The answer for a page whose certificate is not believed."""
    why = f" ({problem})" if problem else ""
    return endpoint_error(
        ErrorKind.UNREACHABLE,
        "not-verified",
        f"{target.endpoint}: its certificate is not believed for the name that is asked for{why}; nothing was taken",
        target,
        "Set trust_file to the roots that verifiers trust, and ?name= to the name they ask for; else renew the "
        "certificate.",
    )
