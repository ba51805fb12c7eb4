"""Minting a login for one probe: the database takes it, and it is gone when the adapter is closed."""

from typing import Any

import pytest

from nhisync.spi import AccessMode, ErrorKind, ProviderError
from nhisync_vault.emulator.fakedb import FakeDatabase
from nhisync_vault.emulator.seeding import DynamicOptions

from .test_values_permissions_doctor import apply_policy


@pytest.fixture
def site(make_site: Any) -> Any:
    """A source that logs in for itself, under the printed policy of mode probe."""
    return make_site()


def allowed(site: Any, *wanted: Any) -> None:
    """Give nhisync's identity exactly what `nhisync permissions --mode probe` prints."""
    (document,) = site.provider().permissions(AccessMode.PROBE, wanted, frozenset())
    apply_policy(site, document.text)


def database(site: Any) -> FakeDatabase:
    """The database behind the engine, which really checks passwords."""
    server = site.world.source(site.path, "vault").core.mounts["database/"].engine.server(DynamicOptions().connection)
    assert isinstance(server, FakeDatabase)
    return server


@pytest.mark.requirement("R48")
def test_a_login_is_minted_and_given_back(site: Any) -> None:
    """It opens the database while the adapter is open, and nothing of it is left afterwards."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    before = database(site).users()
    provider = site.provider()
    found = {one.field: one.value for one in provider.issue(role, site.budget())}
    assert set(found) == {"username", "password"}
    assert database(site).login(found["username"].reveal().decode(), found["password"].reveal().decode())
    assert found["password"].reveal().decode() not in repr(found)
    provider.close()
    assert database(site).users() == before


def test_without_the_line_the_very_permission_is_missed(site: Any) -> None:
    """Under the read policy nothing can be minted."""
    role = site.seed("db-dynamic", "database/app")
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.DENIED
    assert told.value.fact.resource.endswith("database/creds/app")


def test_a_database_that_is_down_mints_nothing(site: Any) -> None:
    """The store answers, and its issuer does not work: found before the failover."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    database(site)
    site.fault("database-down")
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNREACHABLE


def test_what_could_not_be_given_back_is_not_asked_for(make_site: Any) -> None:
    """A token from a file is not ours to revoke, and its logins would stay."""
    site = make_site(auth="token")
    role = site.seed("db-dynamic", "database/app")
    before = database(site).users()
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED
    assert "auth.method" in told.value.fix
    assert database(site).users() == before


def test_other_kinds_mint_nothing(site: Any) -> None:
    """A stored secret is read, not issued."""
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(site.seed("kv", "secret/pay"), site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED
