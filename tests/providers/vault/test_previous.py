"""The version before the current one: read under the policy of mode probe, or why not."""

from typing import Any

import pytest

from nhisync.spi import AccessMode, ErrorKind, Locator, ProviderError

from .conftest import CANARY
from .test_values_permissions_doctor import apply_policy


def before(site: Any, item: Locator) -> dict[str, bytes]:
    """Fields of the version before, under exactly the printed policy."""
    (document,) = site.provider().permissions(AccessMode.PROBE, [item], frozenset())
    apply_policy(site, document.text)
    return {one.field: one.value.reveal() for one in site.provider().previous(item, site.budget())}


def refused(site: Any, item: Locator) -> ErrorKind:
    """Why there is none."""
    with pytest.raises(ProviderError) as told:
        before(site, item)
    return told.value.kind


@pytest.mark.requirement("R17", "R42")
def test_the_version_before_is_read(make_site: Any) -> None:
    """Its fields, and none of the current one."""
    site = make_site()
    item = site.seed("kv", "secret/pay", fields={"api_key": CANARY}, versions=3)
    assert before(site, item) == {"api_key": b"old-2"}


def test_without_a_version_before_there_is_none(make_site: Any) -> None:
    """A first version, and one whose predecessor was destroyed."""
    site = make_site()
    for name, options in (("first", {"versions": 1}), ("forgotten", {"versions": 2, "forgotten": True})):
        assert refused(site, site.seed("kv", f"secret/{name}", **options)) is ErrorKind.NOT_FOUND


def test_kinds_without_versions_keep_none(make_site: Any) -> None:
    """A static role's old password is nowhere."""
    site = make_site()
    assert refused(site, site.seed("db-static", "database/ledger")) is ErrorKind.UNSUPPORTED


def test_without_the_right_nothing_is_read(make_site: Any) -> None:
    """The very path is named."""
    site = make_site()
    item = site.seed("kv", "secret/pay", versions=2)
    apply_policy(site, 'path "sys/mounts" { capabilities = ["read"] }')
    with pytest.raises(ProviderError) as told:
        list(site.provider().previous(item, site.budget()))
    assert (told.value.kind, told.value.fact.resource) == (ErrorKind.DENIED, "secret/data/pay")
