"""One cycle over a cluster's login roles: two queries for who and where, one for the roles, one for wanted rights."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nhisync.spi import (
    AccessMode,
    Budget,
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    Presence,
    ProviderError,
    SourceContext,
    Unchanged,
)
from nhisync.spi.oddities import one_item
from nhisync_postgres.connection import Connection
from nhisync_postgres.items import Cluster, item_of
from nhisync_postgres.permissions import Grant, needed, select
from nhisync_postgres.queries import CLUSTER, RIGHTS, ROLES, SITUATION
from nhisync_postgres.settings import PostgresSettings

KIND = "role"
"""The only kind: one role that may log in."""

_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.UNREACHABLE: CoverageStatus.UNREACHABLE,
    ErrorKind.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}


class Run:
    """What one cycle knows.

    Args:
        settings: of the source.
        context: of the source.
        connection: not yet open.
        budget: of the cycle.
    """

    def __init__(
        self, settings: PostgresSettings, context: SourceContext, connection: Connection, budget: Budget
    ) -> None:
        self._settings, self._context = settings, context
        self._connection, self._budget = connection, budget

    def observe(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield wanted roles, then swept ones, then the coverage.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        cluster, gap = self._cluster()
        wanted = [one.item for one in dict.fromkeys(request.wanted)]
        roles = [one for one in wanted if one.kind == KIND]
        yield from (self._strange(one) for one in wanted if one.kind != KIND)
        if roles:
            missed = yield from self._wanted(roles, cluster, request.known)
            gap = gap or missed
        if KIND in request.kinds:
            yield from self._sweep(request, cluster, frozenset(one.name for one in roles), gap)

    def cluster(self) -> tuple[Cluster, Mapping[str, Any]]:
        """Who and where we are; the identifier is asked separately, because it may be denied.

        Raises:
            ProviderError: nothing can be asked.
        """
        situation = self._connection.one(SITUATION, self._budget)
        found = Cluster(
            identifier=None,
            standby=situation["standby"],
            replayed=situation["replayed"],
            endpoint=self._connection.endpoint,
            observed_at=self._context.clock.now(),
        )
        return found, situation

    def identifier(self) -> str:
        """The cluster's system identifier.

        Raises:
            ProviderError: DENIED names the missing grant.
        """
        try:
            return str(self._connection.one(CLUSTER, self._budget)["id"])
        except ProviderError as failure:
            raise self._named(failure) from None

    def held(self, grants: Sequence[Grant]) -> dict[Grant, bool]:
        """Which of `grants` our role holds, asked at once.

        Raises:
            ProviderError: the question itself failed.
        """
        if not grants:
            return {}
        query = "SELECT " + ", ".join(f"coalesce({one.check}, false) AS g{i}" for i, one in enumerate(grants))
        row = self._connection.one(query, self._budget)
        return {grant: bool(row[f"g{i}"]) for i, grant in enumerate(grants)}

    def _cluster(self) -> tuple[Cluster, ErrorFact | None]:
        cluster, _ = self.cluster()
        try:
            return replace(cluster, identifier=self.identifier()), None
        except ProviderError as failure:
            if failure.kind is ErrorKind.THROTTLED:
                raise
            return cluster, failure.fact

    def _wanted(
        self, wanted: Sequence[Locator], cluster: Cluster, known: Mapping[Locator, str]
    ) -> Generator[Observation, None, ErrorFact | None]:
        """Each wanted role once; returns why rights are not known, or None (a generator's return value)."""
        names = [one.name for one in wanted]
        try:
            rows = {row["name"]: row for row in self._connection.rows(ROLES, self._budget, names=names, prefixes=None)}
        except ProviderError as failure:
            named = self._named(failure)
            yield from (_unknown(one, named, cluster) for one in wanted)
            return named.fact
        rights, gap = self._rights(names)
        for locator in wanted:
            yield self._answer(locator, rows.get(locator.name), cluster, rights, known)
        return gap

    def _answer(
        self,
        locator: Locator,
        row: Mapping[str, Any] | None,
        cluster: Cluster,
        rights: Mapping[str, Sequence[str]] | None,
        known: Mapping[Locator, str],
    ) -> Item | Unchanged:
        if row is None:
            return self._absent(locator, cluster)
        item = _judged(locator, row, cluster, None if rights is None else rights.get(locator.name, ()))
        if known.get(locator) == item.marker:
            return Unchanged(locator=locator, observed_at=cluster.observed_at)
        return item

    def _absent(self, locator: Locator, cluster: Cluster) -> Item:
        """Absent on the primary; a standby may simply not have it yet."""
        if not cluster.standby:
            return Item(locator=locator, observed_at=cluster.observed_at, presence=Presence.ABSENT)
        late = ProviderError(
            ErrorKind.READ_ONLY_SIDE,
            f"{cluster.endpoint} is a standby, which may lag behind: that it has no such role proves nothing",
            resource=str(locator),
            fix="Name the server that accepts writes as host of the source.",
        )
        return _unknown(locator, late, cluster)

    def _rights(self, names: Sequence[str]) -> tuple[dict[str, list[str]] | None, ErrorFact | None]:
        found: dict[str, list[str]] = {}
        try:
            for row in self._connection.rows(RIGHTS, self._budget, names=list(names)):
                found.setdefault(row["name"], []).append(row["held"])
        except ProviderError as failure:
            return None, self._named(failure).fact
        return found, None

    def _sweep(
        self, request: InventoryRequest, cluster: Cluster, answered: frozenset[str], gap: ErrorFact | None
    ) -> Iterator[Observation]:
        prefixes = request.prefixes.get(KIND)
        seen = 0
        try:
            for row in self._connection.rows(ROLES, self._budget, names=None, prefixes=prefixes and list(prefixes)):
                seen += 1
                if row["name"] not in answered:
                    yield _judged(Locator(self._context.source, KIND, row["name"]), row, cluster, None)
        except ProviderError as failure:
            named = self._named(failure)
            status = _STATUS.get(named.kind, CoverageStatus.PARTIAL)
            if seen and status is not CoverageStatus.THROTTLED:
                status = CoverageStatus.PARTIAL
            yield self._coverage(cluster, seen, status, named.fact)
            return
        status = CoverageStatus.COMPLETE if gap is None else CoverageStatus.PARTIAL
        yield self._coverage(cluster, seen, status, gap)

    def _coverage(self, cluster: Cluster, items: int, status: CoverageStatus, why: ErrorFact | None) -> Coverage:
        """One entry; the catalog is transactional, so on a primary a complete listing proves absence."""
        return Coverage(
            source=self._context.source,
            kind=KIND,
            scope="",
            status=status,
            as_of=cluster.copied or cluster.observed_at,
            items=items,
            authoritative=status is CoverageStatus.COMPLETE and not cluster.standby,
            error=why,
        )

    def _named(self, failure: ProviderError) -> ProviderError:
        return self.lacking(failure, ())

    def lacking(self, failure: ProviderError, catalogs: Sequence[str]) -> ProviderError:
        """A denial with the very grant that is missing: asked of the server, because its text is not to be trusted.

        Args:
            failure: what the server answered.
            catalogs: read beside those of the inventory.
        """
        if failure.kind is not ErrorKind.DENIED:
            return failure
        more = [select(one, self._settings.auth.user) for one in catalogs]
        try:
            held = self.held([*needed(self._settings, AccessMode.READ, ()), *more])
        except ProviderError:
            return failure
        missing = next((grant for grant, has in held.items() if not has), None)
        if missing is None:
            return failure
        return ProviderError(
            ErrorKind.DENIED,
            f"{self._connection.endpoint}: the role lacks {missing.action}",
            action=missing.action,
            resource=self._connection.endpoint,
            principal=self._settings.auth.user,
            fix=missing.text,
        )

    def _strange(self, locator: Locator) -> Item:
        wrong = ProviderError(
            ErrorKind.UNSUPPORTED,
            f"provider postgres has no kind {locator.kind}",
            resource=str(locator),
            fix=f"Write {locator.source}:{KIND}/<name of the role>.",
        )
        return Item(locator=locator, observed_at=self._context.clock.now(), presence=wrong.presence, error=wrong.fact)


def _judged(locator: Locator, row: Mapping[str, Any], cluster: Cluster, rights: Sequence[str] | None) -> Item:
    """`item_of`; a row that cannot be read is its role's own answer."""
    try:
        return one_item(lambda: item_of(locator, row, cluster, rights), "a row of the catalog")
    except ProviderError as failure:
        return _unknown(locator, failure, cluster)


def _unknown(locator: Locator, failure: ProviderError, cluster: Cluster) -> Item:
    """Why nothing is known of a role; a denial of the catalog never means that the role is absent."""
    presence = Presence.UNKNOWN if failure.presence is Presence.ABSENT else failure.presence
    return Item(locator=locator, observed_at=cluster.observed_at, presence=presence, error=failure.fact)
