"""The words before TLS, client side: SMTP (RFC 3207), PostgreSQL SSLRequest, LDAP StartTLS (RFC 4511 §4.14).

Nothing is ever read beyond the server's last word, so that plaintext injected behind it meets the TLS layer and
breaks the handshake (the STARTTLS injection flaw).
"""

import socket
import struct
from collections.abc import Callable
from types import MappingProxyType

_POSTGRES_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_LDAP_OID = b"1.3.6.1.4.1.1466.20037"
_LDAP_REQUEST = bytes([0x02, 0x01, 0x01, 0x77, len(_LDAP_OID) + 2, 0x80, len(_LDAP_OID)]) + _LDAP_OID
_MOST_LINES = 64
_LINE_LIMIT = 2_048
_MESSAGE_LIMIT = 4_096

Patience = Callable[[], None]
"""Called before every read: gives the socket what time is left, or raises TimeoutError."""


class RefusedError(Exception):
    """The server speaks the protocol and declines TLS."""


class StrangeError(Exception):
    """The server does not speak the protocol."""


def smtp(connection: socket.socket, patience: Patience) -> None:
    """Greeting, EHLO, STARTTLS.

    Raises:
        RefusedError: no STARTTLS is offered, or it is answered with an error.
        StrangeError: the answers are no SMTP.
    """
    if _reply(connection, patience)[0] != "220":
        raise StrangeError
    connection.sendall(b"EHLO nhisync\r\n")
    code, words = _reply(connection, patience)
    if code != "250" or "STARTTLS" not in words:
        raise RefusedError
    connection.sendall(b"STARTTLS\r\n")
    if _reply(connection, patience)[0] != "220":
        raise RefusedError


def postgres(connection: socket.socket, patience: Patience) -> None:
    """SSLRequest, one byte back.

    Raises:
        RefusedError: ``N``.
        StrangeError: anything else but ``S``.
    """
    connection.sendall(_POSTGRES_SSL_REQUEST)
    answer = _exactly(connection, 1, patience)
    if answer == b"N":
        raise RefusedError
    if answer != b"S":
        raise StrangeError


def ldap(connection: socket.socket, patience: Patience) -> None:
    """StartTLS extended operation; result code 0 means go.

    Raises:
        RefusedError: another result code.
        StrangeError: no extended response to our message.
    """
    connection.sendall(bytes([0x30, len(_LDAP_REQUEST)]) + _LDAP_REQUEST)
    message = _ldap_message(connection, patience)
    # messageID 1, then [APPLICATION 24] with the result code as an ENUMERATED first.
    if message[:4] != b"\x02\x01\x01\x78" or len(message) < 8:
        raise StrangeError
    start = 5 if message[4] < 0x80 else 5 + (message[4] & 0x7F)
    if message[start : start + 2] != b"\x0a\x01" or len(message) <= start + 2:
        raise StrangeError
    if message[start + 2] != 0:
        raise RefusedError


PREAMBLES: MappingProxyType[str, Callable[[socket.socket, Patience], None]] = MappingProxyType(
    {"smtp": smtp, "postgres": postgres, "ldap": ldap}
)


def _reply(connection: socket.socket, patience: Patience) -> tuple[str, frozenset[str]]:
    """Code and keywords of one, possibly multi-line, SMTP reply (RFC 5321 §4.2.1)."""
    words = set()
    for _ in range(_MOST_LINES):
        line = _line(connection, patience)
        code, mark, rest = line[:3], line[3:4], line[4:]
        if not code.isdigit() or mark not in ("", " ", "-"):
            raise StrangeError
        words.add(rest.strip().upper())
        if mark != "-":
            return code, frozenset(words)
    raise StrangeError


def _line(connection: socket.socket, patience: Patience) -> str:
    """One line, byte by byte, so that nothing behind it is swallowed."""
    line = b""
    while not line.endswith(b"\n"):
        line += _exactly(connection, 1, patience)
        if len(line) > _LINE_LIMIT:
            raise StrangeError
    return line.rstrip(b"\r\n").decode("ascii", "replace")


def _ldap_message(connection: socket.socket, patience: Patience) -> bytes:
    """The content of one LDAPMessage (a BER sequence of bounded length)."""
    tag, size = _exactly(connection, 2, patience)
    if tag != 0x30:
        raise StrangeError
    if size >= 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:
            raise StrangeError
        size = int.from_bytes(_exactly(connection, octets, patience), "big")
    if size > _MESSAGE_LIMIT:
        raise StrangeError
    return _exactly(connection, size, patience)


def _exactly(connection: socket.socket, size: int, patience: Patience) -> bytes:
    """`size` bytes; a server that closes first is a strange one."""
    received = b""
    while len(received) < size:
        patience()
        piece = connection.recv(size - len(received))
        if not piece:
            raise ConnectionResetError
        received += piece
    return received
