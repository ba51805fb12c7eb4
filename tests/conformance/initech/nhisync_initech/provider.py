"""The adapter: lists keys in pages, reads single ones, never a value outside of `values`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    CheckState,
    Coverage,
    CoverageStatus,
    Duration,
    ErrorFact,
    ErrorKind,
    FieldValue,
    InventoryRequest,
    Item,
    KindInfo,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    PermissionDocument,
    Presence,
    ProviderError,
    ProviderInfo,
    SecretBytes,
    SourceContext,
    SourceIdentity,
    SourceSettings,
    Unchanged,
)
from nhisync_initech.client import Client

KIND = "key"
_STATUS = {
    ErrorKind.DENIED: CoverageStatus.DENIED,
    ErrorKind.AUTH_FAILED: CoverageStatus.DENIED,
    ErrorKind.THROTTLED: CoverageStatus.THROTTLED,
    ErrorKind.UNREACHABLE: CoverageStatus.UNREACHABLE,
}


class InitechSettings(SourceSettings):
    """One Initech account.

    Attributes:
        address: host and port.
        token_file: file with the access token.
        page_size: keys asked for at once.
        timeout: longest silence of the service.
    """

    address: str
    token_file: Path
    page_size: int = 100
    timeout: Duration = timedelta(seconds=5)


class InitechProvider:
    """Keys of one Initech account, by metadata."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="initech",
        title="Initech keys",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
            }
        ),
        kinds=(KindInfo(name=KIND, title="Initech API key", locator="key/payments/stripe#value"),),
        settings=InitechSettings,
    )

    def __init__(self, settings: InitechSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._client = Client(settings.address, context.file(settings.token_file), settings.timeout)

    def close(self) -> None:
        """Refuse further requests."""
        self._client.close()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Sweep when asked to, then read what was wanted and not listed; each failure is the answer for its item."""
        open_ = dict.fromkeys(request.wanted)
        if KIND in request.kinds:
            for seen in self._sweep(request):
                if not isinstance(seen, Coverage):
                    open_.pop(seen.locator, None)
                yield seen
        for locator in open_:
            yield self._single(locator, request)

    def identify(self, budget: Budget) -> SourceIdentity:
        """Ask the service who we are."""
        who = self._client.get("/v1/whoami", budget)
        return SourceIdentity(
            authority=f"initech:{who['account']}", principal=str(who["name"]), endpoint=self._settings.address
        )

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield the one field of every wanted key, or why it cannot be read."""
        for locator in wanted:
            try:
                _expect_key(locator)
                found = self._client.get(f"{_path(locator)}/value", budget)
                yield FieldValue(locator, "value", SecretBytes(str(found["value"]).encode()))
            except ProviderError as failure:
                yield locator, failure.fact

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """One scope for each key, or for all when they are swept."""
        if mode not in (AccessMode.READ, AccessMode.FINGERPRINT):
            return ()
        names = ["*"] if KIND in kinds else [one.name for one in wanted if one.kind == KIND]
        verbs = ("describe", "reveal") if mode is AccessMode.FINGERPRINT else ("describe",)
        actions = tuple(f"keys:{verb}:{name}" for name in names for verb in verbs)
        if not actions:
            return ()
        text = "scopes:\n" + "".join(f'  - "{action}"\n' for action in actions)
        return (PermissionDocument(title="scopes of nhisync's token", language="yaml", text=text, actions=actions),)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """One look at the service says whether it answers and who we are."""
        del mode, wanted, kinds
        try:
            who = self.identify(budget)
        except ProviderError as failure:
            fix = failure.fix or "Check address and token_file of the source."
            yield Check(
                name="reachable", state=CheckState.FAILED, observed=failure.message, fix=fix, error=failure.fact
            )
            return
        yield Check(name="reachable", state=CheckState.OK, observed=f"{who.endpoint} knows us as {who.principal}")

    def _sweep(self, request: InventoryRequest) -> Iterator[Item | Unchanged | Coverage]:
        count, failure = 0, None
        try:
            for entry in self._client.pages("/v1/keys", self._settings.page_size, request.budget):
                count += 1
                yield self._item(entry, request)
        except ProviderError as lost:
            failure = lost
        yield self._coverage(count, failure)

    def _single(self, locator: Locator, request: InventoryRequest) -> Item | Unchanged:
        try:
            _expect_key(locator)
            return self._item(self._client.get(_path(locator), request.budget), request)
        except ProviderError as failure:
            # Only the service's own "no such key" is absence, and absence is an answer, which needs no error.
            fact = None if failure.presence is Presence.ABSENT else failure.fact
            return Item(locator=locator, observed_at=self._now(), presence=failure.presence, error=fact)

    def _item(self, entry: dict[str, Any], request: InventoryRequest) -> Item | Unchanged:
        locator, marker = Locator(self._context.source, KIND, str(entry["name"])), str(entry["version"])
        if request.known.get(locator) == marker:
            return Unchanged(locator=locator, observed_at=self._now())
        return Item(
            locator=locator,
            observed_at=self._now(),
            lifecycle=Lifecycle.OWN,
            version=marker,
            rotated=Moment(datetime.fromtimestamp(int(entry["rotated"]), UTC)),
            owner=str(entry.get("owner") or ""),
            fields=("value",),
            marker=marker,
        )

    def _coverage(self, items: int, failure: ProviderError | None) -> Coverage:
        status = CoverageStatus.COMPLETE
        if failure is not None:
            status = CoverageStatus.PARTIAL if items else _STATUS.get(failure.kind, CoverageStatus.PARTIAL)
        return Coverage(
            source=self._context.source,
            kind=KIND,
            scope="",
            status=status,
            as_of=self._now(),
            items=items,
            authoritative=failure is None,
            error=failure.fact if failure else None,
        )

    def _now(self) -> datetime:
        return self._context.clock.now()


def _path(locator: Locator) -> str:
    return f"/v1/keys/{quote(locator.name, safe='')}"


def _expect_key(locator: Locator) -> None:
    """Refuse foreign kinds before anything is asked: a missing thing of an unknown kind proves nothing."""
    if locator.kind != KIND:
        raise ProviderError(ErrorKind.UNSUPPORTED, f"Initech has no kind {locator.kind}", resource=str(locator))
