"""Equality classes of values, computed where the values are and published as random group ids (pure).

The comparing process draws a key for this run, keeps 128-bit HMACs, and forgets both. What leaves it says only "these
share a value": group ids are random, classes that do not span both paths are not reported, and nothing can be tested
offline against a low-entropy value.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nhisync.clock import Randomness
from nhisync.spi import FieldValue, Locator, SecretBytes

MIN_BYTES = 8
"""Values shorter than this are compared only when a pair names their field: ``true`` is no reused secret."""

PUBLIC_FIELDS = frozenset(
    {
        "account",
        "account_id",
        "address",
        "arn",
        "client_id",
        "database",
        "db",
        "dbname",
        "driver",
        "email",
        "endpoint",
        "engine",
        "expires",
        "expires_at",
        "expiry",
        "host",
        "hostname",
        "issuer",
        "kid",
        "login",
        "name",
        "path",
        "port",
        "project",
        "region",
        "role",
        "role_arn",
        "scope",
        "scopes",
        "service",
        "tenant",
        "tenant_id",
        "type",
        "url",
        "user",
        "user_id",
        "username",
        "version",
    }
)
"""Field names that say where and who, not what opens the door; compared only when a pair names them."""

DOMAIN = "nhisync/reuse/1"
"""HMAC domain: one for all fields, so that a copy under another field name is found too."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One side of one pair to compare.

    Attributes:
        path: name of the path.
        key: ``app/pair``.
        locator: the item, with the field when the pair names one.
    """

    path: str
    key: str
    locator: Locator


def compared(value: FieldValue, field: str | None) -> bool:
    """Whether this field takes part: the named one, or every long enough field that is not public by its name."""
    if field is not None:
        return value.field == field
    return value.field.lower() not in PUBLIC_FIELDS and len(value.value.reveal()) >= MIN_BYTES


class Classes:
    """Union of (path, key) by equal digests; sources may add from a thread each.

    Args:
        randomness: draws the run's key and the group ids.
    """

    def __init__(self, randomness: Randomness) -> None:
        self._key = randomness.bytes(32)
        self._randomness = randomness
        self._holders: dict[bytes, set[tuple[str, str]]] = {}
        self._lock = threading.Lock()

    def add(self, value: FieldValue, holders: Iterable[Wanted]) -> None:
        """Take one value for all pair sides that compare it; line ends behind it, which files add, make none of it."""
        members = {(w.path, w.key) for w in holders if compared(value, w.locator.field)}
        if members:
            bare = SecretBytes(value.value.reveal().rstrip(b"\r\n"))
            digest = bare.digest(self._key, DOMAIN)
            with self._lock:
                self._holders.setdefault(digest, set()).update(members)

    def groups(self) -> Mapping[tuple[str, str], str]:
        """(path, key) → group id, for classes that span more than one path; the key is drawn anew afterwards."""
        found: dict[tuple[str, str], str] = {}
        shared: dict[str, set[tuple[str, str]]] = {}
        for members in self._holders.values():
            if len({path for path, _ in members}) < 2:
                continue
            known = {found[member] for member in members if member in found}
            group = min(known, default="") or self._randomness.hex(8)
            whole = members.union(*(shared.pop(one) for one in known))  # groups that share a side are one group
            shared[group] = whole
            found.update(dict.fromkeys(whole, group))
        self._holders.clear()
        self._key = self._randomness.bytes(32)
        return found
