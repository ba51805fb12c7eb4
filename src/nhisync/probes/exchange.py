"""One HTTP request of a probe and its answer: bounded in time and size, over verified TLS, never redirected."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from nhisync.model import ErrorFact
from nhisync.probes.order import Order, Patience, Presented
from nhisync.probes.wire import (
    ClientRefusedError,
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

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; headers and body may hold the credential and are never shown.

    Attributes:
        resource: path and query.
        headers: beside those of every request.
        method: ``GET``, ``POST`` or another one of RFC 9110 §9.
        body: what is sent.
    """

    resource: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)


class Answer(NamedTuple):
    """What came back: the status code and the first bytes of the body, which are never shown."""

    status: int
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object in the body; empty where there is none."""
        with suppress(ValueError, RecursionError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}


def member_of(body: bytes, dotted: str) -> str:
    """The text or number at a dotted place of a JSON answer; "" where there is none."""
    return str(found) if (found := value_at(body, dotted)) is not None else ""


def value_at(body: bytes, dotted: str) -> str | int | None:
    """The text or whole number at a dotted place of a JSON answer; None where there is none."""
    try:
        found: Any = json.loads(body)
        for step in dotted.split("."):
            found = found[step]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, (str, int)) and not isinstance(found, bool) else None


def exchange(order: Order, request: Request, patience: Patience, mutual: Presented | None = None) -> Answer:
    """Send `request` to the service of `order`, with the client certificate that `mutual` holds.

    Raises:
        ClientRefusedError: the service answers the client certificate, or its lack, with an alert; only where the
            order presents one.
        ProviderError: the service cannot be asked.
    """
    try:
        return _exchanged(order, request, patience, mutual)
    except ClientRefusedError:
        if order.auth == "client-certificate":
            raise
        told = "the service wants a client certificate, which this probe does not present"
        raise ProviderError(ErrorKind.MISCONFIGURED, told) from None


def _exchanged(order: Order, request: Request, patience: Patience, mutual: Presented | None) -> Answer:
    connection = _connection(order, mutual, patience)
    with closing(connection), cut_at(connection.sock, patience):
        connection.sock.settimeout(patience.left)
        try:
            if isinstance(connection.sock, ssl.SSLSocket) and order.auth == "client-certificate":
                settle(connection.sock, patience)
                connection.sock.settimeout(patience.left)
            always = {"Host": host_of(order.target), "User-Agent": _AGENT, "Accept": "*/*", "Connection": "close"}
            headers = {**always, **request.headers}
            connection.request(request.method, _form(order, request.resource), body=request.body, headers=headers)
            with closing(connection.getresponse()) as answer:  # it holds the socket until its last byte was read
                body = answer.read(_MOST)
                if answer.length and len(body) < _MOST:
                    raise http.client.IncompleteRead(b"")
                return Answer(answer.status, body)
        except OSError as failure:
            raise read_failure(failure) from None
        except http.client.HTTPException:
            raise ProviderError(ErrorKind.UNREACHABLE, "what the service answered is no HTTP, or was cut") from None
        except ValueError:  # its text quotes the header
            raise unsendable() from None


def resource_of(url: str) -> str:
    """Path and query of `url`."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def host_of(target: str) -> str:
    """Host and port of a URL without its scheme's own port (RFC 9110 §4.2.3).

    Signatures cover it in this form; `http.client`, which does not know of our TLS, would add 443.
    """
    host, port = place(target)
    shown = f"[{host}]" if ":" in host else host.encode("idna").decode()
    return shown if port == (443 if target.startswith("https://") else 80) else f"{shown}:{port}"


def unexpected(status: int, when: str = "") -> ErrorFact:
    """What a status that neither accepts nor refuses says: nothing about the credential; `when` begins the sentence."""
    kind, told = ErrorKind.MISCONFIGURED, f"{when}the service answers {status}, which is not expected"
    if status == 429:
        kind, told = ErrorKind.THROTTLED, f"{when}the service asks to slow down (429)"
    elif status >= 500:
        kind, told = ErrorKind.UNREACHABLE, f"{when}the service fails ({status})"
    elif 300 <= status < 400:
        told = f"the service redirects ({status}); a credential does not follow"
    return ErrorFact(kind=kind.value, message=told)


def unsendable() -> ProviderError:
    """The stored value cannot be what the service was given."""
    fix = "Look for a line break or a space at the end of the stored value."
    return ProviderError(ErrorKind.MISCONFIGURED, "the value holds what no HTTP header can carry", fix=fix)


def _connection(order: Order, mutual: Presented | None, patience: Patience) -> http.client.HTTPConnection:
    host, port = place(order.target)
    connection = http.client.HTTPConnection(host, port)
    context = context_of(order.ca_file) if order.target.startswith("https://") else None
    if context is not None and mutual is not None:
        show_certificate(context, mutual)
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


def _form(order: Order, resource: str) -> str:
    if order.proxy and order.target.startswith("http://"):
        parts = urlsplit(order.target)
        return f"{parts.scheme}://{parts.netloc}{resource}"  # absolute form, RFC 9112 §3.2.2
    return resource
