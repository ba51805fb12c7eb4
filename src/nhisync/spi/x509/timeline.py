"""The chain time machine: up to which second a chain builds, exactly, and what ends it.

A verifier reads the clock only to compare it with the validity of certificates. A path that was found therefore holds
up to and with the last second of the first of its certificates to end (RFC 5280 §4.1.2.5: both ends belong to the
validity). In the next second another path may take over, over whatever cross-signed authority; when none does, that is
the first failing second. Nothing is sampled: every second in between was answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from nhisync.model import Outlook
from nhisync.spi.x509.facts import root_id, text
from nhisync.spi.x509.paths import Purpose, Trust, build
from nhisync.spi.x509.views import CLIENT, TrustStore

_SECOND = timedelta(seconds=1)
_MOST_SPANS = 64
"""A dozen is much for an endpoint that means no harm; after this many nothing more is believed."""


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds during which one path builds.

    Attributes:
        begins: first second, aware UTC.
        ends: last second.
        path: leaf first, root last.
    """

    begins: datetime
    ends: datetime
    path: tuple[x509.Certificate, ...]

    @property
    def culprit(self) -> x509.Certificate:
        """The certificate that ends the path; of several in one second the one nearest to the root."""
        return min(reversed(self.path), key=lambda certificate: certificate.not_valid_after_utc)

    @property
    def role(self) -> str:
        """What the culprit is: ``leaf``, ``intermediate`` or ``anchor``."""
        place = self.path.index(self.culprit)
        if place == 0:
            return "leaf"
        return "anchor" if place == len(self.path) - 1 else "intermediate"


def spans(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: Trust,
    now: datetime,
    purpose: Purpose = Purpose.SERVER,
) -> tuple[Span, ...]:
    """The paths that follow one another from `now` on without a second in between; empty = none builds now.

    The first failing second is the one after the last span; who ends that span is the culprit.

    Args:
        leaf: the certificate in question.
        others: what is served or known besides.
        trust: roots and profile; its known intermediates are not used.
        now: first instant, aware UTC; parts of a second do not count.
        purpose: what the leaf is wanted for.
    """
    found: list[Span] = []
    instant = now.replace(microsecond=0)
    while len(found) < _MOST_SPANS and (path := build(leaf, others, trust, instant, purpose)):
        found.append(Span(instant, min(one.not_valid_after_utc for one in path), path))
        instant = found[-1].ends + _SECOND
    return tuple(found)


def holds_until(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: Trust,
    now: datetime,
    purpose: Purpose = Purpose.SERVER,
) -> tuple[datetime, x509.Certificate] | None:
    """The last second at which a path builds, and the certificate that ends it; None = it does not build now."""
    found = spans(leaf, others, trust, now, purpose)
    return (found[-1].ends, found[-1].culprit) if found else None


def outlook(
    name: str,
    store: TrustStore,
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    now: datetime,
    purpose: Purpose,
) -> Outlook:
    """What the clients that carry `store` will say of the chain; they have the intermediates of their bundle, too."""
    if store.trust is None:
        return Outlook(store=name, problem=store.problem)
    accepts = tuple(sorted(map(root_id, store.trust.roots))) if name.startswith(CLIENT) else ()
    found = spans(leaf, [*others, *store.trust.intermediates], store.trust, now, purpose)
    if not found:
        return Outlook(store=name, accepts=accepts)
    return Outlook(
        store=name,
        fails_at=found[-1].ends + _SECOND,
        culprit=text(found[-1].culprit.subject.rfc4514_string()),
        role=found[-1].role,
        anchor=root_id(found[0].path[-1]),
        accepts=accepts,
    )
