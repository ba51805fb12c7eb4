"""Kind ``access-key``: long-lived keys of IAM users; the item is the user, its generations are the keys.

A sweep rests on the credential report (two calls for all users, up to four hours old, no key ids) and on the users'
details (tags, attached policies). A user whom a pair names is asked singly, so that the answer is of now and has ids.
IAM is global: sources of one account in two regions see the same users.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    CredentialState,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Observation,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors.credential_report import FRESH_FOR, CredentialReport, ReportUser, Slot, fetch
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, attributes, marker

KIND = "access-key"
_SCHEME = "access-key-id"
_SLACK = timedelta(hours=1)
"""A key made with its user is the first generation, not a rotation."""

_STATES = {
    "Active": CredentialState.ACTIVE,
    "Inactive": CredentialState.SUSPENDED,
    "Expired": CredentialState.DEACTIVATED,
}


def collect(run: Run) -> Iterator[Observation]:
    """The sweep first, then every user that a pair names."""
    people = _People(run)
    report: CredentialReport | None = None
    if run.swept(KIND):
        try:
            report = fetch(run)
        except ProviderError as error:
            yield _lost(run, error)
        else:
            yield from _swept(run, report, people)
    yield from run.each(run.wanted(KIND).values(), lambda locator: _named(run, locator, people, report))


class _People:
    """Users with tags and attached policies: one list for all, whose failure costs only those facts."""

    def __init__(self, run: Run) -> None:
        self.sweep = Sweep()
        listing = Listing(
            "iam",
            "GetAccountAuthorizationDetails",
            "UserDetailList",
            "Marker",
            "Marker",
            {"Filter": ["User"], "MaxItems": 1000},
        )
        self.known = {str(user.get("UserName")): user for user in run.list(listing, self.sweep)}
        if self.sweep.error is not None and not run.swept(KIND):
            run.miss(KIND, self.sweep.error)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """The user's details, or None when they could not be read."""
        return self.known.get(name)


def _swept(run: Run, report: CredentialReport, people: _People) -> Iterator[Observation]:
    stale = run.now - report.generated > FRESH_FOR
    count = 0
    for user in report.users.values():
        count += 1
        if user.name not in run.wanted(KIND) and run.asked_for(KIND, user.name):
            yield from run.row(run.locator(KIND, user.name), _from_report, user, report.generated, people)
    newer = [n for n in people.known if n not in report.users and _made_after(people.known[n], report.generated)]
    unknown = [run.locator(KIND, n) for n in newer if run.asked_for(KIND, n) and n not in run.wanted(KIND)]
    for seen in run.each(unknown, lambda locator: _named(run, locator, people, report)):
        # A new user without a key has no item; only one that pairs name needs an answer.
        if not isinstance(seen, Item) or seen.error is not None or seen.ids:
            yield seen
    failed = people.sweep.error
    status = CoverageStatus.STALE if stale else CoverageStatus.PARTIAL if failed else CoverageStatus.COMPLETE
    yield Coverage(
        source=run.context.source,
        kind=KIND,
        scope="",
        status=status,
        as_of=report.generated,
        items=count,
        authoritative=False,
        error=failed.fact if failed else None,
    )


def _lost(run: Run, error: ProviderError) -> Coverage:
    sweep = Sweep()
    sweep.error = error
    return run.coverage(KIND, sweep, authoritative=False)


def _from_report(run: Run, locator: Locator, user: ReportUser, generated: datetime, people: _People) -> Item:
    filled = [slot for slot in user.slots if slot.created or slot.active]
    active = [slot for slot in filled if slot.active]
    details = people.get(user.name)
    rotated = _generation([s.created for s in active or filled if s.created], user.created)
    return Item(
        locator=locator,
        observed_at=run.now,
        source_as_of=generated,
        provider_id=user.arn,
        lifecycle=Lifecycle.OWN,
        state=CredentialState.ACTIVE if active else CredentialState.SUSPENDED,
        created=None if user.created is None else Moment(user.created),
        rotated=rotated,
        last_used=_latest([slot.used for slot in filled if slot.used]),
        rotation=_overlap([slot.created for slot in active if slot.created], None),
        owner=run.tags(details.get("Tags")).owner if details is not None else None,
        logical_name=run.tags(details.get("Tags")).logical_name if details is not None else None,
        attributes=attributes(keys=_slots(filled), rights=_attached(details), source="credential report"),
    )


def _named(run: Run, locator: Locator, people: _People, report: CredentialReport | None) -> Iterator[Observation]:
    """One user, or one key of one user, as of now."""
    user, _, key_id = locator.name.partition("/")
    found: list[dict[str, Any]] = run.connection.require(
        "iam", "ListAccessKeys", run.budget, "AccessKeyMetadata", UserName=user
    )
    keys = [key for key in found if not key_id or key.get("AccessKeyId") == key_id]
    if not keys:
        yield run.absent(locator)
        return
    item = _from_keys(run, locator, user, keys, people.get(user))
    seen = run.known(item)
    if isinstance(seen, Item):
        # Singly asked only where two active keys must be told apart and no report has the answer.
        overlap = item.rotation is not None and item.rotation.pending_since is not None
        used = _last_use(run, user, keys, report, overlap=overlap)
        seen = replace(item, last_used=_latest(used))
    yield seen


def _from_keys(
    run: Run,
    locator: Locator,
    user: str,
    keys: Sequence[Mapping[str, Any]],
    details: Mapping[str, Any] | None,
) -> Item:
    ordered = sorted(keys, key=lambda key: _made(key) or datetime.min.replace(tzinfo=UTC))
    active = [key for key in ordered if key.get("Status") == "Active"]
    current = (active or ordered)[-1]
    born = _made(details or {}) or _made(ordered[0])
    tags = run.tags(details.get("Tags")) if details is not None else None
    made = [at for at in (_made(key) for key in active or ordered) if at]
    listed = [(k.get("AccessKeyId"), k.get("Status"), _made(k)) for k in ordered]
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=str((details or {}).get("Arn") or user),
        lifecycle=Lifecycle.OWN,
        state=_STATES.get(str(current.get("Status")), CredentialState.SUSPENDED),
        version=str(current.get("AccessKeyId")),
        created=None if born is None else Moment(born),
        rotated=_generation(made, born),
        rotation=_overlap([at for at in (_made(key) for key in active) if at], str(current.get("AccessKeyId"))),
        owner=tags.owner if tags else None,
        logical_name=tags.logical_name if tags else None,
        ids=tuple(PublicId(_SCHEME, str(key.get("AccessKeyId"))) for key in ordered),
        marker=marker(listed, (details or {}).get("Tags"), _attached(details)),
        attributes=attributes(keys=f"{len(active)} active of {len(ordered)}", rights=_attached(details)),
    )


def _last_use(
    run: Run, user: str, keys: Sequence[Mapping[str, Any]], report: CredentialReport | None, *, overlap: bool
) -> list[datetime]:
    """Last uses: from the report when it has the user, singly for an overlap."""
    row = report.users.get(user) if report is not None else None
    if row is not None:
        return [slot.used for slot in row.slots if slot.used]
    if not overlap:
        return []
    found = []
    for key in keys:
        answer = run.connection.require(
            "iam", "GetAccessKeyLastUsed", run.budget, "AccessKeyLastUsed", AccessKeyId=key.get("AccessKeyId")
        )
        at = answer.get("LastUsedDate")
        found += [at.astimezone(UTC)] if isinstance(at, datetime) else []
    return found


def _generation(made: Sequence[datetime], born: datetime | None) -> Moment | None:
    """When the current generation was made; None = it is the first one."""
    newest = max(made, default=None)
    if newest is None or (born is not None and newest - born <= _SLACK):
        return None
    return Moment(newest)


def _overlap(active: Sequence[datetime], newest: str | None) -> Rotation:
    """IAM has no schedule; two active keys are a rotation that nobody finished."""
    if len(active) < 2:
        return Rotation()
    return Rotation(mechanism="two keys", pending_since=max(active), pending_version=newest)


def _attached(details: Mapping[str, Any] | None) -> str | None:
    """Names of attached policies, inline policies and groups; None = not read."""
    if details is None:
        return None
    attached = [f"policy:{p.get('PolicyName')}" for p in details.get("AttachedManagedPolicies") or ()]
    inline = [f"inline:{p.get('PolicyName')}" for p in details.get("UserPolicyList") or ()]
    groups = [f"group:{name}" for name in details.get("GroupList") or ()]
    return ", ".join(sorted(attached + inline + groups)) or "none"


def _slots(filled: Sequence[Slot]) -> str:
    return f"{sum(slot.active for slot in filled)} active of {len(filled)}"


def _latest(instants: Sequence[datetime]) -> Moment | None:
    newest = max(instants, default=None)
    return None if newest is None else Moment(newest)


def _made(row: Mapping[str, Any]) -> datetime | None:
    found = row.get("CreateDate")
    return found.astimezone(UTC) if isinstance(found, datetime) else None


def _made_after(row: Mapping[str, Any], instant: datetime) -> bool:
    made = _made(row)
    return made is not None and made >= instant
