"""Secret Manager's contract through the real SDK: the emulator and every server that the environment names hold it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types

from .emulator_stand import SecretServer, open_server

State = types.SecretVersion.State


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SecretServer]:
    """A server with a project to write in."""
    with open_server(tmp_path) as made:
        yield made


def last(name: str) -> str:
    """Last segment of a resource name; what stands before may spell the project by id or number."""
    return name.rpartition("/")[2]


def test_a_secret_is_created_read_listed_and_deleted(server: SecretServer) -> None:
    """Its fields come back, a list holds it, and after deletion it is not found."""
    name = server.create(labels={"owner": "payments"})
    found = server.sm.get_secret(name=name)
    assert (last(found.name), dict(found.labels)) == (last(name), {"owner": "payments"})
    assert "automatic" in found.replication
    assert found.create_time.timestamp() > 0
    assert last(name) in {last(row.name) for row in server.sm.list_secrets(parent=server.parent)}
    server.sm.delete_secret(name=name)
    with pytest.raises(exceptions.NotFound):
        server.sm.get_secret(name=name)
    server.sm.create_secret(parent=server.parent, secret_id=last(name), secret={"replication": {"automatic": {}}})


def test_a_name_is_taken_once(server: SecretServer) -> None:
    """A second secret of a name is refused."""
    name = server.create()
    with pytest.raises(exceptions.AlreadyExists):
        server.create(last(name))


def test_versions_count_from_one_and_are_listed_newest_first(server: SecretServer) -> None:
    """Ids are numbers in order; a list begins with the newest."""
    name = server.create()
    assert [server.add(name), server.add(name), server.add(name)] == ["1", "2", "3"]
    assert [last(row.name) for row in server.sm.list_secret_versions(parent=name)] == ["3", "2", "1"]


def test_a_payload_comes_back_with_its_checksum(server: SecretServer) -> None:
    """Access by number returns the bytes and their CRC-32C, which the service computes itself."""
    name = server.create()
    server.add(name, b"123456789")
    answer = server.sm.access_secret_version(name=f"{name}/versions/1")
    assert answer.payload.data == b"123456789"
    assert answer.payload.data_crc32c == 0xE3069283
    assert last(answer.name) == "1"


def test_a_wrong_checksum_is_refused(server: SecretServer) -> None:
    """A payload that was damaged on its way makes no version."""
    name = server.create()
    with pytest.raises(exceptions.InvalidArgument):
        server.sm.add_secret_version(parent=name, payload={"data": b"damaged", "data_crc32c": 1})
    assert list(server.sm.list_secret_versions(parent=name)) == []


def test_a_right_checksum_is_noted(server: SecretServer) -> None:
    """The version remembers that its writer named the checksum."""
    name = server.create()
    payload = {"data": b"123456789", "data_crc32c": 0xE3069283}
    made = server.sm.add_secret_version(parent=name, payload=payload)
    assert made.client_specified_payload_checksum


def test_latest_is_the_newest_version_whatever_its_state(server: SecretServer) -> None:
    """Disabling the newest version breaks readers of ``latest``; it does not fall back to an older one."""
    name = server.create()
    server.add(name, b"old")
    server.add(name, b"new")
    assert server.sm.access_secret_version(name=f"{name}/versions/latest").payload.data == b"new"
    server.sm.disable_secret_version(name=f"{name}/versions/2")
    assert last(server.sm.get_secret_version(name=f"{name}/versions/latest").name) == "2"
    with pytest.raises(exceptions.FailedPrecondition, match="DISABLED"):
        server.sm.access_secret_version(name=f"{name}/versions/latest")
    assert server.sm.access_secret_version(name=f"{name}/versions/1").payload.data == b"old"


def test_a_disabled_version_comes_back_and_a_destroyed_one_does_not(server: SecretServer) -> None:
    """Enable undoes disable; destroy forgets the payload for good and leaves the row."""
    name = server.create()
    server.add(name, b"value")
    version = f"{name}/versions/1"
    assert server.sm.disable_secret_version(name=version).state == State.DISABLED
    assert server.sm.enable_secret_version(name=version).state == State.ENABLED
    assert server.sm.access_secret_version(name=version).payload.data == b"value"
    destroyed = server.sm.destroy_secret_version(name=version)
    assert destroyed.state == State.DESTROYED
    assert destroyed.destroy_time.timestamp() > 0
    for call in (server.sm.access_secret_version, server.sm.enable_secret_version):
        with pytest.raises(exceptions.FailedPrecondition):
            call(name=version)
    assert [row.state for row in server.sm.list_secret_versions(parent=name)] == [State.DESTROYED]


def test_etags_guard_secrets_and_versions(server: SecretServer) -> None:
    """A stale etag is refused with FAILED_PRECONDITION; the current one passes and is replaced."""
    name = server.create()
    server.add(name)
    stale = server.sm.get_secret(name=name).etag
    mask = {"paths": ["annotations"]}
    made = server.sm.update_secret(secret={"name": name, "annotations": {"op": "1"}, "etag": stale}, update_mask=mask)
    assert made.etag != stale
    with pytest.raises(exceptions.FailedPrecondition):
        server.sm.update_secret(secret={"name": name, "annotations": {"op": "2"}, "etag": stale}, update_mask=mask)
    assert dict(server.sm.get_secret(name=name).annotations) == {"op": "1"}
    version = server.sm.get_secret_version(name=f"{name}/versions/1")
    server.sm.disable_secret_version(request={"name": f"{name}/versions/1", "etag": version.etag})
    for call in (server.sm.enable_secret_version, server.sm.destroy_secret_version):
        with pytest.raises(exceptions.FailedPrecondition):
            call(request={"name": f"{name}/versions/1", "etag": version.etag})
    with pytest.raises(exceptions.FailedPrecondition):
        server.sm.delete_secret(request={"name": name, "etag": stale})


def test_pages_hold_everything_once(server: SecretServer) -> None:
    """Small pages and one large page show the same versions, each once and in the same order."""
    name = server.create()
    for _ in range(7):
        server.add(name)
    small = server.sm.list_secret_versions(request={"parent": name, "page_size": 3})
    pages = [[last(row.name) for row in page.versions] for page in small.pages]
    assert pages == [["7", "6", "5"], ["4", "3", "2"], ["1"]]


def test_an_alias_names_a_version(server: SecretServer) -> None:
    """Get and access accept an alias; what changes a version does not."""
    name = server.create()
    server.add(name, b"one")
    server.add(name, b"two")
    server.sm.update_secret(
        secret={"name": name, "version_aliases": {"live": 1}}, update_mask={"paths": ["version_aliases"]}
    )
    assert server.sm.access_secret_version(name=f"{name}/versions/live").payload.data == b"one"
    with pytest.raises(exceptions.InvalidArgument):
        server.sm.disable_secret_version(name=f"{name}/versions/live")
    with pytest.raises(exceptions.NotFound):
        server.sm.get_secret_version(name=f"{name}/versions/gone")


def test_what_is_missing_is_not_found(server: SecretServer) -> None:
    """A caller who may know is told that a secret or a version does not exist."""
    name = server.create()
    missing = f"{server.parent}/secrets/nhisync-{uuid4().hex[:12]}"
    calls: list[tuple[Any, dict[str, str]]] = [
        (server.sm.get_secret, {"name": missing}),
        (server.sm.list_secret_versions, {"parent": missing}),
        (server.sm.access_secret_version, {"name": f"{name}/versions/latest"}),
        (server.sm.access_secret_version, {"name": f"{name}/versions/7"}),
    ]
    for call, arguments in calls:
        with pytest.raises(exceptions.NotFound):
            call(request=arguments, timeout=10)


def test_only_fields_of_the_mask_change(server: SecretServer) -> None:
    """The replication is immutable, an empty mask is refused, other fields stay."""
    name = server.create(labels={"owner": "payments"})
    server.sm.update_secret(
        secret={"name": name, "annotations": {"note": "x"}, "labels": {"owner": "nobody"}},
        update_mask={"paths": ["annotations"]},
    )
    assert dict(server.sm.get_secret(name=name).labels) == {"owner": "payments"}
    for paths in (["replication"], []):
        with pytest.raises(exceptions.InvalidArgument):
            server.sm.update_secret(secret={"name": name}, update_mask={"paths": paths})


def test_an_empty_and_an_oversized_payload_are_refused(server: SecretServer) -> None:
    """A payload has between one byte and 64 KiB."""
    name = server.create()
    for data in (b"", b"x" * 65_537):
        with pytest.raises(exceptions.InvalidArgument):
            server.add(name, data)
    assert server.add(name, b"x" * 65_536) == "1"


def test_a_policy_is_read_back_and_guarded_by_its_etag(server: SecretServer) -> None:
    """The second writer with the same etag loses."""
    name = server.create()
    policy = server.sm.get_iam_policy(request={"resource": name})
    policy.bindings.add(role="roles/secretmanager.secretAccessor", members=["allAuthenticatedUsers"])
    server.sm.set_iam_policy(request={"resource": name, "policy": policy})
    found = server.sm.get_iam_policy(request={"resource": name})
    assert [binding.role for binding in found.bindings] == ["roles/secretmanager.secretAccessor"]
    stale = type(policy)()
    stale.CopyFrom(found)
    server.sm.set_iam_policy(request={"resource": name, "policy": found})
    with pytest.raises(exceptions.Aborted):
        server.sm.set_iam_policy(request={"resource": name, "policy": stale})
