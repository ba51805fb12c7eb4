"""The Google Cloud provider: the class that nhisync loads."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

from nhisync.spi import (
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
from nhisync.spi.runs import Sweep
from nhisync_gcp.calls import RATES
from nhisync_gcp.connection import Connection
from nhisync_gcp.doctor import Situation, examine
from nhisync_gcp.granting import GrantRun
from nhisync_gcp.guarding import Guard
from nhisync_gcp.issuing import impersonated
from nhisync_gcp.kinds import COLLECTORS
from nhisync_gcp.permissions import documents, protection_documents, rights_documents
from nhisync_gcp.run import Run
from nhisync_gcp.settings import GcpSettings
from nhisync_gcp.values import previous, values

AUTHORITY = "gcp"
"""Google judges all its identities in one realm: an account is the same whatever project a source looks at."""

KINDS = (
    KindInfo(
        name="secret", title="secret in Secret Manager", locator="secret/payments-stripe#key", authoritative=False
    ),
    KindInfo(
        name="regional-secret",
        title="regional secret in Secret Manager",
        locator="regional-secret/europe-north1/payments-stripe#key",
        authoritative=False,
    ),
    KindInfo(
        name="service-account",
        title="IAM service account",
        locator="service-account/payments@payments-backup.iam.gserviceaccount.com",
        authoritative=False,
        valued=False,
    ),
    KindInfo(
        name="service-account-key",
        title="user-managed keys of a service account",
        locator="service-account-key/payments@payments-backup.iam.gserviceaccount.com",
        authoritative=False,
        valued=False,
    ),
    KindInfo(
        name="certificate",
        title="certificate in Certificate Manager",
        locator="certificate/global/www",
        authoritative=False,
        valued=False,
    ),
    KindInfo(
        name="cas-certificate",
        title="certificate of Certificate Authority Service",
        locator="cas-certificate/europe-north1/payments/cn/api.example.com",
        valued=False,
    ),
)


class GcpProvider:
    """One project of Google Cloud, or of something that speaks its APIs."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="gcp",
        title="Google Cloud",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.GRANTS,
                Capability.ISSUE,
                Capability.PREVIOUS,
                Capability.PROTECTION,
            }
        ),
        kinds=KINDS,
        settings=GcpSettings,
        sdk_roots=("google", "grpc", "requests"),
    )

    def __init__(self, settings: GcpSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._connection = Connection(settings, context)

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who we are: proven by a token that the credential was exchanged for.

        Raises:
            ProviderError: the kind says why not.
        """
        self._pace(budget)
        token = self._connection.token(budget)
        return SourceIdentity(
            authority=AUTHORITY,
            principal=token.principal,
            endpoint=urlsplit(self._connection.endpoint("secretmanager")).netloc,
            detail=f"project {self._settings.project}",
        )

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """All kinds at once, each in its own thread, so that one slow service costs only its own answers.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        self._pace(request.budget)
        self._connection.token(request.budget)
        run = Run(self._connection, self._settings, self._context, request)
        readers = [partial(collect, run) for kind, collect in COLLECTORS.items() if run.touched(kind)]
        if request.protection:
            run.guard = Guard(run)
            yield from run.guard.guarded(merged(readers))
        else:
            yield from merged(readers)
        yield from _unsupported(run)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Every field of the wanted secrets; only ever called in the comparing process.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        self._pace(budget)
        self._connection.token(budget)
        yield from values(self._connection, self._settings, wanted, budget)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """The rights of every wanted service account, and of the accounts behind keys; other kinds hold none here."""
        self._pace(budget)
        settings, context = self._settings, self._context
        region = settings.region or context.region
        yield from GrantRun(self._connection, settings, region, budget, context.clock.now).facts(wanted)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The custom roles that reading these rights needs beside the READ roles; no IO."""
        return rights_documents(wanted, kinds, self._settings.project, inherited=self._settings.inherited)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """An access token of a service account that can only say whose it is; it ends by itself after five minutes.

        Raises:
            ProviderError: UNSUPPORTED for other kinds; else why there is none.
        """
        self._pace(budget)
        yield from impersonated(self._connection, wanted, budget)

    def protection_permissions(
        self, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The custom roles that telling how these items are guarded needs beside the READ roles; no IO."""
        return protection_documents(wanted, kinds, self._settings.project, inherited=self._settings.inherited)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Every field of the version of a secret before the one that applications read.

        Raises:
            ProviderError: NOT_FOUND where there is none, UNSUPPORTED for other kinds; else why not.
        """
        self._pace(budget)
        self._connection.token(budget)
        yield from previous(self._connection, self._settings, wanted, budget)

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """Custom roles and bindings for exactly these items and swept kinds."""
        return documents(mode, wanted, kinds, self._settings.project)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Checks of this source's situation, reachability first."""
        self._pace(budget)
        situation = Situation(self._connection, self._settings, self._context, self.identify)
        yield from examine(situation, mode, wanted, kinds, budget)

    def _pace(self, budget: Budget) -> None:
        """Give the cycle its rates: the defaults of this provider, and what the configuration says instead."""
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})


def _unsupported(run: Run) -> Iterator[Observation]:
    """Kinds that this provider does not inventory are answered too."""
    request = run.request
    for kind in sorted((request.kinds | {locator.kind for locator in request.wanted}) - COLLECTORS.keys()):
        error = ProviderError(
            ErrorKind.UNSUPPORTED,
            f"the gcp provider has no kind {kind}",
            fix=f"Its kinds: {', '.join(COLLECTORS)}.",
        )
        sweep = Sweep()
        sweep.error = error
        if run.swept(kind):
            yield run.coverage(kind, sweep, authoritative=False)
        yield from (run.failed(locator, error) for locator in run.wanted(kind).values())
