"""The HTTPS side: the OAuth token endpoint, and what of Google's REST APIs has no gRPC twin."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.tokens import LIFETIME, Assertion, parse

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """One HTTP request.

    Attributes:
        method: verb.
        path: without the query.
        headers: names in lower case.
        body: as sent.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """Fields of a form or of a JSON object."""
        if self.headers.get("content-type", "").startswith("application/json"):
            found = json.loads(self.body or b"{}")
            return {str(key): str(value) for key, value in found.items()}
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebReply:
    """One HTTP answer.

    Attributes:
        status: code.
        body: as sent.
        content_type: media type.
        headers: further ones.
    """

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, document: Any, **headers: str) -> WebReply:
    """A JSON answer."""
    return WebReply(status=status, body=json.dumps(document).encode(), headers=headers)


def oauth_error(error: str, description: str, status: int = 400) -> WebReply:
    """An error of an OAuth endpoint (RFC 6749 section 5.2)."""
    return json_reply(status, {"error": error, "error_description": description})


Route = Callable[[Node, WebRequest, re.Match[str]], WebReply]


def token(node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
    """``POST /token``: a signed assertion for an access token (RFC 7523)."""
    form = request.form()
    if form.get("grant_type") != JWT_GRANT:
        return oauth_error("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
    assertion = parse(form.get("assertion", ""))
    if assertion is None:
        return oauth_error("invalid_grant", "Invalid JWT: the assertion is malformed.")
    refusal = _refusal(node, assertion, f"https://{request.headers.get('host')}{request.path}")
    if refusal:
        return oauth_error("invalid_grant", refusal)
    if not assertion.claims.get("scope"):
        return oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return access_token(node.cloud.issue_token(f"serviceAccount:{assertion.claims['iss']}"))


def _refusal(node: Node, assertion: Assertion, own: str) -> str:
    """Why an assertion is no valid grant; "" = it is."""
    cloud = node.cloud
    account = cloud.accounts.find(str(assertion.claims.get("iss")))
    if account is None or account.shown.current.disabled:
        return "Invalid grant: account not found"
    if cloud.signer(assertion) is None:
        return "Invalid JWT Signature."
    if not assertion.timely(cloud.wall.now()):
        text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return f"{text} Check your iat and exp values in the JWT claim."
    return "" if assertion.claims.get("aud") in (*_AUDIENCES, own) else "Invalid JWT: Failed audience check."


def access_token(text: str) -> WebReply:
    """The answer of a token endpoint."""
    document = {"access_token": text, "expires_in": int(LIFETIME.total_seconds()), "token_type": "Bearer"}
    return json_reply(200, document)


ROUTES: tuple[tuple[str, re.Pattern[str], Route], ...] = (("POST", re.compile("/token"), token),)


class Web:
    """Answers the HTTPS requests of one source."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def answer(self, request: WebRequest) -> WebReply | None:
        """The answer; None = the connection ends without one."""
        node = self._node
        node.counter.count(request.path)
        early = self._before(request)
        if early is not None:
            return early
        with node.cloud.lock:
            found = self._route(request)
        if node.faults.hit("applied-unavailable", request.path):
            return json_reply(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})
        return None if node.faults.hit("drop", request.path) else found

    def date(self) -> str:
        """The Date header."""
        return self._node.date()

    def _route(self, request: WebRequest) -> WebReply:
        for method, pattern, route in ROUTES:
            match = pattern.fullmatch(request.path)
            if match is not None and method == request.method:
                return route(self._node, request, match)
        return json_reply(404, {"error": {"code": 404, "message": "Not Found", "status": "NOT_FOUND"}})

    def _before(self, request: WebRequest) -> WebReply | None:
        """Faults of the HTTPS side."""
        faults, path = self._node.faults, request.path
        for wait in ("delay", "hang"):
            fault = faults.hit(wait, path)
            if fault is not None:
                fault.released.wait(float(fault.options["seconds"]) if wait == "delay" else None)
        refused = faults.hit("token-refused", path)
        if refused is not None:
            error, text = refused.options.get("error", "invalid_grant"), refused.options.get("description", "Bad grant")
            return oauth_error(str(error), str(text))
        if faults.hit("token-unavailable", path):
            return json_reply(503, {"error": "temporarily_unavailable"})
        if faults.hit("garbage", path):
            return WebReply(status=200, body=b"<html>proxy</html>", content_type="text/html")
        return None
