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
