"""Secrets and versions as Secret Manager keeps them, and what time does to them."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from google.cloud.secretmanager_v1 import types

from nhisync_gcp.emulator.messages import copy, plain, seconds, timestamp
from nhisync_gcp.emulator.timeline import Shelf, Timeline

SecretMessage = plain(types.Secret)
VersionMessage = plain(types.SecretVersion)
State = types.SecretVersion.State


class Place(NamedTuple):
    """Where secrets live: a project, and a location or "" for the global ones."""

    project: str
    location: str


@dataclass(slots=True, kw_only=True)
class Version:
    """One version.

    Attributes:
        number: its id.
        shown: the SecretVersion, over time.
        serial: order of creation.
        payload: None once destroyed.
        crc32c: of the payload.
    """

    number: int
    shown: Timeline
    serial: int
    payload: bytes | None = field(repr=False)
    crc32c: int


@dataclass(slots=True, kw_only=True)
class Secret:
    """One secret.

    Attributes:
        place: where it lives.
        id: last part of its name.
        shown: the Secret, over time.
        serial: order of creation.
        versions: by number as text.
        managed: instance and user of a managed rotation; None = not enabled.
    """

    place: Place
    id: str
    shown: Timeline
    serial: int
    versions: Shelf[Version] = field(default_factory=Shelf)
    next_number: int = 1
    managed: tuple[str, str] | None = None

    @property
    def resource(self) -> str:
        """Name with the project's id, as policies are kept."""
        return resource_of(self.place, self.id)

    def latest(self, instant: datetime | None) -> Version | None:
        """The newest version whatever its state: that is what ``latest`` means."""
        return next((each for each in self.versions.newest_first() if each.shown.at(instant) is not None), None)


@dataclass(frozen=True, slots=True)
class Published:
    """One message to a Pub/Sub topic: all that a rotation schedule does.

    Attributes:
        at: when it was due.
        event: ``SECRET_ROTATE`` and so on.
        secret: name of the secret.
        topics: where it went.
    """

    at: datetime
    event: str
    secret: str
    topics: tuple[str, ...]


class SecretStore:
    """All secrets of all projects."""

    def __init__(self) -> None:
        self._shelves: dict[Place, Shelf[Secret]] = {}
        self._due: list[tuple[datetime, int, Secret]] = []
        self._serial = 0
        self.published: list[Published] = []
        self.broken_keys: set[str] = set()

    def shelf(self, place: Place) -> Shelf[Secret]:
        """The secrets of one place, deleted ones included."""
        return self._shelves.setdefault(place, Shelf())

    def find(self, place: Place, secret_id: str) -> Secret | None:
        """The secret if it exists now."""
        found = self.shelf(place).get(secret_id)
        return found if found is not None and found.shown.current is not None else None

    def create(self, place: Place, secret_id: str, message: Any, now: datetime) -> Secret:
        """Add a secret; `message` has all fields but the name, the times and the etag."""
        secret = Secret(place=place, id=secret_id, shown=Timeline(), serial=self.next_serial())
        self.shelf(place).put(secret_id, secret)
        message.create_time.CopyFrom(timestamp(now))
        self.put(secret, message, now)
        return secret

    def put(self, secret: Secret, message: Any, now: datetime) -> None:
        """Store a new state of a secret, with a new etag."""
        message.name = secret.resource
        message.etag = self.etag()
        secret.shown.put(now, message)
        for moment in (message.expire_time, message.rotation.next_rotation_time):
            if moment.seconds:
                self.schedule(moment.ToDatetime(tzinfo=UTC), secret)

    def add_version(self, secret: Secret, payload: bytes, crc32c: int, now: datetime, **fields: Any) -> Version:
        """Add a version; `fields` are further fields of its message."""
        number, secret.next_number = secret.next_number, secret.next_number + 1
        message = VersionMessage(
            name=f"{secret.resource}/versions/{number}",
            create_time=timestamp(now),
            state=State.ENABLED,
            etag=self.etag(),
            **fields,
        )
        _note_replicas(message, secret.shown.current)
        made = Version(number=number, shown=Timeline(), serial=self.next_serial(), payload=payload, crc32c=crc32c)
        made.shown.put(now, message)
        secret.versions.put(str(number), made)
        return made

    def change_version(self, version: Version, now: datetime, **fields: Any) -> None:
        """Store a new state of a version, with a new etag; a planned destruction is off unless `fields` plan it."""
        message = copy(version.shown.current)
        message.ClearField("scheduled_destroy_time")
        message.MergeFrom(VersionMessage(etag=self.etag(), **fields))
        version.shown.put(now, message)

    def destroy(self, version: Version, now: datetime) -> None:
        """Forget the payload, for good."""
        version.payload = None
        self.change_version(version, now, state=State.DESTROYED, destroy_time=timestamp(now))

    def schedule(self, when: datetime, secret: Secret) -> None:
        """Look at this secret again at `when`."""
        heapq.heappush(self._due, (when, self.next_serial(), secret))

    def settle(self, now: datetime) -> None:
        """Do everything that time brought: expiries, delayed destructions, rotation messages."""
        while self._due and self._due[0][0] <= now:
            when, _, secret = heapq.heappop(self._due)
            self._happen(secret, when)

    def broken_key(self, version: Version) -> str:
        """The disabled or destroyed KMS key that makes a payload unreadable everywhere; "" = none."""
        used = list(_keys(version.shown.current))
        broken = [key for key in used if key in self.broken_keys]
        return broken[0] if broken and len(broken) == len(used) else ""

    def etag(self) -> str:
        """A fresh etag; the quotes belong to it."""
        return f'"{self.next_serial():014x}"'

    def next_serial(self) -> int:
        """The next number of everything that needs one."""
        self._serial += 1
        return self._serial

    def _happen(self, secret: Secret, when: datetime) -> None:
        current = secret.shown.current
        if current is None or self.find(secret.place, secret.id) is not secret:
            return
        if current.expire_time.seconds and current.expire_time.ToDatetime(tzinfo=UTC) <= when:
            secret.shown.put(when, None)
            self.published.append(Published(when, "SECRET_EXPIRED", secret.resource, _topics(current)))
            return
        for version in secret.versions.oldest_first():
            shown = version.shown.current
            due = shown.scheduled_destroy_time
            if due.seconds and shown.state != State.DESTROYED and due.ToDatetime(tzinfo=UTC) <= when:
                self.destroy(version, when)
        self._publish_rotation(secret, current, when)

    def _publish_rotation(self, secret: Secret, current: Any, when: datetime) -> None:
        """A schedule only sends a message and moves on; without a period its time stays where it was."""
        planned = current.rotation.next_rotation_time
        if not planned.seconds or planned.ToDatetime(tzinfo=UTC) != when:
            return
        self.published.append(Published(when, "SECRET_ROTATE", secret.resource, _topics(current)))
        period = seconds(current.rotation.rotation_period)
        if period:
            moved = copy(current)
            moved.rotation.next_rotation_time.seconds += int(period)
            self.put(secret, moved, when)


def resource_of(place: Place, secret_id: str) -> str:
    """Name of a secret with the project's id."""
    middle = f"/locations/{place.location}" if place.location else ""
    return f"projects/{place.project}{middle}/secrets/{secret_id}"


def _topics(message: Any) -> tuple[str, ...]:
    return tuple(topic.name for topic in message.topics)


def _note_replicas(message: Any, secret: Any) -> None:
    """The replication status of a new version, with the key version that encrypts each replica."""
    if secret.customer_managed_encryption.kms_key_name:
        message.customer_managed_encryption.kms_key_version_name = _first_key(secret.customer_managed_encryption)
    kind = secret.replication.WhichOneof("replication")
    if kind == "automatic":
        status = message.replication_status.automatic
        status.SetInParent()
        if secret.replication.automatic.customer_managed_encryption.kms_key_name:
            used = _first_key(secret.replication.automatic.customer_managed_encryption)
            status.customer_managed_encryption.kms_key_version_name = used
    for replica in secret.replication.user_managed.replicas if kind == "user_managed" else ():
        row = message.replication_status.user_managed.replicas.add(location=replica.location)
        if replica.customer_managed_encryption.kms_key_name:
            used = _first_key(replica.customer_managed_encryption)
            row.customer_managed_encryption.kms_key_version_name = used


def _keys(version: Any) -> Iterator[str]:
    """The KMS key of each replica; "" = Google's own."""
    statuses = [version.customer_managed_encryption, version.replication_status.automatic.customer_managed_encryption]
    replicas = version.replication_status.user_managed.replicas
    if replicas:
        statuses = [replica.customer_managed_encryption for replica in replicas]
    names = [status.kms_key_version_name.partition("/cryptoKeyVersions/")[0] for status in statuses]
    yield from names if replicas else filter(None, names)


def _first_key(encryption: Any) -> str:
    return f"{encryption.kms_key_name}/cryptoKeyVersions/1"
