"""What one handshake showed, as the facts of an `Item`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nhisync.spi import Chain, ErrorKind, Item, Locator, Moment, Precision, Presence, ProviderError
from nhisync.spi.jwks import key_set_version, read_key_set
from nhisync.spi.x509 import (
    NO_VIEWS,
    Loaded,
    MalformedError,
    Profile,
    Trust,
    Views,
    chain_facts,
    decode,
    public_ids,
    quiet,
    state_at,
)
from nhisync_tls.handshake import Served
from nhisync_tls.pages import Fetched, not_verified
from nhisync_tls.target import Target

_SECOND = timedelta(seconds=1)

UNREADABLE = "unreadable-certificate"
"""Word in `Chain.weak`: a served certificate that no parser here can read."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What chains are judged with.

    Attributes:
        trust: roots and intermediates; None = they cannot be used, and nothing is verified.
        problem: why there is no trust, or "".
        views: other trust stores and revocation lists.
    """

    trust: Loaded | None = None
    problem: str = ""
    views: Views = NO_VIEWS

    @property
    def roots(self) -> bytes:
        """The trusted roots in DER, one after the other."""
        found = self.trust.trust.roots if self.trust else ()
        return b"".join(root.public_bytes(Encoding.DER) for root in found)


def item_of(locator: Locator, name: str, served: Served, judging: Judging, now: datetime) -> Item:
    """The facts of one endpoint.

    Args:
        locator: its address.
        name: the name verified; "" = none is known.
        served: what the handshake showed.
        judging: how its chain is judged.
        now: the instant of verification.

    Raises:
        ProviderError: MALFORMED, when the leaf itself cannot be read.
    """
    with quiet():
        certificates, unreadable = _decoded(served.certificates, locator)
        trust = judging.trust.trust if judging.trust else None
        chain = chain_facts(certificates, trust, name=name, now=now, views=judging.views)
        chain = replace(
            chain,
            problem=chain.problem or judging.problem,
            surplus=chain.surplus + unreadable,
            weak=tuple(sorted({*chain.weak, *([UNREADABLE] if unreadable else [])})),
            asks_client_certificate=_demand(served.client_certificate),
            wishes_client_certificate=served.client_certificate == "requested",
        )
        leaf = certificates[0]
        return Item(
            locator=locator,
            observed_at=now,
            provider_id=locator.name.partition("?")[0],
            state=state_at(leaf, now),
            version=format(leaf.serial_number, "x"),
            # Authorities backdate notBefore by up to an hour, so the day is what can be relied on.
            rotated=Moment(leaf.not_valid_before_utc, Precision.DAY),
            not_before=Moment(leaf.not_valid_before_utc),
            expires=Moment(leaf.not_valid_after_utc),
            fields=(),
            ids=public_ids(leaf),
            chain=chain,
            attributes=_attributes(served, judging.trust, chain),
        )


def key_set_item(locator: Locator, target: Target, fetched: Fetched, judging: Judging, now: datetime) -> Item:
    """The facts of one published key set.

    Args:
        locator: its address.
        target: the endpoint that served it.
        fetched: what it served.
        judging: the trust that its certificate was verified against.
        now: the instant of verification.

    Raises:
        ProviderError: its certificate is not valid now, or it is no key set.
    """
    if judging.trust is not None:
        _verify(fetched, judging.trust.trust, target, now)
    found = read_key_set(fetched.content)
    return Item(
        locator=locator,
        observed_at=now,
        provider_id=locator.name.partition("?")[0],
        version=key_set_version(found),
        fields=(),
        key_set=found,
        attributes=(("signature-keys", str(len(found.keys))),),
    )


def failed_item(locator: Locator, failure: ProviderError, now: datetime) -> Item:
    """An endpoint of which only the reason is known; silence and refusal never mean that a credential is absent."""
    presence = Presence.UNKNOWN if failure.presence is Presence.ABSENT else failure.presence
    return Item(locator=locator, observed_at=now, presence=presence, error=failure.fact)


def _verify(fetched: Fetched, trust: Trust, target: Target, now: datetime) -> None:
    """Judge the dates that OpenSSL was told to leave out: the chain must build at `now`.

    Raises:
        ProviderError: it does not.
    """
    with quiet():
        certificates, unreadable = _decoded(fetched.certificates, Locator("", "", target.endpoint))
        chain = chain_facts(certificates, trust, name="", now=now)
    if not chain.builds or unreadable:
        raise not_verified(target, chain.problem)


def _decoded(served: Sequence[bytes], locator: Locator) -> tuple[list[x509.Certificate], int]:
    """The readable certificates in order, and how many after the leaf are not readable."""
    found: list[x509.Certificate] = []
    for der in served:
        try:
            found.append(decode(der))
        except MalformedError:
            if not found:
                break
    if not found:
        raise ProviderError(
            ErrorKind.MALFORMED,
            f"{locator.name}: the leaf that is served is no readable certificate",
            resource=locator.name,
            reason="leaf-unreadable",
            fix="Replace the certificate; clients with strict parsers refuse it too.",
        )
    return found, len(served) - len(found)


def _demand(word: str) -> bool | None:
    """Whether the server demands a client certificate; None when it merely asks, or when nobody can tell."""
    return {"required": True, "none": False}.get(word)


def _attributes(served: Served, trust: Loaded | None, chain: Chain) -> tuple[tuple[str, str], ...]:
    """Display facts that stay the same while the endpoint does (no durations, no addresses of a pool)."""
    facts = {
        "alpn": served.alpn,
        "cipher": served.cipher,
        "client-certificate": served.client_certificate,
        "sni": served.sni or "not sent",
        "tls-version": served.version,
    }
    if trust is not None:
        facts["trust"] = trust.origin
        facts["profile"] = trust.trust.profile.value if trust.trust.profile is not Profile.WEB else ""
        own = next((one for one in chain.outlooks if one.store == "own"), None)
        if chain.builds and own is not None and own.fails_at is not None:
            facts["chain-holds-until"] = f"{own.fails_at - _SECOND:%Y-%m-%dT%H:%M:%SZ}"
            facts["chain-ends-with"] = own.culprit
    return tuple(sorted((key, word) for key, word in facts.items() if word))
