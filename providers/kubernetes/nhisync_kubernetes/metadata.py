"""What is kept of an object's metadata. Annotations can hold values: only those with a known meaning are looked at.

``kubectl apply`` copies a whole Secret, data included, into the annotation ``last-applied-configuration``; it comes
with the metadata and goes no further than this module, which notes that it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.spi import (
    CredentialState,
    Lifecycle,
    Moment,
    Precision,
    Rotation,
    format_duration,
    parse_duration,
)

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NAME_KEY, LIFECYCLE_KEY, INTERVAL_KEY = "nhisync/name", "nhisync/lifecycle", "nhisync/rotation-interval"
ROTATED_KEY = "nhisync/rotated"
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
CERTIFICATE_NAME, REVISION = "cert-manager.io/certificate-name", "cert-manager.io/certificate-revision"
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"

_ANNOTATIONS = frozenset(
    {NAME_KEY, LIFECYCLE_KEY, INTERVAL_KEY, ROTATED_KEY, ACCOUNT_NAME, ACCOUNT_UID, CERTIFICATE_NAME, REVISION}
)
_LABELS = frozenset({LAST_USED, INVALID_SINCE})
_LONGEST = 200
_SKEW = timedelta(seconds=30)
"""By which a rotator's clock may be ahead of the server's."""
_LIFECYCLES = {"own": Lifecycle.OWN, "static": Lifecycle.STATIC, "shared": Lifecycle.SHARED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Metadata of one object.

    Attributes:
        namespace: of the object, "" = cluster-scoped.
        name: of the object.
        uid: drawn by the server, differs for every object that ever was.
        revision: ``resourceVersion``, opaque; differs after every change.
        created: creation, None = the server does not say.
        deleting: its deletion was asked for and waits for somebody.
        marks: annotations and labels with a known meaning.
        owner: of the configured key; "" = none.
        made_by: ``Kind/name`` of the controller that owns it, "" = none.
        last_applied: its annotations hold a copy of the whole object.
        written: latest change of a field of its data, at the latest; None = not recorded, or not by every writer.
        fields: names of the fields of its data; None = not recorded.
    """

    namespace: str
    name: str
    uid: str
    revision: str
    created: datetime | None
    deleting: bool
    marks: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    made_by: str = ""
    last_applied: bool = False
    written: datetime | None = None
    fields: tuple[str, ...] | None = None

    @property
    def marker(self) -> str:
        """Equal in two listings when nothing changed in between."""
        return f"{self.uid}/{self.revision}" if self.uid and self.revision else ""

    @property
    def state(self) -> CredentialState:
        """In force, unless its deletion waits."""
        return CredentialState.DEACTIVATED if self.deleting else CredentialState.ACTIVE

    @property
    def born(self) -> Moment | None:
        """Creation as a moment."""
        return None if self.created is None else Moment(self.created)

    def rotated(self, now: datetime) -> Moment | None:
        """The last change of its data; None = none since creation. Where the book tells no date: at the latest `now`.

        By the server's book it is an upper bound: what one writer owns is dated as a whole, so a changed annotation can
        count as well. A rotator that dates its work in the annotation says it exactly, unless the book contradicts it.
        """
        if self.written is None or self.created is None:
            return Moment(now, Precision.UPPER_BOUND)
        if self.written <= self.created + timedelta(seconds=1):
            return None
        declared = instant(self.marks.get(ROTATED_KEY))
        if declared is not None and self.created <= declared <= self.written + _SKEW:
            return Moment(declared)
        return Moment(self.written, Precision.UPPER_BOUND)

    @property
    def lifecycle(self) -> Lifecycle:
        """What the annotation declares."""
        return _LIFECYCLES.get(self.marks.get(LIFECYCLE_KEY, ""), Lifecycle.UNKNOWN)

    @property
    def rotation(self) -> Rotation | None:
        """What an external rotator declares; the cluster itself rotates no Secret."""
        try:
            every: timedelta | None = parse_duration(self.marks[INTERVAL_KEY])
        except (KeyError, ValueError):
            every = None
        return Rotation(enabled=True, interval=every, mechanism="declared") if every else None


def read_meta(found: Mapping[str, Any], owner_key: str) -> Meta:
    """The metadata of one object; `name_of` has looked at its name."""
    raw = mapping(found.get("metadata"))
    annotations, labels = mapping(raw.get("annotations")), mapping(raw.get("labels"))
    marks = {key: short(annotations.get(key)) for key in _ANNOTATIONS if key in annotations}
    marks |= {key: short(labels.get(key)) for key in _LABELS if key in labels}
    fields, written = _data(raw.get("managedFields"))
    return Meta(
        namespace=word(raw.get("namespace")),
        name=word(raw.get("name")),
        uid=short(raw.get("uid")),
        revision=short(raw.get("resourceVersion")),
        created=instant(raw.get("creationTimestamp")),
        deleting=bool(raw.get("deletionTimestamp")),
        marks=marks,
        owner=short(annotations.get(owner_key)) or short(labels.get(owner_key)),
        made_by=_maker(raw.get("ownerReferences")),
        last_applied=LAST_APPLIED in annotations,
        written=written,
        fields=fields,
    )


def instant(raw: object) -> datetime | None:
    """An RFC 3339 text as an aware UTC instant; None for anything else."""
    if not isinstance(raw, str):
        return None
    try:
        parsed = datetime.fromisoformat(raw)
        return None if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment(raw: object) -> Moment | None:
    """The same as an exact moment."""
    found = instant(raw)
    return None if found is None else Moment(found)


def mapping(raw: object) -> Mapping[str, Any]:
    """A JSON object, empty for anything else."""
    return raw if isinstance(raw, dict) else {}


def word(raw: object) -> str:
    """A string, "" for anything else."""
    return raw if isinstance(raw, str) else ""


def short(raw: object) -> str:
    """A printable string of bounded length, "" for anything else."""
    text = word(raw)
    return text if len(text) <= _LONGEST and text.isprintable() else ""


def number(raw: object) -> int | None:
    """An integer, or None."""
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def entries(raw: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []


def attributes(**facts: object) -> tuple[tuple[str, str], ...]:
    """Display facts sorted by name; None, False and "" are left out."""
    return tuple(sorted((name, _shown(value)) for name, value in facts.items() if value not in (None, False, "")))


def _shown(value: object) -> str:
    if value is True:
        return "yes"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _data(raw: object) -> tuple[tuple[str, ...] | None, datetime | None]:
    """Field names and last change of the data, from the server's own book-keeping (k8s.io/docs, Server-Side Apply).

    The book names fields as ``f:<name>`` and never holds what is in them.
    """
    managers = entries(raw)
    if not managers:
        return None, None
    names: set[str] = set()
    dates: list[datetime | None] = []
    for manager in managers:
        owned = mapping(manager.get("fieldsV1"))
        if "f:data" not in owned:
            continue
        names |= {key.removeprefix("f:") for key in mapping(owned["f:data"]) if key.startswith("f:")}
        dates.append(instant(manager.get("time")))
    known = [date for date in dates if date is not None]
    # One writer without a date may have been the last one.
    return tuple(sorted(filter(short, names))), max(known, default=None) if len(known) == len(dates) else None


def _maker(raw: object) -> str:
    owners = [one for one in entries(raw) if one.get("controller") is True]
    kinds = [f"{short(one.get('kind'))}/{short(one.get('name'))}" for one in owners]
    return kinds[0] if kinds else ""
