"""Real PostgreSQL clusters as a part of the embedded world: one per source, closed to PUBLIC, behind a relay."""

import base64
import contextlib
import hashlib
import hmac
import signal
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from nhisync.clock import Clock
from nhisync.spi import AccessMode
from nhisync.testing.world import Seed
from nhisync_postgres.permissions import CATALOGS, IDENTIFIER, documents, identifier, literal
from nhisync_postgres.settings import PostgresSettings

from .conftest import TOOK_PART, Private, program, until, unused_port

_SALT = b"one salt for all"
DATABASE = "app"
USER = "nhisync"
PASSWORD = "canary-own-password-77aa"


class Relay:
    """Stands before one server: passes bytes on, counts questions, or misbehaves."""

    def __init__(self, target: int) -> None:
        self.target, self.mode, self.asked = target, "pass", 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def switch(self, mode: str) -> None:
        """``pass``, ``refuse`` (closes at once), ``hang`` (accepts, says nothing) or ``garbage``."""
        self.mode = mode
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop, and end every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.switch("refuse")
        self._thread.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.asked += 1
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            if self.mode == "garbage":
                client.recv(4096)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif self.mode == "hang":
                while client.recv(4096):
                    pass
            elif self.mode == "pass":
                self._relay(client)
        except OSError:
            pass
        finally:
            self._open.discard(client)
            client.close()

    def _relay(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            self._open.add(server)
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            try:
                frames = Frames()
                while data := client.recv(65536):
                    self.asked += frames.questions(data)
                    server.sendall(data)
            finally:
                self._open.discard(server)
                for one in (server, client):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                back.join()


class Frames:
    """Cuts a client's stream into messages (PostgreSQL protocol 3.0) and counts the questions among them."""

    def __init__(self) -> None:
        self._rest, self._started = b"", False

    def questions(self, data: bytes) -> int:
        """How many simple queries and Syncs end in `data`."""
        self._rest += data
        found = 0
        while True:
            head = 1 if self._started else 0
            if len(self._rest) < head + 4:
                return found
            (size,) = struct.unpack_from("!I", self._rest, head)
            if len(self._rest) < head + size:
                return found
            found += self._started and self._rest[:1] in (b"Q", b"S")
            self._rest, self._started = self._rest[head + size :], True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def verifier(password: str) -> str:
    """A SCRAM verifier of one round (RFC 5803): with its usual 4,096 the server needs milliseconds for each role."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), _SALT, 1)
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    salt, stored, served = (base64.b64encode(one).decode() for one in (_SALT, hashlib.sha256(client).digest(), server))
    return f"SCRAM-SHA-256$1:{salt}${stored}:{served}"


class Cluster:
    """One server: scram over TCP, trust for its owner over a socket; PUBLIC holds nothing that inventory reads."""

    def __init__(self, *settings: str, tcp: str = "host") -> None:
        self.server, self.port = Private("postgres-provider"), unused_port()
        initdb, postgres = program("initdb", "postgresql"), program("postgres", "postgresql")
        data = self.server.folder / "data"
        options = ("--auth=trust", "--username=boss", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.server.run(initdb, *options, f"--pgdata={data}")
        self.server.write("data/pg_hba.conf", f"local all all trust\n{tcp} all all 127.0.0.1/32 scram-sha-256\n")
        common = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.server.folder}")
        every = (*common, "fsync=off", "max_connections=20", *settings)
        self.server.start(postgres, "-D", str(data), *(part for one in every for part in ("-c", one)))
        until(lambda: "ready to accept connections" in self.server.told(), "PostgreSQL accepts connections")
        self.boss = psycopg.connect(host=str(self.server.folder), port=self.port, user="boss", dbname="postgres")
        self.boss.autocommit = True
        TOOK_PART["PostgreSQL"] = str(self.boss.info.parameter_status("server_version")).split(" ")[0]
        self.run(f"CREATE DATABASE {DATABASE}")
        self.inside = psycopg.connect(host=str(self.server.folder), port=self.port, user="boss", dbname=DATABASE)
        self.inside.autocommit = True
        for catalog in CATALOGS:
            self.run(f"REVOKE SELECT ON pg_catalog.{catalog} FROM PUBLIC")
        self.run(f"REVOKE EXECUTE ON FUNCTION {IDENTIFIER} FROM PUBLIC")
        self.run(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC")
        self.run(f"CREATE ROLE {USER} LOGIN PASSWORD {literal(PASSWORD)}")

    def run(self, statement: str) -> None:
        """As the owner, in the database that adapters connect to once it exists."""
        connection = getattr(self, "inside", self.boss)
        connection.execute(statement)

    def script(self, text: str) -> None:
        """Every statement of a printed document."""
        for line in text.splitlines():
            if not line.startswith("--"):
                self.run(line)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        for connection in (self.inside, self.boss):
            connection.close()
        self.server.end(signal.SIGINT)


class PostgresWorld:
    """Sources of provider ``postgres``; see `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "postgres"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock, self._directory = clock, directory
        self._sources: dict[tuple[str, str], tuple[Cluster, Relay]] = {}

    def start(self) -> None:
        """Servers start with their sources."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """A cluster with exactly the READ document."""
        cluster = Cluster()
        relay = Relay(cluster.port)
        self._sources[path, source] = (cluster, relay)
        file = self._directory / f"{path}-{source}.password"
        file.write_text(PASSWORD + "\n", encoding="utf-8")
        file.chmod(0o600)
        document = {
            "provider": "postgres",
            "host": "127.0.0.1",
            "port": relay.port,
            "database": DATABASE,
            "sslmode": "disable",
            "auth": {"method": "password", "user": USER, "password_file": str(file)},
        }
        (granted,) = documents(PostgresSettings.model_validate(document), AccessMode.READ, ())
        cluster.script(granted.text)
        return document

    def seed(self, path: str, source: str, item: Seed) -> str:
        """A login role; what PostgreSQL does not keep stands in its comment."""
        cluster, now = self.cluster(path, source), self._clock.now()
        name = identifier(item.name)
        exists = cluster.boss.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [item.name]).fetchone()
        until_ = f"{now + item.expires:%Y-%m-%d %H:%M:%S+00}" if item.expires is not None else "infinity"
        password = literal(verifier(item.fields.get("password", "canary-unasked-0000")))
        verb = "ALTER" if exists else "CREATE"
        cluster.run(f"{verb} ROLE {name} LOGIN PASSWORD {password} VALID UNTIL '{until_}'")
        words = [f"nhisync:owner={item.owner}"] if item.owner else []
        if item.rotated is not None:
            words.append(f"nhisync:rotated={now - item.rotated:%Y-%m-%dT%H:%M:%S+00:00}")
        cluster.run(f"COMMENT ON ROLE {name} IS {literal(' '.join(words))}")
        return f"role/{item.name}"

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch trouble on or off."""
        cluster, relay = self._sources[path, source]
        off = bool(options.get("off"))
        if name in ("refuse", "hang", "garbage"):
            relay.switch("pass" if off else name)
            return
        on, back = _STATEMENTS[name]
        connection = cluster.boss if name == "database-gone" else cluster.inside
        if name == "database-gone" and not off:
            cluster.inside.close()
        connection.execute(back if off else on)
        if name == "database-gone" and off:
            folder = str(cluster.server.folder)
            cluster.inside = psycopg.connect(host=folder, port=cluster.port, user="boss", dbname=DATABASE)
            cluster.inside.autocommit = True

    def cluster(self, path: str, source: str) -> Cluster:
        """The server behind a source."""
        return self._sources[path, source][0]

    def relay(self, path: str, source: str) -> Relay:
        """What stands before it."""
        return self._sources[path, source][1]

    def stop(self) -> None:
        """Close everything."""
        for cluster, relay in self._sources.values():
            relay.close()
            cluster.close()
        self._sources.clear()


_STATEMENTS = {
    "denied": (
        f"REVOKE SELECT ON pg_catalog.pg_roles FROM {USER}",
        f"GRANT SELECT ON pg_catalog.pg_roles TO {USER}",
    ),
    "password-changed": (
        f"ALTER ROLE {USER} PASSWORD 'canary-other-password'",
        f"ALTER ROLE {USER} PASSWORD {literal(PASSWORD)}",
    ),
    "no-connection-left": (f"ALTER ROLE {USER} CONNECTION LIMIT 0", f"ALTER ROLE {USER} CONNECTION LIMIT -1"),
    "database-gone": (
        f"ALTER DATABASE {DATABASE} RENAME TO gone",
        f"ALTER DATABASE gone RENAME TO {DATABASE}",
    ),
}
