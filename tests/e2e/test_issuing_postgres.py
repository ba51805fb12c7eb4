"""Issuability end to end: the backup's store mints a login, a real PostgreSQL server judges it, nothing of it is left.

The store is the Vault emulator with a real PostgreSQL server behind its database engine; a real child process mints,
logs in and gives the login back.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.cli import main
from nhisync.clock import SystemClock
from nhisync.testing.world import Seed
from nhisync_postgres.permissions import identifier, literal
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.database import DatabaseEngine
from nhisync_vault.emulator.fakedb import RefusedByDatabaseError
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.emulator.seeding import DynamicOptions

from .postgres_world import DATABASE, Cluster

pytestmark = pytest.mark.e2e


class RealDatabase:
    """Behind the emulator's database engine: roles of a real server."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.made, self.down = cluster, [], False

    def create(self, username: str, password: str) -> None:
        """Create a login."""
        self._check()
        self.made.append(username)
        self.cluster.run(f"CREATE ROLE {identifier(username)} LOGIN PASSWORD {literal(password)}")
        self.cluster.run(f"GRANT CONNECT ON DATABASE {DATABASE} TO {identifier(username)}")

    def set_password(self, username: str, password: str) -> None:
        """Change a login."""
        self._check()
        self.cluster.run(f"ALTER ROLE {identifier(username)} PASSWORD {literal(password)}")

    def drop(self, username: str) -> None:
        """Remove a login."""
        self._check()
        self.cluster.run(f"DROP OWNED BY {identifier(username)}")
        self.cluster.run(f"DROP ROLE {identifier(username)}")

    def _check(self) -> None:
        if self.down:
            raise RefusedByDatabaseError("connection refused")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The server that judges."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultWorld]:
    """The world with two stores."""
    made = VaultWorld(clock=SystemClock(), directory=tmp_path / "world")
    made.start()
    yield made
    made.stop()


class Place:
    """Two paths with a dynamic role each; the backup's is tried by minting."""

    def __init__(self, vault: VaultWorld, cluster: Cluster, folder: Path) -> None:
        self.vault, self.cluster, self.folder = vault, cluster, folder
        self.database = RealDatabase(cluster)
        sources = {}
        for path in ("primary", "backup"):
            sources[path] = vault.add_source(path, "vault", region=f"{path}-1", options={"flavour": "openbao"})
            vault.seed(path, "vault", Seed(kind="db-dynamic", name="database/app"))
            engine = vault.source(path, "vault").core.mounts["database/"].engine
            assert isinstance(engine, DatabaseEngine)
            engine.databases[DynamicOptions().connection] = self.database
        probe = {"type": "postgres", "address": f"127.0.0.1:{cluster.port}", "database": DATABASE, "tls": False,
                 "user_field": "username", "secret_field": "password", "issue": True}  # fmt: skip
        pair = {"name": "ledger", "kind": "database", "probe": {"backup": probe}}
        pair |= dict.fromkeys(("primary", "backup"), "vault:db-dynamic/database/app")
        app = {"tier": "standard", "owner": "wallet-oncall", "pairs": [pair]}
        paths = {path: {"region": f"{path}-1", "sources": {"vault": found}} for path, found in sources.items()}
        text = json.dumps({"version": 1, "paths": paths, "apps": {"wallet": app}})
        (folder / "nhisync.yaml").write_text(text, encoding="utf-8")

    def nhisync(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; (exit code, stdout, stderr)."""
        stdout, stderr = io.StringIO(), io.StringIO()
        code = main(["-c", str(self.folder / "nhisync.yaml"), *arguments], stdout=stdout, stderr=stderr)
        return code, stdout.getvalue(), stderr.getvalue()

    def allow(self) -> None:
        """Give the backup's identity what `permissions --mode probe` prints, beside what it has."""
        _, text, _ = self.nhisync("permissions", "--provider", "vault", "--path", "backup", "--mode", "probe")
        place = self.vault.source("backup", "vault")
        put_policy(place.core.policies(), place.policy, place.core.policies().get(place.policy).text + text,
                   now=SystemClock().now())  # fmt: skip
        place.core.storage.commit()

    def live(self) -> dict[str, Any]:
        """Code → finding of family 8."""
        _, text, _ = self.nhisync("diff", "--live", "--show-passing", "--format", "json")
        return {one["code"]: one for one in json.loads(text)["findings"] if one["code"].startswith("NHS8")}


@pytest.fixture
def place(vault: VaultWorld, cluster: Cluster, tmp_path: Path) -> Place:
    """The place."""
    return Place(vault, cluster, tmp_path)


@pytest.mark.requirement("R17", "R22", "R48")
def test_the_backups_issuer_mints_what_its_database_lets_in(place: Place) -> None:
    """Without the permission nobody knows; with it a login is minted, let in and dropped."""
    assert place.live()["NHS803"]["state"] == "unknown"
    assert place.database.made == []
    place.allow()
    assert place.live()["NHS801"]["state"] == "pass"
    (name,) = place.database.made
    found = place.cluster.boss.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchall()
    assert found == [], "the login was given back"


@pytest.mark.requirement("R48")
def test_an_issuer_whose_database_is_down_proves_nothing(place: Place) -> None:
    """The store answers every listing, and would mint nothing in the failover."""
    place.allow()
    place.database.down = True
    finding = place.live()["NHS803"]
    assert finding["state"] == "unknown"


@pytest.mark.requirement("R17", "R48")
def test_a_login_that_the_database_refuses_is_refused(place: Place) -> None:
    """The issuer mints, and what it mints opens nothing."""
    place.allow()
    made = place.database.create
    place.database.create = lambda name, password: made(name, f"{password}-of-another-server")  # type: ignore[method-assign]
    finding = place.live()["NHS801"]
    assert finding["state"] == "fail"
