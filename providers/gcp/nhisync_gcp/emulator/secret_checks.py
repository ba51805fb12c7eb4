"""What Secret Manager demands of a secret before it stores it (v1 API reference: Secret, Rotation, Replication)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync_gcp.emulator.messages import seconds
from nhisync_gcp.emulator.refusals import invalid
from nhisync_gcp.emulator.secret_store import Place

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_ANNOTATION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"projects/[^/]+/locations/([^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
_HOUR, _CENTURY = 3600, 3_153_600_000
_SOONEST = timedelta(seconds=300)
_MOST_TOPICS, _MOST_LABELS, _MOST_ALIASES, _MOST_ANNOTATION_BYTES = 10, 64, 50, 16_384


def check_id(secret_id: str) -> None:
    """Letters, digits, hyphen, underscore; at most 255.

    Raises:
        RefusedError: INVALID_ARGUMENT, as for all checks here.
    """
    if _ID.fullmatch(secret_id) is None:
        raise invalid("Secret ID must match [a-zA-Z0-9-_]{1,255}.")


def check_secret(place: Place, secret: Any) -> None:
    """Everything that does not depend on what was stored before."""
    _check_replication(place, secret)
    _check_metadata(secret)
    if len(secret.topics) > _MOST_TOPICS:
        raise invalid("A secret can have at most 10 topics.")
    if len(secret.version_aliases) > _MOST_ALIASES:
        raise invalid("A secret can have at most 50 version aliases.")
    for alias in secret.version_aliases:
        if _ALIAS.fullmatch(alias) is None or alias in {"latest", "NEW"}:
            raise invalid(f"The version alias [{alias}] is invalid.")


def check_rotation(secret: Any, now: datetime) -> None:
    """Schedules: an hour to a century, five minutes ahead, and a topic to tell."""
    rotation = secret.rotation
    period, planned = seconds(rotation.rotation_period), rotation.next_rotation_time
    if not period and not planned.seconds:
        return
    if not secret.topics:
        raise invalid("Topics must be set to configure rotation.")
    if period and not planned.seconds:
        raise invalid("next_rotation_time must be set if rotation_period is set.")
    if period and not _HOUR <= period <= _CENTURY:
        raise invalid("rotation_period must be between 3600s and 3153600000s.")
    if planned.ToDatetime(tzinfo=UTC) < now + _SOONEST:
        raise invalid("next_rotation_time must be at least 300s in the future.")


def _check_replication(place: Place, secret: Any) -> None:
    kind = secret.replication.WhichOneof("replication")
    if place.location:
        if kind is not None:
            raise invalid("Replication must not be set for a regional secret.")
        _check_key(secret.customer_managed_encryption, place.location)
        return
    if kind is None:
        raise invalid("Secret.replication is required.")
    if secret.customer_managed_encryption.kms_key_name:
        raise invalid("customer_managed_encryption is for regional secrets; use replication.")
    if kind == "automatic":
        _check_key(secret.replication.automatic.customer_managed_encryption, "global")
        return
    if not secret.replication.user_managed.replicas:
        raise invalid("A user-managed replication needs at least one replica.")
    for replica in secret.replication.user_managed.replicas:
        _check_key(replica.customer_managed_encryption, replica.location)


def _check_key(encryption: Any, location: str) -> None:
    if not encryption.kms_key_name:
        return
    match = _KEY.fullmatch(encryption.kms_key_name)
    if match is None or match.group(1) != location:
        raise invalid(f"The Cloud KMS key [{encryption.kms_key_name}] must be in location [{location}].")


def _check_metadata(secret: Any) -> None:
    if len(secret.labels) > _MOST_LABELS:
        raise invalid("A secret can have at most 64 labels.")
    for key, value in secret.labels.items():
        if not is_label(key, 1) or not (key[0].islower() or key[0].isalpha()) or not is_label(value, 0):
            raise invalid(f"The label [{key}] is invalid.")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in secret.annotations.items())
    if size >= _MOST_ANNOTATION_BYTES:
        raise invalid("Annotations must be smaller than 16 KiB in total.")
    for key in secret.annotations:
        if _ANNOTATION.fullmatch(key) is None:
            raise invalid(f"The annotation key [{key}] is invalid.")


def is_label(text: str, least: int) -> bool:
    """Whether `text` may be a label's key or value: no upper case, only ``-`` and ``_`` besides; at most 63."""
    fits = all(letter in "-_" or letter.isdigit() or (letter.isalpha() and not letter.isupper()) for letter in text)
    return fits and least <= len(text) <= 63 and len(text.encode()) <= 128
