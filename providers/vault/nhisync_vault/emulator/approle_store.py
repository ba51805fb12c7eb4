"""AppRole's records: roles and secret IDs, addressed by HMAC as the server stores them.

Source: OpenBao ``internal/builtin/credential/approle``. Two traps are kept: secret IDs are listed and paged in the
order of their HMAC, not of their accessor; and expiry is enforced by a periodic tidy, not by the login itself.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nhisync_vault.emulator.gotime import ZERO_TIME, rfc3339
from nhisync_vault.emulator.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role; durations of zero mean unlimited or the system's default.

    Attributes:
        name: lower case.
        role_id: what a login names; sensitive, not secret.
        hmac_key: addresses its secret IDs.
        bind_secret_id: a login needs a secret ID.
        secret_id_ttl: lifetime of new secret IDs.
        secret_id_num_uses: logins of each new secret ID, 0 = unlimited.
        secret_id_bound_cidrs: networks that may log in.
        token_policies: of the tokens.
        token_ttl: of the tokens.
        token_max_ttl: of the tokens.
        token_period: makes tokens periodic.
        token_explicit_max_ttl: hard end of the tokens.
        token_num_uses: of the tokens, 0 = unlimited.
        token_type: ``default``, ``service`` or ``batch``.
        token_bound_cidrs: networks that may use the tokens.
        token_no_default_policy: tokens lack the default policy.
    """

    name: str
    role_id: str
    hmac_key: str
    bind_secret_id: bool = True
    secret_id_ttl: timedelta = timedelta()
    secret_id_num_uses: int = 0
    secret_id_bound_cidrs: tuple[str, ...] = ()
    token_policies: tuple[str, ...] = ()
    token_ttl: timedelta = timedelta()
    token_max_ttl: timedelta = timedelta()
    token_period: timedelta = timedelta()
    token_explicit_max_ttl: timedelta = timedelta()
    token_num_uses: int = 0
    token_type: str = "default"
    token_bound_cidrs: tuple[str, ...] = ()
    token_no_default_policy: bool = False

    def data(self) -> dict[str, Any]:
        """The ``data`` of a role read."""
        return {
            "bind_secret_id": self.bind_secret_id,
            "local_secret_ids": False,
            "secret_id_bound_cidrs": list(self.secret_id_bound_cidrs) or None,
            "secret_id_num_uses": self.secret_id_num_uses,
            "secret_id_ttl": _seconds(self.secret_id_ttl),
            "token_bound_cidrs": list(self.token_bound_cidrs),
            "token_explicit_max_ttl": _seconds(self.token_explicit_max_ttl),
            "token_max_ttl": _seconds(self.token_max_ttl),
            "token_no_default_policy": self.token_no_default_policy,
            "token_num_uses": self.token_num_uses,
            "token_period": _seconds(self.token_period),
            "token_policies": list(self.token_policies),
            "token_strictly_bind_ip": False,
            "token_ttl": _seconds(self.token_ttl),
            "token_type": self.token_type,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretId:
    """One secret ID, without itself: the server keeps only its HMAC.

    Attributes:
        accessor: handle without its power.
        created: when.
        expires: end, None = never.
        updated: last use when uses are counted, else creation.
        num_uses: logins left, 0 = unlimited.
        ttl: lifetime at creation.
        metadata: caller's metadata.
        cidrs: networks that may log in.
        token_cidrs: networks that may use the token.
        lingers: the tidy never removes it (dead accessors stay listed, hashicorp/vault#4396).
    """

    accessor: str
    created: datetime
    expires: datetime | None
    updated: datetime
    num_uses: int = 0
    ttl: timedelta = timedelta()
    metadata: Mapping[str, str] | None = None
    cidrs: tuple[str, ...] = ()
    token_cidrs: tuple[str, ...] = ()
    lingers: bool = False

    def data(self) -> dict[str, Any]:
        """The ``data`` of a lookup; an unlimited one prints Go's zero time."""
        return {
            "secret_id_accessor": self.accessor,
            "secret_id_num_uses": self.num_uses,
            "secret_id_ttl": _seconds(self.ttl),
            "creation_time": rfc3339(self.created),
            "expiration_time": rfc3339(self.expires) or ZERO_TIME,
            "last_updated_time": rfc3339(self.updated),
            "metadata": dict(self.metadata or {}),
            "cidr_list": list(self.cidrs),
            "token_bound_cidrs": list(self.token_cidrs),
        }


class SecretIds:
    """The secret IDs of one role in a mount's storage."""

    def __init__(self, storage: Storage, role: Role) -> None:
        self._storage = storage
        self._role = role
        self._folder = f"secret_id/{self.digest(role.name)}/"

    def digest(self, text: str) -> str:
        """HMAC-SHA-256 under the role's key, hex."""
        return hmac.digest(self._role.hmac_key.encode(), text.encode(), "sha256").hex()

    def put(self, secret_id: str, entry: SecretId) -> None:
        """Store one with its accessor."""
        digest = self.digest(secret_id)
        self._storage.put(f"accessor/{entry.accessor}", digest)
        self._storage.put(self._folder + digest, entry)

    def replace(self, digest: str, entry: SecretId) -> None:
        """Update one by its HMAC."""
        self._storage.put(self._folder + digest, entry)

    def get(self, digest: str) -> SecretId | None:
        """One by its HMAC."""
        found: SecretId | None = self._storage.get(self._folder + digest)
        return found

    def by_accessor(self, accessor: str) -> tuple[bool, str, SecretId | None]:
        """Whether the accessor is known at all, its HMAC, and the entry when it is this role's."""
        digest: str | None = self._storage.get(f"accessor/{accessor}")
        return digest is not None, digest or "", self.get(digest) if digest else None

    def delete(self, digest: str, entry: SecretId) -> None:
        """Remove one and its accessor."""
        self._storage.delete(f"accessor/{entry.accessor}")
        self._storage.delete(self._folder + digest)

    def page(self, after: str, limit: int) -> list[str]:
        """Accessors of one page; `after` is compared with HMACs, as the server does."""
        return [self._storage.get(self._folder + d).accessor for d in self._storage.page(self._folder, after, limit)]

    def flush(self) -> None:
        """Remove all of them."""
        for digest in list(self._storage.walk(self._folder)):
            entry = self.get(digest)
            if entry is not None:
                self.delete(digest, entry)


def expired_secret_ids(storage: Storage, before: datetime) -> Iterator[tuple[str, SecretId]]:
    """Keys and entries the periodic tidy removes: past their end at `before`, and not seeded to linger."""
    for rest in list(storage.walk("secret_id/")):
        entry: SecretId = storage.get(f"secret_id/{rest}")
        if entry.expires is not None and entry.expires < before and not entry.lingers:
            yield f"secret_id/{rest}", entry


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
