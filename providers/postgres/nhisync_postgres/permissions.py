"""Grants for `nhisync permissions` and the doctor.

Most of what inventory needs PostgreSQL grants to PUBLIC by default; the document names it all the same, so that it is
enough in a database that was closed down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nhisync.spi import AccessMode, Locator, PermissionDocument
from nhisync_postgres.errors import connect_action
from nhisync_postgres.settings import PostgresSettings

CATALOGS = ("pg_auth_members", "pg_class", "pg_database", "pg_namespace", "pg_roles", "pg_shdescription")
"""Catalogs that inventory reads; none of them holds a password or its hash."""

IDENTIFIER = "pg_catalog.pg_control_system()"
"""Function that names the cluster, also across a restored copy."""

NEEDS_CREATEROLE = "CREATEROLE"


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege.

    Attributes:
        action: privilege and object in PostgreSQL's own words (``SELECT ON pg_catalog.pg_roles``).
        text: the statement that grants it.
        check: SQL expression without parameters that is true when our role holds it.
    """

    action: str
    text: str
    check: str


def documents(
    settings: PostgresSettings, mode: AccessMode, wanted: Sequence[Locator]
) -> tuple[PermissionDocument, ...]:
    """One script per mode; fingerprint has none, because stored hashes are salted and comparing them says nothing."""
    grants = needed(settings, mode, wanted)
    if not grants:
        return ()
    found = [script_of(_TITLES[mode], grants)]
    if mode is AccessMode.ROTATE:
        title = "mode rotate, PostgreSQL 16 and newer, besides: administers only these roles"
        found.append(script_of(title, administered(settings, wanted)))
    return tuple(found)


_TITLES = {
    AccessMode.READ: "mode read: inventory of login roles from the catalogs",
    AccessMode.PROBE: "mode probe: each role may log in to the database it is tested with",
    AccessMode.ROTATE: "mode rotate: sets passwords and ends of other roles",
}


def needed(settings: PostgresSettings, mode: AccessMode, wanted: Sequence[Locator]) -> list[Grant]:
    """Every grant of a mode in a fixed order; nothing for fingerprint."""
    if mode is AccessMode.FINGERPRINT:
        return []
    if mode is AccessMode.PROBE:
        return [_connect(settings.database, name) for name in dict.fromkeys(one.name for one in wanted)]
    user = settings.auth.user
    reading = [_connect(settings.database, user), *(select(catalog, user) for catalog in CATALOGS), _execute(user)]
    return reading if mode is AccessMode.READ else [*reading, _createrole(user)]


def identifier(name: str) -> str:
    """A quoted SQL identifier (https://www.postgresql.org/docs/current/sql-syntax-lexical.html §4.1.1)."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string that no setting of the server reads differently."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"E'{escaped}'"


def _connect(database: str, user: str) -> Grant:
    return Grant(
        connect_action(database, user),
        f"GRANT CONNECT ON DATABASE {identifier(database)} TO {identifier(user)};",
        f"pg_catalog.has_database_privilege({literal(user)}, {literal(database)}, 'CONNECT')",
    )


def select(catalog: str, user: str) -> Grant:
    """Reading one catalog."""
    return Grant(
        f"SELECT ON pg_catalog.{catalog}",
        f"GRANT SELECT ON pg_catalog.{catalog} TO {identifier(user)};",
        f"pg_catalog.has_table_privilege('pg_catalog.{catalog}', 'SELECT')",
    )


def _execute(user: str) -> Grant:
    return Grant(
        f"EXECUTE ON FUNCTION {IDENTIFIER}",
        f"GRANT EXECUTE ON FUNCTION {IDENTIFIER} TO {identifier(user)};",
        f"pg_catalog.has_function_privilege('{IDENTIFIER}', 'EXECUTE')",
    )


def _createrole(user: str) -> Grant:
    own = "(SELECT rolcreaterole OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
    return Grant(NEEDS_CREATEROLE, f"ALTER ROLE {identifier(user)} CREATEROLE;", own)


def administered(settings: PostgresSettings, wanted: Sequence[Locator]) -> list[Grant]:
    """What rotation needs on each role besides, from PostgreSQL 16 on; older servers hold it to be there.

    Source: https://www.postgresql.org/docs/16/sql-alterrole.html (a password of another role).
    """
    return [_admin(settings.auth.user, name) for name in dict.fromkeys(one.name for one in wanted)]


def _admin(user: str, name: str) -> Grant:
    role, option = identifier(name), "'MEMBER WITH ADMIN OPTION'"
    held = f"""(pg_catalog.current_setting('server_version_num')::integer < 160000 OR NOT EXISTS (
      SELECT FROM pg_catalog.pg_roles
      WHERE rolname = {literal(name)} AND NOT pg_catalog.pg_has_role(oid, {option})))"""
    return Grant(f"ADMIN OPTION ON ROLE {name}", f"GRANT {role} TO {identifier(user)} WITH ADMIN OPTION;", held)


def script_of(title: str, grants: Sequence[Grant]) -> PermissionDocument:
    """One script with one statement a line."""
    lines = [f"-- {title}", *(grant.text for grant in grants)]
    return PermissionDocument(
        title=title, language="sql", text="\n".join(lines) + "\n", actions=tuple(grant.action for grant in grants)
    )
