"""The provider ``acme``: one account at one authority, and the renewal of what it issued."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    InventoryRequest,
    KindInfo,
    Locator,
    Observation,
    PermissionDocument,
    ProviderInfo,
    Rate,
    SourceContext,
    SourceIdentity,
)
from nhisync_acme.api import REQUEST, Api
from nhisync_acme.doctor import examine
from nhisync_acme.inventory import ACCOUNT, CERTIFICATE, Run
from nhisync_acme.permissions import documents, files_of
from nhisync_acme.settings import AcmeSettings

RATES: Mapping[str, Rate] = {REQUEST: Rate(per_second=10, burst=20)}
"""Requests a second; public authorities allow more reads, but no cycle needs them."""


class AcmeProvider:
    """Renewability as evidence: the authority's own word on each certificate, and whether the account still stands."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="acme",
        title="ACME accounts and renewal information",
        capabilities=frozenset({Capability.INVENTORY, Capability.IDENTIFY, Capability.PERMISSIONS, Capability.EXAMINE}),
        kinds=(
            KindInfo(name=ACCOUNT, title="the configured account", locator="account/self", authoritative=False),
            KindInfo(
                name=CERTIFICATE,
                title="certificate in a PEM file, with its renewal window",
                locator="certificate/certs/api.pem",
                authoritative=False,
                valued=False,
            ),
        ),
        settings=AcmeSettings,
        sdk_roots=("acme", "josepy", "requests"),
    )

    def __init__(self, settings: AcmeSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lock = threading.Lock()
        self._open: list[Api] = []

    def close(self) -> None:
        """Close all sockets; safe to call twice and from another thread."""
        with self._lock:
            apis, self._open = self._open, []
        for api in apis:
            api.close()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield wanted and configured items, then coverage; each failure is the answer for its item.

        Raises:
            ProviderError: never.
        """
        with self._api(request.budget) as api:
            yield from Run(self._settings, self._context, api).observe(request)

    def identify(self, budget: Budget) -> SourceIdentity:
        """The account at its authority; without an account key nobody in particular.

        Raises:
            ProviderError: the kind says why not.
        """
        with self._api(budget) as api:
            if self._settings.account_key_file is None:
                _ = api.directory
                who = f"nobody (no account key of {self._context.path}/{self._context.source})"
            else:
                who = str(api.account().uri)
            return SourceIdentity(
                authority=f"acme:{self._settings.host}", principal=who, endpoint=self._settings.host, detail="ACME"
            )

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The connection and the files for exactly these items; no IO."""
        return documents(self._settings, self._context, mode, self._certificates(wanted, kinds))

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError. Every mode needs the same."""
        del mode
        files = files_of(self._settings, self._context, self._certificates(wanted, kinds))
        with self._api(budget) as api:
            yield from examine(self._settings, self._context, api, files)

    def _certificates(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> Iterator[str]:
        """Names below `root`: those that were asked for, and when swept those that the settings name."""
        yield from (one.name for one in wanted if one.kind == CERTIFICATE)
        yield from self._settings.certificates if CERTIFICATE in kinds else ()

    @contextmanager
    def _api(self, budget: Budget) -> Iterator[Api]:
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})
        made = Api(self._settings, self._context, budget)
        with self._lock:
            self._open.append(made)
        try:
            yield made
        finally:
            made.close()
            with self._lock:
                self._open = [one for one in self._open if one is not made]
