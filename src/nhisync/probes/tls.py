"""TLS with verification and, where a client certificate is presented, an application round trip.

TLS 1.3 accepts a client before it has looked at its certificate (RFC 8446 §4.4.2.4), so a finished handshake proves
nothing about it: only an answer to what we said does. And an endpoint that answers without a certificate, too, or
with one that no authority signed, judges none.
"""

import ssl

from cryptography.x509 import load_der_x509_certificate

from nhisync.probes.order import Order, Patience, Presented, Shown, nobody_judges, not_made, refused
from nhisync.probes.stranger import stranger_certificate
from nhisync.probes.wire import (
    ClientRefusedError,
    DeclinedError,
    connect,
    context_of,
    cut_at,
    place,
    read_failure,
    settle,
    shake,
    show_certificate,
)
from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.x509.facts import spki_sha256

_HELLO = b"HEAD / HTTP/1.0\r\n\r\n"
"""Anything that makes a server answer or hang up in the usual way; it asks for nothing and changes nothing."""


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Shake hands; with a client certificate also speak: with it, without one, and with a made-up one.

    Raises:
        ProviderError: the server cannot be reached or is not trusted.
    """
    if order.auth == "none":
        return _served(order, patience)
    try:
        judged = _spoken(order, presented, patience) and _judges(order, presented, patience)
    except ClientRefusedError:
        return refused("tls", ErrorKind.AUTH_FAILED, "the endpoint refuses the client certificate")
    if judged:
        return Shown(depth="auth", accepted=True)
    return nobody_judges("tls", "the endpoint treats clients without a certificate, or with any, alike: it judges none")


def _judges(order: Order, presented: Presented, patience: Patience) -> bool:
    """Whether the endpoint, which answered the certificate, turns others away."""
    for shown in (None, stranger_certificate(patience.epoch)):
        try:
            if _spoken(order, shown, patience):
                return False
        except (ClientRefusedError, DeclinedError):
            continue
        # Hung up on without a word why: a limit does that too, and then to everybody.
        if not _spoken(order, presented, patience):
            return False
    return True


def _served(order: Order, patience: Patience) -> Shown:
    """What a client that verifies sees: where the item is the server's own key, this is its authentication."""
    (host, port), context = place(order.target), context_of(order.ca_file)
    try:
        channel = shake(connect(host, port, patience), context, order.server_name or host, patience)
    except ClientRefusedError:  # TLS 1.2 asks for the client's certificate first
        told = "the endpoint shows itself only to clients with a certificate"
        return not_made("tcp", ProviderError(ErrorKind.UNSUPPORTED, told))
    with channel:
        shown = channel.getpeercert(binary_form=True) or b""
    if not order.keys:
        return Shown(depth="tls", accepted=True)
    if spki_sha256(load_der_x509_certificate(shown)) in order.keys:
        return Shown(depth="auth", accepted=True)
    return not_made("tls", ProviderError(ErrorKind.CONFLICT, "the endpoint serves another key than the item's"))


def _spoken(order: Order, presented: Presented | None, patience: Patience) -> bool:
    """Handshake, settle, one round trip; whether anything came back."""
    host, port = place(order.target)
    context = context_of(order.ca_file)
    if presented is not None:
        show_certificate(context, presented)
    with shake(connect(host, port, patience), context, order.server_name or host, patience) as channel:
        try:
            settle(channel, patience)
            with cut_at(channel, patience):
                channel.settimeout(patience.left)
                channel.sendall(_HELLO)
                return bool(channel.recv(1))
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):  # hung up on, without a word why
            return False
        except OSError as failure:
            raise read_failure(failure) from None
