"""The embedded world's part: documents, seeds with a past, several projects, and what it refuses."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types as iam_types

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed, WorldPart
from nhisync_gcp.emulator import GcpWorld
from nhisync_gcp.emulator.secret_store import Place

from .emulator_stand import LOCATION, Clients, Stand, open_stand

X509 = iam_types.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source."""
    with open_stand(tmp_path) as made:
        yield made


def test_it_is_a_world_part(tmp_path: Path) -> None:
    """The class satisfies the protocol and does nothing before it is started."""
    made: WorldPart = GcpWorld(clock=FakeClock(), directory=tmp_path / "world")
    assert made.provider == "gcp"
    assert not (tmp_path / "world").exists()
    made.stop()
    made.stop()


def test_a_document_holds_no_secret(stand: Stand) -> None:
    """Credentials are files of their own that only the owner may read."""
    text = json.dumps(stand.document)
    info = json.loads(Path(stand.document["auth"]["file"]).read_text())
    assert info["private_key"][28:60] not in text
    assert Path(stand.document["auth"]["file"]).stat().st_mode & 0o077 == 0
    assert stand.document["locations"] == [LOCATION]
    assert stand.document["regional_endpoints"].keys() == {LOCATION}


def test_sources_have_their_own_projects_or_share_one(stand: Stand) -> None:
    """Two projects do not see each other's secrets; two sources of one project see the same."""
    other = stand.world.add_source("backup", "gcp", region=LOCATION, options={})
    twin = stand.world.add_source("backup", "twin", region=LOCATION, options={"project": stand.project})
    stand.seed("secret", "stripe")

    def listed(document: dict[str, Any]) -> list[str]:
        clients = stand.clients(document["auth"]["file"])
        sm = clients.secrets(document["endpoints"]["secretmanager"])
        return [row.name for row in sm.list_secrets(parent=f"projects/{document['project']}")]

    assert (len(listed(stand.document)), len(listed(twin)), len(listed(other))) == (1, 1, 0)
    foreign = stand.nhisync.secrets(stand.global_address)
    with pytest.raises(exceptions.PermissionDenied):
        foreign.list_secrets(parent=f"projects/{other['project']}")
    stand.world.fault("backup", "twin", "denied")
    assert len(listed(stand.document)) == 1


def test_a_rotated_secret_has_two_generations(stand: Stand) -> None:
    """The older version was made with the secret, the newer at the rotation; only the newer holds the seed's value."""
    fields = {"api_key": "canary-new"}
    locator = stand.seed("secret", "stripe", fields=fields, created=timedelta(days=90), rotated=timedelta(days=5))
    assert locator == "secret/stripe"
    name, now = f"{stand.parent}/secrets/stripe", stand.clock.now()
    newer, older = stand.sm.list_secret_versions(parent=name)
    assert (newer.create_time, older.create_time) == (now - timedelta(days=5), now - timedelta(days=90))
    payload = stand.sm.access_secret_version(name=f"{name}/versions/latest").payload.data
    assert json.loads(payload) == fields
    assert b"canary-new-previous" in stand.sm.access_secret_version(name=f"{name}/versions/1").payload.data


def test_seeds_of_secrets_carry_their_options(stand: Stand) -> None:
    """Schedule, aliases, states, tags, keys and managed rotation come out as planted."""
    stand.seed(
        "secret",
        "stripe",
        tags={"nhisync:name": "pay/stripe", "team": "payments"},
        rotation_period=timedelta(days=30),
        rotated=timedelta(days=10),
        aliases={"live": 1},
        states=("DISABLED", "ENABLED"),
        destroy_ttl=timedelta(days=7),
        plain=True,
        fields={"value": "canary"},
    )
    stand.seed(
        "regional-secret", f"{LOCATION}/db", type="CLOUD_SQL_DB_CREDENTIALS", managed="INACTIVE", managed_error="x"
    )
    found = stand.sm.get_secret(name=f"{stand.parent}/secrets/stripe")
    assert dict(found.labels) == {"owner": "platform-oncall", "team": "payments"}
    assert dict(found.annotations) == {"nhisync-name": "pay/stripe"}
    assert found.rotation.next_rotation_time == stand.clock.now() + timedelta(days=20)
    assert found.version_destroy_ttl == timedelta(days=7)
    assert stand.sm.access_secret_version(name=f"{found.name}/versions/live").payload.data == b"canary-previous"
    with pytest.raises(exceptions.FailedPrecondition):
        stand.sm.access_secret_version(name=f"{found.name}/versions/latest")
    regional = stand.regional.get_secret(name=f"{stand.parent}/locations/{LOCATION}/secrets/db")
    status = regional.rotation.managed_rotation_status
    assert (status.state.name, status.error.message, regional.secret_type.name) == (
        "INACTIVE",
        "x",
        "CLOUD_SQL_DB_CREDENTIALS",
    )


def test_a_denied_seed_is_listed_but_not_read(stand: Stand) -> None:
    """The option denied hides one item behind PERMISSION_DENIED; the list still shows it."""
    stand.seed("secret", "stripe", denied=True)
    sm = stand.nhisync.secrets(stand.global_address)
    assert len(list(sm.list_secrets(parent=stand.parent))) == 1
    with pytest.raises(exceptions.PermissionDenied):
        sm.list_secret_versions(parent=f"{stand.parent}/secrets/stripe")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, [False]),
        ({"old": "kept"}, [False, False]),
        ({"old": "disabled"}, [False, True]),
        ({"disabled": True}, [True]),
        ({"keys": 3}, [False] * 3),
    ],
)
def test_a_rotated_key_leaves_the_old_one_as_told(stand: Stand, options: dict[str, Any], shown: list[bool]) -> None:
    """The old key is deleted, kept or disabled; the list is newest first."""
    locator = stand.seed("service-account-key", "robot-one", **options)
    email = f"robot-one@{stand.project}.iam.gserviceaccount.com"
    assert locator == f"service-account-key/{email}"
    request = {"name": f"{stand.parent}/serviceAccounts/{email}", "key_types": ["USER_MANAGED"]}
    rows = list(stand.iam.list_service_account_keys(request=request).keys)
    assert [row.disabled for row in rows] == shown
    assert rows[0].valid_after_time == stand.clock.now() - timedelta(days=5)


def test_keys_of_one_material_are_one_key(stand: Stand) -> None:
    """A copied key shows the same public key at both accounts, also when it was uploaded."""
    stand.seed("service-account-key", "robot-one", material="copied", rotated=None)
    stand.seed("service-account-key", "robot-two", material="copied", uploaded=True, rotated=None)
    stand.seed("service-account-key", "robot-three", rotated=None, expires=timedelta(days=9), account_disabled=True)

    def key(account: str) -> tuple[Any, Any]:
        name = f"{stand.parent}/serviceAccounts/{account}@{stand.project}.iam.gserviceaccount.com"
        listed = stand.iam.list_service_account_keys(request={"name": name, "key_types": ["USER_MANAGED"]}).keys[0]
        shown = stand.iam.get_service_account_key(request={"name": listed.name, "public_key_type": X509})
        return listed, x509.load_pem_x509_certificate(shown.public_key_data).public_key()

    assert key("robot-one")[1] == key("robot-two")[1] != key("robot-three")[1]
    assert key("robot-two")[0].key_origin.name == "USER_PROVIDED"
    assert key("robot-three")[0].valid_before_time == stand.clock.now() + timedelta(days=9)


def test_an_account_can_be_disabled_and_hold_roles(stand: Stand) -> None:
    """The seed of an account says what it may do and whether it is switched off."""
    locator = stand.seed("service-account", "robot-one", disabled=True, roles=("roles/viewer",), display_name="Robot")
    email = locator.partition("/")[2]
    found = stand.iam.get_service_account(name=f"{stand.parent}/serviceAccounts/{email}")
    assert (found.disabled, found.display_name) == (True, "Robot")
    assert stand.cloud.access.holds(f"serviceAccount:{email}", "secretmanager.secrets.get", (stand.parent,), None)


def test_mistakes_in_a_scenario_are_named(stand: Stand) -> None:
    """An unknown kind, option, source or way to log in is an error, not a silent nothing."""
    with pytest.raises(ValueError, match="regional-secret"):
        stand.seed("kv", "x")
    with pytest.raises(TypeError, match="rotation_period"):
        stand.seed("secret", "x", rotaton_period=1)
    with pytest.raises(ValueError, match="no source"):
        stand.world.seed("primary", "nope", Seed(kind="secret", name="x"))
    with pytest.raises(ValueError, match="already"):
        stand.world.add_source("primary", "gcp", region=LOCATION, options={})
    with pytest.raises(TypeError, match="projet"):
        stand.world.add_source("backup", "gcp", region=LOCATION, options={"projet": "x"})
    with pytest.raises(ValueError, match="service_account_key"):
        stand.world.add_source("backup", "two", region=LOCATION, options={"auth": "password"})


def test_the_state_shows_no_value(stand: Stand) -> None:
    """Payloads, tokens and requests have no place in a repr, which a failing test would print."""
    stand.seed("secret", "stripe", fields={"api_key": "canary-repr"}, rotated=None)
    token = stand.cloud.issue_token(stand.source.identity.member)
    secret = next(stand.cloud.secrets.shelf(Place(stand.project, "")).newest_first())
    shown = repr((stand.cloud, list(secret.versions.newest_first()), stand.source))
    assert "canary-repr" not in shown
    assert token not in shown


def test_threads_may_call_at_the_same_time(stand: Stand) -> None:
    """Eight writers on one secret lose no version."""
    stand.seed("secret", "stripe", rotated=None)
    name = f"{stand.parent}/secrets/stripe"
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda n: stand.sm.add_secret_version(parent=name, payload={"data": b"%d" % n}).name, range(24))
        )
    assert len(set(made)) == 24
    assert len(list(stand.sm.list_secret_versions(parent=name))) == 25


def test_clients_close_what_they_opened(tmp_path: Path) -> None:
    """A world stops while a client still holds its channel open; the client then sees UNAVAILABLE."""
    with open_stand(tmp_path) as stand:
        clients = Clients(
            key_file=stand.document["auth"]["file"], ca_file=stand.document["ca_file"], project=stand.project
        )
        sm = clients.secrets(stand.global_address)
        assert list(sm.list_secrets(parent=stand.parent)) == []
        stand.world.stop()
        with pytest.raises(exceptions.ServiceUnavailable):
            sm.list_secrets(parent=stand.parent, timeout=5, retry=None)
        clients.close()
