"""Kind ``parameter``: SecureString parameters of SSM, metadata only. SSM has no rotation; a new version is a write."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nhisync.spi import CredentialState, ErrorKind, Item, Lifecycle, Locator, Moment, Observation, ProviderError
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors.kms import KeyRing
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, attributes, guarded, itself, marker, moment

KIND = "parameter"
_PAGE = 50
_DEFAULT_KEY = "alias/aws/ssm"


def collect(run: Run) -> Iterator[Observation]:
    """The sweep, then by name what no sweep showed, then tags of what pairs name and what changed."""
    keys = KeyRing(run, KIND, "aws/ssm")
    wanted = {_real(name): locator for name, locator in run.wanted(KIND).items()}
    found: dict[str, Mapping[str, Any]] = {}
    swept = Sweep()
    if run.swept(KIND):
        for row in run.list(_listing([{"Key": "Type", "Option": "Equals", "Values": ["SecureString"]}]), swept):
            name = str(row.get("Name") or "")
            if name in wanted:
                found[name] = row
            elif run.asked_for(KIND, name):
                yield from run.row(run.locator(KIND, name), _item, row, keys, look=False)
        yield run.coverage(KIND, swept, authoritative=True)
    failed = _named(run, [name for name in wanted if name not in found], found)
    yield from run.each(
        wanted.values(), lambda locator: _single(run, locator, found.get(_real(locator.name)), failed, keys)
    )


def _named(run: Run, names: Sequence[str], found: dict[str, Mapping[str, Any]]) -> ProviderError | None:
    """Look 50 names up in one call each; returns why that failed."""
    sweep = Sweep()
    for start in range(0, len(names), _PAGE):
        values = list(names[start : start + _PAGE])
        for row in run.list(_listing([{"Key": "Name", "Option": "Equals", "Values": values}]), sweep):
            found[str(row.get("Name") or "")] = row
        if sweep.error is not None:
            break
    return sweep.error


def _single(
    run: Run, locator: Locator, row: Mapping[str, Any] | None, failed: ProviderError | None, keys: KeyRing
) -> Iterator[Observation]:
    if row is not None:
        listed = run.known(_item(run, locator, row, keys, look=True))
        if not isinstance(listed, Item):
            yield listed
            return
    elif failed is not None and failed.kind is not ErrorKind.DENIED:
        raise failed
    answer = run.connection.call(
        "ssm", "ListTagsForResource", run.budget, ResourceType="Parameter", ResourceId=_real(locator.name)
    )
    if row is None:
        raise failed or ProviderError(
            ErrorKind.MALFORMED, "the parameter has tags but is in no list (ssm:DescribeParameters)"
        )
    yield _item(run, locator, row, keys, look=True, tags=answer.get("TagList") or [])


def _item(
    run: Run,
    locator: Locator,
    row: Mapping[str, Any],
    keys: KeyRing,
    *,
    look: bool,
    tags: Sequence[Mapping[str, Any]] | None = None,
) -> Item:
    key_id = str(row.get("KeyId") or "")
    plain = None if key_id in {"", _DEFAULT_KEY} else key_id
    key = keys.described(plain) if look else keys.named(plain)
    guard = keys.protection(plain)
    version = int(row.get("Version") or 0)
    written = moment(row.get("LastModifiedDate"))
    first = version <= 1
    ends = _expiration(row)
    known_tags = None if tags is None else run.tags(tags)
    state = None if key is None else (key.id, key.usable)
    facts = [row.get(m) for m in ("ARN", "Version", "LastModifiedDate", "Tier", "Type")]
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=str(row.get("ARN") or ""),
        ids=itself(row.get("ARN")),
        region=run.region,
        lifecycle=Lifecycle.STATIC if first else Lifecycle.OWN,
        state=CredentialState.ACTIVE,
        version=str(version) if version else None,
        created=written if first else None,
        rotated=None if first else written,
        expires=ends,
        owner=known_tags.owner if known_tags else None,
        logical_name=known_tags.logical_name if known_tags else None,
        dependencies=() if key is None else (key,),
        protection=guard,
        marker=marker(facts, ends.at if ends else None, state, run.now.date(), *guarded(guard)),
        attributes=attributes(
            tier=str(row.get("Tier") or ""),
            type=str(row.get("Type") or ""),
            written_by=str(row.get("LastModifiedUser") or ""),
        ),
    )


def _expiration(row: Mapping[str, Any]) -> Moment | None:
    """End by an Expiration policy, which deletes the parameter (SSM user guide, "Assigning parameter policies")."""
    for policy in row.get("Policies") or ():
        if policy.get("PolicyType") != "Expiration":
            continue
        try:
            stamp = json.loads(str(policy.get("PolicyText")))["Attributes"]["Timestamp"]
            return Moment(datetime.fromisoformat(str(stamp)).astimezone(UTC))
        except (ValueError, KeyError, TypeError):
            return None
    return None


def _real(name: str) -> str:
    """SSM's name: names with a path begin with a slash."""
    return f"/{name}" if "/" in name and not name.startswith("/") else name


def _listing(filters: list[dict[str, Any]]) -> Listing:
    parameters = {"MaxResults": _PAGE, "ParameterFilters": filters}
    return Listing("ssm", "DescribeParameters", "Parameters", "NextToken", "NextToken", parameters)
