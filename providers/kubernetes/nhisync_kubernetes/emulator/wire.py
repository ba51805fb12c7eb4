"""What travels between the socket and the cluster: requests, replies, Status objects.

Source: k8s.io/apimachinery ``pkg/api/errors/errors.go`` (texts and details), ``pkg/apis/meta/v1/types.go`` (reasons).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request after the HTTP layer.

    Attributes:
        method: HTTP method.
        target: path and query as sent.
        headers: lower case.
        body: unparsed.
        certificate: what the client showed in the handshake (``ssl.SSLSocket.getpeercert``), empty = none.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    certificate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last of equal ones."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """The body.

        Raises:
            StatusError: it is no JSON object.
        """
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise StatusError(400, "BadRequest", "the body of the request was in an unknown format")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes on the wire."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class StatusError(Exception):
    """An answer that is a Status object.

    Attributes:
        code: HTTP status code.
        body: the Status.
        headers: for example Retry-After.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        resumed: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        told = dict(details or {}) | ({} if retry_after is None else {"retryAfterSeconds": retry_after})
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": resumed} if resumed else {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": told} if told else {}),
            "code": code,
        }

    def reply(self) -> Reply:
        """As it goes on the wire."""
        return Reply(status=self.code, body=encode(self.body), headers=self.headers)


class NotServedError(Exception):
    """No handler knows the path: 404 in plain text (k8s.io/apiserver ``pkg/util/notfoundhandler``)."""


def encode(value: object) -> bytes:
    """JSON as Go prints it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape") + b"\n"


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer of ``http.Error``."""
    return Reply(
        status=status, body=f"{text}\n".encode(), content_type="text/plain; charset=utf-8", headers=headers or {}
    )


def not_found(plural: str, group: str, name: str) -> StatusError:
    """404: one object."""
    details = {"name": name, **({"group": group} if group else {}), "kind": plural}
    return StatusError(404, "NotFound", f'{dotted(plural, group)} "{name}" not found', details=details)


def forbidden(user: str, verb: str, plural: str, group: str, namespace: str, name: str) -> StatusError:
    """403: RBAC knows no rule (k8s.io/apiserver ``pkg/endpoints/handlers/responsewriters/errors.go``)."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    about = f"{dotted(plural, group)}{f' {json.dumps(name)}' if name else ''}"
    message = f'{about} is forbidden: User "{user}" cannot {verb} resource "{plural}" in API group "{group}" {where}'
    details = {**({"name": name} if name else {}), **({"group": group} if group else {}), "kind": plural}
    return StatusError(403, "Forbidden", message, details=details)


def conflict(plural: str, group: str, name: str, why: str, reason: str = "Conflict") -> StatusError:
    """409."""
    details = {"name": name, "kind": plural}
    return StatusError(409, reason, f'{dotted(plural, group)} "{name}" {why}', details=details)


def invalid(kind: str, name: str, message: str) -> StatusError:
    """422."""
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {message}', details={"name": name, "kind": kind})


def unauthorized() -> StatusError:
    """401."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def dotted(plural: str, group: str) -> str:
    """``certificates.cert-manager.io``."""
    return f"{plural}.{group}" if group else plural
