"""The provider ``kubernetes``: one cluster, inventory side, by raw REST over httpx."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

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
    OpinionFacts,
    PermissionDocument,
    ProviderError,
    ProviderInfo,
    Question,
    Rate,
    SourceContext,
    SourceIdentity,
)
from nhisync.spi.x509 import Profile, Trust, load_trust
from nhisync_kubernetes.access import resolve
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.doctor import Situation, examine
from nhisync_kubernetes.granting import GrantRun
from nhisync_kubernetes.identity import cluster_id, identify
from nhisync_kubernetes.inventory import observe
from nhisync_kubernetes.issuing import requested
from nhisync_kubernetes.opinions import EXAMPLES, OpinionRun
from nhisync_kubernetes.permissions import documents, opinion_documents, rights_documents
from nhisync_kubernetes.run import Run
from nhisync_kubernetes.settings import KubernetesSettings
from nhisync_kubernetes.transport import LIST, READ, REVIEW, Session
from nhisync_kubernetes.values import values

RATES: Mapping[str, Rate] = {
    READ: Rate(per_second=50, burst=100),
    LIST: Rate(per_second=10, burst=50),
    REVIEW: Rate(per_second=20, burst=40),
}
"""Calls a second by API family. API Priority and Fairness shares out seats, not calls, so there is no quota to take
over; kubectl allows itself 50 a second with a burst of 300 (k8s.io/cli-runtime ``pkg/genericclioptions``)."""

_KINDS = (
    KindInfo(
        name="certificate", title="cert-manager Certificate", locator="certificate/payments/api-tls", valued=False
    ),
    KindInfo(name="secret", title="Secret, by metadata", locator="secret/payments/stripe#api_key"),
    KindInfo(name="service-account", title="ServiceAccount", locator="service-account/payments/api", valued=False),
    KindInfo(
        name="service-account-token",
        title="legacy service account token",
        locator="service-account-token/payments/ci-deploy",
    ),
)

_FATAL = frozenset({ErrorKind.AUTH_FAILED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED, ErrorKind.MISCONFIGURED})
"""Answers to the first request after which nothing else can be asked either."""


class KubernetesProvider:
    """One cluster, read by metadata wherever a body would hold a value."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="kubernetes",
        title="Kubernetes and cert-manager",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.ISSUE,
                Capability.GRANTS,
                Capability.OPINIONS,
            }
        ),
        kinds=_KINDS,
        settings=KubernetesSettings,
        sdk_roots=("httpx",),
        examples=EXAMPLES,
    )

    def __init__(self, settings: KubernetesSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._lock = threading.Lock()
        self._open: set[Session] = set()

    def close(self) -> None:
        """End what runs; each run closes its own sockets. Safe to call twice and from another thread."""
        with self._lock:
            running = list(self._open)
        for session in running:
            session.end()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield items, unchanged marks and coverage per kind, of the whole cluster or per namespace.

        Raises:
            ProviderError: only when nothing at all could be asked: the server does not answer, or refuses our own
                credential.
        """
        with self._api(request.budget) as api:
            try:
                cluster = cluster_id(api)
            except ProviderError as error:
                if error.kind in _FATAL:
                    raise
                cluster = ""
            yield from observe(
                Run(
                    api=api,
                    settings=self._settings,
                    context=self._context,
                    request=request,
                    cluster=cluster,
                    trust=self._trust(),
                )
            )

    def identify(self, budget: Budget) -> SourceIdentity:
        """Whom the server takes us for, and in which cluster.

        Raises:
            ProviderError: the kind says why not.
        """
        with self._api(budget) as api:
            return identify(api)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield every field of every wanted Secret, or why it cannot be read.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        with self._api(budget) as api:
            yield from values(api, wanted)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """A token of a service account for the API server itself; it ends after ten minutes.

        Raises:
            ProviderError: UNSUPPORTED for other kinds; else why there is none.
        """
        with self._api(budget) as api:
            yield from requested(api, wanted)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the rights of every wanted service account, and of the accounts behind legacy tokens.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        with self._api(budget) as api:
            yield from GrantRun(api, self._context.clock.now).facts(wanted)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The RBAC manifest that reading rights needs beside the READ manifest; no IO."""
        return rights_documents(self._settings, kinds | {one.kind for one in wanted})

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Yield what the server itself would allow the wanted accounts.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        with self._api(budget) as api:
            yield from OpinionRun(api, self._context.clock.now).facts(asked)

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The RBAC manifest that asking about others needs; no IO."""
        return opinion_documents(self._settings, kinds | {one.kind for one in wanted})

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The RBAC manifest for exactly these items and swept kinds; no IO."""
        return documents(self._settings, mode, wanted, kinds)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError."""
        yield from examine(Situation(self._settings, self._context, self._api), mode, wanted, kinds, budget)

    @contextmanager
    def _api(self, budget: Budget) -> Iterator[Api]:
        """An authenticated API for one run."""
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})
        with Session(resolve(self._settings, self._context), self._settings, self._context, budget) as session:
            with self._lock:
                self._open.add(session)
            try:
                yield Api(session, self._settings)
            finally:
                with self._lock:
                    self._open.discard(session)

    def _trust(self) -> Trust | None:
        """The configured roots, or none.

        Raises:
            ProviderError: MISCONFIGURED when they cannot be read.
        """
        if self._settings.trust_file is None:
            return None
        known = self._settings.intermediates_file
        return load_trust(
            self._context.file(self._settings.trust_file),
            None if known is None else self._context.file(known),
            Profile(self._settings.profile),
        ).trust
