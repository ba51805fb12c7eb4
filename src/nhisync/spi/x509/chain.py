"""Served or stored certificates to one `Chain` fact that pure rules can judge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from nhisync.model import Chain, CredentialState
from nhisync.spi.x509.checks import LONG_LIVED, long_lived, weaknesses
from nhisync.spi.x509.facts import certificate_facts, quiet, text
from nhisync.spi.x509.paths import Purpose, Trust, build, covers, explain
from nhisync.spi.x509.revocation import revocation
from nhisync.spi.x509.timeline import outlook
from nhisync.spi.x509.views import NO_VIEWS, TrustStore, Views


def chain_facts(
    certificates: Sequence[x509.Certificate],
    trust: Trust | None,
    *,
    name: str,
    now: datetime,
    purpose: Purpose = Purpose.SERVER,
    views: Views = NO_VIEWS,
) -> Chain:
    """Describe and verify a chain.

    Args:
        certificates: as served or stored, leaf first; may hold anything after it.
        trust: roots, known intermediates and profile; None = facts only, nothing is verified.
        name: DNS name or IP address that clients ask for; "" = none.
        now: the instant of verification, aware UTC.
        purpose: what the leaf is wanted for.
        views: other trust stores and revocation lists with which to look at it.

    Returns:
        The facts, with the two verifications apart: with what was served, and with what is known besides.
    """
    with quiet():
        if not certificates:
            return Chain(certificates=(), problem="no certificate", name=name)
        leaf, others = certificates[0], list(certificates[1:])
        served = build(leaf, others, trust, now, purpose) if trust else ()
        more = trust.intermediates if trust else ()
        known = served or (build(leaf, [*others, *more], trust, now, purpose) if trust and more else ())
        path = known or _by_name(certificates)
        stores = _stores(trust, views, served=bool(served))
        found = Chain(
            certificates=tuple(certificate_facts(item) for item in certificates),
            ordered=_ordered(certificates, path),
            surplus=_surplus(certificates, path),
            name=name,
            covers_name=covers(leaf, name) if name else None,
            weak=weaknesses(leaf, path[1:], purpose),
            outlooks=tuple(outlook(key, store, leaf, others, now, purpose) for key, store in stores.items()),
            revocation=revocation(path, views.revocation, now) if views.revocation else None,
        )
        if long_lived(leaf) and purpose is Purpose.SERVER and _is_public(found, stores):
            found = replace(found, weak=tuple(sorted((*found.weak, LONG_LIVED))))
        if trust is None:
            return found
        problem = "" if served else explain(leaf, others, trust, now, purpose)
        found = replace(found, builds=bool(served), builds_with_known=bool(known), problem=problem)
        return _anchored(found, known[-1]) if known else found


def _anchored(chain: Chain, root: x509.Certificate) -> Chain:
    """`chain` with the root in which its path ends."""
    return replace(chain, anchor=text(root.subject.rfc4514_string()), anchor_not_after=root.not_valid_after_utc)


def _stores(trust: Trust | None, views: Views, *, served: bool) -> Mapping[str, TrustStore]:
    """The source's own store before the others; what is known besides counts only where what is served does not do."""
    if trust is None:
        return views.stores
    return {
        "own": TrustStore(trust=replace(trust, intermediates=() if served else trust.intermediates)),
        **views.stores,
    }


def _is_public(chain: Chain, stores: Mapping[str, TrustStore]) -> bool:
    """Whether the chain builds to a public authority's root."""
    public = {key for key, store in stores.items() if store.trust is not None and store.trust.public}
    return any(one.fails_at is not None for one in chain.outlooks if one.store in public)


def state_at(leaf: x509.Certificate, now: datetime) -> CredentialState:
    """NIST SP 800-57 state of a certificate from its dates alone."""
    if now < leaf.not_valid_before_utc:
        return CredentialState.PRE_ACTIVATION
    return CredentialState.ACTIVE if now <= leaf.not_valid_after_utc else CredentialState.DEACTIVATED


def _by_name(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The path by issuer names alone, for chains that do not verify; each certificate is used once."""
    path, rest = [certificates[0]], list(certificates[1:])
    while issuer := next((item for item in rest if item.subject == path[-1].issuer), None):
        path.append(issuer)
        rest.remove(issuer)
    return tuple(path)


def _ordered(certificates: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> bool:
    """Whether those served certificates that the path uses stand in its order (RFC 5246 §7.4.2)."""
    used = [item for item in dict.fromkeys(certificates) if item in path]
    return used == [item for item in path if item in used]


def _surplus(certificates: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> int:
    """How many served certificates the path does not use, repetitions included."""
    return len(certificates) - len({item for item in certificates if item in path})
