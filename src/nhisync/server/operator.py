"""The operator listener: an authenticated port of its own, whose requests change what the next cycle knows.

It writes no store and decides nothing: what it accepts is laid down durably for the process that does
(`nhisync.app.spool`). Answers are JSON; refusals are problem details (RFC 9457) with the next step as ``fix``.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from nhisync.app.posted import MEDIA
from nhisync.errors import StoreError, UsageError
from nhisync.parity.text import clean
from nhisync.server.site import Receive, Scope, Send
from nhisync.spi.files import read_file

LARGEST: Final = 65_536
"""Bytes of a request's body."""

SHORTEST: Final = 16
"""Characters of a token; what is shorter can be guessed over the network."""

_PREFIX: Final = "/v1/attestations/"
_UNKNOWN: Final = "about:blank"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One authenticated request to record an attestation.

    Attributes:
        app: of the address.
        kind: of the address.
        media: of the body.
        body: as it came.
        peer: address that the request came from.
    """

    app: str
    kind: str
    media: str
    body: bytes
    peer: str


Post = Callable[[Request], Mapping[str, Any]]
"""Accept a request, or raise `UsageError` (what was asked) or `StoreError` (what is possible now)."""


class Gate:
    """Who may ask: whoever knows the token; where there is none, TLS has let in whom it knows.

    Args:
        token_file: holds the token, or None.

    Raises:
        UsageError: the file holds no usable token.
    """

    def __init__(self, token_file: Path | None) -> None:
        self._digest = None if token_file is None else sha256(_token(token_file)).digest()

    def admits(self, authorization: bytes) -> bool:
        """Whether this Authorization header (RFC 6750 section 2.1) is the token's; in constant time."""
        if self._digest is None:
            return True
        scheme, _, shown = authorization.partition(b" ")
        alike = hmac.compare_digest(sha256(shown.strip()).digest(), self._digest)
        return alike and scheme.lower() == b"bearer"


class RefusalError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, title: str, *, fix: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status, self.title, self.fix, self.headers = status, title, fix, headers or {}


class OperatorSite:
    """The ASGI application.

    Args:
        gate: who may ask; replaced as a whole by a reload.
        post: what an attestation leads to; called outside of the event loop, never twice at a time.
    """

    def __init__(self, gate: Gate, post: Post) -> None:
        self.gate, self.post = gate, post
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3, ``http`` scopes)."""
        try:
            status, document, headers = 202, await self._accepted(scope, receive), dict[str, str]()
        except RefusalError as refusal:
            status, headers = refusal.status, dict(refusal.headers)
            document = {"type": _UNKNOWN, "title": refusal.title, "status": status}
            document |= {"fix": refusal.fix} if refusal.fix else {}
            asked = clean(f"{scope['method']} {scope['path']}", 200)
            _log.warning("refused %s with %d: %s", _peer(scope), status, asked)
        media = "application/json" if status == 202 else "application/problem+json"
        body = json.dumps(document).encode("ascii") + b"\n"
        told = {"content-type": media, "content-length": str(len(body)), "cache-control": "no-store"}
        lines = [(k.encode(), v.encode()) for k, v in (told | headers | {"connection": "close"}).items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    async def _accepted(self, scope: Scope, receive: Receive) -> Mapping[str, Any]:
        given = dict(scope["headers"])
        if not self.gate.admits(given.get(b"authorization", b"")):
            fix = "Send the token of operator.token_file: Authorization: Bearer ..."
            raise RefusalError(
                401, "the operator listener does not know you", fix=fix, headers={"www-authenticate": "Bearer"}
            )
        app, kind = _addressed(scope)
        media = given.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if media not in MEDIA:
            raise RefusalError(415, "an attestation comes as JSON or signed", fix=f"Content-Type: {' or '.join(MEDIA)}")
        body = await _body(receive)
        async with self._turn:
            asked = Request(app, kind, media, body, _peer(scope))
            return await asyncio.to_thread(self._done, asked)

    def _done(self, asked: Request) -> Mapping[str, Any]:
        try:
            return self.post(asked)
        except UsageError as trouble:
            raise RefusalError(422, trouble.message, fix=trouble.fix) from None
        except StoreError as trouble:
            raise RefusalError(503, trouble.message, fix=trouble.fix) from None


def _peer(scope: Scope) -> str:
    """Address that the request came from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _addressed(scope: Scope) -> tuple[str, str]:
    """App and kind of the address."""
    path: str = scope["path"]
    app, _, kind = path.removeprefix(_PREFIX).partition("/")
    if not path.startswith(_PREFIX) or not app or not kind or "/" in kind:
        raise RefusalError(404, "there is nothing here", fix=f"POST {_PREFIX}{{app}}/{{kind}}")
    if scope["method"] != "POST":
        raise RefusalError(
            405, "attestations are posted", fix="nhisync attest APP shows them.", headers={"allow": "POST"}
        )
    return app, kind


async def _body(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise RefusalError(400, "the body did not come")
        part: bytes = event.get("body", b"")
        size += len(part)
        if size > LARGEST:
            raise RefusalError(413, f"an attestation has at most {LARGEST} bytes")
        parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts)


def _token(file: Path) -> bytes:
    fix = "Write one: openssl rand -hex 32, in a file that only nhisync's user may read (0600)."
    try:
        found = read_file(file).strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        raise UsageError(f"operator.token_file {file} cannot be used: {why}", fix=fix) from None
    if len(found) < SHORTEST or len(found.split()) != 1:
        raise UsageError(f"operator.token_file {file} holds no token of {SHORTEST} or more characters", fix=fix)
    return found
