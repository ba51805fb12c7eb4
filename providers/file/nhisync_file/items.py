"""Parsed facts as an `Item`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from nhisync.spi import ErrorKind, Item, Locator, Moment, Precision, Presence, ProviderError
from nhisync.spi.x509 import (
    NO_VIEWS,
    Trust,
    Views,
    certificate_facts,
    chain_facts,
    holds_until,
    is_root,
    public_ids,
    purpose_of,
    quiet,
    root_id,
    state_at,
    text,
)
from nhisync_file.parsed import Parsed

_SKEW = timedelta(seconds=30)
"""By which a writer's clock may be ahead of the file system's."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What stored chains are judged with.

    Attributes:
        trust: roots, intermediates, profile; None = chains are described only.
        problem: why there is no trust although it is configured, or "".
        views: other trust stores and revocation lists.
    """

    trust: Trust | None = None
    problem: str = ""
    views: Views = NO_VIEWS


def item_of(
    locator: Locator, parsed: Parsed, *, modified: datetime, exposed: str, judging: Judging, now: datetime
) -> Item:
    """The facts of one file or folder.

    Args:
        locator: its address.
        parsed: what its parser handed on.
        modified: last change of its content.
        exposed: who else can read or change it, or "".
        judging: how stored chains are judged.
        now: the instant of verification.
    """
    with quiet():
        found: dict[str, Any] = {
            "provider_id": parsed.provider_id or locator.name,
            "version": parsed.version,
            # Keys of a set are added and taken out one by one: a write is no generation of it.
            "rotated": None if parsed.key_set else _generation(parsed.rotated, modified),
            "key_set": parsed.key_set,
            "expires": Moment(parsed.expires) if parsed.expires else None,
            "ids": parsed.ids,
        }
        attributes = dict(parsed.attributes)
        if is_bundle(parsed):
            found |= _bundle(parsed.certificates)
            attributes |= {"content": "trust-bundle", "authorities": str(len(parsed.certificates))}
        elif parsed.certificates:
            found |= _certificate(parsed, judging, now)
            attributes |= _display(parsed.certificates, judging.trust, now)
        return Item(
            locator=locator,
            observed_at=now,
            fields=parsed.fields,
            exposure=exposed,
            attributes=tuple(sorted(attributes.items())),
            **found,
        )


def _generation(told: datetime | None, modified: datetime) -> Moment:
    """What the content says, unless it was written before that; else the last write, as an upper bound.

    A write can put the same content there once more, or that of an older copy, but never a newer one.
    """
    if told is not None and told <= modified + _SKEW:
        return Moment(told)
    return Moment(modified, Precision.UPPER_BOUND)


def failed_item(locator: Locator, failure: ProviderError, now: datetime) -> Item:
    """An item of which only the reason is known; ABSENT, which is an answer, when the file system itself says so."""
    if failure.kind is ErrorKind.NOT_FOUND:
        return Item(locator=locator, observed_at=now, presence=Presence.ABSENT)
    fact = replace(failure.fact, resource=failure.fact.resource or locator.name)
    return Item(locator=locator, observed_at=now, presence=failure.presence, error=fact)


def is_bundle(parsed: Parsed) -> bool:
    """Whether the certificates are trust anchors rather than somebody's chain: all self-signed, and no key beside.

    One alone that names hosts, or is no authority, is a server's own, whose key lies in another file.
    """
    certificates = parsed.certificates
    if not certificates or parsed.secret or not all(map(is_root, certificates)):
        return False
    return len(certificates) > 1 or _is_authority(certificates[0])


def _is_authority(certificate: x509.Certificate) -> bool:
    """By its extensions, which certificates of the first version do not have (RFC 5280 §4.1.2.1)."""
    facts = certificate_facts(certificate)
    able = facts.is_ca or certificate.version is x509.Version.v1
    return able and not facts.names and not facts.extended_key_usage


def _bundle(certificates: Sequence[x509.Certificate]) -> dict[str, Any]:
    """A bundle is the same when it holds the same keys, in any order; equal bundles on both paths are no copied key."""
    facts = [certificate_facts(one) for one in certificates]
    first = min(facts, key=lambda one: one.not_after)
    keys = "\n".join(sorted({one.spki_sha256 for one in facts}))
    return {
        "version": hashlib.sha256(keys.encode()).hexdigest(),
        # Roots come and go one by one, and are compared one by one: a write is no generation.
        "rotated": None,
        "not_before": Moment(first.not_before),
        "expires": Moment(first.not_after),
        "accepts": tuple(sorted({f"{root_id(one)} {text(one.subject.rfc4514_string())}" for one in certificates})),
    }


def _certificate(parsed: Parsed, judging: Judging, now: datetime) -> dict[str, Any]:
    leaf = parsed.certificates[0]
    chain = chain_facts(
        parsed.certificates, judging.trust, name="", now=now, purpose=purpose_of(leaf), views=judging.views
    )
    return {
        "state": state_at(leaf, now),
        "version": parsed.version or format(leaf.serial_number, "x"),
        # Authorities backdate notBefore by up to an hour, so the day is what can be relied on.
        "rotated": Moment(leaf.not_valid_before_utc, Precision.DAY),
        "not_before": Moment(leaf.not_valid_before_utc),
        "expires": Moment(leaf.not_valid_after_utc),
        "ids": (*parsed.ids, *public_ids(leaf)),
        "chain": replace(chain, problem=chain.problem or judging.problem),
    }


def _display(certificates: Sequence[x509.Certificate], trust: Trust | None, now: datetime) -> dict[str, str]:
    """What the leaf is for, and until when its chain holds."""
    leaf, others, purpose = certificates[0], certificates[1:], purpose_of(certificates[0])
    end = holds_until(leaf, others, trust, now, purpose) if trust else None
    if end is None:
        return {"purpose": purpose.value}
    return {
        "purpose": purpose.value,
        "chain-holds-until": f"{end[0]:%Y-%m-%dT%H:%M:%SZ}",
        "chain-ends-with": text(end[1].subject.rfc4514_string()),
    }
