"""The queries, all reads of catalogs, every name qualified: a hostile search_path changes nothing."""

SITUATION = """
SELECT current_user::text AS role, pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('server_version') AS version, pg_catalog.now() AS at,
       pg_catalog.pg_last_xact_replay_timestamp() AS replayed
"""

CLUSTER = "SELECT system_identifier::text AS id FROM pg_catalog.pg_control_system()"

ROLES = """
SELECT r.oid::bigint AS oid, r.rolname::text AS name, r.rolcanlogin AS login,
       CASE WHEN r.rolvaliduntil BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00'
            THEN r.rolvaliduntil END AS until,
       r.rolvaliduntil < '0002-01-01 00:00+00' AS ended, r.rolsuper AS superuser, r.rolcreaterole AS createrole,
       r.rolcreatedb AS createdb, r.rolreplication AS replication, r.rolbypassrls AS bypassrls,
       r.rolconnlimit AS connections, d.description AS comment
FROM pg_catalog.pg_roles r
LEFT JOIN pg_catalog.pg_shdescription d
  ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
WHERE CASE WHEN %(names)s::text[] IS NOT NULL THEN r.rolname::text = ANY (%(names)s::text[])
           ELSE r.rolcanlogin AND NOT pg_catalog.starts_with(r.rolname::text, 'pg_')
                AND (%(prefixes)s::text[] IS NULL
                     OR EXISTS (SELECT 1 FROM pg_catalog.unnest(%(prefixes)s::text[]) p
                                WHERE pg_catalog.starts_with(r.rolname::text, p))) END
"""
"""The named roles, whatever they may; without names all that may log in, or those with one of the prefixes.

Ends that no calendar of Python holds are none, or have passed: one such role must not hide the others.
"""

RIGHTS = """
WITH wanted AS (SELECT oid, rolname::text AS name FROM pg_catalog.pg_roles
                WHERE rolname::text = ANY (%(names)s::text[]))
SELECT w.name AS name,
       'member of ' || g.rolname::text || CASE WHEN m.admin_option THEN ' with admin' ELSE '' END AS held
FROM wanted w JOIN pg_catalog.pg_auth_members m ON m.member = w.oid JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
UNION
SELECT w.name, a.privilege_type || ' on database ' || d.datname::text
FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a JOIN wanted w ON w.oid = a.grantee
UNION
SELECT w.name, 'owner of database ' || d.datname::text FROM pg_catalog.pg_database d JOIN wanted w ON w.oid = d.datdba
UNION
SELECT w.name, a.privilege_type || ' on schema ' || n.nspname::text
FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a JOIN wanted w ON w.oid = a.grantee
UNION
SELECT w.name, 'owner of schema ' || n.nspname::text FROM pg_catalog.pg_namespace n JOIN wanted w ON w.oid = n.nspowner
UNION
SELECT w.name, a.privilege_type || ' on ' || n.nspname::text || '.' || c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
     pg_catalog.aclexplode(c.relacl) a JOIN wanted w ON w.oid = a.grantee
WHERE a.grantee <> c.relowner
UNION
SELECT w.name, 'owner of ' || n.nspname::text || '.' || c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN wanted w ON w.oid = c.relowner
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
ORDER BY 1, 2
"""
"""Rights of the named roles: memberships, and grants to the role itself (not to PUBLIC, not through a group)."""

HOLDERS = """
SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.rolcreaterole AS createrole, r.rolcreatedb AS createdb,
       r.rolreplication AS replication, r.rolbypassrls AS bypassrls, r.rolconnlimit AS connections
FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY (%(names)s::text[])
"""
"""The named roles with the attributes that no membership passes on."""

_EFFECTIVE = """
WITH RECURSIVE held(name, oid) AS (
  SELECT rolname::text, oid FROM pg_catalog.pg_roles WHERE rolname::text = ANY (%(names)s::text[])
  UNION
  SELECT h.name, g.roleid FROM held h JOIN (
    SELECT m.member, m.roleid FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
    WHERE coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)
    UNION ALL
    SELECT d.datdba, o.oid FROM pg_catalog.pg_database d, pg_catalog.pg_roles o
    WHERE d.datname = pg_catalog.current_database() AND o.rolname = 'pg_database_owner'
  ) g ON g.member = h.oid
), grantee(name, oid) AS (
  SELECT name, oid FROM held
  UNION
  SELECT rolname::text, 0::pg_catalog.oid FROM pg_catalog.pg_roles WHERE rolname::text = ANY (%(names)s::text[])
), space AS (
  SELECT oid, nspname::text AS name, nspowner, nspacl FROM pg_catalog.pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
  SELECT c.oid, c.relowner, c.relacl, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
         CASE c.relkind WHEN 'S' THEN 'sequence/' ELSE 'table/' END || s.name || '.' || c.relname::text AS resource
  FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
)
"""
"""Who counts as each named role, and the things of the database that are not the server's own.

Columns that only newer servers have are looked for in the row as a document.
"""

HELD = (
    _EFFECTIVE  # noqa: S608 - two constants
    + """
, thing(resource, owner, acl) AS (
  SELECT 'database/' || d.datname::text, d.datdba, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
  UNION ALL
  SELECT 'schema/' || name, nspowner, coalesce(nspacl, pg_catalog.acldefault('n', nspowner)) FROM space
  UNION ALL
  SELECT resource, relowner,
         coalesce(relacl, pg_catalog.acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))
  FROM relation
  UNION ALL
  SELECT 'function/' || s.name || '.' || p.proname::text || '('
         || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
         p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
  FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace
  UNION ALL
  SELECT 'column/' || pg_catalog.substr(r.resource, 7) || '.' || a.attname::text, NULL::pg_catalog.oid, a.attacl
  FROM pg_catalog.pg_attribute a JOIN relation r ON r.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
)
SELECT g.name, e.privilege_type AS action, t.resource, pg_catalog.bool_or(e.is_grantable) AS grantable
FROM thing t, pg_catalog.aclexplode(t.acl) e JOIN grantee g ON g.oid = e.grantee GROUP BY 1, 2, 3
UNION ALL
SELECT DISTINCT g.name, 'OWN', t.resource, false FROM thing t JOIN held g ON g.oid = t.owner
UNION ALL
SELECT DISTINCT h.name, 'SET ROLE', 'role/' || r.rolname::text, m.admin_option
FROM held h JOIN pg_catalog.pg_auth_members m ON m.member = h.oid JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
WHERE coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true)
"""
)
"""Effective rights of the named roles: as themselves, through inherited memberships, as PUBLIC, and as owners."""

ROW_SECURITY = (
    _EFFECTIVE  # noqa: S608 - two constants
    + """
SELECT n.name, r.resource, c.action, p.polname::text AS policy, p.polpermissive AS permissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS checked
FROM (SELECT rolname::text AS name FROM pg_catalog.pg_roles
      WHERE rolname::text = ANY (%(names)s::text[]) AND NOT rolbypassrls AND NOT rolsuper) n
CROSS JOIN relation r
CROSS JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) c(action, letter)
LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid AND p.polcmd::text IN ('*', c.letter)
     AND EXISTS (SELECT 1 FROM grantee g WHERE g.name = n.name AND g.oid = ANY (p.polroles))
WHERE r.relrowsecurity
  AND (r.relforcerowsecurity OR NOT EXISTS (SELECT 1 FROM held h WHERE h.name = n.name AND h.oid = r.relowner))
ORDER BY 1, 2, 3, 4
"""
)
"""Row security that limits the named roles on tables where it is on: one row a policy, or one without a policy."""
