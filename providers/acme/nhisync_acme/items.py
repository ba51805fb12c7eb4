"""Accounts and certificates as the facts of an `Item`."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from josepy.jwk import JWK

from nhisync.spi import (
    CredentialState,
    Dependency,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Precision,
    Presence,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.x509 import Trust, chain_facts, public_ids, quiet, state_at
from nhisync_acme.renewal import Window

ISSUER = "issuer"

_STATES = {
    "valid": CredentialState.ACTIVE,
    "deactivated": CredentialState.DEACTIVATED,
    "revoked": CredentialState.DEACTIVATED,
}
"""RFC 8555 §7.1.6; a status that nobody knows is no state."""


def account_item(
    locator: Locator, account: messages.RegistrationResource, key: JWK, issuer: Dependency, now: datetime
) -> Item:
    """The configured account."""
    status = str(account.body.status or "")
    return Item(
        locator=locator,
        observed_at=now,
        provider_id=str(account.uri),
        lifecycle=Lifecycle.OWN,
        state=_STATES.get(status),
        version=status or None,
        fields=(),
        ids=(PublicId("spki-sha256", spki_of(key)),),
        dependencies=(issuer,),
        attributes=(("contacts", str(len(account.body.contact or ()))),),
    )


def certificate_item(
    locator: Locator,
    certificates: Sequence[x509.Certificate],
    trust: Trust | None,
    issuer: Dependency,
    renewal: Window | None,
    now: datetime,
) -> Item:
    """One stored certificate and what its authority says of its renewal.

    Args:
        locator: its address.
        certificates: as stored, leaf first, at least one.
        trust: for the chain; None = it is not verified.
        issuer: the authority, usable or not.
        renewal: None = the authority says nothing.
        now: the instant of verification.
    """
    leaf = certificates[0]
    with quiet():
        return Item(
            locator=locator,
            observed_at=now,
            provider_id=locator.name,
            lifecycle=Lifecycle.OWN,
            state=state_at(leaf, now),
            version=format(leaf.serial_number, "x"),
            # Authorities backdate notBefore by up to an hour, so the day is what can be relied on.
            rotated=Moment(leaf.not_valid_before_utc, Precision.DAY),
            not_before=Moment(leaf.not_valid_before_utc),
            expires=Moment(leaf.not_valid_after_utc),
            next_rotation=Moment(renewal.end) if renewal else None,
            rotation=Rotation(enabled=issuer.usable, mechanism="acme"),
            fields=(),
            ids=public_ids(leaf),
            dependencies=(issuer,),
            chain=chain_facts(certificates, trust, name="", now=now),
            attributes=_attributes(renewal),
        )


def unknown_item(locator: Locator, failure: ProviderError, now: datetime) -> Item:
    """Absent only when the authority, or the file system, says so; else the typed reason."""
    fact = None if failure.presence is Presence.ABSENT else failure.fact
    return Item(locator=locator, observed_at=now, presence=failure.presence, error=fact)


def spki_of(key: JWK) -> str:
    """SHA-256 of the public key: one key on both paths is one account."""
    public = key.public_key().key
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _attributes(renewal: Window | None) -> tuple[tuple[str, str], ...]:
    if renewal is None:
        return (("renewal", "not offered"),)
    found = [
        ("renewal-from", f"{renewal.start:%Y-%m-%dT%H:%M:%SZ}"),
        ("renewal-until", f"{renewal.end:%Y-%m-%dT%H:%M:%SZ}"),
    ]
    return (("renewal-explained", "yes"), *found) if renewal.explained else tuple(found)
