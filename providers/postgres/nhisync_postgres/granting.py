"""Reads what login roles may do in the configured database: their own grants, their groups' and PUBLIC's, with owners.

Effective rights, from catalogs alone: memberships are followed as far as they are inherited (per grant from PostgreSQL
16, per role before), defaults that no one changed are filled in (``acldefault``), row security becomes a condition. Who
may become another role (``SET ROLE``) has that one's rights as well, each marked with its name.
Source: PostgreSQL docs, "Privileges" §5.7, "Role Membership" §22.3, "Row Security Policies" §5.8.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from nhisync.spi import (
    Budget,
    Effect,
    ErrorFact,
    ErrorKind,
    GrantFacts,
    Limit,
    Locator,
    PermissionDocument,
    Right,
    Syntax,
)
from nhisync_postgres.connection import Connection
from nhisync_postgres.permissions import script_of, select
from nhisync_postgres.queries import HELD, HOLDERS, ROW_SECURITY, SETTINGS
from nhisync_postgres.settings import PostgresSettings

SCHEME = "postgres"

CATALOGS = ("pg_attribute", "pg_db_role_setting", "pg_init_privs", "pg_policy", "pg_proc")
"""Catalogs that rights are read from beside those of the inventory."""

_SHOWN = 120
"""Characters of a policy's expression that are shown; longer ones are told apart by a digest."""

_TITLE = "rights: what the named roles may do in this database, for tiers that compare rights"
_ATTRIBUTES = ("createrole", "createdb", "replication", "bypassrls")
_HARMLESS = frozenset({("default_transaction_read_only", "off"), ("role", "none")})
_WILD = re.compile(r"[*?$]")


def permissions_for(settings: PostgresSettings, kinds: frozenset[str], kind: str) -> tuple[PermissionDocument, ...]:
    """The grants that reading rights needs beside the READ document; none where no roles are asked about."""
    if kind not in kinds:
        return ()
    return (script_of(_TITLE, [select(one, settings.auth.user) for one in CATALOGS]),)


def strangers(wanted: Sequence[Locator], kind: str, now: datetime) -> Iterator[GrantFacts]:
    """The answer about items of other kinds, which hold no rights here."""
    for locator in dict.fromkeys(one.item for one in wanted if one.kind != kind):
        told = f"the kind {locator.kind} holds no rights at this server"
        yield GrantFacts(
            locator=locator, observed_at=now, error=ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=told)
        )


def facts(connection: Connection, wanted: Sequence[Locator], now: datetime, budget: Budget) -> Iterator[GrantFacts]:
    """Yield the rights of each wanted role.

    Raises:
        ProviderError: nothing can be read; DENIED names no role, because the catalogs are read as a whole.
    """
    names = [one.name for one in wanted]
    holders = {row["name"]: row for row in connection.rows(HOLDERS, budget, names=names)}
    held: dict[str, list[Mapping[str, Any]]] = {}
    for row in connection.rows(HELD, budget, names=names):
        held.setdefault(row["name"], []).append(row)
    policies: dict[str, dict[tuple[str, str, str], list[str]]] = {}
    for row in connection.rows(ROW_SECURITY, budget, names=names):
        of_role = policies.setdefault(row["name"], {})
        of_role.setdefault((row["via"], row["resource"], row["action"]), []).extend(_policy(row))
    begins: dict[str, list[Limit]] = {}
    for row in connection.rows(SETTINGS, budget, names=names):
        if (row["setting"], row["value"]) not in _HARMLESS:
            begins.setdefault(row["name"], []).append(Limit(row["setting"], str(row["value"])))
    for locator in wanted:
        holder = holders.get(locator.name)
        if holder is None:
            gone = ErrorFact(kind=ErrorKind.NOT_FOUND.value, message="the server has no such role")
            yield GrantFacts(locator=locator, observed_at=now, error=gone)
            continue
        name = locator.name
        yield GrantFacts(
            locator=locator,
            observed_at=now,
            scheme=SCHEME,
            syntax=Syntax.EXACT,
            rights=rights_of(holder, held.get(name, ()), policies.get(name, {})),
            limits=(*_limits(holder), *begins.get(name, ())),
        )


def rights_of(
    holder: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    policies: Mapping[tuple[str, str, str], Sequence[str]],
) -> tuple[Right, ...]:
    """Statements of one role, sorted; things with the same privileges share one.

    Args:
        holder: a row of `HOLDERS`.
        rows: its rows of `HELD`.
        policies: (role that was become, table, privilege) → words of row security that limit it there.
    """
    if holder["superuser"]:
        return (Right(Effect.ALLOW, ("*",), ("*",)),)
    things: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    own: set[tuple[str, str, tuple[str, ...]]] = set()
    for row in sorted(rows, key=lambda one: str(one["via"])):  # what the role may as itself comes first
        resource, via = str(row["resource"]), str(row["via"])
        conditions = tuple(sorted(policies.get((via, str(row["within"]), str(row["action"])), ())))
        action = f"{row['action']} with grant option" if row["grantable"] else str(row["action"])
        if not via:
            own.add((action, resource, conditions))
        elif (action, resource, conditions) in own:
            continue
        found = things.setdefault((resource, conditions), set())
        found.update(_as(one, via) for one in (str(row["action"]), action))
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (resource, conditions), actions in things.items():
        alike.setdefault((tuple(sorted(actions)), conditions), []).append(resource)
    attributes = tuple(f"role attribute {one}" for one in _ATTRIBUTES if holder[one])
    found_rights = [
        Right(Effect.ALLOW, actions, tuple(sorted(resources)), conditions=conditions)
        for (actions, conditions), resources in alike.items()
    ]
    return tuple(sorted([*found_rights, *([Right(Effect.ALLOW, attributes, ("cluster",))] if attributes else [])]))


def _as(action: str, via: str) -> str:
    """The privilege of a role that was become; its name may hold what would be a wildcard."""
    return f"{action} as {_WILD.sub(_literal, via)}" if via else action


def _literal(found: re.Match[str]) -> str:
    return f"${{{found[0]}}}"


def _policy(row: Mapping[str, Any]) -> list[str]:
    """Row security in words: which rows a policy lets through; none at all where no policy applies."""
    if row["policy"] is None:
        return ["row security lets no row through"]
    kind = "any of" if row["permissive"] else "all of"
    return [f"row security, {kind}: {_expression(row['using'])}; new rows: {_expression(row['checked'])}"]


def _expression(text: str | None) -> str:
    if text is None:
        return "every row"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({sha256(text.encode()).hexdigest()[:12]})"


def _limits(holder: Mapping[str, Any]) -> tuple[Limit, ...]:
    count = holder["connections"]
    return (Limit("connections", str(count)),) if isinstance(count, int) and count >= 0 else ()
