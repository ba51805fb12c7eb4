"""The provider ``postgres``: login roles of one PostgreSQL cluster, read from its catalogs."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    GrantFacts,
    InventoryRequest,
    KindInfo,
    Locator,
    Observation,
    PermissionDocument,
    ProviderError,
    ProviderInfo,
    Rate,
    SourceContext,
    SourceIdentity,
)
from nhisync_postgres.connection import CONNECT, QUERY, Connection
from nhisync_postgres.doctor import examine
from nhisync_postgres.granting import CATALOGS, facts, permissions_for, strangers
from nhisync_postgres.inventory import KIND, Run
from nhisync_postgres.permissions import documents
from nhisync_postgres.settings import PostgresSettings

RATES: Mapping[str, Rate] = {CONNECT: Rate(per_second=2, burst=10), QUERY: Rate(per_second=50, burst=100)}
"""Connections and queries a second; the server publishes no numbers, a cycle needs one connection and four queries."""


class PostgresProvider:
    """Login roles: until when, whose, with which rights. No hash of a password is ever asked for."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="postgres",
        title="PostgreSQL login roles",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.GRANTS,
            }
        ),
        kinds=(KindInfo(name=KIND, title="role that may log in", locator="role/payments_app"),),
        settings=PostgresSettings,
        sdk_roots=("psycopg",),
    )

    def __init__(self, settings: PostgresSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._closed = False

    def close(self) -> None:
        """End every connection, also those in use; safe to call twice and from another thread."""
        with self._lock:
            self._closed = True
            open_, self._connections = self._connections, []
        for connection in open_:
            connection.close()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield roles and one coverage entry when the kind ``role`` is swept.

        Raises:
            ProviderError: the server cannot be reached, or refuses our own role.
        """
        with closing(self._connection(request.budget)) as connection:
            yield from Run(self._settings, self._context, connection, request.budget).observe(request)

    def identify(self, budget: Budget) -> SourceIdentity:
        """Our role, at which cluster. A restored copy of a cluster has its identifier and counts as the same.

        A standby has it, too, and is another server, which does not fail with its primary: it counts as no cluster
        here, and that its roles are copies is a finding about each of them.

        Raises:
            ProviderError: the kind says why not.
        """
        with closing(self._connection(budget)) as connection:
            run = Run(self._settings, self._context, connection, budget)
            cluster, situation = run.cluster()
            authority = f"postgres:{run.identifier()}"
            return SourceIdentity(
                authority=authority,
                principal=str(situation["role"]),
                endpoint=connection.endpoint,
                detail=f"PostgreSQL {situation['version']}" + (", standby" if cluster.standby else ""),
                cluster="" if cluster.standby else authority,
            )

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The grants for exactly these roles; no IO."""
        roles = [one for one in dict.fromkeys(one.item for one in wanted) if one.kind == KIND]
        return documents(self._settings, mode, roles) if roles or KIND in kinds else ()

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError."""
        with closing(self._connection(budget)) as connection:
            run = Run(self._settings, self._context, connection, budget)
            roles = [one for one in dict.fromkeys(one.item for one in wanted) if one.kind == KIND]
            yield from examine(self._settings, self._context, run, mode, roles if roles or KIND in kinds else ())

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the effective rights of every wanted role in the configured database.

        Raises:
            ProviderError: nothing at all could be read; DENIED names the catalog.
        """
        now = self._context.clock.now()
        yield from strangers(wanted, KIND, now)
        roles = [one for one in dict.fromkeys(one.item for one in wanted) if one.kind == KIND]
        if not roles:
            return
        with closing(self._connection(budget)) as connection:
            try:
                yield from facts(connection, roles, now, budget)
            except ProviderError as failure:
                raise Run(self._settings, self._context, connection, budget).lacking(failure, CATALOGS) from None

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The grants that reading these roles' rights needs beside the READ document; no IO."""
        return permissions_for(self._settings, kinds | {one.kind for one in wanted}, KIND)

    def _connection(self, budget: Budget) -> Connection:
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})
        made = Connection(self._settings, self._context)
        with self._lock:
            if self._closed:
                made.close()
            self._connections.append(made)
        return made
