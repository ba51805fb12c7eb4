"""Which node answers, and whether its answers can be believed.

OpenBao 2.5 and later serve reads from standbys that can lag without bound (openbao#2879, #3505), and Vault's
performance standbys do so too. Absence is therefore only believed of the active node: the configured address when it is
active itself, else the leader it names, provided that the configuration names that address as a node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nhisync.spi import Budget, ErrorKind, ProviderError
from nhisync_vault.errors import malformed
from nhisync_vault.settings import VaultSettings
from nhisync_vault.transport import Ask, Transport

_HEALTH = {
    "standbyok": "true",
    "perfstandbyok": "true",
    "sealedcode": "299",
    "uninitcode": "299",
    "drsecondarycode": "299",
    "removedcode": "530",
}
"""Every state answers 2xx with its body, so that 429 can only mean throttling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What ``sys/health`` says of one node.

    Attributes:
        cluster_id: id of the cluster, "" when the server hides it.
        version: server version.
        openbao: it is an OpenBao.
        standby: it is not the active node.
        lags: it answers reads itself although it is not active.
        performance: replication mode: ``disabled``, ``primary``, ``secondary``.
        dr: disaster recovery mode.
        server_time: Unix seconds by the server's clock, None = not told.
    """

    cluster_id: str
    version: str
    openbao: bool
    standby: bool
    lags: bool
    performance: str
    dr: str
    server_time: int | None

    @property
    def secondary(self) -> bool:
        """Whether value and rotation of replicated mounts belong to another cluster."""
        return self.performance == "secondary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Where this run reads.

    Attributes:
        endpoint: URL all reads go to.
        health: of that node.
        authoritative: it is the active node (or one that forwards to it), so its absences count.
        why: why it is not authoritative, "".
    """

    endpoint: str
    health: Health
    authoritative: bool
    why: str = ""


class Cluster:
    """Finds the node to read from; asks without token and namespace."""

    def __init__(self, settings: VaultSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def resolve(self, budget: Budget) -> Topology:
        """The node to read from in this run.

        Raises:
            ProviderError: no node answers, or it is sealed, uninitialised, or a DR secondary.
        """
        first = self._first(budget)
        if not first.health.lags:
            return first
        leader = self._leader(first.endpoint, budget)
        if leader not in self._settings.endpoints:
            return _stale(first, "the active node is not among address and nodes of the source")
        try:
            health = self.health(leader, budget)
        except ProviderError as error:
            if error.kind is ErrorKind.THROTTLED:
                raise
            return _stale(first, "the active node cannot be reached")
        if health.lags or health.cluster_id != first.health.cluster_id:
            return _stale(first, "the node named as leader is not the active node of this cluster")
        return Topology(endpoint=leader, health=health, authoritative=True)

    def still_active(self, topology: Topology, budget: Budget) -> bool:
        """Whether the node is authoritative after the reads, too: leadership may have moved in between."""
        if not topology.authoritative:
            return False
        health = self.health(topology.endpoint, budget)
        return not health.lags and health.cluster_id == topology.health.cluster_id

    def health(self, endpoint: str, budget: Budget) -> Health:
        """State of one node.

        Raises:
            ProviderError: CRYPTO_UNAVAILABLE when sealed, READ_ONLY_SIDE for a DR secondary, else why not.
        """
        ask = Ask(method="GET", path="sys/health", params=dict(_HEALTH), namespaced=False)
        answer = self._transport.send(endpoint, ask, budget).checked()
        body = answer.body
        if not isinstance(body.get("sealed"), bool) or not isinstance(body.get("standby"), bool):
            raise malformed(ask.called, "this is not the health of a Vault or OpenBao server")
        _check_usable(body, endpoint)
        return _health(body)

    def seal(self, topology: Topology, budget: Budget) -> str:
        """Type of the seal (``shamir``, ``awskms`` …), which needs no token.

        Raises:
            ProviderError: MALFORMED when the answer names none, else why there is no answer.
        """
        ask = Ask(method="GET", path="sys/seal-status", namespaced=False)
        found = self._transport.send(topology.endpoint, ask, budget).checked().body.get("type")
        if not isinstance(found, str) or not found:
            raise malformed(ask.called, "the answer names no type of seal")
        return found

    def _first(self, budget: Budget) -> Topology:
        """The first endpoint that answers, in the configured order."""
        failure: ProviderError | None = None
        for endpoint in self._settings.endpoints:
            try:
                health = self.health(endpoint, budget)
            except ProviderError as error:
                if error.kind is ErrorKind.THROTTLED:
                    raise
                failure = failure or error
                continue
            return Topology(endpoint=endpoint, health=health, authoritative=not health.lags)
        assert failure is not None  # noqa: S101 - there is at least one endpoint
        raise failure

    def _leader(self, endpoint: str, budget: Budget) -> str:
        ask = Ask(method="GET", path="sys/leader", namespaced=False)
        body = self._transport.send(endpoint, ask, budget).checked().body
        address = body.get("leader_address")
        parts = urlsplit(address if isinstance(address, str) else "")
        return f"{parts.scheme}://{parts.netloc}"


def _stale(found: Topology, why: str) -> Topology:
    return Topology(endpoint=found.endpoint, health=found.health, authoritative=False, why=why)


def _check_usable(body: Mapping[str, Any], endpoint: str) -> None:
    if body.get("initialized") is False:
        raise ProviderError(
            ErrorKind.UNREACHABLE,
            "the server is not initialised",
            resource=endpoint,
            fix="Initialise it (vault operator init), or correct the source's address.",
        )
    if body["sealed"]:
        raise ProviderError(
            ErrorKind.CRYPTO_UNAVAILABLE,
            "the server is sealed",
            resource=endpoint,
            fix="Unseal it (vault operator unseal), or repair its auto-unseal key.",
        )
    if body.get("replication_dr_mode") == "secondary":
        raise ProviderError(
            ErrorKind.READ_ONLY_SIDE,
            "the server is a disaster recovery secondary, which serves no requests until it is promoted",
            resource=endpoint,
            fix="A DR secondary is a copy, no independent backup: name a cluster of its own.",
        )


def _health(body: Mapping[str, Any]) -> Health:
    openbao = "performance_standby" not in body
    standby = bool(body["standby"])
    time = body.get("server_time_utc")
    return Health(
        cluster_id=str(body.get("cluster_id") or ""),
        version=str(body.get("version") or ""),
        openbao=openbao,
        standby=standby,
        lags=standby and (openbao or bool(body.get("performance_standby"))),
        performance=str(body.get("replication_performance_mode") or "disabled"),
        dr=str(body.get("replication_dr_mode") or "disabled"),
        server_time=time if isinstance(time, int) else None,
    )
