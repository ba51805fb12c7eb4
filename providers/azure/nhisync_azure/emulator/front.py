"""Which service a request is for, by host or by path, and the way through it."""

from collections.abc import Mapping
from typing import Final

from nhisync_azure.emulator import arm, graph, graph_credentials, kv, kv_certificates, kv_keys, kv_secrets, sts, upkeep
from nhisync_azure.emulator.cloud import Cloud, Token, Traffic
from nhisync_azure.emulator.faults import CHALLENGE
from nhisync_azure.emulator.pipeline import finished, refused, through
from nhisync_azure.emulator.vaults import Vault
from nhisync_azure.emulator.wire import RefusedError, Reply, Request

_VAULT_DOMAIN: Final = ".vault.azure.net"
_OPERATIONS: Final = (*kv_secrets.OPERATIONS, *kv_certificates.OPERATIONS, *kv_keys.OPERATIONS)


class Front:
    """Answers every request to any listener of the cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._by_host: dict[str, str] = {}

    def route(self, authority: str, vault: str) -> None:
        """Requests to ``host:port`` are for this vault."""
        self._by_host[authority] = vault
        for name in ("localhost", "[::1]"):
            self._by_host[authority.replace("127.0.0.1", name)] = vault

    def answer(self, request: Request) -> Reply:
        """One request, whatever it is for."""
        vault = self._vault(request.host)
        if vault is not None:
            return self._key_vault(vault, request)
        segments, host = request.segments, request.host.partition(":")[0]
        first = segments[0].lower() if segments else ""
        if host == "graph.microsoft.com" or first in ("v1.0", "beta"):
            return self._graph(request)
        if host == "management.azure.com" or first in ("subscriptions", "providers"):
            return self._arm(request)
        return self._sts(request)

    def _vault(self, host: str) -> Vault | None:
        name = self._by_host.get(host)
        plain = host.partition(":")[0]
        if name is None and plain.endswith(_VAULT_DOMAIN):
            name = plain.removesuffix(_VAULT_DOMAIN)
        return self._cloud.vaults.get(name or "")

    def _key_vault(self, vault: Vault, request: Request) -> Reply:
        cloud = self._cloud
        extra = {
            "x-ms-keyvault-region": vault.served_by or vault.region,
            "x-ms-keyvault-service-version": "2.0.1.0",
            "x-ms-keyvault-network-info": f"conn_type=Ipv4;addr={request.remote};act_addr_fam=InterNetwork;",
        }
        known = cloud.token(request.bearer) if request.bearer else None
        traffic = cloud.traffic_of(known.caller.app_id if known else "", vault)
        try:
            operation, named = kv.find(_OPERATIONS, request)
        except RefusedError as refusal:
            return finished(cloud, traffic.faults, "kv", refused(refusal), extra)
        name = operation.name if request.bearer else CHALLENGE
        reply = through(traffic, "kv", name, lambda: self._perform(vault, traffic, operation, named, request))
        return finished(cloud, traffic.faults, "kv", reply, extra)

    def _perform(
        self, vault: Vault, traffic: Traffic, operation: kv.Operation, named: Mapping[str, str], request: Request
    ) -> Reply:
        with self._cloud.lock:
            token: Token = kv.authenticate(self._cloud, vault, request)
            call = kv.Call(
                cloud=self._cloud,
                vault=vault,
                traffic=traffic,
                caller=token.caller,
                request=request,
                now=self._cloud.clock.now(),
                base=f"https://{request.host}",
                name=named.get("name", ""),
                version=named.get("version", ""),
                query=request.query,
            )
            upkeep.run(self._cloud, vault, call.now)
            answer = kv.perform(operation, call)
            if operation.writes or operation.name == "certificates/get-pending":
                vault.due = None
            return answer

    def _sts(self, request: Request) -> Reply:
        cloud = self._cloud
        traffic = cloud.traffic_of(sts.app_of(request), tenant=request.segments[0] if request.segments else "")

        def act() -> Reply:
            with cloud.lock:
                return sts.answer(cloud, request)

        reply = through(traffic, "sts", sts.operation_of(request), act)
        return finished(cloud, traffic.faults, "sts", reply, {})

    def _graph(self, request: Request) -> Reply:
        cloud = self._cloud
        traffic = self._traffic(request)
        request_id = cloud.ids.guid()
        extra = {"x-ms-request-id": request_id, "request-id": request_id}
        extra["client-request-id"] = request.headers.get("client-request-id", request_id)

        def act() -> Reply:
            with cloud.lock:
                token = graph.authenticate(cloud, request)
                call = graph.Call(
                    cloud=cloud,
                    tenant=cloud.tenants[token.caller.tenant],
                    traffic=traffic,
                    caller=token.caller,
                    request=request,
                    now=cloud.clock.now(),
                    base=f"https://{request.host}",
                    query=request.query,
                )
                return graph.answer_read(call) if request.method == "GET" else graph_credentials.answer_write(call)

        reply = through(traffic, "graph", graph.operation_of(request), act)
        return finished(cloud, traffic.faults, "graph", reply, extra)

    def _arm(self, request: Request) -> Reply:
        cloud, address = self._cloud, arm.address_of(request)
        traffic = self._traffic(request)

        def act() -> Reply:
            with cloud.lock:
                token = arm.authenticate(cloud, request, address.scope)
                call = arm.Call(
                    cloud=cloud,
                    traffic=traffic,
                    caller=token.caller,
                    request=request,
                    now=cloud.clock.now(),
                    base=f"https://{request.host}",
                    query=request.query,
                    scope=address.scope,
                    kind=address.kind,
                    name=address.name,
                )
                return arm.answer(call)

        reply = through(traffic, "arm", arm.operation_of(request), act)
        extra = {
            "x-ms-correlation-request-id": cloud.ids.guid(),
            "x-ms-ratelimit-remaining-subscription-reads": "11999",
        }
        return finished(cloud, traffic.faults, "arm", reply, extra)

    def _traffic(self, request: Request) -> Traffic:
        """The books of the application that a token was given to."""
        known = self._cloud.token(request.bearer) if request.bearer else None
        return self._cloud.traffic_of(known.caller.app_id if known else "")
