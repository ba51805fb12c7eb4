"""What a review of the adapter found; each test is a hole that was open."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Budget, CredentialState, Locator, ProviderError, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_postgres import PostgresProvider
from nhisync_postgres.items import Cluster, item_of
from nhisync_postgres.settings import PostgresSettings

CANARY = "canary-of-the-environment"
LATER = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
_ASKS = b"R\x00\x00\x00\x08\x00\x00\x00\x03"
"""AuthenticationCleartextPassword (PostgreSQL protocol 3.0)."""

ROW: dict[str, Any] = {
    "oid": 1,
    "login": True,
    "until": None,
    "ended": None,
    "superuser": False,
    "createrole": False,
    "createdb": False,
    "replication": False,
    "bypassrls": False,
    "connections": -1,
    "comment": None,
}


class Server:
    """Accepts connections, asks for a password and keeps what comes."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.heard, self.connections = listener, b"", 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                with client, suppress(OSError):
                    client.settimeout(5)
                    client.recv(4096)
                    client.sendall(_ASKS)
                    self.heard += client.recv(4096)

    def close(self) -> None:
        """Accept no more."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a name short enough for a socket."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def local(folder: Path) -> Iterator[Server]:
    """A server at a socket of this machine."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.5432"))
    listener.listen()
    with closing(Server(listener)) as server:
        yield server


def ask(folder: Path, port: int = 5432) -> None:
    """Identify as `peer` at the socket in `folder`; nobody there lets us in."""
    clock = FakeClock()
    settings = PostgresSettings.model_validate(
        {
            "provider": "postgres",
            "host": str(folder),
            "port": port,
            "sslmode": "disable",
            "auth": {"method": "peer", "user": "n"},
        }
    )
    context = SourceContext(
        path="backup", source="db", region=None, base=folder, clock=clock, randomness=CountingRandomness()
    )
    with closing(PostgresProvider(settings, context)) as provider, pytest.raises(ProviderError):
        provider.identify(Budget(clock, seconds=30.0))


def test_a_password_of_the_environment_is_never_sent(
    local: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source without a password has none, whatever the environment holds: both paths would become one identity."""
    monkeypatch.setenv("PGPASSWORD", CANARY)
    ask(folder)
    assert local.connections == 1
    assert CANARY.encode() not in local.heard


def test_an_address_of_the_environment_is_never_asked(
    local: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGHOSTADDR would lead every source of this machine to one server, under the name of another."""
    listener = socket.create_server(("127.0.0.2", 0))
    port = listener.getsockname()[1]
    (folder / f".s.PGSQL.{port}").symlink_to(".s.PGSQL.5432")
    with closing(Server(listener)) as elsewhere:
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.2")
        ask(folder, port)
        assert (elsewhere.connections, local.connections) == (0, 1)


def facts(cluster: dict[str, Any] | None = None, **row: Any) -> Any:
    """The item of a row."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    told: dict[str, Any] = {
        "identifier": "1",
        "standby": False,
        "replayed": None,
        "endpoint": "db:5432",
        "observed_at": now,
        **(cluster or {}),
    }
    return item_of(Locator("db", "role", "x"), {**ROW, **row}, Cluster(**told), ())


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"connections": 0}, CredentialState.SUSPENDED),
        ({"connections": 0, "superuser": True}, CredentialState.ACTIVE),
        ({"connections": 1}, CredentialState.ACTIVE),
    ],
)
def test_a_role_without_connections_cannot_log_in(row: dict[str, Any], state: CredentialState) -> None:
    """CONNECTION LIMIT 0 is how a role is blocked without NOLOGIN; superusers are exempt from the limit."""
    assert facts(**row).state is state


def test_a_standby_that_replayed_nothing_is_not_fresh() -> None:
    """After its start a standby does not say how old its copy is; then it is no evidence of now."""
    item = facts({"standby": True})
    assert item.source_as_of is not None
    assert item.source_as_of < datetime(1971, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "expires"),
    [
        ({"until": LATER}, LATER),
        ({"until": None}, None),
        ({"until": None, "ended": True}, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_valid_until_is_the_end(row: dict[str, Any], expires: datetime | None) -> None:
    """The end that the server keeps is the item's; no end is none, and ``-infinity`` has ended since ever."""
    found = facts(**row).expires
    assert (found.at if found else None) == expires
