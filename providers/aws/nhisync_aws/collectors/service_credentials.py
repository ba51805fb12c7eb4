"""Kind ``service-credential``: passwords and API keys that IAM issues for single services, two for each user."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    ProviderError,
    Rotation,
)
from nhisync.spi.runs import Sweep
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, attributes, itself, marker

KIND = "service-credential"
_STATES = {
    "Active": CredentialState.ACTIVE,
    "Inactive": CredentialState.SUSPENDED,
    "Expired": CredentialState.DEACTIVATED,
}
_SLACK = timedelta(minutes=10)


def collect(run: Run) -> Iterator[Observation]:
    """One list for each service; a complete one proves absence."""
    named = {name.partition("/")[0] for name in run.wanted(KIND)}
    swept = set(run.settings.service_credentials) if run.swept(KIND) else set()
    for service in sorted(named | swept):
        yield from _of_service(run, service, covered=service in swept)


def _of_service(run: Run, service: str, *, covered: bool) -> Iterator[Observation]:
    sweep = Sweep()
    parameters = {"AllUsers": True, "ServiceName": service, "MaxItems": 1000}
    listing = Listing(
        "iam", "ListServiceSpecificCredentials", "ServiceSpecificCredentials", "Marker", "Marker", parameters
    )
    by_user: dict[str, list[dict[str, Any]]] = {}
    for row in run.list(listing, sweep):
        by_user.setdefault(str(row.get("UserName") or ""), []).append(row)
    wanted = {n: at for n, at in run.wanted(KIND).items() if n.partition("/")[0] == service}
    for user, rows in sorted(by_user.items()):
        name = f"{service}/{user}"
        locator = wanted.pop(name, None)
        if locator is not None or run.asked_for(KIND, name):
            yield from run.row(locator or run.locator(KIND, name), _known, rows)
    missing = sweep.error or ProviderError(ErrorKind.NOT_FOUND, "AWS has no such item")
    yield from (run.failed(locator, missing) for locator in wanted.values())
    if covered:
        yield run.coverage(KIND, sweep, authoritative=True, scope=service)


def _known(run: Run, locator: Locator, rows: Sequence[Mapping[str, Any]]) -> Observation:
    return run.known(_item(run, locator, rows))


def _item(run: Run, locator: Locator, rows: Sequence[Mapping[str, Any]]) -> Item:
    ordered = sorted(rows, key=lambda row: _date(row, "CreateDate") or datetime.min.replace(tzinfo=UTC))
    active = [row for row in ordered if row.get("Status") == "Active"]
    current = (active or ordered)[-1]
    born, made = _date(ordered[0], "CreateDate"), _date(current, "CreateDate")
    ends = _date(current, "ExpirationDate")
    rotated = made if made is not None and born is not None and made - born > _SLACK else None
    current_id = str(current.get("ServiceSpecificCredentialId") or "")
    listed = [(r.get("ServiceSpecificCredentialId"), r.get("Status"), _date(r, "CreateDate")) for r in ordered]
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=current_id,
        ids=itself(current_id),
        lifecycle=Lifecycle.OWN,
        state=_STATES.get(str(current.get("Status")), CredentialState.SUSPENDED),
        version=current_id,
        created=None if born is None else Moment(born),
        rotated=None if rotated is None else Moment(rotated),
        not_before=Moment(made) if made is not None and ends is not None else None,
        expires=None if ends is None else Moment(ends),
        rotation=_overlap(active, current_id),
        marker=marker(listed, ends),
        attributes=attributes(
            login=str(current.get("ServiceUserName") or ""), held=f"{len(active)} active of {len(ordered)}"
        ),
    )


def _overlap(active: Sequence[Mapping[str, Any]], current_id: str) -> Rotation:
    made = [at for at in (_date(row, "CreateDate") for row in active) if at]
    if len(made) < 2:
        return Rotation()
    return Rotation(mechanism="two credentials", pending_since=max(made), pending_version=current_id)


def _date(row: Mapping[str, Any], member: str) -> datetime | None:
    found = row.get(member)
    return found.astimezone(UTC) if isinstance(found, datetime) else None
