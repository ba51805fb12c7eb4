"""The words before TLS, server side: SMTP (RFC 3207), PostgreSQL SSLRequest, LDAP StartTLS (RFC 4511 §4.14)."""

import socket
import struct
from collections.abc import Callable
from types import MappingProxyType

_POSTGRES_SSL_REQUEST = 80877103
_LDAP_START_TLS = b"1.3.6.1.4.1.1466.20037"
_LINE_LIMIT = 1024


class PreambleError(Exception):
    """The client did not speak the protocol that this endpoint expects before TLS."""


def smtp(connection: socket.socket, *, refuse: bool) -> bool:
    """Greet, answer EHLO with STARTTLS, and answer STARTTLS with 220, or with 502 when `refuse`.

    Returns:
        Whether TLS follows.

    Raises:
        PreambleError: the client closed or sent an endless line.
    """
    connection.sendall(b"220 mail.example ESMTP\r\n")
    while line := _line(connection).upper():
        if line.startswith((b"EHLO", b"HELO")):
            connection.sendall(b"250-mail.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
        elif line.startswith(b"STARTTLS"):
            connection.sendall(b"502 5.5.1 not here\r\n" if refuse else b"220 2.0.0 go ahead\r\n")
            return not refuse
        else:
            connection.sendall(b"221 2.0.0 bye\r\n")
            return False
    return False


def postgres(connection: socket.socket, *, refuse: bool) -> bool:
    """Answer an SSLRequest with ``S``, or with ``N`` when `refuse` (PostgreSQL protocol, message SSLRequest).

    Returns:
        Whether TLS follows.

    Raises:
        PreambleError: the eight bytes are no SSLRequest.
    """
    length, code = struct.unpack("!II", _exactly(connection, 8))
    if (length, code) != (8, _POSTGRES_SSL_REQUEST):
        raise PreambleError("not an SSLRequest")
    connection.sendall(b"N" if refuse else b"S")
    return not refuse


def ldap(connection: socket.socket, *, refuse: bool) -> bool:
    """Answer a StartTLS extended request with success, or with protocolError (2) when `refuse`.

    Returns:
        Whether TLS follows.

    Raises:
        PreambleError: the message is no StartTLS request.
    """
    tag, length = _exactly(connection, 2)
    if tag != 0x30 or length >= 0x80:
        raise PreambleError("not a short LDAP message")
    body = _exactly(connection, length)
    if body[:2] != b"\x02\x01" or _LDAP_START_TLS not in body:
        raise PreambleError("not a StartTLS request")
    result = bytes([0x0A, 0x01, 2 if refuse else 0, 0x04, 0x00, 0x04, 0x00])
    response = b"\x02\x01" + body[2:3] + bytes([0x78, len(result)]) + result
    connection.sendall(bytes([0x30, len(response)]) + response)
    return not refuse


PREAMBLES: MappingProxyType[str, Callable[..., bool]] = MappingProxyType(
    {"smtp": smtp, "postgres": postgres, "ldap": ldap}
)


def _exactly(connection: socket.socket, size: int) -> bytes:
    """`size` bytes, or PreambleError when the client closes first."""
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise PreambleError("closed before TLS")
        received += piece
    return received


def _line(connection: socket.socket) -> bytes:
    """One line without its end, read byte by byte so that nothing of the ClientHello is swallowed."""
    line = b""
    while not line.endswith(b"\n"):
        line += _exactly(connection, 1)
        if len(line) > _LINE_LIMIT:
            raise PreambleError("endless line")
    return line.rstrip(b"\r\n")
