"""Secret Manager of the emulator where time, places and people matter: schedules, lag, regions, quotas, permissions."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types
from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from nhisync_gcp.emulator.crc32c import crc32c

from .emulator_stand import LOCATION, Stand, open_stand

State = types.SecretVersion.State
AUTOMATIC = {"replication": {"automatic": {}}}
KEY = "projects/keys/locations/{}/keyRings/r/cryptoKeys/k"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source whose identity reads metadata only."""
    with open_stand(tmp_path) as made:
        yield made


def create(stand: Stand, name: str = "stripe", versions: int = 1, **fields: Any) -> str:
    """A secret with versions; returns its resource name."""
    stand.sm.create_secret(parent=stand.parent, secret_id=name, secret={**AUTOMATIC, **fields})
    for index in range(versions):
        stand.sm.add_secret_version(parent=f"{stand.parent}/secrets/{name}", payload={"data": b"v%d" % index})
    return f"{stand.parent}/secrets/{name}"


def in_seconds(stand: Stand, seconds: float) -> timestamp_pb2.Timestamp:
    """A moment ahead of the services' clock."""
    made = timestamp_pb2.Timestamp()
    made.FromDatetime(stand.clock.now() + timedelta(seconds=seconds))
    return made


def test_answers_name_the_project_by_its_number(stand: Stand) -> None:
    """Asked by id or by number, Secret Manager answers with the number; the knob imitates servers that do not."""
    name = create(stand)
    expected = f"projects/{stand.number}/secrets/stripe"
    assert stand.sm.get_secret(name=name).name == expected
    assert stand.sm.get_secret(name=expected).name == expected
    assert [row.name for row in stand.sm.list_secrets(parent=stand.parent)] == [expected]
    stand.cloud.knobs.answer_with_id = True
    assert stand.sm.get_secret(name=name).name == name


def test_a_delayed_destruction_can_be_called_off(stand: Stand) -> None:
    """With version_destroy_ttl a destroyed version is disabled first, can be restored, and is destroyed when due."""
    name = create(stand, version_destroy_ttl=duration_pb2.Duration(seconds=86_400))
    version = f"{name}/versions/1"
    planned = stand.sm.destroy_secret_version(name=version)
    assert planned.state == State.DISABLED
    assert planned.scheduled_destroy_time.timestamp() == (stand.clock.now() + timedelta(days=1)).timestamp()
    restored = stand.sm.enable_secret_version(name=version)
    assert (restored.state, restored.scheduled_destroy_time) == (State.ENABLED, None)
    stand.clock.advance(timedelta(days=2))
    assert stand.sm.access_secret_version(name=version).payload.data == b"v0"
    stand.sm.destroy_secret_version(name=version)
    stand.clock.advance(timedelta(hours=23))
    assert stand.sm.get_secret_version(name=version).state == State.DISABLED
    stand.clock.advance(timedelta(hours=1))
    assert stand.sm.get_secret_version(name=version).state == State.DESTROYED


def test_an_expired_secret_is_gone(stand: Stand) -> None:
    """A ttl becomes an expire_time, and then the secret and its versions are deleted."""
    name = create(stand, ttl=duration_pb2.Duration(seconds=600))
    assert stand.sm.get_secret(name=name).expire_time.timestamp() == stand.clock.now().timestamp() + 600
    stand.clock.advance(timedelta(seconds=600))
    with pytest.raises(exceptions.NotFound):
        stand.sm.get_secret(name=name)
    assert list(stand.sm.list_secrets(parent=stand.parent)) == []


def test_a_rotation_schedule_only_tells(stand: Stand) -> None:
    """When it is due a message is published and the time moves on; no version appears."""
    rotation = {"rotation_period": duration_pb2.Duration(seconds=7_200), "next_rotation_time": in_seconds(stand, 3_600)}
    name = create(stand, topics=[{"name": f"{stand.parent}/topics/rotate"}], rotation=rotation)
    stand.clock.advance(timedelta(hours=6))
    found = stand.sm.get_secret(name=name)
    assert found.rotation.next_rotation_time.timestamp() == stand.clock.now().timestamp() + 3_600
    assert len(list(stand.sm.list_secret_versions(parent=name))) == 1
    messages = [(one.event, one.topics) for one in stand.cloud.secrets.published]
    assert messages == [("SECRET_ROTATE", (f"{stand.parent}/topics/rotate",))] * 3


def test_a_single_announced_rotation_stays_in_the_past(stand: Stand) -> None:
    """Without a period the passed time remains visible: that is how an overdue rotation is seen."""
    planned = in_seconds(stand, 600)
    name = create(stand, topics=[{"name": "projects/p/topics/t"}], rotation={"next_rotation_time": planned})
    stand.clock.advance(timedelta(days=1))
    assert stand.sm.get_secret(name=name).rotation.next_rotation_time.timestamp() == planned.seconds
    assert [one.event for one in stand.cloud.secrets.published] == ["SECRET_ROTATE"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"rotation": {"rotation_period": {"seconds": 3_600}}, "topics": [{"name": "t"}]}, "next_rotation_time"),
        ({"rotation": {"rotation_period": {"seconds": 60}}, "soon": 600, "topics": [{"name": "t"}]}, "rotation_period"),
        ({"rotation": {}, "soon": 299, "topics": [{"name": "t"}]}, "300s"),
        ({"rotation": {}, "soon": 600}, "Topics"),
        ({"labels": {"Owner": "x"}}, "label"),
        ({"labels": {"owner": "a@b"}}, "label"),
        ({"annotations": {"nhisync:name": "x"}}, "annotation"),
        ({"annotations": {"big": "x" * 16_384}}, "16 KiB"),
        ({"topics": [{"name": f"t{n}"} for n in range(11)]}, "10 topics"),
        ({"version_aliases": {"latest": 1}}, "alias"),
        ({"version_aliases": {f"a{n}": 1 for n in range(51)}}, "50 version aliases"),
        ({"replication": {}}, "replication"),
        ({"replication": {"user_managed": {"replicas": []}}}, "replica"),
        ({"replication": {"automatic": {"customer_managed_encryption": {"kms_key_name": KEY.format("eu")}}}}, "global"),
        ({"customer_managed_encryption": {"kms_key_name": KEY.format("global")}}, "regional"),
    ],
)
def test_what_the_service_refuses(stand: Stand, fields: dict[str, Any], text: str) -> None:
    """Every rule of a secret's fields is enforced, with INVALID_ARGUMENT."""
    soon = fields.pop("soon", None)
    if soon is not None:
        fields["rotation"] = {**fields["rotation"], "next_rotation_time": in_seconds(stand, soon)}
    with pytest.raises(exceptions.InvalidArgument, match=text):
        stand.sm.create_secret(parent=stand.parent, secret_id="bad", secret={**AUTOMATIC, **fields})


def test_replicas_show_their_keys(stand: Stand) -> None:
    """A user-managed replica's version names the key version it is encrypted with; a broken key ends reading."""
    keys = {each: KEY.format(each) for each in ("europe-west1", "europe-north1")}
    stand.seed("secret", "stripe", replicas=tuple(keys), kms=keys)
    name = f"{stand.parent}/secrets/stripe"
    version = stand.sm.get_secret_version(name=f"{name}/versions/latest")
    shown = {
        row.location: row.customer_managed_encryption.kms_key_version_name
        for row in version.replication_status.user_managed.replicas
    }
    assert shown == {each: f"{key}/cryptoKeyVersions/1" for each, key in keys.items()}
    stand.cloud.secrets.broken_keys.add(keys["europe-west1"])
    assert stand.sm.access_secret_version(name=f"{name}/versions/latest").payload.data
    stand.cloud.secrets.broken_keys.add(keys["europe-north1"])
    with pytest.raises(exceptions.FailedPrecondition, match="KMS"):
        stand.sm.access_secret_version(name=f"{name}/versions/latest")


def test_regional_secrets_live_on_their_own_endpoint(stand: Stand) -> None:
    """Neither endpoint knows the other's secrets, and each refuses the other's names by their form."""
    regional = stand.regional
    parent = f"{stand.parent}/locations/{LOCATION}"
    regional.create_secret(parent=parent, secret_id="stripe", secret={})
    regional.add_secret_version(parent=f"{parent}/secrets/stripe", payload={"data": b"regional"})
    create(stand, "stripe")
    found = regional.access_secret_version(name=f"{parent}/secrets/stripe/versions/1")
    assert (found.payload.data, found.name) == (
        b"regional",
        f"projects/{stand.number}/locations/{LOCATION}/secrets/stripe/versions/1",
    )
    assert stand.sm.access_secret_version(name=f"{stand.parent}/secrets/stripe/versions/1").payload.data == b"v0"
    with pytest.raises(exceptions.InvalidArgument, match="does not match the expected format"):
        stand.sm.get_secret(name=f"{parent}/secrets/stripe")
    with pytest.raises(exceptions.InvalidArgument, match="does not match the expected format"):
        regional.get_secret(name=f"{stand.parent}/secrets/stripe")
    with pytest.raises(exceptions.InvalidArgument, match="does not match the expected format"):
        regional.list_secrets(parent=f"{stand.parent}/locations/us-east1")
    with pytest.raises(exceptions.InvalidArgument, match="Replication"):
        regional.create_secret(parent=parent, secret_id="other", secret=AUTOMATIC)


def test_managed_rotation_mints_the_password_itself(stand: Stand) -> None:
    """Only regional, typed secrets; enabled once; each rotation changes the database and adds a version."""
    regional, parent = stand.regional, f"{stand.parent}/locations/{LOCATION}"
    name = f"{parent}/secrets/db"
    regional.create_secret(parent=parent, secret_id="db", secret={"secret_type": "CLOUD_SQL_DB_CREDENTIALS"})
    with pytest.raises(exceptions.FailedPrecondition):
        regional.rotate_secret(request={"parent": name})
    wanted = {"instance_id": "db-1", "username": "app", "password": "canary-first"}
    request = {"parent": name, "cloud_sql_single_user_credentials": wanted}
    regional.enable_managed_rotation(request=request)
    assert stand.cloud.database_passwords["db-1", "app"] == "canary-first"
    with pytest.raises(exceptions.FailedPrecondition):
        regional.enable_managed_rotation(request=request)
    assert regional.rotate_secret(request={"parent": name}).name.endswith("/versions/2")
    password = stand.cloud.database_passwords["db-1", "app"]
    assert password.encode() in regional.access_secret_version(name=f"{name}/versions/2").payload.data
    status = regional.get_secret(name=name).rotation.managed_rotation_status
    assert status.state == types.Rotation.ManagedRotationStatus.State.ACTIVE
    stand.cloud.databases_refuse["db-1"] = "the identity lacks cloudsql.users.update"
    with pytest.raises(exceptions.FailedPrecondition):
        regional.rotate_secret(request={"parent": name})
    status = regional.get_secret(name=name).rotation.managed_rotation_status
    assert (status.state.name, status.error.code) == ("INACTIVE", 7)
    assert stand.cloud.database_passwords["db-1", "app"] == password


def test_lists_and_latest_lag_behind_but_numbers_do_not(stand: Stand) -> None:
    """For a while a list lacks what is new and shows what is gone, and ``latest`` is the version before."""
    old = create(stand, "old")
    stand.clock.advance(timedelta(minutes=10))
    stand.cloud.knobs.list_lag = timedelta(minutes=5)
    new = create(stand, "new")
    stand.sm.add_secret_version(parent=old, payload={"data": b"v1"})
    assert [row.name.rpartition("/")[2] for row in stand.sm.list_secrets(parent=stand.parent)] == ["old"]
    assert stand.sm.access_secret_version(name=f"{old}/versions/latest").payload.data == b"v0"
    assert stand.sm.access_secret_version(name=f"{old}/versions/2").payload.data == b"v1"
    assert len(list(stand.sm.list_secret_versions(parent=old))) == 1
    with pytest.raises(exceptions.NotFound):
        stand.sm.access_secret_version(name=f"{new}/versions/latest")
    stand.sm.delete_secret(name=old)
    assert [row.name.rpartition("/")[2] for row in stand.sm.list_secrets(parent=stand.parent)] == ["old"]
    stand.clock.advance(timedelta(minutes=5))
    assert [row.name.rpartition("/")[2] for row in stand.sm.list_secrets(parent=stand.parent)] == ["new"]


def test_filters_hold_every_term(stand: Stand) -> None:
    """Terms are joined; an unknown filter is refused, not ignored; a filtered list has no total."""
    create(stand, "stripe-live", labels={"app": "pay"})
    create(stand, "stripe-test")
    create(stand, "wiki", labels={"app": "wiki"})

    def names(text: str) -> list[str]:
        found = stand.sm.list_secrets(request={"parent": stand.parent, "filter": text})
        return [row.name.rpartition("/")[2] for row in found]

    assert names("name:stripe") == ["stripe-test", "stripe-live"]
    assert names("name:stripe AND labels.app=pay") == ["stripe-live"]
    assert names("labels.app:ik") == ["wiki"]
    assert next(iter(stand.sm.list_secrets(parent=stand.parent).pages)).total_size == 3
    assert next(iter(stand.sm.list_secrets(request={"parent": stand.parent, "filter": "name:w"}).pages)).total_size == 0
    with pytest.raises(exceptions.InvalidArgument):
        names("create_time>2020-01-01")
    stand.sm.disable_secret_version(name=f"{stand.parent}/secrets/wiki/versions/1")
    rows = stand.sm.list_secret_versions(request={"parent": f"{stand.parent}/secrets/wiki", "filter": "state:ENABLED"})
    assert list(rows) == []


def test_the_permission_comes_before_existence(stand: Stand) -> None:
    """Who may not look learns nothing: missing and forbidden are one answer, which names the permission."""
    name = create(stand)
    sm = stand.nhisync.secrets(stand.global_address)
    assert sm.get_secret(name=name).name
    for version in (f"{name}/versions/1", f"{stand.parent}/secrets/missing/versions/1"):
        with pytest.raises(exceptions.PermissionDenied, match=r"\(or it may not exist\)") as refusal:
            sm.access_secret_version(name=version)
        info = next(one for one in refusal.value.details if isinstance(one, error_details_pb2.ErrorInfo))
        assert (info.reason, info.metadata["permission"]) == (
            "IAM_PERMISSION_DENIED",
            "secretmanager.versions.access",
        )
        assert any(isinstance(one, error_details_pb2.RequestInfo) and one.request_id for one in refusal.value.details)
    with pytest.raises(exceptions.NotFound):
        sm.get_secret(name=f"{stand.parent}/secrets/missing")
    for parent in ("projects/no-such-project", "projects/1"):
        with pytest.raises(exceptions.PermissionDenied):
            sm.list_secrets(parent=parent)


def test_a_binding_on_one_secret_opens_only_that_one(stand: Stand) -> None:
    """A role bound to a secret grants there; test_iam_permissions says so, and says nothing about missing secrets."""
    name, other = create(stand, "one"), create(stand, "two")
    member = stand.source.identity.member
    policy = {"bindings": [{"role": "roles/secretmanager.secretAccessor", "members": [member]}]}
    stand.sm.set_iam_policy(request={"resource": name, "policy": policy})
    sm = stand.nhisync.secrets(stand.global_address)
    asked = ["secretmanager.versions.access", "secretmanager.secrets.get", "secretmanager.secrets.delete"]

    def held(resource: str) -> list[str]:
        return list(sm.test_iam_permissions(request={"resource": resource, "permissions": asked}).permissions)

    assert sm.access_secret_version(name=f"{name}/versions/1").payload.data == b"v0"
    with pytest.raises(exceptions.PermissionDenied):
        sm.access_secret_version(name=f"{other}/versions/1")
    assert held(name) == asked[:2]
    assert held(other) == asked[1:2]
    assert held(f"{stand.parent}/secrets/missing") == []


def test_a_new_secret_does_not_inherit_the_policy_of_an_old_one(stand: Stand) -> None:
    """Deleting a secret ends its policy; a secret of the same name begins without one."""
    name, member = create(stand), stand.source.identity.member
    stand.cloud.access.bind(name, "roles/secretmanager.secretAccessor", member, stand.clock.now())
    sm = stand.nhisync.secrets(stand.global_address)
    assert sm.access_secret_version(name=f"{name}/versions/1").payload.data == b"v0"
    stand.sm.delete_secret(name=name)
    create(stand)
    with pytest.raises(exceptions.PermissionDenied):
        sm.access_secret_version(name=f"{name}/versions/1")
    assert len(stand.sm.get_iam_policy(request={"resource": name}).bindings) == 0


def test_conditions_are_shown_only_in_version_three(stand: Stand) -> None:
    """An older reader sees a renamed role without its condition; a conditional binding grants nothing here."""
    name = create(stand)
    member = stand.source.identity.member
    condition = {"title": "t", "expression": 'resource.name.endsWith("x")'}
    role = "roles/secretmanager.secretAccessor"
    policy = {"version": 3, "bindings": [{"role": role, "members": [member], "condition": condition}]}
    stand.sm.set_iam_policy(request={"resource": name, "policy": policy})
    plain = stand.sm.get_iam_policy(request={"resource": name}).bindings[0]
    full = stand.sm.get_iam_policy(request={"resource": name, "options": {"requested_policy_version": 3}}).bindings[0]
    assert plain.role.startswith(f"{role}_withcond_")
    assert not plain.HasField("condition")
    assert (full.role, full.condition.title) == (role, "t")
    with pytest.raises(exceptions.PermissionDenied):
        stand.nhisync.secrets(stand.global_address).access_secret_version(name=f"{name}/versions/1")


def test_policies_take_their_time(stand: Stand) -> None:
    """With the knob on, a grant and its removal take effect minutes later."""
    name, member = create(stand), stand.source.identity.member
    stand.clock.advance(timedelta(minutes=10))
    stand.cloud.knobs.propagation = timedelta(minutes=2)
    sm = stand.nhisync.secrets(stand.global_address)
    stand.cloud.access.bind(name, "roles/secretmanager.secretAccessor", member, stand.clock.now())
    with pytest.raises(exceptions.PermissionDenied):
        sm.access_secret_version(name=f"{name}/versions/1")
    stand.clock.advance(timedelta(minutes=2))
    assert sm.access_secret_version(name=f"{name}/versions/1").payload.data == b"v0"
    stand.cloud.access.unbind(member, stand.clock.now())
    assert sm.access_secret_version(name=f"{name}/versions/1").payload.data == b"v0"


def test_quotas_are_enforced_when_the_world_says_so(stand: Stand) -> None:
    """600 reads a minute for a project, two new versions a second for a secret, each with a time to come back."""
    name = create(stand, versions=0)
    stand.cloud.knobs.quotas = True
    for _ in range(2):
        stand.sm.add_secret_version(parent=name, payload={"data": b"x"})
    with pytest.raises(exceptions.ResourceExhausted) as refusal:
        stand.sm.add_secret_version(parent=name, payload={"data": b"x"})
    waits = [one for one in refusal.value.details if isinstance(one, error_details_pb2.RetryInfo)]
    assert [one.retry_delay.ToTimedelta() for one in waits] == [timedelta(seconds=1)]
    stand.clock.advance(timedelta(seconds=1))
    assert stand.sm.add_secret_version(parent=name, payload={"data": b"x"}).name.endswith("/3")
    for _ in range(600):
        stand.sm.get_secret(name=name)
    with pytest.raises(exceptions.ResourceExhausted, match="Read requests"):
        stand.sm.get_secret(name=name)
    stand.clock.advance(timedelta(minutes=1))
    assert stand.sm.get_secret(name=name).name


def test_ten_thousand_secrets_are_one_page(stand: Stand) -> None:
    """The server's page holds up to 25,000; larger wishes are capped, odd tokens refused."""
    for index in range(10_000):
        stand.seed("secret", f"s-{index:05}", created=timedelta(days=1), rotated=None)
    first = next(iter(stand.sm.list_secrets(request={"parent": stand.parent, "page_size": 30_000}).pages))
    assert (len(first.secrets), first.next_page_token, first.total_size) == (10_000, "", 10_000)
    for request in ({"page_token": "bm90aGluZw=="}, {"page_token": "?"}, {"page_size": -1}):
        with pytest.raises(exceptions.InvalidArgument):
            stand.sm.list_secrets(request={"parent": stand.parent, **request})
    token = next(iter(stand.sm.list_secrets(request={"parent": stand.parent, "page_size": 1}).pages)).next_page_token
    request = {"parent": f"{stand.parent}/secrets/s-00000", "page_token": token}
    with pytest.raises(exceptions.InvalidArgument):
        stand.sm.list_secret_versions(request=request)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_crc32c_holds_what_a_crc_holds(one: bytes, two: bytes) -> None:
    """It matches the check value of the standard and is linear over equal lengths, as every CRC is."""
    assert crc32c(b"123456789") == 0xE3069283
    size = min(len(one), len(two))
    one, two = one[:size], two[:size]
    mixed = bytes(a ^ b for a, b in zip(one, two, strict=True))
    assert crc32c(mixed) == crc32c(one) ^ crc32c(two) ^ crc32c(bytes(size))
