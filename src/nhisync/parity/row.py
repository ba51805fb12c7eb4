"""The plain row on which rules work: one item of one pair side, as the store returns it.

A million pairs are compared without building rich objects: a row is a tuple of integers and short strings (instants and
spans are whole seconds, the unit the store keeps). `row_of` is the only place where an `Item` becomes a row; `detail`
carries what only few rules need, as JSON, decoded on demand.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from nhisync.model import (
    CertificateFacts,
    Chain,
    Dependency,
    ErrorFact,
    Item,
    KeySet,
    Moment,
    Outlook,
    Precision,
    Presence,
    Protection,
    Revocation,
)


class Row(NamedTuple):
    """One side of one pair.

    Attributes:
        key: logical key ``app/pair``; items no pair claims have ``~`` plus their locator.
        locator: ``<source>:<kind>/<name>``.
        presence: word of `Presence`.
        lifecycle: word of `Lifecycle`.
        state: word of `CredentialState`, or None.
        domain: fault domain (``aws/eu-north-1``), or None when the region is not known.
        version: provider's id of the current version.
        created: epoch seconds of the item's creation.
        rotated: epoch seconds of the current generation; None = never rotated since `created`.
        not_before: epoch seconds.
        expires: epoch seconds; None = does not expire.
        next_rotation: epoch seconds.
        pending: epoch seconds since when a rotation is unfinished.
        rotation: 1 schedule runs, 0 schedule is off, None no schedule or not known.
        interval: seconds between rotations.
        owner: owner; "" = none set although the kind carries owners; None = the kind carries none.
        group: equality class of the value across paths (random per run), or None.
        ids: public identifiers, ``scheme=value`` lines, sorted.
        bound: fault domains of dependencies that exist nowhere else, one per line, or None.
        grants: what the identity may do, as `nhisync.parity.rights` writes it; None = not asked. It is learnt after
            the sweep, so a row of a sweep has none.
        auth: 1 accepted, 0 refused, None not tried (live authentication).
        detail: JSON of error, dependencies, chain, accepted roots, published keys, fields, exposure, protection,
            endlessness, whether `rotated` is only an upper bound, and display facts, or None.
        marker: the listing's change marker.
        observed: epoch seconds of the observation.
        digest: 64-bit digest of everything above but `auth`, `observed`, `marker` and `group`.
        probe: JSON of what the live authentication showed, its age included (`nhisync.parity.proof`), or None.
        consumers: JSON of the generations that consumers have loaded (`nhisync.parity.holding`), or None.
    """

    key: str
    locator: str
    presence: str
    lifecycle: str
    state: str | None
    domain: str | None
    version: str | None
    created: int | None
    rotated: int | None
    not_before: int | None
    expires: int | None
    next_rotation: int | None
    pending: int | None
    rotation: int | None
    interval: int | None
    owner: str | None
    group: str | None
    ids: str | None
    bound: str | None
    grants: str | None
    auth: int | None
    detail: str | None
    marker: str
    observed: int
    digest: int
    probe: str | None = None
    consumers: str | None = None


_UNDIGESTED = frozenset({"group", "auth", "probe", "consumers", "marker", "observed", "digest"})
_DIGESTED = tuple(i for i, name in enumerate(Row._fields) if name not in _UNDIGESTED)


_NESTED = frozenset({"certificates", "outlooks", "revocation"})


def digest_of(values: tuple[Any, ...]) -> int:
    """64-bit signed digest of a row's judged columns (`values` in the order of `Row._fields`)."""
    # repr keeps None from "" apart, and a separator inside a text from one between two.
    text = repr(tuple(map(values.__getitem__, _DIGESTED)))
    raw = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def mixed(digest: int, text: str) -> int:
    """A 64-bit signed digest of another digest and what was learned since."""
    raw = hashlib.blake2b(f"{digest} {text}".encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def epoch(instant: datetime | None) -> int | None:
    """Whole seconds since 1970, or None."""
    return None if instant is None else int(instant.timestamp())


def instant(seconds: int) -> datetime:
    """The aware instant of whole epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def row_of(item: Item, *, key: str, domain: str | None) -> Row:
    """The row of `item` under the logical `key`; `domain` is the fault domain of its source or own region."""
    rotation = item.rotation
    values: tuple[Any, ...] = (
        key,
        str(item.locator),
        item.presence.value,
        item.lifecycle.value,
        item.state.value if item.state else None,
        domain,
        item.version,
        _at(item.created),
        _at(item.rotated),
        _at(item.not_before),
        _at(item.expires),
        _at(item.next_rotation),
        epoch(rotation.pending_since) if rotation else None,
        _flag(rotation.enabled) if rotation else None,
        _seconds(rotation.interval) if rotation else None,
        item.owner,
        None,
        _lines(f"{i.scheme}={i.value}" for i in item.ids),
        _lines(bound_domains(item, domain)),
        None,
        None,
        _detail(item),
        item.marker,
        int(min(item.observed_at, item.source_as_of or item.observed_at).timestamp()),
    )
    return Row._make((*values, digest_of(values), None, None))


def unanswered(key: str, locator: str, presence: Presence, error: ErrorFact | None, observed_at: datetime) -> Row:
    """A row for an item of which nothing is known but why."""
    detail = json.dumps({"error": _error(error)}, sort_keys=True) if error else None
    blank: dict[str, Any] = dict.fromkeys(Row._fields)
    blank.update(
        key=key,
        locator=locator,
        presence=presence.value,
        lifecycle="unknown",
        detail=detail,
        marker="",
        observed=int(observed_at.timestamp()),
        digest=0,
    )
    row = Row(**blank)
    return row._replace(digest=digest_of(row))


def bound_domains(item: Item, domain: str | None) -> Iterable[str]:
    """Fault domains outside which a dependency of `item` does not exist; they carry the provider of `domain`."""
    provider = (domain or "").partition("/")[0]
    return {f"{provider}/{d.region}" for d in item.dependencies if d.region and not d.multi_region}


def _at(moment: Moment | None) -> int | None:
    return None if moment is None else epoch(moment.at)


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _lines(values: Iterable[str]) -> str | None:
    return "\n".join(sorted(values)) or None


def _error(error: ErrorFact | None) -> dict[str, Any] | None:
    if error is None:
        return None
    wait = error.retry_after
    return {
        "kind": error.kind,
        "message": error.message,
        "action": error.action,
        "resource": error.resource,
        "principal": error.principal,
        "reason": error.reason,
        "request_id": error.request_id,
        "retry_after": wait.total_seconds() if wait else None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp())
    return list(value) if isinstance(value, tuple) else value


def _facts(facts: CertificateFacts | Outlook | Revocation) -> dict[str, Any]:
    return {f.name: _plain(getattr(facts, f.name)) for f in dataclass_fields(facts)}


def _chain(chain: Chain) -> dict[str, Any]:
    shown = {f.name: _plain(getattr(chain, f.name)) for f in dataclass_fields(chain) if f.name not in _NESTED}
    return {
        "certificates": [_facts(c) for c in chain.certificates],
        "outlooks": [_facts(o) for o in chain.outlooks],
        "revocation": None if chain.revocation is None else _facts(chain.revocation),
        **shown,
    }


def _key_set(found: KeySet) -> dict[str, Any]:
    keys = [[key.kid, key.thumbprint, list(key.algorithms)] for key in found.keys]
    return {"keys": keys, "odd": list(found.odd), "private": found.private}


def _dependency(dependency: Dependency) -> dict[str, Any]:
    return {f.name: getattr(dependency, f.name) for f in dataclass_fields(dependency)}


def _protection(protection: Protection) -> dict[str, Any]:
    return {f.name: getattr(protection, f.name) for f in dataclass_fields(protection)}


def _at_latest(item: Item) -> bool:
    return item.rotated is not None and item.rotated.precision is Precision.UPPER_BOUND


def _detail(item: Item) -> str | None:
    detail: dict[str, Any] = {
        "provider_id": item.provider_id or None,
        "region": item.region,
        "error": _error(item.error),
        "dependencies": [_dependency(d) for d in item.dependencies] or None,
        "chain": _chain(item.chain) if item.chain else None,
        "accepts": None if item.accepts is None else list(item.accepts),
        "key_set": None if item.key_set is None else _key_set(item.key_set),
        "fields": None if item.fields is None else sorted(item.fields),
        "exposure": item.exposure or None,
        "protection": None if item.protection is None else _protection(item.protection),
        "endless": item.endless or None,
        "rotated_at_latest": _at_latest(item) or None,
        "mechanism": (item.rotation.mechanism or None) if item.rotation else None,
        "attributes": dict(item.attributes) or None,
    }
    kept = {name: value for name, value in detail.items() if value is not None}
    return json.dumps(kept, sort_keys=True, separators=(",", ":")) if kept else None
