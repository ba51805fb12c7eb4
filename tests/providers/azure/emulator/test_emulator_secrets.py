"""Secrets of Key Vault as the real SDK sees them: versions, states, pages, deletion."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from .conftest import REAL_VAULT, code_of, fresh

LATER = datetime(2031, 1, 1, tzinfo=UTC)


def test_a_set_makes_a_version_and_the_newest_is_read(cloud: Any) -> None:
    """Each set adds a version of 32 hex digits; without a version the newest is read, with one that one."""
    name = fresh("pay")
    one = cloud.secrets.set_secret(name, "v1", content_type="text/plain", tags={"a": "1"}, expires_on=LATER)
    two = cloud.secrets.set_secret(name, "v2")
    assert len(one.properties.version) == 32
    assert one.properties.version != two.properties.version
    assert cloud.secrets.get_secret(name).value == "v2"
    old = cloud.secrets.get_secret(name, one.properties.version)
    assert (old.value, old.properties.content_type, old.properties.tags) == ("v1", "text/plain", {"a": "1"})
    assert old.properties.expires_on == LATER
    assert old.properties.recovery_level


def test_a_listed_secret_has_neither_version_nor_value(cloud: Any) -> None:
    """The collection shows the newest version's attributes under an id without a version."""
    name = fresh("list")
    cloud.secrets.set_secret(name, "v1", tags={"t": "old"})
    cloud.secrets.set_secret(name, "v2", tags={"t": "new"}, enabled=False)
    row = next(row for row in cloud.secrets.list_properties_of_secrets() if row.name == name)
    assert (row.version, row.enabled, row.tags) == (None, False, {"t": "new"})
    assert row.created_on is not None


def test_versions_are_listed_each_with_its_own_dates(cloud: Any) -> None:
    """Every version stands in the list of versions with its own attributes."""
    name = fresh("versions")
    made = {cloud.secrets.set_secret(name, f"v{n}").properties.version for n in range(3)}
    rows = list(cloud.secrets.list_properties_of_secret_versions(name))
    assert {row.version for row in rows} == made
    assert all(row.created_on is not None and row.enabled for row in rows)


def test_a_disabled_newest_version_hides_the_older_ones(cloud: Any) -> None:
    """The newest version is the current one even when it is disabled: 403 SecretDisabled, not the version before."""
    name = fresh("off")
    first = cloud.secrets.set_secret(name, "v1").properties.version
    second = cloud.secrets.set_secret(name, "v2").properties.version
    cloud.secrets.update_secret_properties(name, second, enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        cloud.secrets.get_secret(name)
    assert code_of(refused.value) == (403, "Forbidden", "SecretDisabled")
    assert cloud.secrets.get_secret(name, first).value == "v1"
    cloud.secrets.update_secret_properties(name, second, enabled=True)
    assert cloud.secrets.get_secret(name).value == "v2"


def test_an_update_moves_updated_on_and_adds_no_version(cloud: Any) -> None:
    """Tags, type and dates of one version change; the value and the other attributes stay."""
    name = fresh("patch")
    made = cloud.secrets.set_secret(name, "v1", content_type="a", tags={"x": "1"}).properties
    changed = cloud.secrets.update_secret_properties(name, made.version, tags={"y": "2"}, expires_on=LATER)
    assert (changed.tags, changed.content_type, changed.version) == ({"y": "2"}, "a", made.version)
    assert changed.updated_on >= made.updated_on
    assert [row.version for row in cloud.secrets.list_properties_of_secret_versions(name)] == [made.version]


def test_a_value_is_readable_outside_its_dates(cloud: Any) -> None:
    """Nbf and exp of a secret are informational only."""
    name = fresh("dates")
    past = datetime(2020, 1, 1, tzinfo=UTC)
    cloud.secrets.set_secret(name, "v1", not_before=past, expires_on=past + timedelta(days=1))
    assert cloud.secrets.get_secret(name).value == "v1"


def test_a_deleted_name_is_blocked_until_it_is_recovered(cloud: Any) -> None:
    """Deletion is soft: gone from the living, listed among the deleted, its name taken; recovery brings all back."""
    name = fresh("gone")
    version = cloud.secrets.set_secret(name, "v1").properties.version
    cloud.secrets.begin_delete_secret(name, _polling_interval=cloud.polls).wait()
    with pytest.raises(ResourceNotFoundError):
        cloud.secrets.get_secret(name)
    seen = cloud.secrets.get_deleted_secret(name)
    assert (seen.name, seen.properties.version) == (name, version)
    assert seen.scheduled_purge_date > seen.deleted_date
    assert name in {row.name for row in cloud.secrets.list_deleted_secrets()}
    with pytest.raises(ResourceExistsError) as refused:
        cloud.secrets.set_secret(name, "v2")
    assert code_of(refused.value) == (409, "Conflict", "ObjectIsDeletedButRecoverable")
    cloud.secrets.begin_recover_deleted_secret(name, _polling_interval=cloud.polls).wait()
    assert cloud.secrets.get_secret(name).properties.version == version


def test_a_purged_name_is_free(cloud: Any) -> None:
    """After a purge nothing is left of the name."""
    if REAL_VAULT:
        pytest.skip("a purge takes minutes on the real service")
    name = fresh("purged")
    cloud.secrets.set_secret(name, "v1")
    cloud.secrets.begin_delete_secret(name, _polling_interval=cloud.polls).wait()
    cloud.secrets.purge_deleted_secret(name)
    with pytest.raises(ResourceNotFoundError):
        cloud.secrets.get_deleted_secret(name)
    assert cloud.secrets.set_secret(name, "v2").value == "v2"


def test_pages_hold_at_most_25_and_follow_the_next_link(cloud: Any) -> None:
    """Forty versions come in two pages; a smaller maxresults makes more of them."""
    name = fresh("pages")
    for number in range(30):
        cloud.secrets.set_secret(name, str(number))
    pages = [list(page) for page in cloud.secrets.list_properties_of_secret_versions(name).by_page()]
    assert sum(map(len, pages)) == 30
    assert max(map(len, pages)) <= 25
    small = list(cloud.secrets.list_properties_of_secret_versions(name, max_page_size=7).by_page())
    assert len(small) >= 5


@pytest.mark.parametrize("wrong", [{"value": "x" * 25_601}, {"value": "x", "content_type": "t" * 256}])
def test_what_is_too_large_is_refused(cloud: Any, wrong: dict[str, str]) -> None:
    """A value of more than 25 KB and a content type of more than 255 characters are a 400."""
    with pytest.raises(HttpResponseError) as refused:
        cloud.secrets.set_secret(fresh("large"), **wrong)
    assert code_of(refused.value)[:2] == (400, "BadParameter")


def test_more_than_15_tags_are_refused(cloud: Any) -> None:
    """Sixteen tags are a 400."""
    with pytest.raises(HttpResponseError) as refused:
        cloud.secrets.set_secret(fresh("tags"), "v", tags={f"t{n}": "v" for n in range(16)})
    assert refused.value.status_code == 400


def test_an_unknown_name_or_version_is_a_404(cloud: Any) -> None:
    """Absence is said with its own code."""
    with pytest.raises(ResourceNotFoundError) as refused:
        cloud.secrets.get_secret(fresh("never"))
    assert code_of(refused.value)[:2] == (404, "SecretNotFound")
    name = fresh("once")
    cloud.secrets.set_secret(name, "v")
    with pytest.raises(ResourceNotFoundError):
        cloud.secrets.get_secret(name, "0" * 32)


def test_purge_protection_keeps_deleted_names(open_target: Any, world: Any) -> None:
    """A protected vault refuses the purge, and says so in the recovery level."""
    target = open_target(mode="rotate", purge_protection=True, retention_days=7)
    world.assign("primary", "azure", role="Key Vault Administrator")
    assert target.secrets.set_secret("kept", "v").properties.recovery_level == "CustomizedRecoverable"
    target.secrets.begin_delete_secret("kept", _polling_interval=0).wait()
    with pytest.raises(HttpResponseError) as refused:
        target.secrets.purge_deleted_secret("kept")
    assert refused.value.status_code == 403


def test_the_service_purges_when_the_retention_is_over(site: Any, clock: Any) -> None:
    """After the retention the name is gone by itself."""
    site.secrets.set_secret("old", "v")
    site.secrets.begin_delete_secret("old", _polling_interval=0).wait()
    clock.advance(timedelta(days=91))
    assert list(site.secrets.list_deleted_secrets()) == []
    assert site.secrets.set_secret("old", "v2").value == "v2"


def test_names_compare_without_case(site: Any) -> None:
    """A vault has one secret for both spellings."""
    site.secrets.set_secret("Mixed", "v1")
    site.secrets.set_secret("mixed", "v2")
    assert site.secrets.get_secret("MIXED").value == "v2"
    assert [row.name for row in site.secrets.list_properties_of_secrets()] == ["Mixed"]


def test_the_answer_tells_region_request_and_the_clouds_time(site: Any, clock: Any) -> None:
    """Every answer carries the region that served it, a request id and the cloud's date."""
    seen: dict[str, str] = {}
    site.secrets.set_secret("h", "v", raw_response_hook=lambda answer: seen.update(answer.http_response.headers))
    assert seen["x-ms-keyvault-region"] == "westeurope"
    assert len(seen["x-ms-request-id"]) == 36
    assert seen["Date"] == f"{clock.now():%a, %d %b %Y %H:%M:%S} GMT"
