"""Kind ``role``: IAM roles. A role stores nothing; its credentials are sessions, never older than its longest one."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from nhisync.spi import CredentialState, Dependency, Item, Lifecycle, Locator, Moment, Observation, Precision, Rotation
from nhisync.spi.runs import Sweep
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, attributes, itself, marker, moment

KIND = "role"
_LONGEST_SESSION = 43_200  # seconds; IAM's upper limit, for answers that do not tell (account details do not)
_ISSUER = ":oidc-provider/"
_HOST_PARTS = 3


def collect(run: Run) -> Iterator[Observation]:
    """The account's role details when swept; GetRole for what a pair names and no list held."""
    seen: set[str] = set()
    sweep = Sweep()
    if run.swept(KIND):
        parameters = {"Filter": ["Role"], "MaxItems": 1000}
        listing = Listing("iam", "GetAccountAuthorizationDetails", "RoleDetailList", "Marker", "Marker", parameters)
        for role in run.list(listing, sweep):
            name = str(role.get("RoleName") or "")
            wanted = run.wanted(KIND).get(name)
            if wanted is not None or run.asked_for(KIND, name):
                seen.add(name)
                yield from run.row(wanted or run.locator(KIND, name), _known, role)
        yield run.coverage(KIND, sweep, authoritative=True)
    missing = [locator for name, locator in run.wanted(KIND).items() if name not in seen]
    yield from run.each(missing, lambda locator: _single(run, locator))


def _single(run: Run, locator: Locator) -> Iterator[Observation]:
    role = run.connection.require("iam", "GetRole", run.budget, "Role", RoleName=locator.name)
    yield _known(run, locator, role)


def _known(run: Run, locator: Locator, role: Mapping[str, Any]) -> Observation:
    return run.known(_item(run, locator, role))


def _item(run: Run, locator: Locator, role: Mapping[str, Any]) -> Item:
    longest = timedelta(seconds=int(role.get("MaxSessionDuration") or _LONGEST_SESSION))
    used: Mapping[str, Any] = role.get("RoleLastUsed") or {}
    boundary: Mapping[str, Any] = role.get("PermissionsBoundary") or {}
    tags = run.tags(role.get("Tags"))
    trust = _trusted(role.get("AssumeRolePolicyDocument"))
    attached = _attached(role)
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=str(role.get("Arn") or ""),
        ids=itself(role.get("Arn")),
        lifecycle=Lifecycle.OWN,
        state=CredentialState.ACTIVE,
        version=str(role.get("RoleId") or "") or None,
        created=moment(role.get("CreateDate")),
        rotated=Moment(run.now - longest, Precision.LOWER_BOUND),
        last_used=moment(used.get("LastUsedDate")),
        rotation=Rotation(mechanism="sessions"),
        owner=tags.owner,
        logical_name=tags.logical_name,
        dependencies=tuple(_issuers(trust)),
        # The day keeps `rotated` from growing old in the store while nothing else changes.
        marker=marker(role.get("Arn"), role.get("RoleId"), trust, attached, boundary, tags.owner, run.now.date()),
        attributes=attributes(
            boundary=str(boundary.get("PermissionsBoundaryArn") or ""),
            longest_session=str(longest),
            rights=attached,
            trusts=", ".join(trust),
            used_in=str(used.get("Region") or ""),
        ),
    )


def _trusted(document: Any) -> list[str]:
    """Principals that the trust policy names, sorted; botocore decodes the document."""
    if not isinstance(document, Mapping):
        return []
    found: set[str] = set()
    for statement in _many(document.get("Statement")):
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        if isinstance(principal, Mapping):
            found.update(str(name) for names in principal.values() for name in _many(names))
        elif principal:
            found.add(str(principal))
    return sorted(found)


def _issuers(trust: list[str]) -> Iterator[Dependency]:
    """Identity providers whose tokens the role accepts: when their region is gone, nobody gets in."""
    for principal in trust:
        if _ISSUER not in principal:
            continue
        url = principal.partition(_ISSUER)[2]
        region = _region_of(url.partition("/")[0])
        yield Dependency(kind="issuer", id=url, region=region, multi_region=False if region else None)


def _region_of(host: str) -> str | None:
    """Region of an EKS or Cognito issuer, which stands in its host name; None for others."""
    parts = host.split(".")
    if not host.endswith("amazonaws.com") or len(parts) < _HOST_PARTS:
        return None
    return parts[-3] if "-" in parts[-3] else None


def _attached(role: Mapping[str, Any]) -> str | None:
    """Names of attached and inline policies; None when only GetRole was asked, which does not tell."""
    if "AttachedManagedPolicies" not in role:
        return None
    attached = [f"policy:{p.get('PolicyName')}" for p in role.get("AttachedManagedPolicies") or ()]
    inline = [f"inline:{p.get('PolicyName')}" for p in role.get("RolePolicyList") or ()]
    return ", ".join(sorted(attached + inline)) or "none"


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
