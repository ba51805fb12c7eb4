"""Rights of login roles against a real server: what we read is what the server itself says, in every combination."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Effect, ErrorKind, GrantFacts, Locator, ProviderError
from nhisync_postgres.granting import CATALOGS
from nhisync_postgres.permissions import identifier

from .postgres_stage import Stage, budget
from .postgres_world import DATABASE, USER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TABLES = ("orders", "refunds", "Odd Name")
ROLES = ("app_a", "app_b", "app_c")
GROUPS = ("readers", "writers", "nested")
HAS_PRIVILEGE = "SELECT has_table_privilege(%s, %s::regclass, %s)"
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One cluster with tables, groups and roles, and exactly the printed documents."""
    made = Stage(tmp_path_factory.mktemp("rights"))
    run = made.cluster.run
    for catalog in CATALOGS:
        run(f"REVOKE SELECT ON pg_catalog.{catalog} FROM PUBLIC")
    with made.adapter() as adapter:
        (document,) = adapter.grant_permissions((made.role,), frozenset())
    made.cluster.script(document.text)
    for table in TABLES:
        run(f"CREATE TABLE public.{identifier(table)} (id int, amount int)")
    run("CREATE SEQUENCE public.numbers")
    run("CREATE FUNCTION public.total(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b'")
    for name in ROLES:
        run(f"CREATE ROLE {name} LOGIN")
    for name in GROUPS:
        run(f"CREATE ROLE {name}")
    try:
        yield made
    finally:
        made.world.stop()


def rights(stage: Stage, *names: str) -> dict[str, GrantFacts]:
    """What the adapter reads."""
    wanted = [Locator.parse(f"db:role/{name}") for name in names]
    with stage.adapter() as adapter:
        return {one.locator.name: one for one in adapter.grants(wanted, budget())}


def allowed(facts: GrantFacts) -> set[tuple[str, str]]:
    """(privilege, thing) of a role without superuser rights."""
    return {(a, r) for right in facts.rights for a in right.actions for r in right.resources}


def asked(stage: Stage, query: str, *parameters: Any) -> bool:
    """What the server itself says."""
    (answer,) = stage.cluster.inside.execute(query, parameters).fetchone()
    return bool(answer)


def shuffle(stage: Stage, seed: int) -> None:
    """A random arrangement of memberships, owners and grants, from nothing."""
    dice, run = random.Random(seed), stage.cluster.run
    clear(stage)
    for name in ROLES:
        run(f"ALTER ROLE {name} {dice.choice(['INHERIT', 'NOINHERIT'])}")
    pairs = [(group, member) for group in GROUPS for member in ROLES] + [("readers", "nested"), ("nested", "writers")]
    for group, member in dice.sample(pairs, dice.randrange(len(pairs))):
        run(f"GRANT {group} TO {member}")
    for table in map(identifier, TABLES):
        run(f"ALTER TABLE public.{table} OWNER TO {dice.choice(['boss', *ROLES, *GROUPS])}")
        for _ in range(dice.randrange(4)):
            privileges = ", ".join(dice.sample(PRIVILEGES, dice.randrange(1, 4)))
            run(f"GRANT {privileges} ON public.{table} TO {dice.choice([*ROLES, *GROUPS, 'PUBLIC'])}")


def clear(stage: Stage) -> None:
    """No memberships, no grants, and one owner."""
    for table in map(identifier, TABLES):
        stage.cluster.run(f"ALTER TABLE public.{table} OWNER TO boss")
        stage.cluster.run(f"REVOKE ALL ON public.{table} FROM {', '.join([*ROLES, *GROUPS, 'PUBLIC'])} CASCADE")
    for group in GROUPS:
        members = ", ".join(one for one in (*ROLES, *GROUPS) if one != group)
        stage.cluster.run(f"REVOKE {group} FROM {members}")


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("seed", range(25))
def test_every_table_privilege_is_what_the_server_says(stage: Stage, seed: int) -> None:
    """Whatever groups, owners, PUBLIC and inheritance do: the server's own function is the judge."""
    shuffle(stage, seed)
    found = {name: allowed(facts) for name, facts in rights(stage, *ROLES).items()}
    for name in ROLES:
        for table in TABLES:
            for privilege in PRIVILEGES:
                says = asked(stage, HAS_PRIVILEGE, name, f"public.{identifier(table)}", privilege)
                assert ((privilege, f"table/public.{table}") in found[name]) is says, (name, table, privilege)


@pytest.mark.requirement("R20")
def test_defaults_that_nobody_changed_are_rights(stage: Stage) -> None:
    """PUBLIC may execute functions and use what it was given; a database that was closed is closed."""
    found = allowed(rights(stage, "app_a")["app_a"])
    assert ("EXECUTE", "function/public.total(a integer, b integer)") in found
    assert ("CONNECT", f"database/{DATABASE}") not in found
    assert ("USAGE", "sequence/public.numbers") not in found
    stage.cluster.run(f"GRANT CONNECT ON DATABASE {DATABASE} TO app_a")
    stage.cluster.run("GRANT USAGE ON SEQUENCE public.numbers TO app_a WITH GRANT OPTION")
    found = allowed(rights(stage, "app_a")["app_a"])
    assert ("CONNECT", f"database/{DATABASE}") in found
    assert {("USAGE", "sequence/public.numbers"), ("USAGE with grant option", "sequence/public.numbers")} <= found


@pytest.mark.requirement("R20")
def test_columns_memberships_and_attributes_are_rights(stage: Stage) -> None:
    """A column's grant is its own thing; who may become another role, and what no membership passes on, is told."""
    run = stage.cluster.run
    run("GRANT UPDATE (amount) ON public.orders TO app_b")
    run("ALTER ROLE app_b NOINHERIT CREATEDB CONNECTION LIMIT 7")
    run("GRANT readers TO app_b")
    facts = rights(stage, "app_b")["app_b"]
    found = allowed(facts)
    assert ("UPDATE", "column/public.orders.amount") in found
    assert ("SET ROLE", "role/readers") in found
    assert ("role attribute createdb", "cluster") in found
    assert [(one.name, one.value) for one in facts.limits] == [("connections", "7")]
    run("ALTER ROLE app_b NOCREATEDB CONNECTION LIMIT -1")


@pytest.mark.requirement("R20", "R33")
def test_row_security_is_a_condition(stage: Stage) -> None:
    """The same privilege under another policy is another right; where no policy lets anything through, that is told."""
    run = stage.cluster.run
    run("CREATE TABLE public.ledger (tenant text)")
    run("GRANT SELECT ON public.ledger TO app_c")
    before = rights(stage, "app_c")["app_c"]
    (plain,) = [one for one in before.rights if "table/public.ledger" in one.resources]
    assert plain.conditions == ()
    run("ALTER TABLE public.ledger ENABLE ROW LEVEL SECURITY")
    (closed,) = [one for one in rights(stage, "app_c")["app_c"].rights if "table/public.ledger" in one.resources]
    assert closed.conditions == ("row security lets no row through",)
    run("CREATE POLICY own ON public.ledger FOR SELECT TO PUBLIC USING (tenant = 'acme')")
    (own,) = [one for one in rights(stage, "app_c")["app_c"].rights if "table/public.ledger" in one.resources]
    assert own.conditions == ("row security, any of: (tenant = 'acme'::text); new rows: every row",)
    run("DROP TABLE public.ledger")


@pytest.mark.requirement("R20")
def test_a_superuser_may_do_everything(stage: Stage) -> None:
    """No list says more than that."""
    stage.cluster.run("CREATE ROLE admin_app LOGIN SUPERUSER")
    (right,) = rights(stage, "admin_app")["admin_app"].rights
    assert (right.effect, right.actions, right.resources) == (Effect.ALLOW, ("*",), ("*",))
    stage.cluster.run("DROP ROLE admin_app")


def test_a_role_that_is_not_there_has_no_list(stage: Stage) -> None:
    """Not an empty list: nothing is known of it."""
    facts = rights(stage, "nobody_here")["nobody_here"]
    assert facts.error is not None
    assert facts.error.kind == ErrorKind.NOT_FOUND.value


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("catalog", CATALOGS)
def test_each_line_of_the_document_is_needed(stage: Stage, catalog: str) -> None:
    """Without any one line the very permission is named, with the statement that grants it."""
    stage.cluster.run(f"REVOKE SELECT ON pg_catalog.{catalog} FROM {USER}")
    try:
        with pytest.raises(ProviderError) as told:
            rights(stage, "app_a")
    finally:
        stage.cluster.run(f"GRANT SELECT ON pg_catalog.{catalog} TO {USER}")
    assert told.value.kind is ErrorKind.DENIED
    assert told.value.fact.action == f"SELECT ON pg_catalog.{catalog}"
    assert told.value.fix.startswith(f"GRANT SELECT ON pg_catalog.{catalog} TO ")


def test_other_kinds_hold_no_rights(tmp_path: Path, stage: Stage) -> None:
    """A locator of a kind that is not ours is answered, not dropped."""
    with stage.adapter() as adapter:
        (facts,) = adapter.grants([Locator.parse("db:table/orders")], budget())
    assert facts.error is not None
    assert facts.error.kind == ErrorKind.UNSUPPORTED.value


@pytest.mark.requirement("R20")
def test_rights_that_come_with_a_role_of_the_server_are_seen_as_far_as_they_are_inherited(stage: Stage) -> None:
    """No grant stands behind pg_read_all_data: who only may become it reads nothing until then."""
    run = stage.cluster.run
    clear(stage)
    run("ALTER ROLE app_a INHERIT")
    run("ALTER ROLE app_b NOINHERIT")
    run("GRANT pg_read_all_data TO app_a, app_b")  # from PostgreSQL 16 on the grant keeps what the role says now
    try:
        found = {name: allowed(facts) for name, facts in rights(stage, "app_a", "app_b").items()}
        assert ("INHERIT", "role/pg_read_all_data") in found["app_a"]
        assert ("INHERIT", "role/pg_read_all_data") not in found["app_b"]
    finally:
        run("REVOKE pg_read_all_data FROM app_a, app_b")


@pytest.mark.requirement("R20")
def test_what_a_role_may_do_once_it_became_another_one_is_compared(stage: Stage) -> None:
    """An application that logs in and then sets its role works with that one's rights, however many steps away."""
    run = stage.cluster.run
    clear(stage)
    run("ALTER ROLE app_b NOINHERIT")
    run("GRANT nested TO app_b")
    run("GRANT readers TO nested")
    run("ALTER ROLE nested NOINHERIT")
    run("GRANT SELECT ON public.orders TO readers")
    try:
        found = allowed(rights(stage, "app_b")["app_b"])
        assert {("SET ROLE", "role/nested"), ("SET ROLE", "role/readers")} <= found
        assert ("SELECT", "table/public.orders") not in found
        assert ("SELECT as readers", "table/public.orders") in found
        run("REVOKE SELECT ON public.orders FROM readers")
        assert ("SELECT as readers", "table/public.orders") not in allowed(rights(stage, "app_b")["app_b"])
        run("ALTER ROLE readers SUPERUSER")
        assert ("* as readers", "*") in allowed(rights(stage, "app_b")["app_b"])
        run("ALTER ROLE readers NOSUPERUSER CREATEDB")
        assert ("role attribute createdb as readers", "cluster") in allowed(rights(stage, "app_b")["app_b"])
    finally:
        run("ALTER ROLE readers NOSUPERUSER NOCREATEDB")
        run("ALTER ROLE nested INHERIT")
        run("REVOKE readers FROM nested")
        clear(stage)


@pytest.mark.requirement("R20")
def test_what_is_inherited_and_set_alike_is_told_once(stage: Stage) -> None:
    """The rights of a group that is inherited anyway are not told a second time."""
    run = stage.cluster.run
    clear(stage)
    run("ALTER ROLE app_a INHERIT")
    run("GRANT readers TO app_a")
    run("GRANT SELECT ON public.orders TO readers")
    found = allowed(rights(stage, "app_a")["app_a"])
    clear(stage)
    assert ("SELECT", "table/public.orders") in found
    assert not [action for action, _ in found if " as " in action]


@pytest.mark.requirement("R20")
def test_row_security_limits_the_grant_of_a_column_too(stage: Stage) -> None:
    """A column that may be read in no row is not the right of one that may be read in every row."""
    run = stage.cluster.run
    run("CREATE TABLE public.vault (tenant text, sum int)")
    run("GRANT SELECT (sum) ON public.vault TO app_c")
    run("ALTER TABLE public.vault ENABLE ROW LEVEL SECURITY")
    (column,) = [one for one in rights(stage, "app_c")["app_c"].rights if "column/public.vault.sum" in one.resources]
    run("DROP TABLE public.vault")
    assert column.conditions == ("row security lets no row through",)


@pytest.mark.requirement("R20")
def test_row_security_of_the_role_that_was_become_counts(stage: Stage) -> None:
    """The same table, read as another role, is read through that role's policies."""
    run = stage.cluster.run
    clear(stage)
    run("ALTER ROLE app_c INHERIT")
    run("GRANT readers TO app_c")
    run("CREATE TABLE public.book (tenant text)")
    run("GRANT SELECT ON public.book TO app_c, readers")
    run("ALTER TABLE public.book ENABLE ROW LEVEL SECURITY")
    run("CREATE POLICY own ON public.book FOR SELECT TO app_c USING (tenant = 'acme')")
    found = rights(stage, "app_c")["app_c"].rights
    run("DROP TABLE public.book")
    clear(stage)
    told = {a: one.conditions for one in found if "table/public.book" in one.resources for a in one.actions}
    assert told["SELECT as readers"] == ("row security lets no row through",)
    assert "acme" in told["SELECT"][0]


@pytest.mark.requirement("R20")
def test_grants_on_things_of_the_server_itself_are_rights(stage: Stage) -> None:
    """Reading files of the host or the hashes of passwords is granted on what the server brought along."""
    run = stage.cluster.run
    before = allowed(rights(stage, "app_a")["app_a"])
    run("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO app_a")
    run("GRANT SELECT ON pg_catalog.pg_authid TO app_a")
    run("GRANT SELECT (usename) ON pg_catalog.pg_shadow TO app_a")
    after = allowed(rights(stage, "app_a")["app_a"])
    run("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM app_a")
    run("REVOKE SELECT ON pg_catalog.pg_authid FROM app_a")
    run("REVOKE SELECT (usename) ON pg_catalog.pg_shadow FROM app_a")
    assert after - before == {
        ("EXECUTE", "function/pg_catalog.pg_read_file(text)"),
        ("SELECT", "table/pg_catalog.pg_authid"),
        ("SELECT", "column/pg_catalog.pg_shadow.usename"),
    }


@pytest.mark.requirement("R20")
def test_a_name_with_a_dot_is_not_the_name_of_another_thing(stage: Stage) -> None:
    """Table b.c of schema a and table c of schema a.b are two things."""
    run = stage.cluster.run
    run('CREATE SCHEMA "a.b"')
    run("CREATE SCHEMA a")
    run('CREATE TABLE "a.b".c (id int)')
    run('CREATE TABLE a."b.c" (id int)')
    run('GRANT SELECT ON "a.b".c TO app_a')
    run('GRANT SELECT ON a."b.c" TO app_b')
    found = {name: allowed(facts) for name, facts in rights(stage, "app_a", "app_b").items()}
    run('DROP SCHEMA "a.b" CASCADE')
    run("DROP SCHEMA a CASCADE")
    both = found["app_a"] & found["app_b"]
    assert not {resource for action, resource in both if action == "SELECT" and "a.b" in resource}


@pytest.mark.requirement("R20")
def test_settings_that_take_rights_away_at_login_are_limits(stage: Stage) -> None:
    """The same grants write nothing in sessions that begin read-only; a role set at login works with other rights."""
    run = stage.cluster.run
    run(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = off")
    run("ALTER ROLE app_b SET default_transaction_read_only = on")
    run(f"ALTER ROLE app_b IN DATABASE {DATABASE} SET role = 'readers'")
    run("ALTER ROLE app_b SET work_mem = '8MB'")
    found = rights(stage, "app_a", "app_b")
    run("ALTER ROLE app_b RESET ALL")
    run(f"ALTER ROLE app_b IN DATABASE {DATABASE} RESET ALL")
    run(f"ALTER DATABASE {DATABASE} RESET ALL")
    told = {name: {one.name: one.value for one in facts.limits} for name, facts in found.items()}
    assert told["app_b"] == {"default_transaction_read_only": "on", "role": "readers"}
    assert told["app_a"] == {}
