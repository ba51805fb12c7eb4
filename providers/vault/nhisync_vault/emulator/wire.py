"""What travels between the socket and the engines: operations, requests, responses, refusals.

Status codes and texts follow OpenBao ``sdk/logical/response_util.go`` and ``internal/http/logical.go``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Operation(StrEnum):
    """What a request does; also the ACL capability it needs (``update`` covers renew and revoke)."""

    READ = "read"
    LIST = "list"
    SCAN = "scan"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HEADER = "header"


WRITES = frozenset({Operation.CREATE, Operation.UPDATE, Operation.PATCH, Operation.DELETE})


@dataclass(slots=True, kw_only=True)
class Request:
    """One request after the HTTP layer; `operation` turns from update to create once existence is known.

    Attributes:
        operation: what is asked.
        path: below ``/v1/`` and below the namespace; lists end in ``/``.
        data: JSON body or query parameters.
        token: client token, "" when none was sent.
        namespace: value of ``X-Vault-Namespace`` without slashes.
        remote: client address without the port.
        id: request id, a UUID.
    """

    operation: Operation
    path: str
    data: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    namespace: str = ""
    remote: str = "127.0.0.1"
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """What an engine asks the core to lease.

    Attributes:
        ttl: wanted lifetime, zero = the mount's default.
        max_ttl: upper bound, zero = the mount's maximum.
        internal: what the engine needs to revoke it; never sent.
        renewable: whether ``sys/leases/renew`` may extend it.
    """

    ttl: timedelta
    max_ttl: timedelta = timedelta()
    internal: Mapping[str, Any] = field(default_factory=dict)
    renewable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An engine's answer.

    Attributes:
        data: the envelope's ``data``; None = absent.
        auth: the envelope's ``auth`` for logins and token creation.
        lease: terms when the answer is a leased secret.
        warnings: printed as they are.
        status: forces this code and keeps the envelope (a deleted KV version: 404 with a body).
        raw: content type and body sent instead of the envelope.
        renewed: id of the lease that this reply describes (after a renewal).
    """

    data: Mapping[str, Any] | None = None
    auth: Mapping[str, Any] | None = None
    lease: LeaseTerms | None = None
    warnings: tuple[str, ...] = ()
    status: int | None = None
    raw: tuple[str, bytes] | None = None
    renewed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes on the wire: one status, one body, few headers."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """An answer with an error status.

    Attributes:
        status: HTTP status code.
        errors: texts of the ``errors`` list.
        headers: for example Retry-After.
    """

    def __init__(self, status: int, *errors: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.headers = dict(headers or {})


class ForwardError(Exception):
    """A standby cannot answer this itself; the active node must (``ErrPerfStandbyPleaseForward``)."""


def multi(*errors: str) -> str:
    """The text of hashicorp/go-multierror, which wraps most errors that come back from routing."""
    count = f"{len(errors)} error{'s' if len(errors) > 1 else ''} occurred:"
    return count + "".join(f"\n\t* {error}" for error in errors) + "\n\n"


def bad_request(text: str) -> RefusedError:
    """``logical.ErrorResponse``: the caller's mistake, 400."""
    return RefusedError(400, text)


def denied() -> RefusedError:
    """The ACL says no: 403 in its wrapped form."""
    return RefusedError(403, multi("permission denied"))


def internal(text: str) -> RefusedError:
    """A plain Go error: 500 in its wrapped form."""
    return RefusedError(500, multi(text))


def unsupported_path() -> RefusedError:
    """The mount exists, the path below it does not: 404."""
    return RefusedError(404, multi("unsupported path"))


def unsupported_operation() -> RefusedError:
    """The path exists, the operation does not: 405."""
    return RefusedError(405, multi("unsupported operation"))


def no_route(path: str) -> RefusedError:
    """No mount matches: 404 with the text by which a missing mount is told from a missing item."""
    return RefusedError(404, f'no handler for route "{path}". route entry not found.')


def listing(keys: Sequence[str], info: Mapping[str, Any] | None = None) -> Response:
    """``logical.ListResponse``; without keys the data is empty and the reply becomes a 404."""
    data: dict[str, Any] = {"keys": list(keys)} if keys else {}
    if info:
        data["key_info"] = {key: info[key] for key in keys if key in info}
    return Response(data=data)


def encode(value: object) -> bytes:
    """JSON as Go prints it: UTF-8, and U+FFFD in place of bytes that are no UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return clean.encode() + b"\n"


def error_reply(refusal: RefusedError) -> Reply:
    """The reply of a refusal: ``{"errors": […]}``."""
    return Reply(status=refusal.status, body=encode({"errors": list(refusal.errors)}), headers=refusal.headers)
