"""From Secrets Manager's answers to an `Item`: pure but for the run's clock and settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import CredentialState, Dependency, Item, Lifecycle, Locator, Moment, Precision, Protection, Rotation
from nhisync_aws.run import Run, attributes, guarded, itself, marker, moment

_SLACK = timedelta(minutes=10)
"""A rotation changes a secret several times within minutes; later changes are something else."""

_RATE = re.compile(r"rate\((\d+) (day|hour|minute)s?\)\Z")
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """One secret as far as it was read.

    Attributes:
        run: the run, for region and settings.
        entry: the list's entry, or DescribeSecret's answer.
        wanted: a pair names it.
        described: replicas by DescribeSecret, once read: region → status.
        dates: version id → creation, once read.
    """

    run: Run
    entry: Mapping[str, Any]
    wanted: bool
    described: Mapping[str, str] | None = None
    dates: Mapping[str, datetime] | None = None

    @property
    def arn(self) -> str:
        """Full ARN; partial ones are matched by guess."""
        return str(self.entry.get("ARN") or "")

    @property
    def key_id(self) -> str | None:
        """KMS key, or None for the service's own."""
        found = self.entry.get("KmsKeyId")
        return str(found) if found and found != "alias/aws/secretsmanager" else None

    @property
    def stages(self) -> Mapping[str, Sequence[str]]:
        """Version id → staging labels; list and description name the member differently."""
        found = self.entry.get("SecretVersionsToStages") or self.entry.get("VersionIdsToStages")
        return found if isinstance(found, Mapping) else {}

    @property
    def current(self) -> str | None:
        """Id of the version that applications read."""
        return next((v for v, labels in self.stages.items() if _CURRENT in labels), None)

    @property
    def pending(self) -> str | None:
        """Id of an unfinished rotation's version; AWSPENDING beside AWSCURRENT is a finished one."""
        return next((v for v, labels in self.stages.items() if _PENDING in labels and _CURRENT not in labels), None)

    @property
    def primary_region(self) -> str:
        """Region of the primary when the secret is replicated, else ""."""
        return str(self.entry.get("PrimaryRegion") or "")

    @property
    def is_replica(self) -> bool:
        """Value and rotation belong to another region."""
        return bool(self.primary_region) and self.primary_region != self.run.region

    @property
    def changed_otherwise(self) -> bool:
        """Changed after creation and after its last rotation: a new value by hand, or only an edited tag."""
        changed = self.date("LastChangedDate")
        last = max(filter(None, (self.date("CreatedDate"), self.date("LastRotatedDate"))), default=None)
        return changed is not None and last is not None and changed - last > _SLACK

    @property
    def needs_versions(self) -> bool:
        """Only the version list can tell the generation's or the unfinished rotation's date."""
        if self.pending is not None:
            return True
        return self.changed_otherwise and (self.wanted or self.run.settings.version_dates == "all")

    @property
    def needs_description(self) -> bool:
        """Only DescribeSecret tells the state of replicas."""
        return self.wanted and self.described is None and bool(self.primary_region) and not self.is_replica

    @property
    def needs_single_reads(self) -> bool:
        """The list does not say all that is judged."""
        return self.needs_versions or self.needs_description or (self.wanted and self.key_id is not None)

    @property
    def lists_all_changes(self) -> bool:
        """An unchanged list entry means an unchanged item; replicas change without a trace in the list."""
        return not (self.wanted and self.primary_region and not self.is_replica)

    def date(self, member: str) -> datetime | None:
        """A date of the entry, UTC."""
        found = self.entry.get(member)
        return found.astimezone(UTC) if isinstance(found, datetime) else None

    def with_description(self, answer: Mapping[str, Any]) -> "SecretFacts":
        """With DescribeSecret's replicas."""
        replicas = answer.get("ReplicationStatus") or []
        return replace(self, described={str(r.get("Region")): str(r.get("Status")) for r in replicas})

    def with_versions(self, versions: Sequence[Mapping[str, Any]]) -> "SecretFacts":
        """With the version list's dates."""
        dated = {str(v["VersionId"]): v["CreatedDate"] for v in versions if v.get("VersionId") and v.get("CreatedDate")}
        return replace(self, dates={v: at.astimezone(UTC) for v, at in dated.items()})


def secret_item(
    run: Run, locator: Locator, facts: SecretFacts, key: Dependency | None, guard: Protection | None = None
) -> Item:
    """The item that `facts` amount to.

    A rotation is only claimed where it is shown: by LastRotatedDate, or by the creation of the current version. A
    later change whose nature was not read is display (`changed`), because an edited tag must not look like a rotation.
    """
    entry, tags = facts.entry, run.tags(facts.entry.get("Tags"))
    rotated = _rotated(facts)
    deleted = facts.date("DeletedDate")
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=facts.arn,
        ids=itself(facts.arn),
        region=run.region,
        lifecycle=_lifecycle(facts),
        state=_state(facts, deleted),
        version=facts.current,
        created=moment(entry.get("CreatedDate")),
        rotated=None if rotated is None else Moment(rotated),
        expires=moment(deleted),
        last_used=moment(entry.get("LastAccessedDate"), Precision.DAY),
        next_rotation=moment(entry.get("NextRotationDate"), Precision.UPPER_BOUND),
        rotation=_rotation(facts),
        owner=tags.owner,
        logical_name=tags.logical_name,
        dependencies=_dependencies(facts, key),
        protection=guard,
        marker=_marker(facts, key, guard),
        attributes=_attributes(facts),
    )


def _rotated(facts: SecretFacts) -> datetime | None:
    created = facts.date("CreatedDate")
    of_version = (facts.dates or {}).get(facts.current or "")
    if of_version is None:
        return facts.date("LastRotatedDate")
    return of_version if created is None or of_version - created > _SLACK else facts.date("LastRotatedDate")


def _lifecycle(facts: SecretFacts) -> Lifecycle:
    """A lifecycle is a configured rotation, running or not; values that somebody puts by hand are no lifecycle."""
    if facts.is_replica:
        return Lifecycle.REPLICA
    configured = facts.entry.get("RotationEnabled") is not None or facts.entry.get("RotationLambdaARN")
    managed = facts.entry.get("OwningService") or facts.entry.get("ExternalSecretRotationRoleArn")
    return Lifecycle.OWN if configured or managed else Lifecycle.STATIC


def _state(facts: SecretFacts, deleted: datetime | None) -> CredentialState:
    if deleted is not None:
        return CredentialState.DEACTIVATED
    return CredentialState.ACTIVE if facts.current else CredentialState.PRE_ACTIVATION


def _rotation(facts: SecretFacts) -> Rotation:
    enabled = facts.entry.get("RotationEnabled")
    since = None
    if facts.pending is not None:
        # A pending version without a value is in no version list: it is at least as old as the last change.
        since = (facts.dates or {}).get(facts.pending) or facts.date("LastChangedDate")
    return Rotation(
        enabled=enabled if isinstance(enabled, bool) else None,
        interval=_interval(facts),
        mechanism=_mechanism(facts),
        pending_since=since,
        pending_version=facts.pending,
    )


def _interval(facts: SecretFacts) -> timedelta | None:
    """AutomaticallyAfterDays, a rate, or for a cron expression the distance that AWS itself computed."""
    rules: Mapping[str, Any] = facts.entry.get("RotationRules") or {}
    days = rules.get("AutomaticallyAfterDays")
    if days:
        return timedelta(days=int(days))
    rate = _RATE.match(str(rules.get("ScheduleExpression") or ""))
    if rate:
        return timedelta(**{f"{rate[2]}s": int(rate[1])})
    last, following = facts.date("LastRotatedDate"), facts.date("NextRotationDate")
    if rules and last is not None and following is not None and following > last:
        return following - last
    return None


def _mechanism(facts: SecretFacts) -> str:
    if facts.entry.get("RotationLambdaARN"):
        return "lambda"
    if facts.entry.get("OwningService"):
        return "managed"
    return "partner" if facts.entry.get("ExternalSecretRotationRoleArn") else ""


def _dependencies(facts: SecretFacts, key: Dependency | None) -> tuple[Dependency, ...]:
    found = [key] if key is not None else []
    function = str(facts.entry.get("RotationLambdaARN") or "")
    if function:
        parts = function.split(":")
        region = parts[3] if len(parts) > 3 and parts[3] else facts.run.region
        found.append(Dependency(kind="rotation-function", id=function, region=region, multi_region=False))
    if owner := str(facts.entry.get("OwningService") or ""):
        # It keeps and uses its own master credential, where the primary replica stands (Secrets Manager user guide,
        # "Managed rotation"); a function's stands in the secret's value, which is not read.
        region = facts.primary_region or facts.run.region
        found.append(Dependency(kind="managed-rotation", id=owner, region=region, multi_region=False))
    if facts.is_replica:
        source = facts.arn.replace(f":{facts.run.region}:", f":{facts.primary_region}:", 1)
        detail = "the value comes from there"
        found.append(
            Dependency(kind="replica-source", id=source, region=facts.primary_region, multi_region=False, detail=detail)
        )
    return tuple(found)


def _attributes(facts: SecretFacts) -> tuple[tuple[str, str], ...]:
    changed = facts.date("LastChangedDate")
    rules: Mapping[str, Any] = facts.entry.get("RotationRules") or {}
    replicas = ", ".join(f"{region} {status}" for region, status in sorted((facts.described or {}).items()))
    return attributes(
        changed=changed.isoformat() if changed else None,
        managed_by=str(facts.entry.get("OwningService") or ""),
        replicas=replicas,
        schedule=str(rules.get("ScheduleExpression") or ""),
    )


def _marker(facts: SecretFacts, key: Dependency | None, guard: Protection | None) -> str:
    entry = facts.entry
    members = ("ARN", "CreatedDate", "LastChangedDate", "LastRotatedDate", "NextRotationDate", "DeletedDate")
    listed = [facts.date(m) if m != "ARN" else facts.arn for m in members]
    rotation = [entry.get(m) for m in ("RotationEnabled", "RotationLambdaARN", "RotationRules", "OwningService")]
    stages = {version: sorted(labels) for version, labels in facts.stages.items()}
    tags = sorted((str(t.get("Key")), str(t.get("Value"))) for t in entry.get("Tags") or ())
    state = None if key is None else (key.id, key.usable, key.multi_region)
    used = facts.date("LastAccessedDate")
    return marker(listed, rotation, stages, tags, state, used, facts.primary_region, *guarded(guard))
