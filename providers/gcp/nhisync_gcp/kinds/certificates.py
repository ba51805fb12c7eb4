"""Kind ``certificate``: Certificate Manager. A list holds whole certificates, public chain included."""

from collections.abc import Iterator
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
from nhisync_gcp.names import CertificateName, is_location, last_of, parent_of, segment
from nhisync_gcp.run import HOPELESS, Run, attributes, marker

KIND = "certificate"
_GLOBAL = "global"
_PAGE = 100
_FEW = 1
_PROVISIONING, _FAILED, _ACTIVE = 1, 2, 3
_ISSUES = {1: "domain control is not authorised", 2: "the authority's rate limit is reached"}
_AUTHORISATION = {1: "DNS or load balancer is not set up for it", 2: "a CAA record forbids it", 3: "rate limited"}
_SCOPES = {0: "default", 1: "edge cache", 2: "all regions", 3: "client authentication"}


def collect(run: Run) -> Iterator[Observation]:
    """One list for each location that is swept or holds several wanted certificates."""
    for location in _places(run):
        yield from _collect(run, location)
    odd = [locator for name, locator in run.wanted(KIND).items() if not _location(name)]
    yield from run.each(odd, lambda locator: _single(run, locator))


def _location(name: str) -> str:
    """The location in front of a name, or ""."""
    location, slash, _ = name.partition("/")
    return location if slash and is_location(location) else ""


def _places(run: Run) -> tuple[str, ...]:
    """Locations to look at: ``global``, the swept ones, and those that pairs name."""
    named = filter(None, map(_location, run.wanted(KIND)))
    swept: tuple[str, ...] = ()
    if run.swept(KIND):
        try:
            swept = (_GLOBAL, *run.locations)
        except ProviderError:
            swept = (_GLOBAL,)  # no region is a fine place for global certificates
    return tuple(dict.fromkeys((*swept, *named)))


def _collect(run: Run, location: str) -> Iterator[Observation]:
    sweep, listed = Sweep(), {}
    wanted = {n: one for n, one in run.wanted(KIND).items() if n.startswith(f"{location}/")}
    swept = run.swept(KIND) and location in {_GLOBAL, *_swept_locations(run)}
    if swept or len(wanted) > _FEW:
        parent = parent_of(run.project, location)
        rows = run.rows(sweep, "certificatemanager.list_certificates", "certificates", parent=parent, page_size=_PAGE)
        listed = {f"{location}/{last_of(row.name)}": row for row in rows}
    for name, row in listed.items():
        if name in wanted or (swept and run.asked_for(KIND, name)):
            yield from run.row(run.locator(KIND, name), _item, row)
    missing = [locator for name, locator in wanted.items() if name not in listed]
    if sweep.error is not None and sweep.error.kind in HOPELESS:
        yield from (run.failed(locator, sweep.error) for locator in missing)
    else:
        yield from run.each(missing, lambda locator: _single(run, locator))
    if swept:
        yield run.coverage(KIND, sweep, authoritative=False, scope=location)


def _single(run: Run, locator: Locator) -> Iterator[Observation]:
    """The authoritative read of one certificate that no list showed."""
    resource = CertificateName.of(locator).resource(run.project)
    row = run.call("certificatemanager.get_certificate", name=resource)
    if last_of(row.name) != last_of(resource):
        raise ProviderError(ErrorKind.MALFORMED, "the answer is about another certificate")
    yield run.known(_item(run, locator, row))


def _item(run: Run, locator: Locator, row: Any) -> Item:
    created, changed = instant(row, "create_time"), instant(row, "update_time")
    location = segment(row.name, "locations") or locator.name.partition("/")[0]
    managed = row.HasField("managed")
    waiting = managed and int(row.managed.state) != _ACTIVE and not row.pem_certificate
    item = Item(
        locator=locator,
        observed_at=run.now,
        provider_id=row.name,
        region=None if location == _GLOBAL else location,
        lifecycle=_lifecycle(row, renewed=created is not None and changed is not None and changed > created),
        state=CredentialState.PRE_ACTIVATION if waiting else None,
        created=Moment(created) if created else None,
        owner=owner_of(run, (row.labels,)),
        dependencies=tuple(_dependencies(row)),
        marker=marker(row.name, created, changed, row.pem_certificate, int(row.managed.state), run.now.date()),
        attributes=attributes(
            names=", ".join(sorted(row.san_dnsnames)),
            scope=_SCOPES.get(int(row.scope)),
            type="managed by Google" if managed else "uploaded",
        ),
    )
    return described(run, item, row.pem_certificate)


def _lifecycle(row: Any, *, renewed: bool) -> Lifecycle:
    """Google renews what it manages; an upload is renewed by whoever uploaded it, once that is shown."""
    if row.HasField("managed"):
        return Lifecycle.OWN
    return Lifecycle.OWN if renewed else Lifecycle.UNKNOWN


def _dependencies(row: Any) -> Iterator[Dependency]:
    """What issues and renews a managed certificate, and whether it does."""
    if not row.HasField("managed"):
        return
    config, failed = row.managed.issuance_config, int(row.managed.state) == _FAILED
    location = segment(config, "locations")
    yield Dependency(
        kind="issuer",
        id=config or "Google's public certificate authorities",
        region=location if location and location != _GLOBAL else None,
        usable=False if failed else None,
        multi_region=location in {"", _GLOBAL},
        detail=_why(row) if failed else "",
    )


def _why(row: Any) -> str:
    """Why provisioning failed, in our words."""
    attempts = [_AUTHORISATION.get(int(a.failure_reason), "") for a in row.managed.authorization_attempt_info]
    issue = _ISSUES.get(int(row.managed.provisioning_issue.reason), "")
    return "; ".join(dict.fromkeys(filter(None, (issue, *attempts)))) or "issuing it failed"


def _swept_locations(run: Run) -> tuple[str, ...]:
    try:
        return run.locations
    except ProviderError:
        return ()
