"""The provider ``vault``: HashiCorp Vault and OpenBao, inventory side; its declaration.

Hvac comes with the first instance, not with the class: most commands need only to know what the provider is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    ErrorFact,
    FieldValue,
    GrantFacts,
    InventoryRequest,
    KindInfo,
    Locator,
    Observation,
    OpinionFacts,
    PermissionDocument,
    ProviderInfo,
    Question,
    SourceContext,
    SourceIdentity,
)
from nhisync_vault.permissions import documents
from nhisync_vault.settings import VaultSettings

_KINDS = (
    KindInfo(name="approle", title="AppRole and its secret IDs", locator="approle/approle/payments", valued=False),
    KindInfo(
        name="db-dynamic",
        title="database role that mints logins",
        locator="db-dynamic/database/payments-app",
        valued=False,
    ),
    KindInfo(name="db-static", title="database login that the server rotates", locator="db-static/database/payments"),
    KindInfo(name="kv", title="key/value secret, version 2", locator="kv/secret/payments/stripe#api_key"),
    KindInfo(name="ldap-static", title="LDAP account that the server rotates", locator="ldap-static/ldap/payments"),
    KindInfo(
        name="pki",
        title="issuer or certificate",
        locator="pki/pki/cn/api.example.com",
        authoritative=False,
        valued=False,
    ),
    KindInfo(
        name="token",
        title="token, by accessor",
        locator="token/5q0XwWkp1TfhrLGgKVzqYL2z",
        authoritative=False,
        valued=False,
    ),
    KindInfo(name="transit", title="encryption key", locator="transit/transit/payments", valued=False),
)


class VaultProvider:
    """One cluster and namespace of Vault or OpenBao, read by metadata.

    Single reads confirm absences, on the node that is active before and after them.
    """

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="vault",
        title="HashiCorp Vault and OpenBao",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
                Capability.ISSUE,
                Capability.PREVIOUS,
                Capability.GRANTS,
                Capability.OPINIONS,
                Capability.PROTECTION,
            }
        ),
        kinds=_KINDS,
        settings=VaultSettings,
        sdk_roots=("hvac", "requests"),
        examples=("create", "delete", "list", "read", "update"),
    )

    def __init__(self, settings: VaultSettings, context: SourceContext) -> None:
        from nhisync_vault.source import Source  # noqa: PLC0415 - hvac comes with it

        self._settings = settings
        self._source = Source(settings, context)

    def close(self) -> None:
        """Revoke the token of our own login and close all sessions; safe to call twice and from another thread."""
        self._source.close()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield items, unchanged marks and coverage per kind × mount.

        Raises:
            ProviderError: only when nothing at all could be asked: no node answers, or our own credential is refused.
        """
        return self._source.inventory(request)

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who our token is, at which cluster and namespace.

        Raises:
            ProviderError: the kind says why not.
        """
        return self._source.identify(budget)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield every field of every wanted item, or why it cannot be read.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        return self._source.values(wanted, budget)

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Mint a login of a dynamic database role or a certificate of a PKI role; it is gone when we are closed.

        Raises:
            ProviderError: UNSUPPORTED for other kinds, or where a login could not be given back; else why not.
        """
        return self._source.issue(wanted, budget)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """Yield every field of the version of a key/value item before its current one.

        Raises:
            ProviderError: NOT_FOUND where there is none, UNSUPPORTED for other kinds; else why not.
        """
        return self._source.previous(wanted, budget)

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the rights of every wanted AppRole and token; other kinds hold none here.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        return self._source.grants(wanted, budget)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The policy that reading these rights needs beside the READ policy; no IO."""
        from nhisync_vault.granting import permissions_for  # noqa: PLC0415 - only tiers that compare rights need it

        return permissions_for(self._settings, kinds | {one.kind for one in wanted})

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Yield what the server itself would allow the living tokens of wanted AppRoles, and wanted tokens.

        Raises:
            ProviderError: only when nothing at all could be asked.
        """
        return self._source.opinions(asked, budget)

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """The policy that asking the server needs beside the one for rights; no IO."""
        from nhisync_vault.opinions import permissions_for  # noqa: PLC0415 - only tiers that ask need it

        return permissions_for(self._settings, kinds | {one.kind for one in wanted})

    def protection_permissions(
        self, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The policy that telling how the cluster guards its items needs; it is about the cluster; no IO."""
        from nhisync_vault.guarding import permissions_for  # noqa: PLC0415 - only tiers that ask need it

        return permissions_for(self._settings) if wanted or kinds else ()

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """The least-privilege policy for exactly these items and swept kinds; no IO."""
        return documents(self._settings, mode, wanted, kinds)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Yield checks, reachability first; never raises ProviderError."""
        return self._source.examine(mode, wanted, kinds, budget)
