"""KV version 2: what hvac sees of versions, deletion, check-and-set, metadata and listings."""

from datetime import timedelta
from typing import Any

import hvac.exceptions
import pytest


def put(server: Any, mount: str, path: str, **fields: str) -> dict[str, Any]:
    """Write one version through hvac."""
    answer = server.root.secrets.kv.v2.create_or_update_secret(path=path, secret=fields, mount_point=mount)
    return dict(answer["data"])


def test_versions_start_at_one_and_the_newest_is_read(server: Any) -> None:
    """The first write is version 1; a read without a version gives the newest, with a version that one."""
    mount = server.mount_kv()
    assert put(server, mount, "a/b", k="1")["version"] == 1
    assert put(server, mount, "a/b", k="2")["version"] == 2
    kv = server.root.secrets.kv.v2
    assert kv.read_secret_version(path="a/b", mount_point=mount, raise_on_deleted_version=True)["data"]["data"] == {
        "k": "2"
    }
    old = kv.read_secret_version(path="a/b", version=1, mount_point=mount, raise_on_deleted_version=True)
    assert old["data"]["data"] == {"k": "1"}
    assert old["data"]["metadata"]["version"] == 1


def test_a_deleted_version_is_a_404_with_its_metadata(server: Any) -> None:
    """A soft-deleted version answers 404, but with the body that tells it from a missing key."""
    mount = server.mount_kv()
    put(server, mount, "gone", k="1")
    server.root.secrets.kv.v2.delete_latest_version_of_secret(path="gone", mount_point=mount)
    answer = server.raw("GET", f"{mount}/data/gone")
    assert answer.status_code == 404
    assert answer.json()["data"]["data"] is None
    assert answer.json()["data"]["metadata"]["deletion_time"] != ""
    missing = server.raw("GET", f"{mount}/data/never")
    assert (missing.status_code, missing.json()) == (404, {"errors": []})


def test_undelete_brings_a_version_back_and_destroy_does_not(server: Any) -> None:
    """Undelete restores the data; destroy is final and also a 404 with a body."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    put(server, mount, "x", k="1")
    kv.delete_secret_versions(path="x", versions=[1], mount_point=mount)
    kv.undelete_secret_versions(path="x", versions=[1], mount_point=mount)
    assert server.raw("GET", f"{mount}/data/x").status_code == 200
    kv.destroy_secret_versions(path="x", versions=[1], mount_point=mount)
    kv.undelete_secret_versions(path="x", versions=[1], mount_point=mount)
    answer = server.raw("GET", f"{mount}/data/x")
    assert answer.status_code == 404
    assert answer.json()["data"]["metadata"]["destroyed"] is True


def test_check_and_set_refuses_another_version(server: Any) -> None:
    """Cas 0 only creates; a wrong cas is a 400 in the exact words that callers match on."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    kv.create_or_update_secret(path="c", secret={"k": "1"}, cas=0, mount_point=mount)
    with pytest.raises(
        hvac.exceptions.InvalidRequest, match="check-and-set parameter did not match the current version"
    ):
        kv.create_or_update_secret(path="c", secret={"k": "2"}, cas=0, mount_point=mount)
    kv.create_or_update_secret(path="c", secret={"k": "2"}, cas=1, mount_point=mount)


def test_cas_can_be_required_by_the_mount(server: Any) -> None:
    """With cas_required a write without cas is a 400."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    kv.configure(cas_required=True, mount_point=mount)
    assert kv.read_configuration(mount_point=mount)["data"]["cas_required"] is True
    with pytest.raises(hvac.exceptions.InvalidRequest, match="check-and-set parameter required for this call"):
        put(server, mount, "c", k="1")


def test_the_oldest_versions_are_pruned(server: Any) -> None:
    """max_versions 0 keeps ten versions; a key's own number counts too."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    for number in range(12):
        put(server, mount, "many", k=str(number))
    metadata = kv.read_secret_metadata(path="many", mount_point=mount)["data"]
    assert metadata["current_version"] == 12
    assert len(metadata["versions"]) == 10
    assert metadata["max_versions"] == 0
    assert server.raw("GET", f"{mount}/data/many?version=1").status_code == 404


def test_patch_merges_one_level_of_fields(server: Any) -> None:
    """A JSON merge patch adds, changes and removes fields in a new version."""
    mount = server.mount_kv()
    put(server, mount, "p", a="1", b="2")
    body = {"data": {"b": None, "c": "3"}, "options": {"cas": 1}}
    answer = server.raw("PATCH", f"{mount}/data/p", json=body, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200
    assert answer.json()["data"]["version"] == 2
    assert server.raw("GET", f"{mount}/data/p").json()["data"]["data"] == {"a": "1", "c": "3"}


def test_patch_wants_its_own_content_type(server: Any) -> None:
    """Any other content type is a 415; a missing key a 404."""
    mount = server.mount_kv()
    assert server.raw("PATCH", f"{mount}/data/p", json={"data": {}}).status_code == 415
    headers = {"Content-Type": "application/merge-patch+json"}
    assert server.raw("PATCH", f"{mount}/data/p", json={"data": {}}, headers=headers).status_code == 404


def test_custom_metadata_round_trips_within_its_limits(server: Any) -> None:
    """Custom metadata is stored as strings; too long a value is a 400 that names the limit."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    kv.update_metadata(path="m", custom_metadata={"owner": "payments"}, mount_point=mount)
    metadata = kv.read_secret_metadata(path="m", mount_point=mount)["data"]
    assert metadata["custom_metadata"] == {"owner": "payments"}
    assert metadata["current_version"] == 0
    with pytest.raises(hvac.exceptions.InvalidRequest, match="must be 0 < len\\(value\\) <= 512"):
        kv.update_metadata(path="m", custom_metadata={"owner": "x" * 513}, mount_point=mount)
    with pytest.raises(hvac.exceptions.InvalidRequest, match="at most 64 keys"):
        kv.update_metadata(path="m", custom_metadata={str(n): "x" for n in range(65)}, mount_point=mount)


def test_deletion_time_is_empty_until_there_is_one(server: Any) -> None:
    """Unset deletion times print as ""; delete_version_after makes them a future instant while the data still reads."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    put(server, mount, "d", k="1")
    assert kv.read_secret_metadata(path="d", mount_point=mount)["data"]["versions"]["1"]["deletion_time"] == ""
    kv.update_metadata(path="d", delete_version_after="1h", mount_point=mount)
    put(server, mount, "d", k="2")
    metadata = kv.read_secret_metadata(path="d", mount_point=mount)["data"]
    assert metadata["versions"]["2"]["deletion_time"] > metadata["versions"]["2"]["created_time"]
    assert metadata["delete_version_after"] == "1h0m0s"
    assert server.raw("GET", f"{mount}/data/d").status_code == 200


def test_scheduled_deletion_happens_by_itself(emulated: Any, clock: Any) -> None:
    """Once the scheduled deletion time has passed the version reads as deleted."""
    mount, kv = emulated.mount_kv(), emulated.root.secrets.kv.v2
    kv.update_metadata(path="d", delete_version_after="1h", mount_point=mount)
    put(emulated, mount, "d", k="1")
    clock.advance(timedelta(hours=1, seconds=1))
    assert emulated.raw("GET", f"{mount}/data/d").status_code == 404


def test_list_shows_one_level_with_folders(server: Any) -> None:
    """A listing is sorted, one level deep, and marks folders with a slash; an empty one is a bare 404."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    for path in ("b", "a/x", "a/y/z", "a"):
        put(server, mount, path, k="1")
    assert kv.list_secrets(path="", mount_point=mount)["data"]["keys"] == ["a", "a/", "b"]
    assert kv.list_secrets(path="a", mount_point=mount)["data"]["keys"] == ["x", "y/"]
    missing = server.raw("LIST", f"{mount}/metadata/nothing")
    assert (missing.status_code, missing.json()) == (404, {"errors": []})
    as_get = server.raw("GET", f"{mount}/metadata/a?list=true")
    assert as_get.json()["data"]["keys"] == ["x", "y/"]


def test_subkeys_show_names_without_values(server: Any) -> None:
    """Subkeys keeps the structure and nulls every leaf."""
    mount = server.mount_kv()
    server.root.secrets.kv.v2.create_or_update_secret(
        path="s", secret={"a": "canary", "b": {"c": "canary"}}, mount_point=mount
    )
    answer = server.raw("GET", f"{mount}/subkeys/s")
    assert answer.json()["data"]["subkeys"] == {"a": None, "b": {"c": None}}
    assert "canary" not in answer.text
    assert server.raw("GET", f"{mount}/subkeys/s?depth=1").json()["data"]["subkeys"] == {"a": None, "b": None}


def test_deleting_metadata_removes_the_key(server: Any) -> None:
    """After metadata DELETE the key never existed."""
    mount, kv = server.mount_kv(), server.root.secrets.kv.v2
    put(server, mount, "k", k="1")
    kv.delete_metadata_and_all_versions(path="k", mount_point=mount)
    with pytest.raises(hvac.exceptions.InvalidPath):
        kv.read_secret_metadata(path="k", mount_point=mount)


def test_openbao_pages_lists(openbao: Any) -> None:
    """Limit cuts a listing and after continues strictly behind its argument, which need not exist."""
    mount = openbao.mount_kv()
    for name in ("a", "b", "c/x", "d"):
        put(openbao, mount, name, k="1")
    first = openbao.raw("LIST", f"{mount}/metadata/?limit=2").json()["data"]["keys"]
    assert first == ["a", "b"]
    assert openbao.raw("LIST", f"{mount}/metadata/?limit=2&after=b").json()["data"]["keys"] == ["c/", "d"]
    assert openbao.raw("LIST", f"{mount}/metadata/?after=bb&limit=0").json()["data"]["keys"] == ["c/", "d"]
    assert openbao.raw("LIST", f"{mount}/metadata/?after=d&limit=2").status_code == 404


def test_openbao_lists_metadata_in_detail(openbao: Any) -> None:
    """detailed-metadata gives keys and their metadata in one call; folders have an empty entry."""
    mount = openbao.mount_kv()
    put(openbao, mount, "a", k="1")
    put(openbao, mount, "f/b", k="1")
    data = openbao.raw("LIST", f"{mount}/detailed-metadata/").json()["data"]
    assert data["keys"] == ["a", "f/"]
    assert data["key_info"]["a"]["current_version"] == 1
    assert data["key_info"]["f/"] == {}
    scanned = openbao.raw("SCAN", f"{mount}/detailed-metadata/").json()["data"]
    assert sorted(scanned["keys"]) == ["a", "f/b"]
    assert scanned["key_info"]["f/b"]["current_version"] == 1
    assert sorted(openbao.raw("SCAN", f"{mount}/metadata/").json()["data"]["keys"]) == ["a", "f/b"]


def test_vault_neither_pages_nor_scans(emulated: Any) -> None:
    """The Vault flavour ignores paging parameters and knows neither SCAN nor detailed-metadata."""
    if emulated.openbao:
        return
    mount = emulated.mount_kv()
    for name in ("a", "b", "c"):
        put(emulated, mount, name, k="1")
    assert emulated.raw("LIST", f"{mount}/metadata/?limit=1&after=b").json()["data"]["keys"] == ["a", "b", "c"]
    assert emulated.raw("SCAN", f"{mount}/metadata/").status_code == 405
    assert emulated.raw("LIST", f"{mount}/detailed-metadata/").status_code == 404


def test_a_missing_mount_is_told_from_a_missing_key(server: Any) -> None:
    """Both are 404; only the missing mount says that no handler exists."""
    answer = server.raw("GET", "no-such-mount/data/x")
    assert answer.status_code == 404
    assert answer.json()["errors"] == ['no handler for route "no-such-mount/data/x". route entry not found.']


def test_names_with_blanks_percent_and_unicode_round_trip(server: Any) -> None:
    """A name is what its percent-decoded path says."""
    mount = server.mount_kv()
    for quoted, name in (("a%20b", "a b"), ("50%25", "50%"), ("caf%C3%A9", "café"), ("a%3Db", "a=b")):
        assert server.raw("POST", f"{mount}/data/{quoted}", json={"data": {"k": "1"}}).status_code == 200
        assert name in server.raw("LIST", f"{mount}/metadata/").json()["data"]["keys"]
        assert server.raw("GET", f"{mount}/metadata/{quoted}").status_code == 200


def test_a_name_that_is_no_utf8_lists_but_cannot_be_read(emulated: Any) -> None:
    """Go prints U+FFFD for such bytes, so the listed name is not the stored one."""
    mount = emulated.mount_kv()
    assert emulated.raw("POST", f"{mount}/data/x%FF", json={"data": {"k": "1"}}).status_code == 200
    assert emulated.raw("LIST", f"{mount}/metadata/").json()["data"]["keys"] == ["x\ufffd"]
    assert emulated.raw("GET", f"{mount}/metadata/x%EF%BF%BD").status_code == 404


def test_unprintable_names_are_refused(emulated: Any) -> None:
    """Control characters in a path are a 400."""
    mount = emulated.mount_kv()
    assert emulated.raw("POST", f"{mount}/data/a%09b", json={"data": {"k": "1"}}).status_code == 400
