"""What travels between the socket and the services: requests, replies, refusals.

Error envelopes: Key Vault ``{error: {code, message, innererror}}``, Microsoft Graph and Azure Resource Manager
``{error: {code, message}}`` (the services' REST references on learn.microsoft.com).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came from the socket.

    Attributes:
        method: upper case.
        target: path and query, as sent.
        headers: names in lower case.
        body: raw body; may hold secrets, hence hidden.
        host: ``Host`` header in lower case, with the port.
        remote: client address without the port.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    host: str
    remote: str

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's non-empty segments, percent-decoded (the SDKs send ``/secrets/NAME/`` for "no version")."""
        path = self.target.partition("?")[0]
        return tuple(unquote(part) for part in path.split("/") if part)

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last one of a name wins."""
        text = self.target.partition("?")[2]
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}

    @property
    def bearer(self) -> str:
        """The bearer token, "" when none was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ValueError: it is something else.
        """
        found = json.loads(self.body or b"{}")
        if not isinstance(found, dict):
            msg = "the body is no JSON object"
            raise ValueError(msg)  # noqa: TRY004 - the text is wrong, not our types
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes on the wire.

    Attributes:
        status: HTTP status code.
        body: None = no body (204 and HEAD-like answers).
        headers: in addition to those of the listener.
        cut: send only a part of the body, then close.
    """

    status: int
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    cut: bool = False


class RefusedError(Exception):
    """An answer with an error status.

    Attributes:
        status: HTTP status code.
        code: ``error.code``.
        text: ``error.message``.
        inner: ``error.innererror.code``, "" = no inner error.
        headers: for example Retry-After or WWW-Authenticate.
    """

    def __init__(
        self, status: int, code: str, text: str, *, inner: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.text = text
        self.inner = inner
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The error envelope."""
        error: dict[str, Any] = {"code": self.code, "message": self.text}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


class DropError(Exception):
    """The connection shall be closed without an answer."""


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer."""
    return Reply(status=status, body=encode(value), headers=headers or {})


def no_content() -> Reply:
    """204."""
    return Reply(status=204)


def page(rows: Sequence[Any], after: int, size: int) -> tuple[Sequence[Any], int | None]:
    """A slice of `rows` and the offset of the next one, None on the last page."""
    end = after + size
    return rows[after:end], end if end < len(rows) else None
