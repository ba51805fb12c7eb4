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


SETTINGS = """
SELECT DISTINCT ON (r.rolname, v.setting) r.rolname::text AS name, v.setting,
       pg_catalog.substr(v.line, pg_catalog.length(v.setting) + 2) AS value
FROM pg_catalog.pg_roles r
JOIN pg_catalog.pg_db_role_setting s ON s.setrole IN (0, r.oid) AND s.setdatabase IN (
  0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
CROSS JOIN LATERAL (SELECT line, pg_catalog.split_part(line, '=', 1) AS setting
                    FROM pg_catalog.unnest(s.setconfig) line) v
WHERE r.rolname::text = ANY (%(names)s::text[]) AND v.setting IN ('default_transaction_read_only', 'role')
ORDER BY r.rolname, v.setting, s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
"""
"""What sessions of the named roles begin with, as far as it takes rights away; the most exact place counts."""


def _plain(name: str) -> str:
    """SQL for one part of a dotted name: in quotes where a dot of its own would make it the name of another thing."""
    return f"""CASE WHEN {name} ~ '[."]' THEN pg_catalog.quote_ident({name}) ELSE {name}::text END"""


def _acl(acl: str, default: str, classified: str, number: str) -> str:
    """SQL for the grants on one thing; of the server's own (`inner`) only those that were made since it was set up."""
    return f"""CASE WHEN NOT s.inner THEN coalesce({acl}, {default}) WHEN {acl} IS NOT NULL THEN nullif(ARRAY(
    SELECT one FROM pg_catalog.unnest({acl}) one WHERE NOT one = ANY (coalesce((
      SELECT i.initprivs FROM pg_catalog.pg_init_privs i
      WHERE i.classoid = 'pg_catalog.{classified}'::pg_catalog.regclass AND {number}
    ), {default}, '{{}}'))), '{{}}') END"""  # noqa: S608 - constants


_EFFECTIVE = f"""
WITH RECURSIVE become(name, oid) AS (
  SELECT rolname::text, oid FROM pg_catalog.pg_roles WHERE rolname::text = ANY (%(names)s::text[])
  UNION
  SELECT b.name, m.roleid FROM become b JOIN pg_catalog.pg_auth_members m ON m.member = b.oid
  WHERE coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true)
), acting(name, via, oid) AS (
  SELECT b.name, CASE WHEN r.rolname::text = b.name THEN '' ELSE r.rolname::text END, b.oid
  FROM become b JOIN pg_catalog.pg_roles r ON r.oid = b.oid
), held(name, via, oid) AS (
  SELECT name, via, oid FROM acting
  UNION
  SELECT h.name, h.via, g.roleid FROM held h JOIN (
    SELECT m.member, m.roleid FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
    WHERE coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)
    UNION ALL
    SELECT d.datdba, o.oid FROM pg_catalog.pg_database d, pg_catalog.pg_roles o
    WHERE d.datname = pg_catalog.current_database() AND o.rolname = 'pg_database_owner'
  ) g ON g.member = h.oid
), grantee(name, via, oid) AS (
  SELECT name, via, oid FROM held
  UNION
  SELECT name, via, 0::pg_catalog.oid FROM acting
), space AS (
  SELECT oid, {_plain("nspname")} AS name, nspowner, nspacl, nspname = 'pg_catalog' AS inner
  FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog' OR nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
  SELECT c.oid, c.relowner, c.relacl, c.relkind, c.relrowsecurity, c.relforcerowsecurity, s.inner,
         CASE c.relkind WHEN 'S' THEN 'sequence/' ELSE 'table/' END || s.name || '.'
         || {_plain("c.relname")} AS resource
  FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
)
"""  # noqa: S608 - constants
"""Who counts as each named role, as itself (`via` is empty) and once it became another one, and the database's things.

Columns that only newer servers have are looked for in the row as a document.
"""

HELD = f"""{_EFFECTIVE}
, thing(resource, within, guarded, owner, acl) AS (
  SELECT 'database/' || d.datname::text, NULL::text, false, d.datdba,
         coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
  UNION ALL
  SELECT 'schema/' || s.name, NULL, false, CASE WHEN NOT s.inner THEN s.nspowner END,
         {_acl("s.nspacl", "pg_catalog.acldefault('n', s.nspowner)", "pg_namespace", "i.objoid = s.oid")}
  FROM space s
  UNION ALL
  SELECT s.resource, s.resource, s.relrowsecurity, CASE WHEN NOT s.inner THEN s.relowner END,
         {
    _acl(
        "s.relacl",
        '''pg_catalog.acldefault(CASE s.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, s.relowner)''',
        "pg_class",
        "i.objoid = s.oid AND i.objsubid = 0",
    )
}
  FROM relation s
  UNION ALL
  SELECT 'function/' || s.name || '.' || {_plain("p.proname")} || '('
         || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
         NULL, false, CASE WHEN NOT s.inner THEN p.proowner END,
         {_acl("p.proacl", "pg_catalog.acldefault('f', p.proowner)", "pg_proc", "i.objoid = p.oid")}
  FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace
  UNION ALL
  SELECT 'column/' || pg_catalog.substr(s.resource, 7) || '.' || {_plain("a.attname")},
         s.resource, s.relrowsecurity, NULL,
         {_acl("a.attacl", "NULL", "pg_class", "i.objoid = s.oid AND i.objsubid = a.attnum")}
  FROM pg_catalog.pg_attribute a JOIN relation s ON s.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
), granted(name, via, action, resource, within, guarded, grantable) AS (
  SELECT g.name, g.via, e.privilege_type, t.resource, t.within, t.guarded, pg_catalog.bool_or(e.is_grantable)
  FROM thing t, pg_catalog.aclexplode(t.acl) e JOIN grantee g ON g.oid = e.grantee GROUP BY 1, 2, 3, 4, 5, 6
  UNION
  SELECT h.name, h.via, 'OWN', t.resource, NULL, false, false FROM thing t JOIN held h ON h.oid = t.owner
  UNION
  SELECT h.name, h.via, 'ADMIN OPTION', 'role/' || r.rolname::text, NULL, false, false
  FROM held h JOIN pg_catalog.pg_auth_members m ON m.member = h.oid JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
  WHERE m.admin_option
  UNION
  SELECT h.name, h.via, 'INHERIT', 'role/' || r.rolname::text, NULL, false, false
  FROM held h JOIN pg_catalog.pg_roles r ON r.oid = h.oid
  WHERE pg_catalog.starts_with(r.rolname::text, 'pg_') AND r.rolname NOT IN (h.name, h.via, 'pg_database_owner')
)
SELECT a.name, a.via, a.action, a.resource, a.within, a.grantable
FROM granted a LEFT JOIN granted o ON o.name = a.name AND o.via = '' AND o.action = a.action
     AND o.resource = a.resource AND (o.grantable OR NOT a.grantable)
WHERE a.via = '' OR a.guarded OR o.name IS NULL
UNION ALL
SELECT name, '', 'SET ROLE', 'role/' || via, NULL, false FROM acting WHERE via <> ''
UNION ALL
SELECT a.name, a.via, v.action, v.resource, NULL, false FROM acting a JOIN pg_catalog.pg_roles r ON r.oid = a.oid
CROSS JOIN LATERAL (VALUES
  ('*', '*', r.rolsuper), ('role attribute createrole', 'cluster', r.rolcreaterole),
  ('role attribute createdb', 'cluster', r.rolcreatedb), ('role attribute replication', 'cluster', r.rolreplication),
  ('role attribute bypassrls', 'cluster', r.rolbypassrls)) v(action, resource, has)
WHERE a.via <> '' AND v.has
"""  # noqa: S608 - constants
"""Effective rights of the named roles: as themselves, through inherited memberships, as PUBLIC, and as owners; and,
with the name in `via`, what they may besides once they became another role. Roles of the server (pg_read_all_data) come
with rights that no grant shows, so that inheriting them is one of itself.
"""

ROW_SECURITY = f"""{_EFFECTIVE}
SELECT n.name, n.via, r.resource, c.action, p.polname::text AS policy, p.polpermissive AS permissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS checked
FROM (SELECT a.name, a.via FROM acting a JOIN pg_catalog.pg_roles o ON o.oid = a.oid
      WHERE NOT o.rolbypassrls AND NOT o.rolsuper) n
CROSS JOIN relation r
CROSS JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) c(action, letter)
LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid AND p.polcmd::text IN ('*', c.letter)
     AND EXISTS (SELECT 1 FROM grantee g WHERE g.name = n.name AND g.via = n.via AND g.oid = ANY (p.polroles))
WHERE r.relrowsecurity AND (r.relforcerowsecurity OR NOT EXISTS (
  SELECT 1 FROM held h WHERE h.name = n.name AND h.via = n.via AND h.oid = r.relowner))
ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608 - constants
"""Row security that limits the named roles on tables where it is on: one row a policy, or one without a policy."""
