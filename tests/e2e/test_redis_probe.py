"""Live authentication against a real Redis server: accepted, refused, not judged, and what is undone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.probes.redis import KEY, probe
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Judge

from .conftest import TOOK_PART, Private, program, until, unused_port

pytestmark = pytest.mark.e2e

USER, VALUE, OWN = "payments", "canary-redis-51c0de", "canary-boss-51c0de"
RIGHTS = f"~{KEY} +@connection +acl|whoami +set +del +multi +exec"
ACL = f"user default on >{OWN} ~* &* +@all\nuser {USER} on >{VALUE} {RIGHTS}\n"


class Server:
    """A Redis server over TLS and without, with users of an ACL file."""

    def __init__(self, folder: Any) -> None:
        maker = Judge(clock=SystemClock(), directory=folder)
        maker.start()
        maker.stop()
        self.authority = maker.authority
        self.server = Private("redis")
        self.plain, self.tls = unused_port(), unused_port()
        pem = self.server.write("server.pem", (folder / "judge.pem").read_text(encoding="utf-8"))
        pem.chmod(0o600)
        acl = self.server.write("users.acl", ACL)
        lines = [
            f"port {self.plain}",
            f"tls-port {self.tls}",
            f"tls-cert-file {pem}",
            f"tls-key-file {pem}",
            "tls-auth-clients no",
            "bind 127.0.0.1",
            f"dir {self.server.folder}",
            "save ''",
            f"aclfile {acl}",
        ]
        config = self.server.write("redis.conf", "\n".join(lines))
        self.server.start(program("redis-server", "redis-server"), str(config))
        until(lambda: "Ready to accept connections" in self.server.told(), "Redis accepts connections")
        version = re.search(r"Redis version=([\d.]+)", self.server.told())
        TOOK_PART["Redis"] = version[1] if version else "of an unknown version"

    def boss(self, *words: str) -> Any:
        """One command as the user who may do everything."""
        import redis

        with redis.Redis(port=self.plain, password=OWN, decode_responses=True) as client:
            return client.execute_command(*words)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file."""
    made = Server(tmp_path_factory.mktemp("redis"))
    yield made
    made.server.end()


def tried(server: Server, value: str = VALUE, *, user: str = USER, seconds: float = 10, **changes: Any) -> Shown:
    """What a probe shows."""
    encrypted = changes.get("encrypted", True)
    values = {
        "target": f"127.0.0.1:{server.tls if encrypted else server.plain}",
        "auth": "login",
        "ca_file": server.authority,
        **changes,
    }
    return probe(Order(**values), Presented(user, SecretBytes(value.encode())), Patience(SystemClock(), seconds))


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "plain"])
def test_a_login_is_accepted_and_its_old_password_refused(redis_server: Server, encrypted: bool) -> None:
    """The same user, two passwords; the server says whom it saw."""
    good = tried(redis_server, encrypted=encrypted)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as.startswith(f"{USER} at 127.0.0.1:")
    bad = tried(redis_server, "canary-of-yesterday", encrypted=encrypted)
    assert bad.accepted is False
    assert bad.error is not None
    assert (bad.error.kind, bad.error.message) == ("auth_failed", "the server refuses the login")


def test_the_password_of_the_default_user_needs_no_name(redis_server: Server) -> None:
    """A server from before access control lists knows one password and no names."""
    assert tried(redis_server, OWN, user="").seen_as.startswith("default at ")
    assert tried(redis_server, VALUE, user="").accepted is False


@pytest.mark.requirement("R22")
def test_a_user_whom_any_password_lets_in_is_not_judged(redis_server: Server) -> None:
    """`nopass` says yes to every password, so that it proves nothing about this one."""
    redis_server.boss("ACL", "SETUSER", "open", "on", "nopass", "+@connection", "+acl|whoami")
    shown = tried(redis_server, user="open")
    assert (shown.depth, shown.accepted) == ("tls", None)
    assert shown.error is not None
    assert shown.error.message == "the server lets this user in with any password"


@pytest.mark.requirement("R22")
def test_a_transaction_leaves_nothing_behind(redis_server: Server) -> None:
    """A key of our own is set and deleted; one that somebody else put there stays."""
    assert tried(redis_server, depth="txn").depth == "txn"
    assert redis_server.boss("EXISTS", KEY) == 0
    assert redis_server.boss("DBSIZE") == 0


@pytest.mark.requirement("R22")
def test_a_read_only_replica_proves_no_transaction(redis_server: Server) -> None:
    """The login is let in there, and it would be of no use after a failover."""
    redis_server.boss("REPLICAOF", "127.0.0.1", str(unused_port()))
    try:
        assert tried(redis_server).accepted is True
        shown = tried(redis_server, depth="txn")
        assert (shown.depth, shown.accepted) == ("auth", None)
        assert shown.error is not None
        assert shown.error.kind == "read_only_side"
    finally:
        redis_server.boss("REPLICAOF", "NO", "ONE")


def test_a_user_without_the_right_is_told_what_is_missing(redis_server: Server) -> None:
    """Who may not write our key is let in, and no transaction is proven."""
    redis_server.boss("ACL", "SETUSER", "reader", "on", f">{VALUE}", "+@connection", "+acl|whoami", "+multi", "+exec")
    shown = tried(redis_server, user="reader", depth="txn")
    assert (shown.depth, shown.accepted) == ("auth", None)
    assert shown.error is not None
    assert shown.error.kind == "denied"


def test_a_foreign_certificate_and_a_closed_port_judge_nothing(redis_server: Server) -> None:
    """Neither is a refused credential, and nothing of the password is in what is told."""
    for changes in ({"ca_file": None}, {"target": f"127.0.0.1:{unused_port()}"}):
        with pytest.raises(ProviderError) as told:
            tried(redis_server, **changes)
        assert told.value.kind.value == "unreachable"
        assert VALUE not in str(told.value)


def test_no_password_is_in_the_servers_log(redis_server: Server) -> None:
    """What was tried is in no log of the server."""
    tried(redis_server, "canary-of-yesterday")
    assert "canary" not in redis_server.server.told()
    assert "canary" not in str(redis_server.boss("ACL", "LOG"))
