"""Live authentication against a real PostgreSQL server: accepted, refused, not judged, and what is undone."""

import select
import socket
import threading
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.probes.postgres import probe
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Judge
from nhisync_postgres.permissions import literal

from .postgres_world import DATABASE, Cluster

pytestmark = pytest.mark.e2e

ROLE, VALUE = "payments_app", "canary-login-51c0de"
RULES = "local all all trust\n{kind} all all 127.0.0.1/32 {method}\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server with one application's role, over TLS and without."""
    folder = tmp_path_factory.mktemp("probe")
    maker = Judge(clock=SystemClock(), directory=folder)
    maker.start()
    maker.stop()
    made = Cluster()
    made.authority = maker.authority  # type: ignore[attr-defined]
    file = made.server.write("data/server.pem", (folder / "judge.pem").read_text(encoding="utf-8"))
    file.chmod(0o600)
    for setting in ("ssl_cert_file", "ssl_key_file"):
        made.boss.execute(f"ALTER SYSTEM SET {setting} = 'server.pem'")
    made.boss.execute("ALTER SYSTEM SET ssl = on")
    made.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD {literal(VALUE)}")
    made.run(f"GRANT CONNECT ON DATABASE {DATABASE} TO {ROLE}")
    accept(made, "host", "scram-sha-256")
    yield made
    made.close()


def accept(cluster: Cluster, kind: str, method: str) -> None:
    """Let clients in from now on by `method`."""
    cluster.server.write("data/pg_hba.conf", RULES.format(kind=kind, method=method))
    cluster.boss.execute("SELECT pg_reload_conf()")
    import time

    time.sleep(0.3)


def tried(cluster: Cluster, value: str = VALUE, *, user: str = ROLE, seconds: float = 10, **changes: Any) -> Shown:
    """What a probe shows."""
    values = {
        "target": f"127.0.0.1:{cluster.port}",
        "auth": "login",
        "database": DATABASE,
        "ca_file": cluster.authority,  # type: ignore[attr-defined]
        **changes,
    }
    patience = Patience(SystemClock(), seconds)
    return probe(Order(**values), Presented(user, SecretBytes(value.encode())), patience)


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "plain"])
def test_a_login_is_accepted_and_its_old_password_refused(cluster: Cluster, encrypted: bool) -> None:
    """The same role, two passwords; the server says whom it saw."""
    good = tried(cluster, encrypted=encrypted)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as.startswith(f"{ROLE} at ")
    bad = tried(cluster, "canary-of-yesterday", encrypted=encrypted)
    assert bad.accepted is False
    assert bad.error is not None
    assert (bad.error.kind, bad.error.message) == ("auth_failed", "the server refuses the login")


@pytest.mark.requirement("R22")
def test_a_transaction_is_begun_and_undone(cluster: Cluster) -> None:
    """It takes a transaction id and leaves no row, no table and no session behind."""
    before = cluster.inside.execute("SELECT count(*), sum(n_tup_ins) FROM pg_stat_user_tables").fetchone()
    shown = tried(cluster, depth="txn")
    assert (shown.depth, shown.accepted) == ("txn", True)
    assert cluster.inside.execute("SELECT count(*), sum(n_tup_ins) FROM pg_stat_user_tables").fetchone() == before


@pytest.mark.requirement("R22")
def test_a_server_that_writes_nothing_proves_no_transaction(cluster: Cluster) -> None:
    """The login is let in, and a read-only default is told apart from a refusal."""
    cluster.run(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    try:
        assert tried(cluster).accepted is True
        shown = tried(cluster, depth="txn")
        assert shown.accepted is None
        assert shown.error is not None
        assert shown.error.kind == "read_only_side"
    finally:
        cluster.run(f"ALTER ROLE {ROLE} RESET default_transaction_read_only")


def test_a_server_that_trusts_everybody_judges_nobody(cluster: Cluster) -> None:
    """Whatever password is presented, nobody looked at it."""
    accept(cluster, "host", "trust")
    try:
        shown = tried(cluster, "canary-of-nobody")
        assert (shown.depth, shown.accepted) == ("tls", None)
    finally:
        accept(cluster, "host", "scram-sha-256")


@pytest.mark.requirement("R17", "R22")
def test_a_server_whose_helper_lets_everybody_in_judges_nobody(cluster: Cluster) -> None:
    """`radius` asks for the password, so that libpq calls it used; the RADIUS server says yes to every one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as radius:
        radius.bind(("127.0.0.1", 0))
        radius.settimeout(30)
        asked: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    request, sender = radius.recvfrom(4096)
                except OSError:
                    return
                asked.append(request)
                head = bytes([2, request[1], 0, 20])  # Access-Accept without attributes (RFC 2865 §3)
                radius.sendto(head + md5(head + request[4:20] + b"shared").digest(), sender)

        threading.Thread(target=serve, daemon=True).start()
        port = radius.getsockname()[1]
        accept(cluster, "host", f'radius radiusservers="127.0.0.1" radiussecrets="shared" radiusports="{port}"')
        try:
            shown = tried(cluster, "canary-of-nobody")
        finally:
            accept(cluster, "host", "scram-sha-256")
    assert len(asked) == 2
    assert (shown.depth, shown.accepted) == ("tls", None)
    assert shown.error is not None
    assert shown.error.message == "the service lets a made-up credential in, too: it judges none"


def test_a_password_that_scram_proves_costs_no_failed_login(cluster: Cluster) -> None:
    """The server shows that it knows the password; its log says nothing of a stranger."""
    before = cluster.server.told().count("password authentication failed")
    assert tried(cluster).accepted is True
    assert cluster.server.told().count("password authentication failed") == before


def test_a_password_does_not_travel_in_the_clear(cluster: Cluster) -> None:
    """Without TLS only SCRAM is spoken; a server that asks for the password itself does not get it."""
    accept(cluster, "host", "password")
    try:
        assert tried(cluster, encrypted=True).accepted is True
        assert tried(cluster, encrypted=False).accepted is None
    finally:
        accept(cluster, "host", "scram-sha-256")


def test_rights_and_places_are_not_passwords(cluster: Cluster) -> None:
    """No CONNECT is a refusal; no such database, no line of pg_hba.conf and a foreign authority judge nothing."""
    cluster.run(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM {ROLE}")
    try:
        denied = tried(cluster)
        assert denied.accepted is False
        assert denied.error is not None
        assert denied.error.kind == "denied"
    finally:
        cluster.run(f"GRANT CONNECT ON DATABASE {DATABASE} TO {ROLE}")
    assert tried(cluster, database="nowhere").accepted is None
    assert tried(cluster, ca_file=None).accepted is None
    accept(cluster, "hostnossl", "scram-sha-256")
    try:
        assert tried(cluster).accepted is None
    finally:
        accept(cluster, "host", "scram-sha-256")


def test_nobody_there(cluster: Cluster, tmp_path: Path) -> None:
    """A closed port is unreachable; nothing of the password is in the error."""
    with pytest.raises(ProviderError) as told:
        tried(cluster, target="127.0.0.1:1")
    assert told.value.kind.value == "unreachable"
    assert "canary" not in repr(told.value) + repr(told.value.fact)


def test_the_environment_has_no_say(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password of this host's own environment or files is never presented instead."""
    (tmp_path / "pass").write_text(f"*:*:*:*:{VALUE}\n", encoding="utf-8")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    monkeypatch.setenv("PGPASSWORD", VALUE)
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert tried(cluster, "canary-of-yesterday").accepted is False


@pytest.mark.timeout(60)
def test_a_server_that_falls_silent_holds_nobody(cluster: Cluster) -> None:
    """It lets the login in and then answers nothing more; the probe ends with its time, not with the server's."""

    def between(channel: socket.socket) -> None:
        with channel, socket.create_connection(("127.0.0.1", cluster.port)) as there:
            while True:
                ready, _, _ = select.select([channel, there], [], [], 30)
                for one in ready:
                    data = one.recv(65_536)
                    if not data or b"SELECT session_user" in data:
                        threading.Event().wait(30)
                        return
                    (there if one is channel else channel).sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    channel, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=between, args=(channel,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        clock = SystemClock()
        began = clock.monotonic()
        shown = tried(cluster, encrypted=False, seconds=4, target=f"127.0.0.1:{listener.getsockname()[1]}")
        assert (shown.depth, shown.accepted) == ("auth", True)
        assert clock.monotonic() - began < 20
