"""Connect, upgrade, shake hands, and bring home what was served; nothing is verified or trusted here.

The handshake itself accepts any certificate, because a broken chain is what we came to see: the chain is verified
afterwards, at the injected instant, against the configured roots. Nothing is sent over the connection but what TLS and
STARTTLS need.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nhisync.spi import Clock, ErrorKind, ProviderError
from nhisync.spi.files import read_file
from nhisync.spi.host import connect
from nhisync_tls.starttls import PREAMBLES, RefusedError, StrangeError
from nhisync_tls.target import Target, is_address

_MOST_ADDRESSES = 4
_ENCODING_DER = 2
"""`_ssl.ENCODING_DER`, which has no public name before Python 3.13."""

_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13
"""Record type and message type of CertificateRequest (RFC 8446 §B.1, §B.3)."""

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
_ALERTS = (
    "CERTIFICATE_REQUIRED",
    "HANDSHAKE_FAILURE",
    "PROTOCOL_VERSION",
    "UNRECOGNIZED_NAME",
    "NO_APPLICATION_PROTOCOL",
    "UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "ACCESS_DENIED",
    "INTERNAL_ERROR",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each part may take, in seconds.

    Attributes:
        connect: TCP connection, all addresses of a name together.
        handshake: STARTTLS and handshake together.
        settle: waiting for a refusal that TLS 1.3 sends after the handshake.
    """

    connect: float
    handshake: float
    settle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFiles:
    """A client certificate to show.

    Attributes:
        certificate: PEM chain, leaf first.
        key: its unencrypted private key.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one handshake showed.

    Attributes:
        certificates: DER certificates in the order in which they were sent.
        version: ``TLSv1.3`` …, or "" when the handshake did not end.
        cipher: cipher suite agreed on, or "".
        alpn: protocol agreed on, or "".
        sni: the name sent in the ClientHello, or "".
        client_certificate: ``none``, ``requested`` or ``required``; "" when this Python cannot tell.
        refused: the server ended the connection for want, or because, of a client certificate.
    """

    certificates: tuple[bytes, ...]
    version: str
    cipher: str
    alpn: str
    sni: str
    client_certificate: str
    refused: bool = False


def look(target: Target, name: str, patience: Patience, clock: Clock, *, client: ClientFiles | None = None) -> Served:
    """Make one handshake with `target`.

    Args:
        target: where.
        name: the name to ask for (SNI), unless the target says not to; "" or an address sends none.
        patience: limits.
        clock: for the limits.
        client: client certificate to show; None = none.

    Raises:
        ProviderError: the `reason` of its fact is one of the words in the README's table.
    """
    with contextlib.closing(dial(target, patience.connect, clock)) as connection:
        left = countdown(patience.handshake, clock)
        if target.starttls:
            _upgrade(connection, target, left)
        sni = name if target.sni and name and not is_address(name) else ""
        watch = _Watch()
        context = _context(target, watch, client)
        with contextlib.closing(
            context.wrap_socket(connection, server_hostname=sni or None, do_handshake_on_connect=False)
        ) as tls:
            refused = _shake(tls, target, left, watch) or _refused_later(tls, patience.settle, watch)
            return Served(
                certificates=served_chain(tls),
                version=tls.version() or "",
                cipher=(tls.cipher() or ("",))[0],
                alpn=tls.selected_alpn_protocol() or "",
                sni=sni,
                client_certificate=watch.demand(refused=refused, shown=client is not None),
                refused=refused,
            )


class _Watch:
    """Notes whether the server asked for a client certificate, where this Python lets us see handshake messages."""

    def __init__(self) -> None:
        self.able = False
        self.requested = False

    def attach(self, context: ssl.SSLContext) -> None:
        """Hook into `context`. CPython has offered the hook since 3.8, for debugging, so its absence is no error."""
        if hasattr(context, "_msg_callback"):
            self.able = True
            context._msg_callback = self._note  # noqa: SLF001 - there is no public way to see CertificateRequest

    def _note(self, _: Any, direction: str, __: Any, content: int, message: int, ___: bytes) -> None:
        if direction == "read" and content == _HANDSHAKE and message == _CERTIFICATE_REQUEST:
            self.requested = True

    def demand(self, *, refused: bool, shown: bool) -> str:
        """The word for `Served.client_certificate`."""
        if refused and not shown:
            return "required"
        if not self.able:
            return ""
        return "requested" if self.requested else "none"


def dial(target: Target, seconds: float, clock: Clock) -> socket.socket:
    """The first of the target's addresses that accepts."""
    deadline = clock.monotonic() + seconds
    last = OSError()
    for family, address in _addresses(target):
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(left)
        try:
            connection.connect(address)
        except OSError as failure:
            connection.close()
            last = failure
            continue
        return connection
    raise _not_connected(target, last) from None


def _addresses(target: Target) -> Iterator[tuple[socket.AddressFamily, Any]]:
    """Where to connect: the literal address without any lookup, or what the resolver says."""
    flags = socket.AI_NUMERICHOST if is_address(target.host) else 0
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, flags=flags)
    except OSError:
        raise endpoint_error(
            ErrorKind.UNREACHABLE,
            "name-not-resolved",
            f"the name {target.host} has no address here",
            target,
            "Check the name, or pin the address: tls/<address>:<port>?name=<name>.",
        ) from None
    yield from ((item[0], item[4]) for item in found[:_MOST_ADDRESSES])


def _not_connected(target: Target, failure: OSError) -> ProviderError:
    """Refused, silent and unroutable are three different outages."""
    if isinstance(failure, ConnectionRefusedError):
        reason, said = "refused", "the connection is refused: nothing listens there"
    elif isinstance(failure, TimeoutError):
        reason, said = "connect-timeout", "no answer to the connection: host down or traffic dropped"
    else:
        reason, said = "no-route", "there is no way to the address"
    needed = connect(target.endpoint)
    fix = f"Open {needed} for this host, then try from it: openssl s_client -connect {target.endpoint}"
    message = f"{target.endpoint}: {said}"
    return endpoint_error(ErrorKind.UNREACHABLE, reason, message, target, fix, action=needed)


def countdown(seconds: float, clock: Clock) -> Callable[[], float]:
    """A function that says how many of `seconds` are left, and raises TimeoutError when none are."""
    deadline = clock.monotonic() + seconds

    def left() -> float:
        remaining = deadline - clock.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    return left


def _upgrade(connection: socket.socket, target: Target, left: Callable[[], float]) -> None:
    """The STARTTLS exchange, with its failures translated."""
    where = f"{target.endpoint}: {target.starttls}"
    fix = "Check the starttls option of the locator and the server's TLS setting."
    try:
        PREAMBLES[target.starttls](connection, lambda: connection.settimeout(left()))
    except RefusedError:
        message = f"{where} answers, and declines STARTTLS"
        raise endpoint_error(ErrorKind.UNSUPPORTED, "starttls-refused", message, target, fix) from None
    except StrangeError:
        message = f"{where} is not what answers there"
        raise endpoint_error(ErrorKind.MALFORMED, "starttls-strange", message, target, fix) from None
    except TimeoutError:
        message = f"{where} stopped answering before TLS"
        raise endpoint_error(ErrorKind.UNREACHABLE, "starttls-timeout", message, target, fix) from None
    except OSError:
        message = f"{where} closed the connection before TLS"
        raise endpoint_error(ErrorKind.UNREACHABLE, "starttls-closed", message, target, fix) from None


def _context(target: Target, watch: _Watch, client: ClientFiles | None) -> ssl.SSLContext:
    """A client that speaks to anyone with TLS 1.2 or later, weak keys included, and believes nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Security level 0 lets us see an RSA-1024 leaf instead of a failed handshake; anonymous suites have no chain.
    context.set_ciphers("ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0")
    if target.alpn:
        context.set_alpn_protocols(list(target.alpn))
    if client is not None:
        _load_client(context, client, target)
    watch.attach(context)
    return context


def _load_client(context: ssl.SSLContext, client: ClientFiles, target: Target) -> None:
    try:
        for file in (client.certificate, client.key):
            read_file(file)  # OpenSSL would wait for ever at a named pipe
        context.load_cert_chain(client.certificate, client.key, password=_no_password)
    except (OSError, ValueError):
        raise endpoint_error(
            ErrorKind.MISCONFIGURED,
            "client-certificate-unusable",
            "the configured client certificate and key cannot be used together",
            target,
            "Give client_certificate_file a PEM chain and client_key_file its unencrypted key, readable by nhisync.",
        ) from None


def _no_password() -> bytes:
    """OpenSSL would ask on the terminal; an encrypted key is refused instead."""
    raise ValueError("encrypted keys are not used")


def _shake(tls: ssl.SSLSocket, target: Target, left: Callable[[], float], watch: _Watch) -> bool:
    """Do the handshake; True when the server refused for want of a client certificate after showing its chain."""
    try:
        tls.settimeout(left())
        tls.do_handshake()
    except TimeoutError:
        message = f"{target.endpoint}: accepts the connection, then hangs in the TLS handshake"
        fix = "The listener is stuck or starved; restart it, or raise handshake_timeout if it is only slow."
        raise endpoint_error(ErrorKind.UNREACHABLE, "handshake-timeout", message, target, fix) from None
    except OSError as failure:
        if watch.requested and served_chain(tls):
            return True
        raise not_shaken(target, failure) from None
    return False


def not_shaken(target: Target, failure: OSError) -> ProviderError:
    """Not TLS, closed, or a TLS alert: translated from OpenSSL's reason word, never from its text."""
    reason = (failure.reason or "") if isinstance(failure, ssl.SSLError) else ""
    if reason in _NOT_TLS:
        message = f"{target.endpoint}: what answers there is not TLS"
        fix = "Check the port, or name the protocol: ?starttls=smtp, postgres or ldap."
        return endpoint_error(ErrorKind.MALFORMED, "not-tls", message, target, fix)
    alert = next((word for word in _ALERTS if word in reason), "")
    if alert:
        word = alert.lower().replace("_", "-")
        kind = ErrorKind.UNSUPPORTED if alert == "PROTOCOL_VERSION" else ErrorKind.UNREACHABLE
        message = f"{target.endpoint}: the server refuses the handshake with the alert {word}"
        fix = "Check the name asked for (?name=, ?sni=off), the ALPN option, and the server's protocol versions."
        return endpoint_error(kind, f"alert-{word}", message, target, fix)
    if not reason or "EOF" in reason:
        message = f"{target.endpoint}: the connection is closed in the TLS handshake"
        fix = "Look at the listener's log; a proxy in front of a dead service does this too."
        return endpoint_error(ErrorKind.UNREACHABLE, "handshake-closed", message, target, fix)
    message = f"{target.endpoint}: the TLS handshake is broken"
    return endpoint_error(ErrorKind.MALFORMED, "handshake-broken", message, target, "Look at the listener's log.")


def _refused_later(tls: ssl.SSLSocket, settle: float, watch: _Watch) -> bool:
    """Whether a TLS 1.3 server takes its acceptance back: its alert arrives on the first read (RFC 8446 §4.4.2.4).

    Nobody waits who was not asked for a certificate.
    """
    if tls.version() != "TLSv1.3" or (watch.able and not watch.requested):
        return False
    tls.settimeout(settle)
    try:
        closed = tls.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
    return closed and watch.requested


def served_chain(tls: ssl.SSLSocket) -> tuple[bytes, ...]:
    """The DER certificates as served, unrelated ones included; empty when none came.

    Public from Python 3.13 on; before, the same function stands on the wrapped object.
    """
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public() or ())
    inner = getattr(tls, "_sslobj", None)
    found = inner.get_unverified_chain() if inner is not None else None
    return tuple(item.public_bytes(_ENCODING_DER) for item in found or ())


def endpoint_error(
    kind: ErrorKind, reason: str, message: str, target: Target, fix: str, *, action: str = ""
) -> ProviderError:
    """The error of one endpoint; `reason` is a word of the README's table."""
    return ProviderError(kind, message, action=action, resource=target.endpoint, reason=reason, fix=fix)
