"""HTTP: one GET with the credential, and one without it to learn whether anybody judges it.

401 and 403 are refusals (RFC 9110 §15.5.2, §15.5.4). Redirects are not followed: a credential goes where the
configuration says and nowhere else. Everything else that was not expected says nothing about the credential.
"""

import http.client
import json
import socket
import ssl
from base64 import b64encode
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from nhisync.model import ErrorFact
from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, nobody_judges, refused
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

_MOST = 65_536
"""Bytes of an answer that are read."""

_AGENT = "nhisync-probe"

_TURNED_AWAY = frozenset({400, 401, 403, 404, 422, *range(300, 400)})
"""How services answer a stranger: no, show something first, nothing here, or the way to a login page. Limits and faults
tell nothing: the same request with the credential might meet them next."""


class _Answer(NamedTuple):
    status: int
    body: bytes


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask with the credential, then without it.

    Raises:
        ProviderError: the service cannot be asked.
    """
    floor = "tls" if order.target.startswith("https://") else "tcp"
    try:
        answer = _asked(order, presented, patience)
    except ClientRefusedError:
        return refused(floor, ErrorKind.AUTH_FAILED, "the service refuses the client certificate")
    if answer.status not in order.expect:
        return _unexpected(order, floor, answer.status)
    if order.auth == "none":
        return Shown(depth=floor, accepted=True)
    if (doubt := _doubt(order, floor, patience)) is not None:
        return doubt
    return Shown(depth=order.depth, accepted=True, seen_as=_seen_as(order, presented, answer.body))


def _doubt(order: Order, floor: str, patience: Patience) -> Shown | None:
    """Why it may not have been the credential that opened; None when strangers are turned away."""
    try:
        status = _asked(order, None, patience).status
    except (ClientRefusedError, DeclinedError):
        if order.auth != "client-certificate":  # none was shown before either: a handshake says nothing of a token
            raise
        return None
    if status in order.expect:
        return nobody_judges(floor, "the service answers the same without a credential: it judges none")
    return None if status in _TURNED_AWAY else _unjudged(floor, status, "without a credential ")


def _unexpected(order: Order, floor: str, status: int) -> Shown:
    if status in {401, 403} and order.auth != "none":
        kind = ErrorKind.AUTH_FAILED if status == 401 else ErrorKind.DENIED
        return refused(floor, kind, f"the service answers {status}")
    return _unjudged(floor, status)


def _unjudged(floor: str, status: int, when: str = "") -> Shown:
    kind, told = ErrorKind.MISCONFIGURED, f"{when}the service answers {status}, which is not expected"
    if status == 429:
        kind, told = ErrorKind.THROTTLED, f"{when}the service asks to slow down (429)"
    elif status >= 500:
        kind, told = ErrorKind.UNREACHABLE, f"{when}the service fails ({status})"
    elif 300 <= status < 400:
        told = f"the service redirects ({status}); a credential does not follow"
    return Shown(depth=floor, accepted=None, error=ErrorFact(kind=kind.value, message=told))


def _asked(order: Order, presented: Presented | None, patience: Patience) -> _Answer:
    try:
        return _exchanged(order, presented, patience)
    except ClientRefusedError:
        if order.auth == "client-certificate":
            raise
        told = "the service wants a client certificate, which this probe does not present"
        raise ProviderError(ErrorKind.MISCONFIGURED, told) from None


def _exchanged(order: Order, presented: Presented | None, patience: Patience) -> _Answer:
    headers = {"User-Agent": _AGENT, "Accept": "*/*", "Connection": "close", **_credential(order, presented)}
    connection = _connection(order, presented, patience)
    with closing(connection), cut_at(connection.sock, patience):
        connection.sock.settimeout(patience.left)
        try:
            if isinstance(connection.sock, ssl.SSLSocket) and order.auth == "client-certificate":
                settle(connection.sock, patience)
                connection.sock.settimeout(patience.left)
            connection.request("GET", _resource(order), headers=headers)
            answer = connection.getresponse()
            body = answer.read(_MOST)
            if answer.length and len(body) < _MOST:
                raise http.client.IncompleteRead(b"")
            return _Answer(answer.status, body)
        except OSError as failure:
            raise read_failure(failure) from None
        except http.client.HTTPException:
            raise ProviderError(ErrorKind.UNREACHABLE, "what the service answered is no HTTP, or was cut") from None
        except ValueError:  # its text quotes the header
            raise _unsendable() from None


def _connection(order: Order, presented: Presented | None, patience: Patience) -> http.client.HTTPConnection:
    host, port = place(order.target)
    connection = http.client.HTTPConnection(host, port)
    context = context_of(order.ca_file) if order.target.startswith("https://") else None
    if context is not None and presented is not None and order.auth == "client-certificate":
        show_certificate(context, presented)
    connection.sock = _tunnel(order, host, port, patience)
    if context is not None:
        connection.sock = shake(connection.sock, context, order.server_name or host, patience)
    return connection


def _tunnel(order: Order, host: str, port: int, patience: Patience) -> socket.socket:
    """The socket to the service, through the proxy when one is configured."""
    if not order.proxy:
        return connect(host, port, patience)
    if order.target.startswith("http://"):
        return connect(*place(order.proxy), patience)
    way = connect(*place(order.proxy), patience)
    if not _leads(way, f"[{host}]" if ":" in host else host, port, patience):
        way.close()
        raise ProviderError(ErrorKind.UNREACHABLE, "the proxy does not lead to the service")
    return way


def _leads(way: socket.socket, host: str, port: int, patience: Patience) -> bool:
    """Whether the proxy opens a tunnel (RFC 9110 §9.3.6); `http.client` would wait as long as it drips."""
    with cut_at(way, patience):
        way.settimeout(patience.left)
        try:
            target = f"{host.encode('idna').decode()}:{port}"
            way.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {_AGENT}\r\n\r\n".encode())
            with closing(http.client.HTTPResponse(way, method="CONNECT")) as answer:
                answer.begin()
                return 200 <= answer.status < 300
        except (OSError, http.client.HTTPException, UnicodeError):
            return False


def _resource(order: Order) -> str:
    if order.proxy and order.target.startswith("http://"):
        return order.target  # absolute form, RFC 9112 §3.2.2
    parts = urlsplit(order.target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _credential(order: Order, presented: Presented | None) -> dict[str, str]:
    if presented is None or order.auth not in {"bearer", "basic", "header"}:
        return {}
    if presented.secret is None:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the item holds no field to present")
    secret = presented.secret.reveal()
    if order.auth == "basic":
        return {"Authorization": f"Basic {b64encode(presented.user.encode() + b':' + secret).decode()}"}
    text = secret.decode("latin-1")
    if not text.isprintable():
        raise _unsendable()
    return {"Authorization": f"Bearer {text}"} if order.auth == "bearer" else {order.header: text}


def _unsendable() -> ProviderError:
    fix = "Look for a line break or a space at the end of the stored value."
    return ProviderError(ErrorKind.MISCONFIGURED, "the value holds what no HTTP header can carry", fix=fix)


def _seen_as(order: Order, presented: Presented, body: bytes) -> str:
    """Who the service saw, with its host: names of two services have nothing to do with one another."""
    if not order.seen_as:
        return ""
    try:
        found: Any = json.loads(body)
        for step in order.seen_as.split("."):
            found = found[step]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(found, (str, int)) or isinstance(found, bool) or not str(found):
        return ""
    host, port = place(order.target)
    name = name_of(str(found), presented)
    return f"{name} at {host}:{port}" if name else ""
