"""From a gRPC request to a handler and back: faults, tokens, permissions, request ids."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any

import grpc

from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.faults import CallCounter, FaultBoard
from nhisync_gcp.emulator.refusals import (
    DETAILS_KEY,
    RefusedError,
    denied,
    exhausted,
    precondition,
    unauthenticated,
    unavailable,
)

#: Rejected as UNAUTHENTICATED while the fault ``token-expired`` is on.
_EXPIRED = "ACCESS_TOKEN_EXPIRED"
_POLL = 0.02


@dataclass(slots=True, kw_only=True)
class Node:
    """What one source talks to: its own listeners, faults and counter in front of the shared cloud.

    Attributes:
        cloud: the shared state.
        project: the source's project, for texts that name a consumer.
        faults: what goes wrong here.
        counter: what was called here.
        token_uri: the token endpoint, which key files name.
        drop: ends every connection of the gRPC listener of a location ("" = global).
    """

    cloud: Cloud
    project: str
    faults: FaultBoard = field(default_factory=FaultBoard)
    counter: CallCounter = field(default_factory=CallCounter)
    token_uri: str = ""
    drop: Callable[[str], None] = field(default=lambda _location: None)

    def date(self) -> str:
        """The Date of an answer (RFC 9110), with the fault ``clock-skew``."""
        skew = sum(float(fault.options.get("seconds", 0)) for fault in self.faults.all_of("clock-skew"))
        moment = self.cloud.clock.now() + timedelta(seconds=skew)
        return format_datetime(moment, usegmt=True)

    def denies(self, permission: str, resources: Sequence[str]) -> bool:
        """Whether the fault ``denied`` covers a permission on any of `resources`."""
        return any(
            fnmatchcase(permission, fault.options.get("permission", "*"))
            and any(fnmatchcase(each, fault.options.get("resource", "*")) for each in resources)
            for fault in self.faults.all_of("denied")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request.

    Attributes:
        node: where it came in.
        name: ``Service.Method``.
        location: of the regional endpoint; "" = global.
        request: the message.
        member: the caller, in the notation of policies.
    """

    node: Node
    name: str
    location: str
    request: Any = field(repr=False)
    member: str

    @property
    def cloud(self) -> Cloud:
        """The shared state."""
        return self.node.cloud

    @property
    def now(self) -> datetime:
        """The services' time."""
        return self.node.cloud.clock.now()

    def allows(self, permission: str, *resources: str) -> bool:
        """Whether the caller has a permission on the first of `resources`, whose parents follow."""
        if self.node.denies(permission, resources):
            return False
        return self.cloud.access.holds(self.member, permission, resources, self.cloud.in_force_at())

    def require(self, permission: str, *resources: str, shown: str = "") -> None:
        """Refuse the call unless the caller has the permission.

        Raises:
            RefusedError: PERMISSION_DENIED, naming `shown` or the first resource.
        """
        if not self.allows(permission, *resources):
            raise denied(permission, shown or resources[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """One method of a service.

    Attributes:
        service: full name (``google.cloud.secretmanager.v1.SecretManagerService``).
        method: its name.
        request: plain protobuf class.
        handler: answers, or raises `RefusedError`.
        writes: it changes something.
        quota: the consumer's quota it counts against; "" = none is enforced.
    """

    service: str
    method: str
    request: Any
    handler: Callable[[Call], Any]
    writes: bool = False
    quota: str = ""

    @property
    def name(self) -> str:
        """As faults and counters call it: ``SecretManagerService.ListSecrets``."""
        return f"{self.service.rpartition('.')[2]}.{self.method}"


class Endpoint:
    """Serves methods on one gRPC listener.

    Args:
        node: the source's node.
        location: of a regional endpoint; "" = the global ones.
    """

    def __init__(self, node: Node, location: str) -> None:
        self._node = node
        self._location = location

    def handlers(self, methods: Sequence[Rpc]) -> list[grpc.GenericRpcHandler]:
        """Generic handlers by service, for ``grpc.Server.add_generic_rpc_handlers``."""
        services: dict[str, dict[str, Any]] = {}
        for rpc in methods:
            services.setdefault(rpc.service, {})[rpc.method] = grpc.unary_unary_rpc_method_handler(
                self._answering(rpc), rpc.request.FromString, _serialised
            )
        return [grpc.method_handlers_generic_handler(name, found) for name, found in services.items()]

    def _answering(self, rpc: Rpc) -> Callable[[Any, grpc.ServicerContext], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            node, request_id = self._node, self._node.cloud.randomness.hex(8)
            node.counter.count(rpc.name)
            context.send_initial_metadata((("date", node.date()),))
            trailer: tuple[tuple[str, str | bytes], ...] = (("x-goog-request-id", request_id),)
            try:
                found = self._serve(rpc, request, context)
            except RefusedError as refusal:
                context.set_trailing_metadata((*trailer, (DETAILS_KEY, refusal.status(request_id).SerializeToString())))
                context.abort(refusal.code, refusal.message)
            context.set_trailing_metadata(trailer)
            return found

        return answer

    def _serve(self, rpc: Rpc, request: Any, context: grpc.ServicerContext) -> Any:
        self._before(rpc, context)
        refusal: RefusedError | None = None
        found: Any = None
        try:
            found = self._handled(rpc, request, context)
        except RefusedError as caught:
            refusal = caught
        self._after(rpc, context)
        if self._node.faults.hit("garbage", rpc.name):
            return b"\xff<html>proxy</html>"
        if refusal is not None:
            raise refusal
        return found

    def _handled(self, rpc: Rpc, request: Any, context: grpc.ServicerContext) -> Any:
        cloud = self._node.cloud
        with cloud.lock:
            member = self._member(rpc, dict(context.invocation_metadata()))
            call = Call(node=self._node, name=rpc.name, location=self._location, request=request, member=member)
            cloud.secrets.settle(call.now)
            self._spend(rpc, call)
            return rpc.handler(call)

    def _spend(self, rpc: Rpc, call: Call) -> None:
        """Secret Manager's quotas, when the world enforces them."""
        cloud = self._node.cloud
        if rpc.quota and cloud.knobs.quotas:
            request = call.request
            target = getattr(request, "name", "") or getattr(request, "parent", "") or request.secret.name
            number = cloud.project(self._node.project).number
            cloud.quotas.spend(number, rpc.quota, rpc.method, target, call.now)

    def _member(self, rpc: Rpc, metadata: Mapping[str, str | bytes]) -> str:
        """The caller.

        Raises:
            RefusedError: UNAUTHENTICATED.
        """
        scheme, _, bearer = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            raise unauthenticated("CREDENTIALS_MISSING")
        if self._node.faults.hit("token-expired", rpc.name):
            raise unauthenticated(_EXPIRED)
        return self._node.cloud.member_of(bearer)

    def _before(self, rpc: Rpc, context: grpc.ServicerContext) -> None:
        """Faults that hit before the call takes effect."""
        faults, name = self._node.faults, rpc.name
        self._wait(name, context)
        fault = faults.hit("exhausted", name)
        if fault is not None:
            after = fault.options.get("retry_after")
            retry_after = None if after is None else timedelta(seconds=float(after))
            number = self._node.cloud.project(self._node.project).number
            raise exhausted(str(fault.options.get("metric", "Read requests")), number, retry_after=retry_after)
        if faults.hit("unavailable", name):
            raise unavailable()
        if faults.hit("internal", name):
            raise RefusedError(grpc.StatusCode.INTERNAL, "Internal error encountered.")
        if rpc.writes and faults.hit("read-only", name):
            raise precondition("The service is in read-only mode.")

    def _wait(self, name: str, context: grpc.ServicerContext) -> None:
        """The faults ``delay`` and ``hang``; a caller that gave up ends the wait."""
        delayed, hung = self._node.faults.hit("delay", name), self._node.faults.hit("hang", name)
        if delayed is not None:
            delayed.released.wait(float(delayed.options["seconds"]))
        while hung is not None and context.is_active() and not hung.released.wait(_POLL):
            pass

    def _after(self, rpc: Rpc, context: grpc.ServicerContext) -> None:
        """Faults that hit after the call took effect."""
        if self._node.faults.hit("applied-unavailable", rpc.name):
            raise unavailable()
        if self._node.faults.hit("drop", rpc.name):
            gone = threading.Event()
            if context.add_callback(gone.set):
                self._node.drop(self._location)
                gone.wait()


def _serialised(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else bytes(answer.SerializeToString())
