"""HTTP: one GET with the credential, and one without it to learn whether anybody judges it.

401 and 403 are refusals (RFC 9110 §15.5.2, §15.5.4). Redirects are not followed: a credential goes where the
configuration says and nowhere else. Everything else that was not expected says nothing about the credential.
"""

import http.client
import json
import ssl
from base64 import b64encode
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from nhisync.model import ErrorFact
from nhisync.probes.order import Order, Patience, Presented, Shown, nobody_judges, refused
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
    if _open_to_all(order, patience):
        return nobody_judges(floor, "the service answers the same without a credential: it judges none")
    return Shown(depth=order.depth, accepted=True, seen_as=_seen_as(order, answer.body))


def _open_to_all(order: Order, patience: Patience) -> bool:
    try:
        return _asked(order, None, patience).status in order.expect
    except (ClientRefusedError, DeclinedError):
        return False


def _unexpected(order: Order, floor: str, status: int) -> Shown:
    if status in {401, 403} and order.auth != "none":
        kind = ErrorKind.AUTH_FAILED if status == 401 else ErrorKind.DENIED
        return refused(floor, kind, f"the service answers {status}")
    kind, told = ErrorKind.MISCONFIGURED, f"the service answers {status}, which is not expected"
    if status == 429:
        kind, told = ErrorKind.THROTTLED, "the service asks to slow down (429)"
    elif status >= 500:
        kind, told = ErrorKind.UNREACHABLE, f"the service fails ({status})"
    elif 300 <= status < 400:
        told = f"the service redirects ({status}); a credential does not follow"
    return Shown(depth=floor, accepted=None, error=ErrorFact(kind=kind.value, message=told))


def _asked(order: Order, presented: Presented | None, patience: Patience) -> _Answer:
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


def _tunnel(order: Order, host: str, port: int, patience: Patience) -> Any:
    """The socket to the service, through the proxy when one is configured."""
    if not order.proxy:
        return connect(host, port, patience)
    if order.target.startswith("http://"):
        return connect(*place(order.proxy), patience)
    way = http.client.HTTPConnection(*place(order.proxy), timeout=patience.left)
    way.set_tunnel(host, port)
    try:
        way.connect()
    except (OSError, http.client.HTTPException):
        way.close()
        raise ProviderError(ErrorKind.UNREACHABLE, "the proxy does not lead to the service") from None
    return way.sock


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


def _seen_as(order: Order, body: bytes) -> str:
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
    return f"{str(found)[:200]} at {host}:{port}"
