"""The version before the newest one, or why there is none; a vault lists versions in no order that means anything."""

from datetime import timedelta

import pytest

from nhisync.spi import AccessMode, ErrorKind, ProviderError, SecretBytes
from nhisync_azure.emulator.vaults import SecretVersion

CANARY = "canary-value-77c1"


@pytest.fixture
def probing(source_of):
    """A source whose identity has what mode probe prints, and no more."""
    return source_of(mode="probe")


def add(site, name, **changes):
    """One more version of a secret, an hour younger than the one before."""
    vault = site.world.source("backup", "kv").vault
    entry = vault.secrets.get(name)
    newest = entry.newest
    when = newest.created + changes.pop("after", timedelta(hours=1))
    made = SecretVersion(id=site.world.cloud.ids.version(), created=when, updated=when, **{"value": CANARY, **changes})
    vault.secrets.add(name, made)
    return made


def before(site, name):
    """Fields of the version before, with their types."""
    return {one.field: one.value for one in site.provider().previous(site.locator(name), site.budget())}


def refused(site, name):
    """Why there is none."""
    with pytest.raises(ProviderError) as told:
        before(site, name)
    assert "canary" not in f"{told.value!r} {told.value.fact!r}"
    return told.value


@pytest.mark.requirement("R17")
def test_the_version_before_is_read(probing):
    """Not the newest one, and not the first of many."""
    probing.seed("secret", "db", rotated=None, fields={"password": "first"})
    add(probing, "db", value='{"password": "second"}')
    add(probing, "db", value='{"password": "third"}')
    found = before(probing, "secret/db")
    assert {field: value.reveal() for field, value in found.items()} == {"password": b"second"}
    assert all(type(value) is SecretBytes for value in found.values())


def test_a_first_version_has_none(probing):
    """Neither has a secret that is not there."""
    probing.seed("secret", "first", rotated=None, fields={"password": CANARY})
    assert refused(probing, "secret/first").kind is ErrorKind.NOT_FOUND
    assert refused(probing, "secret/never").kind is ErrorKind.NOT_FOUND


def test_a_disabled_version_is_not_passed_over(probing):
    """An older one would be another credential than the one that was replaced."""
    probing.seed("secret", "db", rotated=None, fields={"password": CANARY})
    add(probing, "db", enabled=False)
    add(probing, "db", value="newest")
    assert refused(probing, "secret/db").message == "the version before is disabled, so that nobody can read it"


def test_two_versions_of_one_second_have_no_order(probing):
    """Which one was replaced would be a guess."""
    probing.seed("secret", "db", rotated=None, fields={"password": CANARY})
    add(probing, "db", after=timedelta(0))
    assert refused(probing, "secret/db").kind is ErrorKind.CONFLICT


def test_other_kinds_keep_none(probing):
    """A key never leaves its vault."""
    assert refused(probing, "key/signing").kind is ErrorKind.UNSUPPORTED


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("fault", ["denied", "unavailable", "garbage", "cut", "drop"])
def test_no_value_is_in_a_failure(probing, fault):
    """Typed, in our own words."""
    probing.seed("secret", "db", fields={"password": CANARY})
    probing.fault(fault, surface="kv")
    refused(probing, "secret/db")


@pytest.mark.requirement("R42")
def test_an_identity_that_may_not_read_values_is_told(source_of):
    """The missing right stands in Azure's own notation."""
    site = source_of(mode=AccessMode.READ.value)
    site.seed("secret", "db", fields={"password": CANARY})
    told = refused(site, "secret/db")
    assert told.kind is ErrorKind.DENIED
    assert "getSecret" in told.fact.action
