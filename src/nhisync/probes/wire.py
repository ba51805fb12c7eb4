"""Sockets of probes: connected, verified, cut at their end; client certificates that never lie in a file."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from nhisync.probes.order import Patience, Presented
from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.files import ca_bundle

SETTLE = 0.3
"""Seconds to wait for a refusal that TLS 1.3 sends after the handshake (RFC 8446 §4.4.2.4)."""

_REFUSALS = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "UNSUPPORTED_CERTIFICATE",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "DECRYPT_ERROR",
)
"""Alerts about a certificate (RFC 8446 §6.2) as OpenSSL spells them at the end of a reason."""


class ClientRefusedError(Exception):
    """The server answered our client certificate, or its lack, with an alert."""


class DeclinedError(ProviderError):
    """The server broke the handshake off without a reason, as TLS 1.2 does where a client certificate is missing."""

    def __init__(self) -> None:
        super().__init__(ErrorKind.UNREACHABLE, "the server broke the TLS handshake off")


def place(target: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[v6]:port`` or a URL."""
    if "://" in target:
        parts = urlsplit(target)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


def connect(host: str, port: int, patience: Patience) -> socket.socket:
    """A connected socket.

    Raises:
        ProviderError: UNREACHABLE; a refused port is no refused credential.
    """
    try:
        return socket.create_connection((host, port), timeout=patience.left)
    except socket.gaierror:
        raise ProviderError(ErrorKind.UNREACHABLE, "the service's name has no address here (DNS)") from None
    except TimeoutError:
        raise ProviderError(ErrorKind.UNREACHABLE, "the service did not answer in time") from None
    except (OSError, UnicodeError):
        raise ProviderError(ErrorKind.UNREACHABLE, "nobody listens where the service should be") from None


def context_of(ca_file: Path | None) -> ssl.SSLContext:
    """A verifying TLS context.

    Raises:
        ProviderError: MISCONFIGURED, the file cannot be used.
    """
    return ssl.create_default_context(cafile=authorities(ca_file))


def authorities(ca_file: Path | None) -> str | None:
    """The file's path, tried before a library opens it: one would wait at a named pipe for ever.

    Raises:
        ProviderError: MISCONFIGURED, the file cannot be used.
    """
    fix = "Let ca_file name PEM certificates that nhisync's user may read."
    return None if ca_file is None else ca_bundle(ca_file, "the probe's ca_file", fix=fix)


def show_certificate(context: ssl.SSLContext, presented: Presented) -> None:
    """Let `context` present the certificate; it goes through memory that has no name in any file system.

    Raises:
        ProviderError: MISCONFIGURED, it is no certificate with its key; UNSUPPORTED, the platform has no such memory.
    """
    if presented.certificate is None or presented.key is None:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the item holds no field with a client certificate")
    if not hasattr(os, "memfd_create"):
        raise ProviderError(ErrorKind.UNSUPPORTED, "client certificates are presented on Linux only")
    with _nameless(presented.certificate.reveal()) as certificate, _nameless(presented.key.reveal()) as key:
        try:
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ssl.SSLError, ValueError):
            fix = "Name the fields with the PEM chain and its unencrypted key: certificate_field, key_field."
            raise ProviderError(
                ErrorKind.MISCONFIGURED, "the fields hold no certificate with its key", fix=fix
            ) from None


@contextmanager
def _nameless(content: bytes) -> Iterator[str]:
    handle = os.memfd_create("nhisync")
    try:
        os.write(handle, content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def shake(plain: socket.socket, context: ssl.SSLContext, name: str, patience: Patience) -> ssl.SSLSocket:
    """A verified TLS connection over `plain`, which belongs to it from then on.

    Raises:
        ProviderError: no trusted handshake.
        ClientRefusedError: the server does not want this client.
    """
    try:
        plain.settimeout(patience.left)
        return context.wrap_socket(plain, server_hostname=name)
    except (OSError, ValueError) as failure:
        plain.close()
        raise read_failure(failure) from None
    except ProviderError:  # no time is left
        plain.close()
        raise


def read_failure(failure: OSError | ValueError) -> ProviderError | ClientRefusedError:
    """What a failure on the wire means."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        fix = "Renew the certificate, or name its authority as ca_file of the probe."
        return ProviderError(ErrorKind.UNREACHABLE, "the service's certificate is not trusted (TLS)", fix=fix)
    if isinstance(failure, ssl.SSLError):
        if (failure.reason or "").endswith(_REFUSALS):
            return ClientRefusedError()
        if (failure.reason or "").endswith("HANDSHAKE_FAILURE"):
            return DeclinedError()
        return ProviderError(ErrorKind.UNREACHABLE, "the TLS connection failed")
    if isinstance(failure, TimeoutError):
        return ProviderError(ErrorKind.UNREACHABLE, "the service did not answer in time")
    if isinstance(failure, ValueError):
        return ProviderError(ErrorKind.MISCONFIGURED, "the service's name cannot be the name of a certificate")
    return ProviderError(ErrorKind.UNREACHABLE, "the connection was lost")


def settle(channel: ssl.SSLSocket, patience: Patience) -> None:
    """Give a late refusal of the client certificate the time to arrive, before anything is sent.

    Raises:
        ClientRefusedError: it came.
        ProviderError: the TLS connection broke.
        OSError: the connection is gone.
    """
    channel.settimeout(min(SETTLE, patience.left))
    try:
        channel.recv(1)
    except TimeoutError:  # silence: the server waits for us
        return
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise ConnectionResetError from None
    except ssl.SSLError as failure:
        raise read_failure(failure) from None


@contextmanager
def cut_at(channel: socket.socket, patience: Patience) -> Iterator[None]:
    """End the connection when the time is over, however slowly the other side drips."""
    timer = threading.Timer(patience.left, _cut, (channel,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(channel: socket.socket) -> None:
    with suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)
