"""The embedded world: seeds, options, faults and the documents it hands out."""

import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import Presence
from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed, WorldPart
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.settings import VaultSettings


def test_it_is_a_world_part(world: VaultWorld) -> None:
    """The class has what the entry point promises."""
    part: WorldPart = world
    assert part.provider == "vault"


def test_documents_are_settings_and_inline_no_credential(world: VaultWorld) -> None:
    """What add_source returns configures a source as it stands; credentials are files that only the owner reads."""
    for path, options in (
        ("a", {}),
        ("b", {"auth": "token"}),
        ("c", {"tls": False}),
        ("d", {"standby_lag": 2}),
        ("e", {"namespace": "n"}),
    ):
        document = world.add_source(path, "vault", region="eu-west-1", options=options)
        settings = VaultSettings.model_validate(document)
        files = [Path(value) for name, value in document["auth"].items() if name.endswith("_file")]
        assert files
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert settings.region == "eu-west-1"
        assert not [file for file in files if file.read_text().strip() in str(document)]


def test_a_peer_that_never_finishes_its_handshake_does_not_hold_up_a_stop(make_site: Any) -> None:
    """Closing ends the thread that waits for the rest of the handshake."""
    site = make_site()
    listener = site.world.source(site.path, "vault").listeners[0]
    host, _, port = listener.address.removeprefix("https://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as peer:
        peer.sendall(b"\x16")
        while not any(isinstance(one, ssl.SSLSocket) for one in list(listener._connections)):
            assert any(thread.is_alive() for thread in listener._threads)
        threads = list(listener._threads)
        listener.close()
        assert not [thread for thread in threads if thread.is_alive()]


def test_every_seed_kind_is_found_by_the_adapter(site: Any) -> None:
    """A seed's locator is where the adapter sees it."""
    names = {
        "kv": "secret/a",
        "db-static": "database/a",
        "db-dynamic": "database/b",
        "approle": "approle/a",
        "pki": "pki/cn/a.example",
        "transit": "transit/a",
        "ldap-static": "ldap/a",
        "token": "a",
    }
    planted = [site.seed(kind, name, expires=timedelta(days=9)) for kind, name in names.items()]
    seen = site.observe(*planted)
    assert {seen[one].presence for one in planted} == {Presence.PRESENT}


def test_unknown_kinds_options_and_names_are_errors(world: VaultWorld) -> None:
    """A misspelt story never passes for one that was planted."""
    world.add_source("p", "v", region="r", options={})
    with pytest.raises(ValueError, match="no kind bucket"):
        world.seed("p", "v", Seed(kind="bucket", name="x/y"))
    with pytest.raises(TypeError):
        world.seed("p", "v", Seed(kind="kv", name="secret/x", options={"vershuns": 3}))
    with pytest.raises(ValueError, match="<mount>/<name>"):
        world.seed("p", "v", Seed(kind="kv", name="secret"))
    with pytest.raises(ValueError, match="issuer/<name>"):
        world.seed("p", "v", Seed(kind="pki", name="pki/x"))
    with pytest.raises(TypeError):
        world.add_source("p", "w", region="r", options={"flavor": "vault"})
    with pytest.raises(ValueError, match="unknown fault"):
        world.fault("p", "v", "thunderstorm")


def test_values_are_where_the_server_would_keep_them(world: VaultWorld) -> None:
    """The planted value is what the real API returns for it."""
    import requests

    document = world.add_source("p", "v", region="r", options={})
    world.seed("p", "v", Seed(kind="kv", name="secret/x", fields={"k": "planted"}))
    world.seed("p", "v", Seed(kind="db-static", name="database/x", fields={"password": "planted"}))
    headers = {"X-Vault-Token": world.source("p", "v").core.root_token}
    for path, found in (("secret/data/x", ("data", "data", "k")), ("database/static-creds/x", ("data", "password"))):
        body: Any = requests.get(
            f"{document['address']}/v1/{path}", headers=headers, verify=document["ca_file"], timeout=5
        ).json()
        for name in found:
            body = body[name]
        assert body == "planted"


def test_secret_ids_log_in(world: VaultWorld) -> None:
    """A planted secret id is a working credential."""
    import requests

    document = world.add_source("p", "v", region="r", options={})
    world.seed(
        "p", "v", Seed(kind="approle", name="approle/x", fields={"secret_id": "planted"}, options={"role_id": "rid"})
    )
    body = {"role_id": "rid", "secret_id": "planted"}
    url = f"{document['address']}/v1/auth/approle/login"
    assert requests.post(url, json=body, verify=document["ca_file"], timeout=5).status_code == 200


def test_replacing_a_seed_moves_only_that_item(site: Any) -> None:
    """Planting the same name again is the rotation of a story."""
    a, b = site.seed("kv", "secret/a"), site.seed("kv", "secret/b")
    before = site.observe(a, b)
    site.seed("kv", "secret/a", rotated=timedelta(minutes=5))
    after = site.observe(a, b)
    assert after[a].rotated.at > before[a].rotated.at
    assert replace(after[b], observed_at=before[b].observed_at) == before[b]


def test_faults_can_be_taken_back(site: Any) -> None:
    """Every fault of a source has an end."""
    secret = site.seed("kv", "secret/a")
    site.seed("db-static", "database/x", period=timedelta(days=30))
    for name in ("sealed", "unreachable", "login-refused", "denied", "database-down"):
        options = {"paths": ("secret/metadata/a",)} if name == "denied" else {}
        site.fault(name, **options)
        site.fault(name, off=True)
        assert site.observe(secret)[secret].presence is Presence.PRESENT


def test_a_dead_database_leaves_its_roles_overdue(site: Any, clock: FakeClock) -> None:
    """Rotations fail while it is down and happen when it is back."""
    role = site.seed("db-static", "database/x", rotated=timedelta(days=1), period=timedelta(days=2))
    site.fault("database-down")
    clock.advance(timedelta(days=2))
    assert site.observe(role)[role].rotated.at < clock.now() - timedelta(days=2)
    site.fault("database-down", off=True)
    clock.advance(timedelta(minutes=1))
    assert site.observe(role)[role].rotated.at > clock.now() - timedelta(minutes=5)


def test_stopping_twice_leaves_nothing(clock: FakeClock, tmp_path: Path) -> None:
    """No thread, socket or listener survives."""
    import threading

    before = threading.active_count()
    world = VaultWorld(clock=clock, directory=tmp_path)
    world.start()
    world.add_source("p", "v", region="r", options={"standby_lag": 1})
    world.stop()
    world.stop()
    assert threading.active_count() == before


def test_the_emulator_needs_no_sdk() -> None:
    """It can be imported where neither hvac nor requests exists."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'hvac', 'requests', 'pydantic'}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import nhisync_vault.emulator.core, nhisync_vault.emulator.server\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "hvac" not in run.stderr
    assert "requests" not in run.stderr
