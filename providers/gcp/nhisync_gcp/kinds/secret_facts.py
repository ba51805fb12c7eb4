"""From Secret Manager's answers to an `Item`: pure but for the run's clock and settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    Dependency,
    ErrorKind,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Protection,
    ProviderError,
    PublicId,
    Rotation,
)
from nhisync_gcp.names import is_region, kms_location, last_of
from nhisync_gcp.run import Run, attributes, marker

ENABLED, DISABLED, DESTROYED = 1, 2, 3
"""States of a version (google.cloud.secretmanager.v1.SecretVersion.State)."""

LOGICAL_NAME = "nhisync-name"
"""Annotation with the logical name: annotation keys allow no colon, labels no slash."""

_STATES = {
    ENABLED: CredentialState.ACTIVE,
    DISABLED: CredentialState.SUSPENDED,
    DESTROYED: CredentialState.DESTROYED,
}
_WORDS = {ENABLED: "enabled", DISABLED: "disabled", DESTROYED: "destroyed"}
_MANAGED_ACTIVE, _MANAGED_INACTIVE = 1, 2
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_SLACK = timedelta(minutes=10)
"""A container and its first version are made together; a version that is this much younger is a generation."""

_TYPES = {1: "Cloud SQL credential", 2: "access key", 3: "certificate", 4: "database credential"}


@dataclass(frozen=True, slots=True)
class Version:
    """One version, by metadata.

    Attributes:
        number: its id; the service counts from 1.
        state: `ENABLED`, `DISABLED` or `DESTROYED`.
        created: its creation.
        destroyed_on: when a delayed destruction is due, or None.
    """

    number: int
    state: int
    created: datetime | None
    destroyed_on: datetime | None = None

    @classmethod
    def of(cls, row: Any) -> "Version":
        """Out of a SecretVersion message."""
        number = last_of(row.name)
        return cls(
            number=int(number) if _NUMBER.match(number) else 0,
            state=int(row.state),
            created=instant(row, "create_time"),
            destroyed_on=instant(row, "scheduled_destroy_time"),
        )


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """One secret as far as it was read.

    Attributes:
        entry: the Secret message.
        location: its location, or "" for a global secret.
        versions: newest first, at least down to the newest that is enabled and to the one that applications read.
        read: number of the version that applications read, or None when there is none.
    """

    entry: Any
    location: str
    versions: tuple[Version, ...] = ()
    read: int | None = None

    @property
    def current(self) -> Version | None:
        """The version that applications read."""
        return next((v for v in self.versions if v.number == self.read), None)

    @property
    def newest(self) -> Version | None:
        """What ``latest`` means, whatever its state."""
        return self.versions[0] if self.versions else None

    @property
    def generation(self) -> Version | None:
        """The version whose creation is the last rotation: the one that is read, or the newest that works."""
        current = self.current
        if current is not None and current.state == ENABLED:
            return current
        return next((v for v in self.versions if v.state == ENABLED), current)


def wanted_version(entry: Any, *, current: str, alias: str | None) -> int | str:
    """Which version applications read: a number, ``latest`` or ``enabled``."""
    if alias is not None and alias in entry.version_aliases:
        return int(entry.version_aliases[alias])
    return current


def enough(versions: Sequence[Version], wanted: int | str) -> bool:
    """Whether no further page of versions can change what is judged."""
    if not any(v.state == ENABLED for v in versions):
        return False
    return not isinstance(wanted, int) or any(v.number <= wanted for v in versions)


def chosen(versions: Sequence[Version], wanted: int | str) -> int | None:
    """Number of the version that applications read."""
    if isinstance(wanted, int):
        return wanted if any(v.number == wanted for v in versions) else None
    if wanted == "enabled":
        found = next((v for v in versions if v.state == ENABLED), None)
        return found.number if found else (versions[0].number if versions else None)
    return versions[0].number if versions else None


def secret_item(run: Run, locator: Locator, facts: SecretFacts, guard: Protection | None = None) -> Item:
    """The item that `facts` amount to.

    A passed schedule is no rotation: Secret Manager only sends a message then. A rotation is claimed where a newer
    version shows it, and an announced one stays announced until a version is younger than it.

    Raises:
        ProviderError: MALFORMED for a state that is none of the three: a version of which that is not known may not be
            in force, and an item without a state is not judged by it.
    """
    entry, current = facts.entry, facts.current
    created, rotated = _created_and_rotated(facts)
    expires = _end(entry)
    announced = instant(entry.rotation, "next_rotation_time")
    done = announced is not None and rotated is not None and rotated >= announced
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=entry.name,
        ids=(PublicId("resource", entry.name),) if entry.name else (),
        region=_region(run, facts),
        lifecycle=_lifecycle(entry),
        state=_state(current),
        version=str(current.number) if current else None,
        created=_moment(created),
        rotated=_moment(rotated),
        expires=_moment(expires),
        next_rotation=None if done else _moment(announced),
        rotation=_rotation(entry),
        owner=owner_of(run, (entry.annotations, entry.labels)),
        logical_name=dict(entry.annotations).get(LOGICAL_NAME),
        dependencies=tuple(_dependencies(run, facts)),
        marker=marker(
            entry.SerializeToString(deterministic=True).hex(),
            facts.read,
            [(v.number, v.state, v.created) for v in facts.versions],
            *(() if guard is None else (repr(guard),)),
        ),
        protection=guard,
        attributes=_attributes(facts),
    )


def _state(current: Version | None) -> CredentialState:
    if current is None:
        return CredentialState.PRE_ACTIVATION
    if current.state not in _STATES:
        raise ProviderError(
            ErrorKind.MALFORMED,
            "the version that applications read is in a state that Secret Manager does not document",
            fix="Look at it: gcloud secrets versions list; a newer nhisync may know the state.",
        )
    return _STATES[current.state]


def owner_of(run: Run, maps: Sequence[Mapping[str, str]]) -> str:
    """The owner out of annotations or labels, compared without letter case; "" = none is set."""
    wanted = run.settings.owner_label.lower()
    return next((value for found in maps for key, value in found.items() if key.lower() == wanted), "")


def instant(message: Any, field: str) -> datetime | None:
    """A timestamp of a message, aware UTC; None when it is not set."""
    if not message.HasField(field):
        return None
    try:
        found: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found


def _end(entry: Any) -> datetime | None:
    """When a secret ends; None = it does not.

    Raises:
        ProviderError: MALFORMED, its end is beyond every calendar, which is not "no end".
    """
    found = instant(entry, "expire_time")
    if found is None and entry.HasField("expire_time"):
        raise ProviderError(ErrorKind.MALFORMED, "the end of a secret cannot be read (secretmanager.list_secrets)")
    return found


def _moment(at: datetime | None) -> Moment | None:
    return None if at is None else Moment(at)


def _created_and_rotated(facts: SecretFacts) -> tuple[datetime | None, datetime | None]:
    """Creation of the credential, and of its current generation where that is a later one.

    The container can be older than the first value (infrastructure code makes it empty): then the value counts.
    """
    made, generation = instant(facts.entry, "create_time"), facts.generation
    if generation is None or generation.created is None:
        return made, None
    if generation.number == 1:
        return generation.created, None
    first = made or generation.created
    return first, generation.created if generation.created - first > _SLACK else None


def _lifecycle(entry: Any) -> Lifecycle:
    """A schedule or managed rotation is a lifecycle; values that somebody adds by hand are none."""
    managed = entry.rotation.managed_rotation_status.state in {_MANAGED_ACTIVE, _MANAGED_INACTIVE}
    return Lifecycle.OWN if managed or entry.rotation.HasField("next_rotation_time") else Lifecycle.STATIC


def _rotation(entry: Any) -> Rotation:
    found, status = entry.rotation, entry.rotation.managed_rotation_status
    interval = _period(found)
    if status.state == _MANAGED_ACTIVE:
        return Rotation(enabled=True, interval=interval, mechanism="managed")
    if status.state == _MANAGED_INACTIVE:
        return Rotation(enabled=False, interval=interval, mechanism="managed")
    if found.HasField("next_rotation_time"):
        return Rotation(enabled=True, interval=interval, mechanism="notification")
    return Rotation()


def _period(rotation: Any) -> timedelta | None:
    """The rotation period; None for one that no calendar has."""
    if not rotation.HasField("rotation_period"):
        return None
    try:
        found: timedelta = rotation.rotation_period.ToTimedelta()
    except (OverflowError, ValueError):
        return None
    return found if found > timedelta(0) else None


def replicas_of(entry: Any) -> dict[str, str]:
    """Location → CMEK key ("" = Google's own) of user-managed replicas."""
    found = entry.replication.user_managed.replicas
    return {r.location: r.customer_managed_encryption.kms_key_name for r in found}


def keys_of(entry: Any, *, regional: bool) -> tuple[str, ...]:
    """Names of the keys under which a secret's payload lies, "" for Google's own."""
    if regional:
        return (entry.customer_managed_encryption.kms_key_name,)
    own = entry.replication.automatic.customer_managed_encryption.kms_key_name
    return tuple(replicas_of(entry).values()) or (own,)


def _region(run: Run, facts: SecretFacts) -> str | None:
    """Where the payload stands; None = everywhere, so the source's region is as good as any."""
    replicas = replicas_of(facts.entry)
    if facts.location or not replicas:
        return facts.location or None
    return run.region if run.region in replicas else min(replicas)


def _dependencies(run: Run, facts: SecretFacts) -> Iterator[Dependency]:
    entry, here = facts.entry, _region(run, facts)
    replicas = replicas_of(entry)
    key = entry.customer_managed_encryption.kms_key_name if facts.location else ""
    key = key or replicas.get(here or "", "") or entry.replication.automatic.customer_managed_encryption.kms_key_name
    if key:
        yield _key("kms-key", key)
    for location in sorted(replicas.keys() - {here}):
        # "If an outage occurs in one or more of these regions, create or update actions fail" (Secret Manager,
        # "Replication policies"): such a secret is read, but not rotated while another replica's region is gone.
        detail = "new versions need every replica"
        yield Dependency(kind="replica", id=location, region=location, multi_region=False, detail=detail)
        if replicas[location]:
            yield _key("replica-key", replicas[location])
    for topic in entry.topics:
        yield Dependency(kind="rotation-topic", id=topic.name, multi_region=True)  # Pub/Sub is global
    if entry.rotation.managed_rotation_status.HasField("error"):
        code = entry.rotation.managed_rotation_status.error.code
        detail = f"the last managed rotation failed (google.rpc.Code {code})"
        yield Dependency(kind="managed-rotation", id="Cloud SQL", region=here, usable=False, detail=detail)


def _key(kind: str, name: str) -> Dependency:
    location = kms_location(name)
    many = None if location is None else not is_region(location)
    return Dependency(kind=kind, id=name, region=location, multi_region=many)


def _attributes(facts: SecretFacts) -> tuple[tuple[str, str], ...]:
    entry, newest, current = facts.entry, facts.newest, facts.current
    replicas = sorted(replicas_of(entry))
    aliases = ", ".join(f"{name}={number}" for name, number in sorted(entry.version_aliases.items()))
    broken = newest is not None and newest.state != ENABLED
    due = current.destroyed_on if current else None
    return attributes(
        aliases=aliases,
        destroyed_on=due.isoformat() if due else None,
        latest=f"version {newest.number} is {_WORDS.get(newest.state, 'unknown')}" if newest and broken else None,
        replication=", ".join(replicas) or (facts.location or "automatic"),
        type=_TYPES.get(int(entry.secret_type)),
    )
