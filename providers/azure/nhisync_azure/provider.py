"""The Azure provider: the class that nhisync loads."""

from collections.abc import Iterator, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from nhisync.spi import (
    LEFT_OUT,
    AccessMode,
    Budget,
    Capability,
    Check,
    ErrorFact,
    ErrorKind,
    FieldValue,
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
from nhisync.spi.fanout import merged
from nhisync_azure.connection import RATES, Connection
from nhisync_azure.doctor import Situation, examine
from nhisync_azure.granting import GrantRun
from nhisync_azure.kinds import collectors
from nhisync_azure.permissions import documents, rights_documents
from nhisync_azure.run import Run, Sweep
from nhisync_azure.settings import KINDS, VAULT_KINDS, AzureSettings
from nhisync_azure.transport import quiet_sdk
from nhisync_azure.values import previous, values


def _kind(name: str, title: str, locator: str) -> KindInfo:
    """No listing proves absence: vaults and directories are replicated, a recovered name may be missing in one."""
    return KindInfo(name=name, title=title, locator=locator, authoritative=False, valued=name == "secret")


class AzureProvider:
    """One Key Vault, one tenant's directory, or both."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="azure",
        title="Microsoft Azure",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.GRANTS,
                Capability.PREVIOUS,
            }
        ),
        kinds=(
            _kind("secret", "Key Vault secret", "secret/payments-stripe#api_key"),
            _kind("certificate", "Key Vault certificate", "certificate/api-example-com"),
            _kind("key", "Key Vault key", "key/payments-signing"),
            _kind("app-secret", "client secret of an application", "app-secret/payments-backup"),
            _kind("app-certificate", "certificate of an application", "app-certificate/payments-backup"),
            _kind("app-federation", "federated credential of an application", "app-federation/payments-backup/cluster"),
            _kind("sp-secret", "client secret of a service principal", "sp-secret/payments-backup"),
            _kind("sp-certificate", "certificate of a service principal", "sp-certificate/payments-backup"),
        ),
        settings=AzureSettings,
        sdk_roots=("azure",),
    )

    def __init__(self, settings: AzureSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._connection = Connection(settings, context)

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who we are, by the token that we were given.

        Raises:
            ProviderError: the kind says why not.
        """
        self._pace(budget)
        budget.check()
        who = self._connection.who(budget)
        settings = self._settings
        return SourceIdentity(
            authority=f"azure:{who.tenant}",
            principal=who.client,
            endpoint=urlsplit(settings.vault or settings.graph_url).netloc,
            detail=f"cloud {settings.cloud}",
        )

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """All kinds at once, each in its own thread, so that one slow service costs only its own answers.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        quiet_sdk()
        self._pace(request.budget)
        run = Run(self._connection, self._settings, self._context, request)
        readers = collectors(run)
        if readers:
            self._connection.who(request.budget)
        yield from merged(readers)
        yield from self._unserved(run)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Every field of the wanted secrets; only ever called in the comparing process.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        quiet_sdk()
        self._pace(budget)
        yield from values(self._connection, wanted, budget, workers=self._settings.workers)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Every field of the version of a secret before the newest one; only ever called in the probing process.

        Raises:
            ProviderError: NOT_FOUND where there is none, UNSUPPORTED for other kinds; else why not.
        """
        quiet_sdk()
        self._pace(budget)
        yield from previous(self._connection, wanted, budget)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """The rights of every wanted credential's application; what stands in a vault holds none."""
        quiet_sdk()
        self._pace(budget)
        yield from GrantRun(self._connection, self._settings, budget, self._context.clock.now).facts(wanted)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The role that reading these rights needs beside the READ documents; no IO."""
        return rights_documents(wanted, kinds, self._settings)

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """Roles or access policies, and application roles of Graph, for exactly these items and swept kinds."""
        return documents(mode, wanted, kinds, self._settings)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Checks of this source's situation, reachability first."""
        quiet_sdk()
        situation = Situation(self._connection, self._settings, self._context, self.identify)
        yield from examine(situation, mode, wanted, kinds, budget)

    def _pace(self, budget: Budget) -> None:
        """Give the cycle its rates: the defaults of this provider, and what the configuration says instead."""
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})

    def _unserved(self, run: Run) -> Iterator[Observation]:
        """Kinds that this provider, or this source, does not have are answered too."""
        request = run.request
        for kind in sorted(request.kinds | {locator.kind for locator in request.wanted}):
            if self._settings.serves(kind):
                continue
            error = _unsupported(kind)
            if run.swept(kind) and kind in KINDS:
                yield run.coverage(kind, Sweep(error))
            yield from (run.failed(locator, error) for locator in run.wanted(kind).values())


def _unsupported(kind: str) -> ProviderError:
    if kind in VAULT_KINDS:
        said, fix = f"the source names no vault, so it has no kind {kind}", "Add vault: … to the source."
    elif kind in KINDS:
        said = f"the source leaves the directory alone, so it has no kind {kind}"
        fix = "Set directory: true, or add a source without a vault for the tenant's directory."
    else:
        said, fix = f"the azure provider has no kind {kind}", f"Its kinds: {', '.join(KINDS)}."
    return ProviderError(ErrorKind.UNSUPPORTED, said, reason=LEFT_OUT if kind in KINDS else "", fix=fix)
