"""Kind ``cas-certificate``: certificates of Certificate Authority Service.

Every renewal is a new certificate with a new id, so an item is named by pool and common name and means the newest one
that is not revoked; an id names one certificate. The authority that issued it is a dependency: a certificate cannot be
renewed where no authority of the pool is enabled and in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nhisync.spi import (
    CredentialState,
    Dependency,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    ProviderError,
)
from nhisync.spi.runs import Sweep
from nhisync_gcp.kinds.pem import described
from nhisync_gcp.kinds.secret_facts import instant, owner_of
from nhisync_gcp.names import CertificateName, last_of, parent_of, segment
from nhisync_gcp.run import Run, attributes, marker

KIND = "cas-certificate"
_PAGE = 1_000
_ENABLED = 1
_STATES = {1: "enabled", 2: "disabled", 3: "staged", 4: "awaiting activation", 5: "deleted"}
_REVOKED = {
    1: CredentialState.COMPROMISED,  # key
    2: CredentialState.COMPROMISED,  # authority
    6: CredentialState.SUSPENDED,  # on hold
    8: CredentialState.COMPROMISED,  # attribute authority
}
"""Revocation reason (RFC 5280 §5.3.1, as privateca numbers them) → state; all others are out of force."""


@dataclass(slots=True)
class _Pool:
    """One CA pool as far as it was read.

    Attributes:
        authorities: resource name → CertificateAuthority; None = not read.
        rows: its certificates.
        sweep: how far they were listed.
        exists: the list of pools shows it; False = not known.
    """

    authorities: Mapping[str, Any] | None = None
    rows: list[Any] = field(default_factory=list)
    sweep: Sweep = field(default_factory=Sweep)
    exists: bool = False


def collect(run: Run) -> Iterator[Observation]:
    """Pools of the swept locations and those that pairs name; two lists each: certificates and authorities."""
    named: dict[tuple[str, str], list[Locator]] = {}
    for locator in run.wanted(KIND).values():
        try:
            name = CertificateName.of(locator)
        except ProviderError as error:
            yield run.failed(locator, error)
        else:
            named.setdefault((name.location, name.pool), []).append(locator)
    if run.swept(KIND):
        yield from _sweep(run, named)
    for (location, pool), locators in named.items():
        yield from _pool(run, location, pool, locators, swept=False)


def _sweep(run: Run, named: dict[tuple[str, str], list[Locator]]) -> Iterator[Observation]:
    """All pools of all locations; what pairs name in them is answered along and taken out of `named`."""
    try:
        locations = run.locations
    except ProviderError as error:
        lost = Sweep()
        lost.error = error
        yield run.coverage(KIND, lost, authoritative=True)
        return
    for location in locations:
        sweep = Sweep()
        parent = parent_of(run.project, location)
        pools = [last_of(r.name) for r in run.rows(sweep, "privateca.list_ca_pools", "ca_pools", parent=parent)]
        sweep.items = 0
        for pool in pools:
            locators = named.pop((location, pool), [])
            yield from _pool(run, location, pool, locators, swept=True, into=sweep)
        if sweep.error is not None:
            for key in [key for key in named if key[0] == location]:
                yield from (run.failed(locator, sweep.error) for locator in named.pop(key))
        yield run.coverage(KIND, sweep, authoritative=True, scope=location)


def _pool(
    run: Run, location: str, pool: str, wanted: Sequence[Locator], *, swept: bool, into: Sweep | None = None
) -> Iterator[Observation]:
    read = _read(run, location, pool)
    read.exists = swept or bool(read.rows) or bool(read.authorities)
    if into is not None:
        into.items += read.sweep.items
        into.error = into.error or read.sweep.error
    prefix = f"{location}/{pool}/cn/"
    newest = {f"{prefix}{common}": rows for common, rows in _by_common_name(read.rows).items()}
    answered = {one.name for one in wanted}
    for name, rows in newest.items():
        if name not in answered and swept and run.asked_for(KIND, name):
            yield from run.row(run.locator(KIND, name), _item, rows, read)
    by_id = {f"{location}/{pool}/{last_of(row.name)}": [row] for row in read.rows}
    for locator in wanted:
        rows = newest.get(locator.name) or by_id.get(locator.name) or []
        if rows:
            yield from run.row(locator, _item, rows, read)
        else:
            yield from run.each([locator], lambda one: _unlisted(run, one, read))


def _read(run: Run, location: str, pool: str) -> _Pool:
    place, found = f"{parent_of(run.project, location)}/caPools/{pool}", _Pool()
    rows = run.rows(found.sweep, "privateca.list_certificates", "certificates", parent=place, page_size=_PAGE)
    found.rows = list(rows)
    authorities = Sweep()
    listed = run.rows(
        authorities, "privateca.list_certificate_authorities", "certificate_authorities", parent=place, page_size=_PAGE
    )
    known = {row.name: row for row in listed}
    if authorities.error is None:
        found.authorities = known
    elif found.sweep.error is None:
        found.sweep.error = authorities.error  # the certificates are there; what they depend on is not known
    return found


def _unlisted(run: Run, locator: Locator, read: _Pool) -> Iterator[Observation]:
    """One that no list showed: an id is asked for; a common name has no read of its own but the whole list."""
    name = CertificateName.of(locator)
    if name.id and (read.sweep.error is None or read.sweep.error.kind is ErrorKind.DENIED):
        row = run.call("privateca.get_certificate", name=name.resource(run.project))
        if last_of(row.name) != name.id:
            raise ProviderError(ErrorKind.MALFORMED, "the answer is about another certificate")
        yield run.known(_item(run, locator, [row], read))
        return
    if read.sweep.error is not None:
        raise read.sweep.error
    if not read.exists:
        _expect_pool(run, name)
    yield run.absent(locator)


def _expect_pool(run: Run, name: CertificateName) -> None:
    """A pool that is not there holds nothing, and its emptiness proves nothing.

    Raises:
        ProviderError: SCOPE_MISSING.
    """
    parent = parent_of(run.project, name.location)
    pages = run.pages("privateca.list_ca_pools", "ca_pools", parent=parent, page_size=_PAGE)
    if name.pool not in {last_of(row.name) for page in pages for row in page}:
        fix = "Correct the locator, or create the pool."
        raise ProviderError(ErrorKind.SCOPE_MISSING, f"there is no CA pool {name.location}/{name.pool}", fix=fix)


def _by_common_name(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Common name → its certificates, newest first, revoked ones behind all others."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        common = row.certificate_description.subject_description.subject.common_name
        if common:
            found.setdefault(common, []).append(row)
    for same in found.values():
        same.sort(key=lambda row: (not _revoked(row), _made(row)), reverse=True)
    return found


def _item(run: Run, locator: Locator, rows: Sequence[Any], read: _Pool) -> Item:
    row, oldest = rows[0], min(map(_made, rows))
    created, location = instant(row, "create_time"), segment(row.name, "locations")
    item = Item(
        locator=locator,
        observed_at=run.now,
        provider_id=row.name,
        region=location or None,
        lifecycle=Lifecycle.OWN,
        state=_state(row),
        created=Moment(oldest) if created else None,
        rotated=Moment(created) if created and len(rows) > 1 else None,
        owner=owner_of(run, (row.labels,)),
        dependencies=tuple(_issuer(row, read.authorities, run.now)),
        marker=marker(row.name, instant(row, "update_time"), _state(row), _states(read.authorities), run.now.date()),
        attributes=attributes(
            authority=last_of(row.issuer_certificate_authority),
            template=last_of(row.certificate_template),
        ),
    )
    roots = [pem for authority in (read.authorities or {}).values() for pem in authority.pem_ca_certificates]
    return described(run, item, "\n".join((row.pem_certificate, *row.pem_certificate_chain)), roots)


def _issuer(row: Any, authorities: Mapping[str, Any] | None, now: datetime) -> Iterator[Dependency]:
    """The issuing authority; usable while it, or another one of its pool, can issue."""
    name = row.issuer_certificate_authority
    if not name:
        return
    mine = next((a for a in (authorities or {}).values() if last_of(a.name) == last_of(name)), None)
    usable, detail = None, ""
    if authorities is not None:
        usable = any(_issues(one, now) for one in authorities.values())
        detail = "not in its pool any more" if mine is None else _told(mine)
    yield Dependency(
        kind="issuer",
        id=name,
        region=segment(name, "locations") or None,
        usable=usable,
        multi_region=False,
        detail=detail,
    )


def _issues(authority: Any, now: datetime) -> bool:
    ends = instant(authority, "expire_time")
    certified = _authority_end(authority)
    return int(authority.state) == _ENABLED and not (ends and ends <= now) and not (certified and certified <= now)


def _authority_end(authority: Any) -> datetime | None:
    """End of the authority's own certificate."""
    found = authority.ca_certificate_descriptions
    if not found or not found[0].subject_description.HasField("not_after_time"):
        return None
    return instant(found[0].subject_description, "not_after_time")


def _told(authority: Any) -> str:
    ends = _authority_end(authority)
    state = _STATES.get(int(authority.state), "in an unknown state")
    return f"authority {state}" + (f", ends {ends.date().isoformat()}" if ends else "")


def _state(row: Any) -> CredentialState | None:
    """Revoked certificates are out of force; the dates of the others speak for themselves."""
    if not _revoked(row):
        return None
    return _REVOKED.get(int(row.revocation_details.revocation_state), CredentialState.DEACTIVATED)


def _revoked(row: Any) -> bool:
    return bool(row.HasField("revocation_details"))


def _states(authorities: Mapping[str, Any] | None) -> list[tuple[str, int]] | None:
    return None if authorities is None else sorted((name, int(one.state)) for name, one in authorities.items())


def _made(row: Any) -> datetime:
    return instant(row, "create_time") or datetime.min.replace(tzinfo=UTC)
