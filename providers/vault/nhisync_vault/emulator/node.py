"""One node of a cluster: its status endpoints, its faults, its lag, and the translation of HTTP into requests.

Source: OpenBao ``internal/http/sys_health.go``, ``logical.go``, ``handler.go``; the status codes 472, 473 and 530 are
Vault Enterprise's (Vault API documentation, ``/sys/health``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from nhisync_vault.emulator.core import Core
from nhisync_vault.emulator.faults import STATUS_PATHS, Faults
from nhisync_vault.emulator.gotime import unix
from nhisync_vault.emulator.wire import Operation, RefusedError, Reply, Request, encode, error_reply

_METHODS = {
    "GET": Operation.READ,
    "HEAD": Operation.HEADER,
    "LIST": Operation.LIST,
    "SCAN": Operation.SCAN,
    "POST": Operation.UPDATE,
    "PUT": Operation.UPDATE,
    "PATCH": Operation.PATCH,
    "DELETE": Operation.DELETE,
}
_TRUE = frozenset({"1", "t", "true", "True", "TRUE"})
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What arrived on the socket.

    Attributes:
        method: HTTP method.
        target: path with query, as sent.
        headers: names in lower case.
        body: bytes.
        remote: client address without the port.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    remote: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """Replication modes as ``sys/health`` prints them: ``disabled``, ``primary``, ``secondary``."""

    performance: str = "disabled"
    dr: str = "disabled"


class Node:
    """One listener's view of a cluster.

    Attributes:
        core: the shared state.
        faults: this node's faults.
        modes: replication modes it reports.
        address: its own address; set when its listener opens.
        leader: address of the active node; "" = itself.
        received: method and path of every request, for tests.
    """

    def __init__(self, core: Core, *, modes: Modes | None = None) -> None:
        self.core = core
        self.faults = Faults()
        self.modes = modes or Modes()
        self.address = ""
        self.leader = ""
        self.received: list[str] = []

    @property
    def lag(self) -> int | None:
        """How many writes it lags behind as a standby; None = it is active."""
        fault = self.faults.state("standby")
        return None if fault is None else int(fault.options.get("lag", 0))

    def serve(self, http: HttpRequest) -> Reply:
        """Answer one request; delivery faults are the server's business."""
        path = _path(http.target)
        self.received.append(f"{http.method} {path}")
        try:
            if not path.isprintable() and any(not c.isprintable() and ord(c) < 0xDC80 for c in path):
                raise RefusedError(400)
            return self._faulty(http, path) or self._status(http, path) or self._logical(http, path)
        except RefusedError as refusal:
            return error_reply(refusal)

    def _faulty(self, http: HttpRequest, path: str) -> Reply | None:
        self._wait(path)
        self._refuse(path)
        garbage = self.faults.hit("garbage", path)
        if garbage is not None:
            return Reply(status=200, body=b"<html>a proxy's page</html>", content_type="text/html")
        redirect = self.faults.hit("redirect", path)
        if redirect is not None:
            base = str(redirect.options.get("location") or self.leader or self.address)
            return Reply(status=307, headers={"Location": base + http.target})
        endless = self.faults.hit("endless-paging", path)
        if endless is not None and http.method in ("LIST", "GET") and _wants_list(http):
            return self._endless(http)
        return None

    def _wait(self, path: str) -> None:
        slow = self.faults.hit("slow", path)
        if slow is not None:
            self.core.clock.sleep(float(slow.options.get("seconds", 1.0)))
        hang = self.faults.hit("hang", path)
        if hang is not None:
            hang.released.wait(float(hang.options.get("at_most", 30.0)))

    def _refuse(self, path: str) -> None:
        sealed = self.faults.hit("sealed", path)
        if sealed is not None:
            raise RefusedError(503, "Vault is sealed" if self.core.flavour.name == "vault" else "OpenBao is sealed")
        if self.faults.hit("uninitialized", path) is not None:
            raise RefusedError(501, "server is not yet initialized")
        throttled = self.faults.hit("throttled", path)
        if throttled is not None:
            wait = throttled.options.get("retry_after", 1)
            headers = {} if wait is None else {"Retry-After": str(wait)}
            raise RefusedError(429, f'request path "{path}": rate limit quota exceeded', headers=headers)
        if self.faults.hit("lease-quota", path) is not None:
            raise RefusedError(429, f'request path "{path}": lease count quota exceeded')
        if self.faults.hit("precondition", path) is not None:
            raise RefusedError(412, "required index state not present")
        if self.faults.hit("bad-gateway", path) is not None:
            raise RefusedError(502, "upstream rate limited")
        status = self.faults.hit("status", path)
        if status is not None:
            raise RefusedError(int(status.options["code"]), str(status.options.get("text", "")))

    def _endless(self, http: HttpRequest) -> Reply:
        query = dict(parse_qsl(urlsplit(http.target).query))
        size = int(query.get("limit") or 100) or 100
        base = str(query.get("after", ""))
        keys = [f"{base[:8]}~{len(self.received):06d}-{number:04d}" for number in range(size)]
        return Reply(status=200, body=encode({"request_id": self.core.ids.uuid(), "data": {"keys": keys}}))

    def _status(self, http: HttpRequest, path: str) -> Reply | None:
        if path not in STATUS_PATHS:
            return None
        if http.headers.get("x-vault-namespace") and path in ("sys/health", "sys/replication/status"):
            raise RefusedError(400, "operation unavailable in namespaces")
        if path == "sys/health":
            return self._health(http)
        if path == "sys/leader":
            return Reply(status=200, body=encode(self._leader()))
        if path == "sys/seal-status":
            return Reply(status=200, body=encode(self._seal_status()))
        modes = {"dr": {"mode": self.modes.dr}, "performance": {"mode": self.modes.performance}}
        return Reply(status=200, body=encode({"request_id": self.core.ids.uuid(), "data": modes, **modes}))

    def _health(self, http: HttpRequest) -> Reply:
        query = dict(parse_qsl(urlsplit(http.target).query, keep_blank_values=True))
        sealed = self.faults.state("sealed") is not None
        ready = self.faults.state("uninitialized") is None
        standby = self.lag is not None
        body: dict[str, Any] = {
            "initialized": ready,
            "sealed": sealed or not ready,
            "standby": standby,
            "replication_performance_mode": self.modes.performance,
            "replication_dr_mode": self.modes.dr,
            "server_time_utc": unix(self.core.clock.now()),
            "version": self.core.flavour.version,
        }
        if self.core.flavour.name == "vault":
            body["performance_standby"] = standby and bool(self._standby_option("performance"))
            body["enterprise"] = self.modes != Modes()
        if ready and not sealed:
            body |= {"cluster_name": self.core.cluster_name, "cluster_id": self.core.cluster_id}
        return Reply(status=self._health_code(query, ready=ready, sealed=sealed, standby=standby), body=encode(body))

    def _health_code(self, query: Mapping[str, str], *, ready: bool, sealed: bool, standby: bool) -> int:
        if not ready:
            return int(query.get("uninitcode", 501))
        if sealed:
            return int(query.get("sealedcode", 503))
        if self.modes.dr == "secondary":
            return int(query.get("drsecondarycode", 472))
        if standby and query.get("standbyok", "") not in _TRUE:
            performance = self._standby_option("performance")
            return int(query.get("performancestandbycode", 473) if performance else query.get("standbycode", 429))
        return int(query.get("activecode", 200))

    def _standby_option(self, name: str) -> Any:
        fault = self.faults.state("standby")
        return None if fault is None else fault.options.get(name)

    def _leader(self) -> dict[str, Any]:
        if self.faults.state("no-leader") is not None:
            return {"ha_enabled": True, "is_self": False, "leader_address": "", "leader_cluster_address": ""}
        lying = self.faults.state("leader-address")
        address = str(lying.options["address"]) if lying else (self.leader or self.address)
        index = self.core.storage.index
        return {
            "ha_enabled": True,
            "is_self": self.lag is None and lying is None,
            "leader_address": address,
            "leader_cluster_address": "",
            "raft_committed_index": index,
            "raft_applied_index": index - (self.lag or 0),
        }

    def _seal_status(self) -> dict[str, Any]:
        sealed = self.faults.state("sealed") is not None
        ready = self.faults.state("uninitialized") is None
        body: dict[str, Any] = {
            "type": self.core.guarded.seal,
            "initialized": ready,
            "sealed": sealed or not ready,
            "t": 3,
            "n": 5,
            "progress": 0,
            "nonce": "",
            "version": self.core.flavour.version,
            "migration": False,
            "recovery_seal": False,
            "storage_type": "raft",
        }
        if ready and not sealed:
            body |= {"cluster_name": self.core.cluster_name, "cluster_id": self.core.cluster_id}
        return body

    def _logical(self, http: HttpRequest, path: str) -> Reply:
        operation, data = _operation(http), _data(http)
        if operation in (Operation.LIST, Operation.SCAN) and not path.endswith("/"):
            path += "/"
        request = Request(
            operation=operation,
            path=path,
            data=data,
            token=_token(http.headers),
            namespace=http.headers.get("x-vault-namespace", "").strip("/"),
            remote=http.remote,
            id=self.core.ids.uuid(),
        )
        return self.core.answer(request, lag=self._staleness())

    def _staleness(self) -> int:
        """Writes behind: OpenBao's standbys and Vault's performance standbys answer reads; others forward them."""
        local = self.core.flavour.name == "openbao" or self._standby_option("performance")
        return (self.lag or 0) if local else 0


def _path(target: str) -> str:
    raw = unquote_to_bytes(urlsplit(target).path)
    return raw.decode("utf-8", "surrogateescape").removeprefix("/v1/")


def _token(headers: Mapping[str, str]) -> str:
    bearer = headers.get("authorization", "")
    return headers.get("x-vault-token", "") or (bearer[7:].strip() if bearer.startswith("Bearer ") else "")


def _query(http: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(http.target).query, keep_blank_values=True))


def _wants_list(http: HttpRequest) -> bool:
    return http.method == "LIST" or _query(http).get("list", "") in _TRUE


def _operation(http: HttpRequest) -> Operation:
    if http.method not in _METHODS:
        raise RefusedError(405)
    query = _query(http)
    if http.method == "GET" and query.get("list", "") in _TRUE:
        return Operation.LIST
    if http.method == "GET" and query.get("scan", "") in _TRUE:
        return Operation.SCAN
    if http.method == "PATCH" and http.headers.get("content-type", "").partition(";")[0].strip() != _MERGE_PATCH:
        raise RefusedError(415, f"PATCH requires Content-Type of {_MERGE_PATCH}")
    return _METHODS[http.method]


def _data(http: HttpRequest) -> dict[str, Any]:
    if http.method not in ("POST", "PUT", "PATCH"):
        return {name: value for name, value in _query(http).items() if name not in ("list", "scan")}
    if not http.body.strip():
        return {}
    try:
        data = json.loads(http.body)
    except ValueError:
        raise RefusedError(400, "failed to parse JSON input: invalid character") from None
    if not isinstance(data, dict):
        raise RefusedError(400, "failed to parse JSON input: not an object")
    return data
