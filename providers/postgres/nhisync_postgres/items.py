"""One row of the role catalog as the facts of an `Item`."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nhisync.spi import CredentialState, Item, Lifecycle, Locator, Moment, PublicId

_TOKEN = re.compile(r"(?:\A|\s)nhisync:(owner|name|rotated)=(\S+)")

_USUAL = ":5432"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POWERS = ("superuser", "createrole", "createdb", "replication", "bypassrls")


@dataclass(frozen=True, slots=True)
class Note:
    """What a role's comment says to nhisync: PostgreSQL itself keeps neither owner nor age of a password.

    Attributes:
        owner: ``nhisync:owner=…``, or "".
        name: ``nhisync:name=…``, or None.
        rotated: ``nhisync:rotated=<RFC 3339 instant>``, or None.
    """

    owner: str = ""
    name: str | None = None
    rotated: datetime | None = None

    @classmethod
    def parse(cls, comment: str | None) -> "Note":
        """Read the words of a comment; whatever is unreadable or said twice is not said."""
        said: dict[str, str | None] = {}
        for word, value in _TOKEN.findall(comment or ""):
            said[word] = None if word in said else value
        return cls(owner=said.get("owner") or "", name=said.get("name"), rotated=_instant(said.get("rotated")))


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The server that answered.

    Attributes:
        identifier: its system identifier, which a restored or replicated copy shares; None = not known.
        standby: it replays another server.
        replayed: how far it has replayed, or None.
        endpoint: host and port.
        observed_at: when it answered.
    """

    identifier: str | None
    standby: bool
    replayed: datetime | None
    endpoint: str
    observed_at: datetime

    @property
    def copied(self) -> datetime | None:
        """How old a standby's copy is: as old as can be when it does not say, as after its start; None = no copy."""
        return (self.replayed or _EPOCH) if self.standby else None


def item_of(locator: Locator, row: Mapping[str, Any], cluster: Cluster, rights: Sequence[str] | None) -> Item:
    """The facts of one role.

    Args:
        locator: its address.
        row: of `queries.ROLES`.
        cluster: where it stands.
        rights: lines of `queries.RIGHTS` for it; None = not read.
    """
    note = Note.parse(row["comment"])
    until = _until(row)
    powers = [power for power in _POWERS if row[power]]
    held = None if rights is None else ", ".join(sorted({*rights, *powers})) or "none"
    return Item(
        locator=locator,
        observed_at=cluster.observed_at,
        source_as_of=cluster.copied,
        provider_id=f"role {row['oid']}",
        lifecycle=Lifecycle.REPLICA if cluster.standby else Lifecycle.OWN,
        state=_state(row, until, cluster.observed_at),
        rotated=Moment(note.rotated) if note.rotated else None,
        expires=Moment(until) if until else None,
        owner=note.owner,
        logical_name=note.name,
        fields=("password",),
        ids=_logins(locator.name, cluster),
        marker=_marker(row, cluster, held),
        attributes=_attributes(row, powers, cluster, held),
    )


def _until(row: Mapping[str, Any]) -> datetime | None:
    """VALID UNTIL; PostgreSQL's ``-infinity`` has ended since ever."""
    if row["ended"]:
        return _EPOCH
    found = row["until"]
    return found.astimezone(UTC) if isinstance(found, datetime) else None


def _state(row: Mapping[str, Any], until: datetime | None, now: datetime) -> CredentialState:
    if not row["login"] or (row["connections"] == 0 and not row["superuser"]):  # InitializeSessionUserId, miscinit.c
        return CredentialState.SUSPENDED
    return CredentialState.DEACTIVATED if until is not None and until <= now else CredentialState.ACTIVE


def _logins(role: str, cluster: Cluster) -> tuple[PublicId, ...]:
    """The account by address and by cluster: two names of one server, or a restored copy of it, are one target.

    Another port is another server, as behind two tunnels of one host; the usual one is left out, because other
    providers spell a target so (`vault`: what a database role's connection names).
    """
    found = [PublicId("login", f"{cluster.endpoint.lower().removesuffix(_USUAL)}/{role}")]
    if cluster.identifier is not None:
        found.append(PublicId("login", f"postgres:{cluster.identifier}/{role}"))
    return tuple(sorted(found))


def _attributes(
    row: Mapping[str, Any], powers: Sequence[str], cluster: Cluster, held: str | None
) -> tuple[tuple[str, str], ...]:
    facts = {
        "connection-limit": "" if row["connections"] < 0 else str(row["connections"]),
        "login": "" if row["login"] else "no",
        "powers": ", ".join(powers),
        "cluster": cluster.identifier or "",
        "rights": held or "",
    }
    return tuple(sorted((key, word) for key, word in facts.items() if word))


def _marker(row: Mapping[str, Any], cluster: Cluster, held: str | None) -> str:
    facts = [dict(row), cluster.identifier, cluster.standby, cluster.endpoint, held]
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()[:32]
