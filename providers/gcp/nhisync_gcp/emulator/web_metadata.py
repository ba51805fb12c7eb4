"""The metadata server of a virtual machine: plain HTTP, and only for requests that name their flavour."""

import json
import re
from typing import Any

from nhisync_gcp.emulator.accounts import Account
from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.web import Route, WebReply, WebRequest
from nhisync_gcp.emulator.web_tokens import token_reply

_FLAVOUR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class MetadataServer:
    """Answers for one attached service account.

    Args:
        account: the account of the machine.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> tuple[Route, ...]:
        """What it serves."""
        base = "/computeMetadata/v1"
        accounts = f"{base}/instance/service-accounts"
        return (
            Route("GET", re.compile("/"), self._ping),
            Route("GET", re.compile(f"{accounts}/([^/]+)/token"), self._token),
            Route("GET", re.compile(f"{accounts}/([^/]+)/?(email)?"), self._describe),
            Route("GET", re.compile(f"{base}/project/(project-id|numeric-project-id)"), self._project),
            Route("GET", re.compile(f"{base}/universe/universe[-_]domain"), self._universe),
        )

    def _ping(self, _node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
        return self._said(request, "computeMetadata/\n")

    def _token(self, node: Node, request: WebRequest, match: re.Match[str]) -> WebReply:
        if not self._is_here(match.group(1)):
            return self._said(request, "Not Found", status=404)
        found = token_reply(node.cloud.issue_token(self._account.member))
        return self._said(request, found.body.decode(), content_type="application/json")

    def _describe(self, _node: Node, request: WebRequest, match: re.Match[str]) -> WebReply:
        if not self._is_here(match.group(1)):
            return self._said(request, "Not Found", status=404)
        if match.group(2):
            return self._said(request, self._account.email)
        found = {"aliases": ["default"], "email": self._account.email, "scopes": list(_SCOPES)}
        return self._said(request, json.dumps(found), content_type="application/json")

    def _project(self, node: Node, request: WebRequest, match: re.Match[str]) -> WebReply:
        project = node.cloud.project(self._account.project)
        return self._said(request, project.id if match.group(1) == "project-id" else project.number)

    def _universe(self, _node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
        return self._said(request, "googleapis.com")

    def _is_here(self, name: str) -> bool:
        return name in {"default", self._account.email}

    def _said(self, request: WebRequest, text: str, **more: Any) -> WebReply:
        """An answer with the flavour; without it in the request there is none (it stops forged requests)."""
        if request.headers.get("metadata-flavor") != "Google":
            return WebReply(status=403, body=b"Missing Metadata-Flavor:Google header.", content_type="text/html")
        fields = {"status": 200, "content_type": "application/text", **more}
        return WebReply(body=text.encode(), headers=_FLAVOUR, **fields)
