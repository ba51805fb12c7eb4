"""Least privilege, doctor, TLS, standby and hanging servers of provider ``postgres``, against real servers."""

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from nhisync.clock import SystemClock
from nhisync.spi import (
    AccessMode,
    CheckState,
    CoverageStatus,
    CredentialState,
    ErrorKind,
    InventoryRequest,
    Lifecycle,
    Locator,
    Moment,
    Presence,
    ProviderError,
)
from nhisync_postgres.connection import Connection
from nhisync_postgres.inventory import Run
from nhisync_postgres.permissions import documents, literal
from nhisync_tls.emulator.pki import Shape, issue, pem

from .conftest import NHISYNC, Private, program, until, unused_port
from .postgres_stage import CANARY, ROLE, Stage, budget, stage
from .postgres_world import DATABASE, PASSWORD, USER, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

__all__ = ["stage"]


def test_rights_and_states_are_facts(stage: Stage) -> None:
    """Memberships, grants, ownership and powers of a wanted role; suspended and ended roles say so, and when."""
    for statement in (
        "CREATE ROLE readers",
        "CREATE TABLE IF NOT EXISTS public.ledger (id int)",
        "CREATE ROLE rich LOGIN CREATEDB",
        "GRANT readers TO rich WITH ADMIN OPTION",
        "GRANT SELECT, INSERT ON public.ledger TO rich",
        "CREATE SCHEMA AUTHORIZATION rich",
        "CREATE ROLE retired NOLOGIN",
        "CREATE ROLE ended LOGIN VALID UNTIL '2001-01-01'",
        "CREATE ROLE never LOGIN VALID UNTIL '-infinity'",
        "CREATE ROLE later LOGIN VALID UNTIL '2031-02-03 04:05:06+02'",
        "CREATE ROLE always LOGIN VALID UNTIL 'infinity'",
    ):
        stage.cluster.run(statement)
    try:
        names = ("rich", "retired", "ended", "never", "later", "always")
        wanted = [Locator("db", "role", name) for name in names]
        rich, retired, ended, never, later, always = (one for one in stage.look(*wanted, sweep=False))
        assert later.expires == Moment(datetime(2031, 2, 3, 2, 5, 6, tzinfo=UTC))
        assert ended.expires is not None
        assert ended.expires.at.year in (2000, 2001)  # midnight of the server's time zone
        assert (rich.expires, always.expires) == (None, None)
        assert dict(rich.attributes)["rights"].split(", ") == [
            "INSERT on public.ledger",
            "SELECT on public.ledger",
            "createdb",
            "member of readers with admin",
            "owner of schema rich",
        ]
        assert [one.state for one in (rich, retired, ended, never)] == [
            CredentialState.ACTIVE,
            CredentialState.SUSPENDED,
            CredentialState.DEACTIVATED,
            CredentialState.DEACTIVATED,
        ]
        swept = {one.locator.name for one in stage.look()[:-1]}
        assert swept >= {"rich", "ended", "never", ROLE}
        assert not swept & {"retired", "readers", "pg_monitor"}
    finally:
        for statement in ("DROP OWNED BY rich", "DROP ROLE rich, readers, retired, ended, never, later, always"):
            stage.cluster.run(statement)


def test_search_path_of_a_hostile_schema_changes_nothing(stage: Stage) -> None:
    """Functions and views that shadow the catalog in the database's default path are not called."""
    stage.cluster.run("CREATE SCHEMA evil")
    stage.cluster.run("CREATE VIEW evil.pg_roles AS SELECT 1 AS nothing")
    stage.cluster.run("GRANT USAGE ON SCHEMA evil TO PUBLIC")
    stage.cluster.run(f"ALTER ROLE {USER} SET search_path = evil, pg_catalog")
    try:
        assert stage.look(stage.role)[-1].status is CoverageStatus.COMPLETE
    finally:
        stage.cluster.run(f"ALTER ROLE {USER} RESET search_path")
        stage.cluster.run("DROP SCHEMA evil CASCADE")


def test_a_server_that_hangs_ends_with_the_cycle(stage: Stage) -> None:
    """Silence after the connection is THROTTLED when our cycle ends, UNREACHABLE when the server had its time."""
    stage.world.fault("backup", "db", "hang")
    try:
        begun = time.monotonic()
        with pytest.raises(ProviderError) as silent:
            stage.look(stage.role, connect_timeout="2s")
        assert silent.value.kind is ErrorKind.UNREACHABLE
        with pytest.raises(ProviderError) as late:
            stage.look(stage.role, seconds=2)
        assert late.value.kind is ErrorKind.THROTTLED
        assert time.monotonic() - begun < 25
    finally:
        stage.world.fault("backup", "db", "hang", off=True)


def test_a_query_that_hangs_is_cut(stage: Stage) -> None:
    """A catalog that somebody holds locked ends the query at its limit, typed, and says nothing about the role."""
    folder = str(stage.cluster.server.folder)
    with psycopg.connect(host=folder, port=stage.cluster.port, user="boss", dbname=DATABASE) as other:
        other.execute("LOCK TABLE pg_catalog.pg_shdescription IN ACCESS EXCLUSIVE MODE")
        (item,) = stage.look(stage.role, sweep=False, query_timeout="1s")
        other.rollback()
    assert item.presence is Presence.UNREACHABLE
    assert item.error is not None
    assert item.error.reason == "57014"


def test_closing_ends_a_query_under_way(stage: Stage) -> None:
    """`close` from another thread ends the wait at once."""
    folder = str(stage.cluster.server.folder)
    with psycopg.connect(host=folder, port=stage.cluster.port, user="boss", dbname=DATABASE) as other:
        other.execute("LOCK TABLE pg_catalog.pg_shdescription IN ACCESS EXCLUSIVE MODE")
        with stage.adapter() as adapter:
            threading.Timer(0.5, adapter.close).start()
            begun = time.monotonic()
            request = InventoryRequest(budget=budget(), wanted=(stage.role,))
            seen = list(adapter.inventory(request))
        other.rollback()
    assert [one.presence for one in seen] == [Presence.THROTTLED]
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "no-such-host.invalid"}, "no address here (DNS)"),
        ({"port": 1}, "nobody listens"),
        ({"sslmode": "verify-full"}, "offers no TLS"),
        ({"database": "nix"}, "is not there"),
        ({"host": "/nonexistent", "auth": {"method": "peer", "user": USER}}, "no socket"),
    ],
)
def test_reasons_are_told_apart(stage: Stage, change: dict[str, Any], words: str) -> None:
    """DNS, a closed port, a missing TLS, a wrong database and a missing socket each say so, with a fix."""
    with pytest.raises(ProviderError, match=words.replace("(", r"\(").replace(")", r"\)")) as failure:
        stage.look(stage.role, **change)
    assert failure.value.fix


def test_the_drivers_environment_is_shut_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of the environment or of ~/.pgpass never stands in for the configured one."""
    wrong = stage.folder / "wrong.password"
    wrong.write_text("", encoding="utf-8")
    passes = stage.folder / "pgpass"
    passes.write_text(f"*:*:*:*:{PASSWORD}\n", encoding="utf-8")
    passes.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passes))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    auth = {"method": "password", "user": USER, "password_file": str(wrong)}
    with pytest.raises(ProviderError) as failure:
        stage.look(stage.role, auth=auth)
    assert failure.value.kind is ErrorKind.AUTH_FAILED


def test_only_this_driver_is_imported(stage: Stage) -> None:
    """A run of this provider loads psycopg and no other provider's SDK."""
    code = (
        "import sys, nhisync_postgres; found = [m for m in ('boto3', 'hvac', 'azure', 'grpc', 'httpx', 'acme') "
        "if m in sys.modules]; assert not found and 'psycopg' in sys.modules, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class Secured:
    """A cluster with TLS, and the roots that vouch for it."""

    def __init__(self, folder: Path) -> None:
        now = SystemClock().now()
        span = {"not_before": now - timedelta(hours=1), "not_after": now + timedelta(days=9)}
        root = issue(Shape(subject="root", is_ca=True, **span))
        server = issue(Shape(subject="db", names=("127.0.0.1",), usages=("server_auth",), **span), root)
        stranger = issue(Shape(subject="stranger", is_ca=True, **span))
        self.roots, self.strangers = folder / "roots.pem", folder / "strangers.pem"
        self.roots.write_bytes(pem(root.certificate))
        self.strangers.write_bytes(pem(stranger.certificate))
        material = Private("postgres-tls")
        self.material = material
        certificate = material.write("server.pem", pem(server.certificate).decode())
        key = material.write("server.key", server.key_pem().decode())
        key.chmod(0o600)
        self.cluster = Cluster("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}", tcp="hostssl")

    def close(self) -> None:
        """Stop it."""
        self.cluster.close()
        self.material.end()


def test_tls_is_verified(stage: Stage, tmp_path: Path) -> None:
    """A server whose authority is configured is believed; a stranger's, or another name's, is not asked anything."""
    secured = Secured(tmp_path)
    try:
        secured.cluster.script(documents(stage.settings(), AccessMode.READ, ())[0].text)
        there = {"port": secured.cluster.port, "sslmode": "verify-full", "ca_file": str(secured.roots)}
        assert stage.look(**there)[-1].status is CoverageStatus.COMPLETE
        assert stage.checks(AccessMode.READ, **there)["tls"].state is CheckState.OK
        for change in ({"ca_file": str(secured.strangers)}, {"ca_file": None}, {"host": "localhost"}):
            with pytest.raises(ProviderError, match="TLS") as failure:
                stage.look(**{**there, **change})
            assert failure.value.presence in {Presence.UNREACHABLE, Presence.UNKNOWN}
    finally:
        secured.close()


def test_a_standby_is_a_replica_and_proves_no_absence(stage: Stage) -> None:
    """Roles of a standby are copies; a role that it lacks is unknown; it is the same authority as its primary."""
    cluster = stage.cluster
    standby = Private("postgres-standby")
    data, port = standby.folder / "data", unused_port()
    try:
        with (cluster.server.folder / "data/pg_hba.conf").open("a", encoding="utf-8") as hba:
            hba.write("local replication all trust\n")
        cluster.run("SELECT pg_reload_conf()")
        basebackup, postgres = program("pg_basebackup", "postgresql"), program("postgres", "postgresql")
        where = ("-h", str(cluster.server.folder), "-p", str(cluster.port), "-U", "boss")
        standby.run(basebackup, *where, "-D", str(data), "-R", "--checkpoint=fast", "--no-sync")
        settings = (f"port={port}", f"unix_socket_directories={standby.folder}", "listen_addresses=127.0.0.1")
        standby.start(postgres, "-D", str(data), *(part for one in settings for part in ("-c", one)))
        until(lambda: "ready to accept read-only connections" in standby.told(), "the standby answers")
        nobody = Locator("db", "role", "nobody")
        seen = {getattr(one, "locator", None): one for one in stage.look(stage.role, nobody, port=port)}
        assert seen[stage.role].lifecycle is Lifecycle.REPLICA
        assert seen[nobody].presence is Presence.UNKNOWN
        assert seen[nobody].error.kind == ErrorKind.READ_ONLY_SIDE.value
        assert not seen[None].authoritative
        with stage.adapter() as one, stage.adapter(port=port) as two:
            first, second = one.identify(budget()), two.identify(budget())
        assert first.authority == second.authority
        assert second.detail.endswith("standby")
        assert first.principal == second.principal
        assert (first.cluster, second.cluster) == (first.authority, ""), "a standby does not fail with its primary"
        assert stage.checks(AccessMode.READ, port=port)["replication"].state is CheckState.WARNING
    finally:
        standby.end()


@pytest.mark.parametrize(("role", "guard"), [(USER, "same-identity"), ("nhisync_too", "same-cluster")])
def test_both_paths_on_one_cluster_are_refused(stage: Stage, tmp_path: Path, role: str, guard: str) -> None:
    """Nothing runs when both paths resolve to one cluster, whatever the host is called and whoever we are there."""
    if role != USER:
        stage.cluster.run(f"CREATE ROLE {role} LOGIN PASSWORD {literal(PASSWORD)} IN ROLE {USER}")
    password = stage.document["auth"]["password_file"]
    lines = ["version: 1", "paths:"]
    for path, host, user in (("primary", "127.0.0.1", USER), ("backup", "localhost", role)):
        auth = f"method: password, user: {user}, password_file: {password}"
        rest = f"port: {stage.document['port']}, database: {DATABASE}, sslmode: disable, auth: {{{auth}}}"
        lines.append(f"  {path}: {{sources: {{db: {{provider: postgres, host: {host}, {rest}}}}}}}")
    lines += [
        "apps:",
        "  payments:",
        "    tier: critical",
        "    owner: payments-oncall",
        f"    pairs: [{{name: db, kind: db-role, primary: 'db:role/{ROLE}', backup: 'db:role/{ROLE}'}}]",
    ]
    (tmp_path / "nhisync.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for command in (("diff", "primary", "backup"), ("doctor",)):
        done = subprocess.run(
            [*NHISYNC, *command],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 5, done.stdout + done.stderr
        assert f"refused ({guard})" in done.stderr
        assert CANARY not in done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
    if role != USER:
        stage.cluster.run(f"DROP ROLE {role}")


def test_an_end_beyond_every_calendar_hides_nobody(stage: Stage) -> None:
    """One role that ends in the year 20000, or ended before our era, does not take the others' answers away."""
    stage.cluster.run("CREATE ROLE late LOGIN VALID UNTIL '20000-01-01'")
    stage.cluster.run("CREATE ROLE ancient LOGIN VALID UNTIL '0044-03-15 BC'")
    try:
        wanted = [Locator("db", "role", name) for name in ("late", "ancient")]
        late, ancient = stage.look(*wanted, sweep=False)
        assert (late.expires, late.state) == (None, CredentialState.ACTIVE)
        assert ancient.state is CredentialState.DEACTIVATED
    finally:
        stage.cluster.run("DROP ROLE late, ancient")


def test_a_lost_connection_is_not_replaced(stage: Stage) -> None:
    """Behind the same name another server may answer, as after a failover; nothing it lacks is absent."""
    settings, context = stage.settings(), stage.context()
    with closing(Connection(settings, context)) as connection:
        run = Run(settings, context, connection, budget())
        run.cluster()
        stage.cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nhisync'")
        for _ in range(2):
            with pytest.raises(ProviderError) as lost:
                run.identifier()
            assert lost.value.kind is ErrorKind.UNREACHABLE
