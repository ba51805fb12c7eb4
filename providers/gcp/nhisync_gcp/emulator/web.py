"""The HTTPS side: requests, answers, routes, and the faults of this side."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

import grpc
from google.protobuf import json_format

from nhisync_gcp.emulator.refusals import RefusedError, unauthenticated
from nhisync_gcp.emulator.rpc import Call, Node

#: gRPC status codes as HTTP shows them (``google/rpc/code.proto``); everything else is 400.
_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """One HTTP request.

    Attributes:
        method: verb.
        path: without the query.
        query: the query's fields.
        headers: names in lower case.
        body: as sent.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def form(self) -> dict[str, Any]:
        """Fields of a form or of a JSON object; {} when the body is neither."""
        try:
            text = self.body.decode()
            if self.headers.get("content-type", "").startswith("application/json"):
                found = json.loads(text or "{}")
                return found if isinstance(found, dict) else {}
        except ValueError:
            return {}
        return {key: values[0] for key, values in parse_qs(text).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebReply:
    """One HTTP answer.

    Attributes:
        status: code.
        body: as sent.
        content_type: media type.
        headers: further ones.
        cut: the connection ends in the middle of the body.
    """

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Answer = Callable[[Node, WebRequest, re.Match[str]], WebReply]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method and a path.

    Attributes:
        method: verb.
        path: pattern of the whole path.
        answer: the handler; it may raise `RefusedError`.
    """

    method: str
    path: re.Pattern[str]
    answer: Answer


def json_reply(status: int, document: Any) -> WebReply:
    """A JSON answer."""
    return WebReply(status=status, body=json.dumps(document).encode())


def refusal_reply(refusal: RefusedError, request_id: str) -> WebReply:
    """A refusal in the envelope of Google's REST APIs (AIP-193)."""
    code = _STATUS.get(refusal.code, 400)
    details = json_format.MessageToDict(refusal.status(request_id))["details"]
    error = {"code": code, "message": refusal.message, "status": refusal.code.name, "details": details}
    return json_reply(code, {"error": error})


def caller(node: Node, request: WebRequest, name: str) -> Call:
    """An authenticated call.

    Raises:
        RefusedError: UNAUTHENTICATED.
    """
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise unauthenticated("CREDENTIALS_MISSING")
    member = node.cloud.member_of(bearer)
    return Call(node=node, name=name, location="", request=request, member=member)


class Web:
    """Answers the HTTPS requests of one source.

    Args:
        node: the source's node.
        routes: the first that fits answers.
    """

    def __init__(self, node: Node, routes: Sequence[Route]) -> None:
        self._node = node
        self._routes = routes

    def answer(self, request: WebRequest) -> WebReply | None:
        """The answer; None = the connection ends without one."""
        node, path = self._node, request.path
        node.counter.count(path)
        early = self._before(path)
        if early is not None:
            return early
        try:
            with node.cloud.lock:
                found = self._route(request)
        except RefusedError as refusal:
            found = refusal_reply(refusal, node.cloud.randomness.hex(8))
        if node.faults.hit("applied-unavailable", path):
            return _down()
        if node.faults.hit("cut", path):
            return replace(found, cut=True)
        return None if node.faults.hit("drop", path) else found

    def date(self) -> str:
        """The Date header."""
        return self._node.date()

    def _route(self, request: WebRequest) -> WebReply:
        for route in self._routes:
            match = route.path.fullmatch(request.path)
            if match is not None and route.method == request.method:
                return route.answer(self._node, request, match)
        return json_reply(404, {"error": {"code": 404, "message": "Not Found", "status": "NOT_FOUND"}})

    def _before(self, path: str) -> WebReply | None:
        """Faults before anything takes effect."""
        faults = self._node.faults
        for wait in ("delay", "hang"):
            fault = faults.hit(wait, path)
            if fault is not None:
                fault.released.wait(float(fault.options["seconds"]) if wait == "delay" else None)
        refused = faults.hit("token-refused", path)
        if refused is not None:
            error, text = refused.options.get("error", "invalid_grant"), refused.options.get("description", "Bad grant")
            return json_reply(400, {"error": error, "error_description": text})
        if faults.hit("token-unavailable", path) or faults.hit("unavailable", path):
            return _down()
        if faults.hit("garbage", path):
            return WebReply(status=200, body=b"<html>proxy</html>", content_type="text/html")
        return None


def _down() -> WebReply:
    return json_reply(503, {"error": {"code": 503, "message": "The service is unavailable.", "status": "UNAVAILABLE"}})
