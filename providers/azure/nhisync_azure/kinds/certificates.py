"""Kind ``certificate``: certificates of a vault, with the policy that says who renews them.

A vault renews by itself what an issuer object or itself signs, when its policy says AutoRenew; everything else gets an
e-mail. Issuer objects belong to one vault: a backup vault needs its own, with its own account at the authority.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from nhisync.spi import (
    Chain,
    CredentialState,
    Dependency,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.x509 import MalformedError, chain_facts, decode, public_ids
from nhisync_azure.facts import moment, months
from nhisync_azure.kinds.base import VaultKind, vault_of
from nhisync_azure.kinds.rows import Row, blank, row_about
from nhisync_azure.run import Run

_SELF, _UNKNOWN = "Self", "Unknown"
_RENEWS = "autorenew"
_MOST_DAYS = 1_000_000
_SLACK = timedelta(minutes=10)
"""Creating a policy and its first version takes this long at most."""


class Certificates(VaultKind):
    """Certificates of a vault; key and secret of the same name are not counted again."""

    kind: ClassVar[str] = "certificate"
    service: ClassVar[str] = "certificates"
    lists: ClassVar[tuple[str, str]] = ("list_properties_of_certificates", "list_deleted_certificates")
    options: ClassVar[dict[str, Any]] = {"include_pending": True}
    daily: ClassVar[bool] = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._issuers: dict[str, bool | None] = {}

    def detail(self, locator: Locator, row: Row) -> Item:
        """With the public certificate, its policy, and an unfinished renewal where one is due."""
        found = self._read(row.name, row.id)
        return self._ordered(locator, row) if found is None else self._item(locator, row, found)

    def single(self, locator: Locator) -> Item | None:
        """By its name; the answer is public. One that was ordered and never issued is there, too."""
        found = self._read(locator.name, str(locator))
        if found is not None:
            row = row_about(locator.name, found, self.service)
            return self._item(locator, replace(row, id=row.id.rpartition("/")[0], version=""), found)
        return self._ordered(locator, blank(locator.name)) if self._unfinished(locator.name) else None

    def _read(self, name: str, on: str) -> Any:
        """The current version with its policy, or None."""
        run = self.run
        try:
            return run.connection.call(self.service, "get_certificate", run.budget, name, on=on)
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return None

    def _ordered(self, locator: Locator, row: Row) -> Item:
        """An order without a certificate yet; since when, only the list tells."""
        since = row.created.at if row.created else None
        return self.item(
            locator,
            row,
            state=CredentialState.PRE_ACTIVATION,
            rotated=None,
            created=row.created,
            owner=self.tags(row).owner if row.id else None,
            rotation=Rotation(mechanism="key-vault", pending_since=since),
            shown={"renewal": "ordered, not issued yet"},
            marker="",
        )

    def _item(self, locator: Locator, row: Row, found: Any) -> Item:
        policy, current = getattr(found, "policy", None), row_about(row.name, found, self.service)
        tags = self.tags(row)
        interval, renews = renewal(policy, row.not_before, row.expires)
        issuer = str(getattr(getattr(policy, "issuer_name", None), "value", getattr(policy, "issuer_name", "")) or "")
        first = moment(getattr(policy, "created_on", None))
        again = first is not None and current.created is not None and current.created.at - first.at > _SLACK
        due = _after(row.not_before, interval)
        base = self.item(
            locator,
            row,
            detailed=True,
            version=current.version or None,
            created=first or current.created,
            rotated=current.created if again else None,
            lifecycle=tags.lifecycle or (Lifecycle.OWN if renews and issuer != _UNKNOWN else Lifecycle.STATIC),
            rotation=self._rotation(row, interval, due, renews=renews and issuer != _UNKNOWN),
            dependencies=self._dependencies(issuer),
            shown={
                "issuer": issuer,
                "renewal": "automatic" if renews else "by e-mail to contacts",
                "thumbprint": row.word,
            },
        )
        return _described(base, getattr(found, "cer", None), run=self.run)

    def _rotation(self, row: Row, interval: timedelta | None, due: datetime | None, *, renews: bool) -> Rotation:
        """The schedule; a renewal that is due and not there is asked for, to know whether it hangs."""
        if not renews:
            return Rotation(enabled=False, mechanism="key-vault")
        since = due if due is not None and due <= self.run.now and self._unfinished(row.name) else None
        return Rotation(enabled=True, interval=interval, mechanism="key-vault", pending_since=since)

    def _unfinished(self, name: str) -> bool:
        run = self.run
        try:
            operation = run.connection.call(self.service, "get_certificate_operation", run.budget, name)
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return False
        return str(getattr(operation, "status", "") or "").lower() != "completed"

    def _dependencies(self, issuer: str) -> tuple[Dependency, ...]:
        if not issuer or issuer in (_SELF, _UNKNOWN):
            return ()
        usable = self._usable(issuer)
        return (
            Dependency(
                kind="issuer",
                id=f"{vault_of(self.run)}/certificates/issuers/{issuer}",
                region=self.run.connection.region,
                usable=usable,
                detail="no enabled issuer object of this name in the vault" if usable is False else "",
            ),
        )

    def _usable(self, issuer: str) -> bool | None:
        """Whether the vault has the issuer object, enabled; None = that may not be read."""
        with self._lock:
            if issuer not in self._issuers:
                self._issuers[issuer] = self._ask_issuer(issuer)
            return self._issuers[issuer]

    def _ask_issuer(self, issuer: str) -> bool | None:
        run = self.run
        try:
            found = run.connection.call(self.service, "get_issuer", run.budget, issuer)
        except ProviderError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return False
            if error.kind is ErrorKind.DENIED:
                return None
            raise
        return getattr(found, "enabled", None) is not False


def renewal(policy: Any, begins: Moment | None, ends: Moment | None) -> tuple[timedelta | None, bool]:
    """Time from the start of validity to its renewal, and whether the vault renews at all.

    The policy counts in percent of the lifetime or in days before its end; the lifetime is the certificate's own, or
    what the policy asks for.
    """
    lifetime = ends.at - begins.at if begins and ends else months(getattr(policy, "validity_in_months", None))
    for action in getattr(policy, "lifetime_actions", None) or ():
        word = str(getattr(action.action, "value", action.action) or "").lower()
        if word != _RENEWS:
            continue
        share, days = getattr(action, "lifetime_percentage", None), getattr(action, "days_before_expiry", None)
        if lifetime is not None and isinstance(share, int) and 0 < share < 100:
            return lifetime * share / 100, True
        if (
            lifetime is not None
            and isinstance(days, int)
            and 0 <= days < _MOST_DAYS
            and timedelta(days=days) < lifetime
        ):
            return lifetime - timedelta(days=days), True
        return None, True
    return None, False


def _after(begins: Moment | None, interval: timedelta | None) -> datetime | None:
    """When the renewal is due; None when that is not known, or beyond every calendar."""
    if begins is None or interval is None:
        return None
    try:
        return begins.at + interval
    except OverflowError:
        return None


def _described(item: Item, der: Any, *, run: Run) -> Item:
    """`item` with what its certificate says; one that cannot be read is a chain with a problem, not a lost item."""
    if not isinstance(der, (bytes, bytearray)) or not der:
        return replace(item, state=CredentialState.PRE_ACTIVATION)
    try:
        leaf = decode(bytes(der))
    except MalformedError:
        return replace(item, chain=Chain(certificates=(), problem="the certificate that the vault returned is none"))
    ids: tuple[PublicId, ...] = (*item.ids, *public_ids(leaf))
    return replace(
        item,
        not_before=Moment(leaf.not_valid_before_utc),
        expires=Moment(leaf.not_valid_after_utc),
        ids=ids,
        chain=chain_facts([leaf], None, name="", now=run.now),
    )
