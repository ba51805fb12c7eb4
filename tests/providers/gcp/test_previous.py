"""The version before the one that applications read, or why there is none."""

import pytest

from nhisync.spi import ErrorKind, ProviderError

from .conftest import REGION


@pytest.fixture
def comparing(make):
    """A source whose identity may read values."""
    return make(locations=[REGION], fingerprint=True)


def before(gcp, name):
    """Fields of the version before."""
    return {one.field: one.value.reveal() for one in gcp.provider().previous(gcp.locator(name), gcp.budget())}


@pytest.mark.requirement("R17")
def test_the_version_before_is_read(comparing):
    """One number less, and not the current value."""
    comparing.seed("secret", "db", fields={"password": "S3CRET-one"})
    found = before(comparing, "secret/db")
    assert found
    assert b"S3CRET-one" not in found.values()


@pytest.mark.parametrize("name", ["first", "none"])
def test_a_first_version_has_none(comparing, name):
    """Told as absent."""
    if name == "first":
        comparing.seed("secret", name, rotated=None, fields={"password": "S3CRET-one"})
    with pytest.raises(ProviderError) as told:
        before(comparing, f"secret/{name}")
    assert told.value.kind is ErrorKind.NOT_FOUND


def test_other_kinds_keep_none(comparing):
    """An account holds no value."""
    with pytest.raises(ProviderError) as told:
        before(comparing, "service-account/a@b.iam.gserviceaccount.com")
    assert told.value.kind is ErrorKind.UNSUPPORTED
