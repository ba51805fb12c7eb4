"""Items of an application's credentials: pure but for the run's clock and settings.

An application may hold many secrets at once: the newest one in force is its generation, and older ones that still work
are an unfinished rotation, begun with the newest.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from nhisync.spi import (
    Chain,
    CredentialState,
    Dependency,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Precision,
    PublicId,
    Rotation,
)
from nhisync.spi.x509 import MalformedError, chain_facts, decode, public_ids
from nhisync_azure.facts import NAME_TAG, attributes, marker
from nhisync_azure.kinds.entra import Credential, Federation, Holder
from nhisync_azure.run import Run

_SESSION = timedelta(hours=1)
"""A federated credential stores nothing: whoever holds its token has it for about an hour."""

_AKS = ".oic.prod-aks.azure.com"
"""Issuers of AKS clusters carry their region as first label."""


def secret_item(run: Run, locator: Locator, holder: Holder, held: Sequence[Credential]) -> Item:
    """Client secrets; Graph's key id is the public id of each."""
    current = _current(held, run.now)
    ids = (PublicId("access-key-id", current.id), _login(run, holder))
    return _item(run, locator, holder, held, current, ids=ids)


def certificate_item(run: Run, locator: Locator, holder: Holder, held: Sequence[Credential]) -> Item:
    """Certificates; the public half is the public id where it was read."""
    current = _current(held, run.now)
    item = _item(run, locator, holder, held, current, ids=(_login(run, holder),))
    if not current.der:
        return item
    try:
        leaf = decode(current.der)
    except MalformedError:
        return replace(item, chain=Chain(certificates=(), problem="the certificate that Graph returned is none"))
    ids = (*item.ids, *public_ids(leaf))
    return replace(item, ids=ids, chain=chain_facts([leaf], None, name="", now=run.now))


def federation_item(run: Run, locator: Locator, holder: Holder, trust: Federation) -> Item:
    """Trust in another issuer; nothing is stored that could be copied."""
    region = _region(trust.issuer)
    issuer = Dependency(kind="issuer", id=trust.issuer, region=region, multi_region=False if region else None)
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=f"{holder.app_id}/{trust.id}",
        lifecycle=Lifecycle.OWN,
        state=_enabled(holder, CredentialState.ACTIVE),
        created=_moment(holder.created),
        rotated=Moment(run.now - _SESSION, Precision.LOWER_BOUND),
        owner=_owner(run, holder),
        logical_name=holder.tag(NAME_TAG) or None,
        ids=(_login(run, holder),),
        dependencies=(issuer,),
        # The day keeps `rotated` from growing old in the store while nothing else changes.
        marker=marker(holder.app_id, trust.id, trust.issuer, trust.subject, trust.audiences, _says(run, holder)),
        attributes=attributes(
            application=holder.app_id, audiences=", ".join(trust.audiences), issuer=trust.issuer, subject=trust.subject
        ),
    )


def _item(
    run: Run,
    locator: Locator,
    holder: Holder,
    held: Sequence[Credential],
    current: Credential,
    *,
    ids: tuple[PublicId, ...],
) -> Item:
    now = run.now
    older = [one for one in held if one.id != current.id and not one.over(now)]
    pending = current.begins if older and current.begins is not None else None
    first = min((one.begins for one in held if one.begins is not None), default=None)
    dates = [(one.id, one.name, one.begins, one.ends) for one in held]
    return Item(
        locator=locator,
        observed_at=now,
        provider_id=f"{holder.app_id}/{current.id}",
        lifecycle=Lifecycle.OWN,
        state=_enabled(holder, _state(current, now)),
        version=current.id,
        created=_moment(first or holder.created),
        rotated=_moment(current.begins) if len(held) > 1 else None,
        not_before=_moment(current.begins),
        expires=_moment(current.ends),
        rotation=Rotation(pending_since=pending, pending_version=current.id if pending else None),
        owner=_owner(run, holder),
        logical_name=holder.tag(NAME_TAG) or None,
        ids=ids,
        marker=marker(locator.kind, holder.app_id, dates, _says(run, holder)),
        attributes=attributes(
            application=holder.app_id,
            credential=current.name,
            in_force=str(sum(one.in_force(now) for one in held)),
            kept=str(len(held)),
        ),
    )


def _current(held: Sequence[Credential], now: datetime) -> Credential:
    """The newest one in force; without any, the newest of all."""

    def age(one: Credential) -> tuple[bool, float, str]:
        return one.in_force(now), one.begins.timestamp() if one.begins else 0.0, one.id

    return max(held, key=age)


def _state(current: Credential, now: datetime) -> CredentialState:
    if current.over(now):
        return CredentialState.DEACTIVATED
    return CredentialState.ACTIVE if current.in_force(now) else CredentialState.PRE_ACTIVATION


def _enabled(holder: Holder, state: CredentialState) -> CredentialState:
    return CredentialState.SUSPENDED if holder.enabled is False else state


def _login(run: Run, holder: Holder) -> PublicId:
    """Two credentials of one application drive one account: disabling it takes both paths down."""
    return PublicId("login", f"{run.settings.auth.tenant}/{holder.app_id}".lower())


def _owner(run: Run, holder: Holder) -> str | None:
    """The owner tag, else Graph's owners; None when neither was read."""
    tagged = holder.tag(run.settings.owner_tag)
    if tagged:
        return tagged
    return None if holder.owners is None else ", ".join(holder.owners)


def _says(run: Run, holder: Holder) -> tuple[Any, ...]:
    """What of the holder is judged, and the day: certificates and trusts change without a trace in their list."""
    return holder.enabled, holder.tags, holder.owners, run.now.date()


def _moment(at: datetime | None) -> Moment | None:
    return None if at is None else Moment(at)


def _region(issuer: str) -> str | None:
    """Region of an AKS issuer; None for others, which do not say."""
    try:
        host = urlsplit(issuer).hostname or ""
    except ValueError:
        return None
    return host.partition(".")[0] if host.endswith(_AKS) else None
