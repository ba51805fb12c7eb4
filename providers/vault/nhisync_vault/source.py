"""The work behind `VaultProvider`: one cluster and namespace, asked through hvac."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from nhisync.spi import (
    AccessMode,
    Budget,
    Check,
    ErrorFact,
    FieldValue,
    GrantFacts,
    InventoryRequest,
    Locator,
    Observation,
    OpinionFacts,
    ProviderError,
    Question,
    Rate,
    SourceContext,
    SourceIdentity,
)
from nhisync_vault.api import Api
from nhisync_vault.cluster import Cluster, Topology
from nhisync_vault.doctor import Situation, examine, principal
from nhisync_vault.granting import GrantRun, holds_rights, without_rights
from nhisync_vault.grants import AUTH_KINDS
from nhisync_vault.guarding import Guard
from nhisync_vault.inventory import observe
from nhisync_vault.issuing import certified, check_issuing, minted, not_ours
from nhisync_vault.kinds import Run
from nhisync_vault.login import Login
from nhisync_vault.mounts import Mount, MountTable, discover
from nhisync_vault.opinions import OpinionRun
from nhisync_vault.settings import VaultSettings
from nhisync_vault.transport import LIST, LOGIN, READ, Transport
from nhisync_vault.values import previous, values

RATES: Mapping[str, Rate] = {
    READ: Rate(per_second=100, burst=200),
    LIST: Rate(per_second=50, burst=100),
    LOGIN: Rate(per_second=2, burst=5),
}
"""Calls a second by API family; the servers publish no numbers, quotas are the operator's own."""


class Source:
    """What `VaultProvider` does; the methods are those of the SPI."""

    def __init__(self, settings: VaultSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._transport = Transport(settings, context)
        self._cluster = Cluster(settings, self._transport)
        self._login = Login(settings, context, self._transport)
        self._endpoint = ""
        self._owed: list[tuple[Topology, Mount, str]] = []

    def close(self) -> None:
        """Give back what was minted, the token of our own login last; safe to call twice and from another thread."""
        leaving = Budget(self._context.clock, seconds=5.0, calls=8)
        while self._owed:
            topology, mount, certificate = self._owed.pop()
            with suppress(ProviderError):
                self._api(topology, leaving).maybe(f"{mount.api}/revoke", {"certificate": certificate})
        if self._endpoint:
            with suppress(ProviderError):
                self._login.close(self._endpoint, leaving)
        self._transport.close()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield items, unchanged marks and coverage per kind × mount.

        Raises:
            ProviderError: only when nothing at all could be asked: no node answers, or our own credential is refused.
        """
        topology = self._connect(request.budget)
        api = self._api(topology, request.budget)
        guard = Guard(api, self._cluster, self._context) if request.protection else None
        if guard is not None:
            request = replace(request, known=guard.marking.known(request.known))
        believed = topology.authoritative or self._settings.standby_reads
        kinds = request.kinds | {locator.kind for locator in request.wanted}
        table = discover(api, kinds) if believed else MountTable((), complete=False)
        run = Run(
            api=api,
            cluster=self._cluster,
            table=table,
            settings=self._settings,
            context=self._context,
            request=request,
        )
        yield from observe(run) if guard is None else guard.guarded(observe(run))

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who our token is, at which cluster and namespace.

        Raises:
            ProviderError: the kind says why not.
        """
        topology = self._connect(budget)
        own = self._api(topology, budget).get("auth/token/lookup-self")
        health = topology.health
        flavour = "OpenBao" if health.openbao else "Vault"
        return SourceIdentity(
            authority=f"vault:{health.cluster_id}/{self._settings.namespace}",
            principal=principal(own),
            endpoint=urlsplit(topology.endpoint).netloc,
            detail=f"{flavour} {health.version}" + ("" if topology.authoritative else ", standby"),
            cluster=f"vault:{health.cluster_id}" if health.cluster_id else "",
        )

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield every field of every wanted item, or why it cannot be read.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        api = self._api(self._connect(budget), budget)
        yield from values(api, discover(api, {locator.kind for locator in wanted}), wanted)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Every field of what a key/value item held before.

        Raises:
            ProviderError: why it cannot be read.
        """
        api = self._api(self._connect(budget), budget)
        yield from previous(api, discover(api, {wanted.kind}), wanted)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Mint a login of a database role or a certificate of a PKI role; it is gone when we are closed.

        Raises:
            ProviderError: UNSUPPORTED for other kinds, or where a login could not be given back; else why not.
        """
        check_issuing(self._settings, wanted)
        topology = self._connect(budget)
        if wanted.kind == "pki":
            api = self._api(topology, budget)
            owe = partial(self._owe, topology)
            yield from certified(api, discover(api, {wanted.kind}), wanted, owe)
            return
        if not self._login.revocable(topology.endpoint, budget):
            raise not_ours("Let the login's role make service tokens: token_type=service.")
        api = self._api(topology, budget)
        yield from minted(api, discover(api, {wanted.kind}), wanted)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the rights of every wanted item, or why they are not known.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        yield from without_rights(wanted, self._context.clock.now())  # known without asking anybody
        holding = [locator for locator in wanted if holds_rights(locator)]
        if not holding:
            return
        api = self._api(self._connect(budget), budget)
        table = discover(api, {locator.kind for locator in holding} & AUTH_KINDS)
        yield from GrantRun(api, table, self._context.clock.now).facts(holding)

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Yield what the server says to the questions about each item, or why it says nothing.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        api = self._api(self._connect(budget), budget)
        table = discover(api, {locator.kind for locator in asked} & AUTH_KINDS)
        yield from OpinionRun(api, table, self._context.clock.now).facts(asked)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError."""
        situation = Situation(self._settings, self._context, self._connect, self._api)
        yield from examine(situation, mode, wanted, kinds, budget)

    def _owe(self, topology: Topology, mount: Mount, certificate: str) -> None:
        self._owed.append((topology, mount, certificate))

    def _connect(self, budget: Budget) -> Topology:
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})
        self._transport.reset()
        self._login.reset()
        topology = self._cluster.resolve(budget)
        self._endpoint = topology.endpoint
        return topology

    def _api(self, topology: Topology, budget: Budget) -> Api:
        return Api(self._settings, self._transport, self._login, topology, budget, self._context.clock)
