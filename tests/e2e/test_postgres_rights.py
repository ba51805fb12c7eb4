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
