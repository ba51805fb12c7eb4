"""Least privilege of provider ``postgres``, proven line by line against a real server."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from nhisync.spi import AccessMode, CheckState, CoverageStatus, ErrorKind, Presence, ProviderError
from nhisync_postgres.permissions import Grant, administered, documents, needed
from nhisync_postgres.settings import PostgresSettings

from .postgres_stage import CANARY, ROLE, Stage, stage
from .postgres_world import DATABASE, PASSWORD, USER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

__all__ = ["stage"]


def undone(statement: str) -> str:
    """The statement that takes one printed line back."""
    if statement.startswith("ALTER ROLE"):
        return statement.replace(" CREATEROLE", " NOCREATEROLE")
    return (
        statement.replace("GRANT ", "REVOKE ", 1)
        .replace(" TO ", " FROM ")
        .removesuffix(";")
        .removesuffix(" WITH ADMIN OPTION")
    )


def revoke(grant: Grant) -> str:
    """The statement that takes one grant back."""
    return undone(grant.text)


@contextlib.contextmanager
def without(stage: Stage, grant: Grant) -> Iterator[None]:
    """One line of the document is not applied."""
    stage.cluster.run(revoke(grant))
    try:
        yield
    finally:
        stage.cluster.run(grant.text)


READ = needed(PostgresSettings.model_validate({
    "provider": "postgres", "host": "127.0.0.1", "database": DATABASE,
    "auth": {"method": "password", "user": USER, "password_file": "unused"},
}), AccessMode.READ, ())  # fmt: skip


def test_read_document_is_enough(stage: Stage) -> None:
    """With exactly the printed grants an inventory is complete, and the doctor finds nothing missing or surplus."""
    *items, coverage = stage.look(stage.role)
    assert coverage.status is CoverageStatus.COMPLETE
    assert coverage.authoritative
    (item,) = [one for one in items if one.locator == stage.role]
    assert item.presence is Presence.PRESENT
    assert item.owner == "platform-oncall"
    assert dict(item.attributes)["rights"] == "none"
    checks = stage.checks(AccessMode.READ)
    assert {one.name: one.observed for one in checks.values() if one.state is not CheckState.OK} == {
        "tls": "no TLS: nobody vouches for the server"
    }


@pytest.mark.parametrize("grant", READ, ids=lambda grant: grant.action)
def test_each_line_of_the_read_document_is_needed(stage: Stage, grant: Grant) -> None:
    """Without any one line inventory and doctor name that very permission; nothing is called absent."""
    with without(stage, grant):
        assert missing(stage) == grant.action
        found = [one for one in stage.checks(AccessMode.READ).values() if one.error and one.error.action]
    assert {one.error.action for one in found if one.error} == {grant.action}
    assert all(one.state is CheckState.FAILED for one in found)
    assert any(one.fix == grant.text for one in found) or grant.action.startswith("CONNECT")


def missing(stage: Stage) -> str:
    """The permission that an inventory says it lacks, having called nothing absent."""
    try:
        *items, coverage = stage.look(stage.role)
    except ProviderError as failure:
        return failure.fact.action if failure.kind is ErrorKind.DENIED else failure.kind.value
    assert [one for one in items if one.presence is Presence.ABSENT] == []
    assert coverage.status in {CoverageStatus.DENIED, CoverageStatus.PARTIAL}
    return str(coverage.error.action)


def test_read_document_opens_no_value(stage: Stage) -> None:
    """With the read document the server itself refuses password hashes, and setting a password."""
    with psycopg.connect(
        host="127.0.0.1", port=stage.cluster.port, dbname=DATABASE, user=USER, password=PASSWORD, autocommit=True
    ) as own:
        for statement in ("SELECT rolpassword FROM pg_authid", f"ALTER ROLE {ROLE} PASSWORD 'canary-mine'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own.execute(statement)


def test_probe_document_lets_the_role_in_and_nothing_else_does(stage: Stage) -> None:
    """The role logs in with its one line, and is refused without it."""
    (grant,) = needed(stage.settings(), AccessMode.PROBE, (stage.role,))

    def login() -> None:
        psycopg.connect(host="127.0.0.1", port=stage.cluster.port, dbname=DATABASE, user=ROLE, password=CANARY).close()

    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        login()
    stage.cluster.run(grant.text)
    try:
        login()
        assert stage.checks(AccessMode.PROBE)[f"permission:{grant.action}"].state is CheckState.OK
    finally:
        stage.cluster.run(revoke(grant))
    assert stage.checks(AccessMode.PROBE)[f"permission:{grant.action}"].fix == grant.text


def rotate(stage: Stage) -> None:
    """Set the role's verifier and end, as nhisync's own login."""
    with psycopg.connect(
        host="127.0.0.1", port=stage.cluster.port, dbname=DATABASE, user=USER, password=PASSWORD, autocommit=True
    ) as own:
        verifier = own.pgconn.encrypt_password(CANARY.encode(), ROLE.encode(), b"scram-sha-256").decode()
        own.execute(f"ALTER ROLE {ROLE} PASSWORD '{verifier}' VALID UNTIL '2031-01-01'")


@contextlib.contextmanager
def applied(stage: Stage, *statements: str) -> Iterator[None]:
    """The lines of a document, taken back afterwards."""
    with contextlib.ExitStack() as back:
        for statement in statements:
            stage.cluster.run(statement)
            back.callback(stage.cluster.run, undone(statement))
        yield


def asked_to_rotate(stage: Stage) -> list[Grant]:
    """What this server asks for besides the read document."""
    createrole = needed(stage.settings(), AccessMode.ROTATE, (stage.role,))[-1]
    admin = administered(stage.settings(), (stage.role,))
    _, besides = documents(stage.settings(), AccessMode.ROTATE, (stage.role,))
    assert [line for line in besides.text.splitlines() if not line.startswith("--")] == [one.text for one in admin]
    return [createrole, *admin] if stage.cluster.boss.info.server_version >= 160_000 else [createrole]


def test_rotate_document_sets_a_password_and_nothing_less_does(stage: Stage) -> None:
    """With what the documents grant a verifier made here is accepted; without any one line the server refuses.

    Up to PostgreSQL 15 the one line is CREATEROLE; newer servers also ask for ADMIN OPTION on each role, which the
    second document grants (https://www.postgresql.org/docs/16/sql-alterrole.html).
    """
    asked = asked_to_rotate(stage)
    for grant in asked:
        with applied(stage, *(one.text for one in asked if one != grant)):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rotate(stage)
            failed = [one for one in stage.checks(AccessMode.ROTATE).values() if one.state is CheckState.FAILED]
            assert [(one.name, one.fix) for one in failed] == [(f"permission:{grant.action}", grant.text)]
    with applied(stage, *(one.text for one in asked)):
        rotate(stage)
        assert [one for one in stage.checks(AccessMode.ROTATE).values() if one.state is CheckState.FAILED] == []
        assert stage.checks(AccessMode.READ)["least-privilege"].state is CheckState.WARNING
    stage.cluster.run(f"ALTER ROLE {ROLE} VALID UNTIL 'infinity'")


@pytest.mark.parametrize("grant", READ, ids=lambda grant: grant.action)
def test_each_other_line_of_the_rotate_document_is_needed(stage: Stage, grant: Grant) -> None:
    """What rotation reads before and after is granted line by line, and the doctor names the one that is gone."""
    reading = needed(stage.settings(), AccessMode.ROTATE, (stage.role,))[:-1]
    assert [one.action for one in reading] == [one.action for one in READ]
    with applied(stage, *(one.text for one in asked_to_rotate(stage))):
        assert [one for one in stage.checks(AccessMode.ROTATE).values() if one.state is CheckState.FAILED] == []
        with without(stage, grant):
            checks = stage.checks(AccessMode.ROTATE).values()
            gone = {one.error.action for one in checks if one.error and one.error.action}
        assert gone == {grant.action}


def test_fingerprint_has_no_document(stage: Stage) -> None:
    """Stored hashes are salted: nothing could be compared, so nothing is granted."""
    assert documents(stage.settings(), AccessMode.FINGERPRINT, (stage.role,)) == ()
