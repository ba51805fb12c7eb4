"""What an inventory says of what it did and did not see: pages, namespaces, missing scopes, unchanged markers."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.collect.absence import presence_of
from nhisync.spi import CoverageStatus, ErrorKind, Locator, Presence

from .conftest import KINDS, Site

DAY = timedelta(days=1)
SECRETS = {"secret"}


def planted(site: Site, count: int, namespace: str = "payments") -> list[Locator]:
    """Several small Secrets."""
    return [site.seed("secret", f"{namespace}/s-{number:03}") for number in range(count)]


def error(seen: Any, locator: Locator) -> Any:
    """Why an item is no answer."""
    found = seen[locator].error
    assert found is not None
    return found


def test_pages_are_followed(site: Site) -> None:
    """Seven objects in pages of two cost four pages, and each is seen once."""
    wanted = planted(site, 7)
    seen = site.observe(kinds=SECRETS, page_size=2)
    assert set(seen.items) == set(wanted)
    assert seen.calls == 5
    assert seen.coverage["secret", ""].items == 7


@pytest.mark.requirement("R6")
def test_an_expired_listing_begins_again(site: Site) -> None:
    """410 in the middle: nothing is missing, nothing is told twice, and the second walk is complete."""
    wanted = planted(site, 7)
    site.fault("expired-continue", after=1, times=1)
    seen = site.observe(kinds=SECRETS, page_size=2)
    assert [one.locator for one in seen.all if hasattr(one, "presence")] == sorted(wanted)
    assert seen.statuses() == {("secret", ""): "complete"}
    assert seen.calls == 1 + 3 + 4


@pytest.mark.requirement("R6")
def test_a_listing_that_always_expires_is_partial(site: Site) -> None:
    """After a few walks it is given up: what was seen is told, the rest is not missing, and the reason is there."""
    wanted = planted(site, 7)
    site.fault("expired-continue")
    seen = site.observe(kinds=SECRETS, page_size=2)
    entry = seen.coverage["secret", ""]
    assert (entry.status, entry.authoritative) == (CoverageStatus.PARTIAL, False)
    assert entry.error is not None
    assert entry.error.kind == ErrorKind.CONFLICT.value
    assert set(seen.items) == set(wanted[:2])
    assert presence_of(wanted[6], list(seen.coverage.values())) is Presence.UNKNOWN


def test_wanted_items_survive_an_expired_listing(site: Site) -> None:
    """What the broken listing did not reach is read by name."""
    wanted = planted(site, 7)
    site.fault("expired-continue")
    seen = site.observe(*wanted, kinds=SECRETS, page_size=2)
    assert {seen[one].presence for one in wanted} == {Presence.PRESENT}


@pytest.mark.parametrize("options", [{}, {"empty": True}])
def test_endless_listings_are_left(site: Site, options: dict[str, Any]) -> None:
    """Pages that come back, or never hold anything, end the listing as unbelievable."""
    planted(site, 3)
    site.fault("endless", **options)
    seen = site.observe(kinds=SECRETS, page_size=2)
    entry = seen.coverage["secret", ""]
    assert entry.status is CoverageStatus.PARTIAL
    assert entry.error is not None
    assert entry.error.kind == ErrorKind.MALFORMED.value
    assert seen.calls < 150


def test_a_listing_beyond_its_limit_is_partial(site: Site) -> None:
    """``max_items`` ends a listing honestly."""
    planted(site, 9)
    seen = site.observe(kinds=SECRETS, page_size=2, max_items=4)
    assert seen.statuses() == {("secret", ""): "partial"}
    assert len(seen.items) == 4


@pytest.mark.requirement("R4b")
def test_a_second_run_reads_nothing_that_did_not_change(site: Site) -> None:
    """With known markers a sweep costs its pages; what changed is told anew, without a further call."""
    wanted = planted(site, 6)
    wanted += [site.seed("service-account", "payments/api"), site.seed("service-account-token", "payments/ci")]
    certificates = [site.seed("certificate", f"payments/tls-{n}", expires=60 * DAY) for n in range(3)]
    first = site.observe(*wanted, *certificates, kinds=KINDS)
    known = {locator: item.marker for locator, item in first.items.items()}
    second = site.observe(*wanted, *certificates, kinds=KINDS, known=known)
    assert second.unchanged == {*wanted, *certificates}
    assert second.calls == 1 + 4 + 1  # the cluster, four listings, and the one issuer
    site.seed("secret", "payments/s-003", rotated=timedelta(hours=1))
    third = site.observe(*wanted, *certificates, kinds=KINDS, known=known)
    assert third.unchanged == {*wanted, *certificates} - {wanted[3]}
    assert third.calls == second.calls


def test_singly_read_items_can_be_unchanged(site: Site) -> None:
    """Without a sweep each wanted item costs one read, and its marker is the same as the listing's."""
    secret = site.seed("secret", "payments/stripe")
    listed = site.observe(secret, kinds=SECRETS)[secret].marker
    assert site.observe(secret, known={secret: listed}).unchanged == {secret}


def test_an_issuer_that_breaks_changes_its_certificates(site: Site) -> None:
    """The Certificate itself does not change when its issuer does; its marker does."""
    from nhisync_kubernetes.emulator.definitions import CLUSTER_ISSUERS

    certificate = site.seed("certificate", "payments/tls", expires=60 * DAY)
    known = {certificate: site.observe(certificate)[certificate].marker}
    with site.cluster.lock:
        issuer = site.cluster.store.get(CLUSTER_ISSUERS, "", "cluster-ca")
        assert issuer is not None
        site.cluster.store.put(
            CLUSTER_ISSUERS, {**issuer, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        )
    seen = site.observe(certificate, known=known)
    assert seen[certificate].dependencies[0].usable is False


def test_a_service_account_is_told_once_a_day(site: Site) -> None:
    """Its generation is "within a day": an unchanged account is told again on the next day."""
    account = site.seed("service-account", "payments/api")
    known = {account: site.observe(account)[account].marker}
    assert site.observe(account, known=known).unchanged == {account}
    site.step(DAY)
    assert account in site.observe(account, known=known).items


@pytest.mark.requirement("R5", "R11")
def test_absence_needs_the_namespace(site: Site) -> None:
    """A missing object in an existing namespace is absent; in a missing one nothing is known of it."""
    site.seed("secret", "payments/stripe")
    absent, nowhere = Locator.parse("cluster:secret/payments/none"), Locator.parse("cluster:secret/gone/none")
    site.world.apply("primary", "cluster", [])
    site.cluster.masters.add(site.world.source("primary", "cluster").user)
    seen = site.observe(absent, nowhere, *(Locator("cluster", "secret", f"gone/n-{n}") for n in range(5)))
    assert (seen[absent].presence, seen[absent].error) == (Presence.ABSENT, None)
    assert seen[nowhere].presence is Presence.UNKNOWN
    assert error(seen, nowhere).kind == ErrorKind.SCOPE_MISSING.value
    assert [path for path in site.received() if path.endswith("/gone")] == ["/api/v1/namespaces/gone"], "asked once"


def test_absence_without_a_look_at_the_namespace_is_denied(make_site: Any) -> None:
    """Where the namespace may not be looked at, a missing object is not absent: the missing right is named."""
    site = make_site(expected=("secret/payments/none",))
    site.seed("secret", "payments/stripe")
    from nhisync_kubernetes.grants import Grant
    from nhisync_kubernetes.permissions import objects

    user = site.world.source("primary", "cluster").user
    grants = [Grant("payments", "", "secrets", "get", ("none",))]
    site.world.apply("primary", "cluster", objects("only", user, grants))
    absent = Locator.parse("cluster:secret/payments/none")
    seen = site.observe(absent)
    assert seen[absent].presence is Presence.DENIED
    assert (error(seen, absent).action, error(seen, absent).resource) == ("get namespaces", "payments")


def test_a_configured_namespace_that_is_missing(site: Site) -> None:
    """An unknown namespace lists nothing and says 200: its coverage is not complete."""
    site.seed("secret", "payments/stripe")
    seen = site.observe(kinds=SECRETS, namespaces=["payments", "gone"])
    assert seen.statuses() == {("secret", "payments/"): "complete", ("secret", "gone/"): "denied"}
    site.cluster.masters.add(site.world.source("primary", "cluster").user)
    seen = site.observe(kinds=SECRETS, namespaces=["payments", "gone"])
    assert seen.statuses() == {("secret", "payments/"): "complete", ("secret", "gone/"): "partial"}
    missing = seen.coverage["secret", "gone/"].error
    assert missing is not None
    assert missing.kind == ErrorKind.SCOPE_MISSING.value


@pytest.mark.requirement("R5", "R11")
def test_namespaces_are_asked_one_by_one(make_site: Any) -> None:
    """Without a right to the whole cluster each namespace has coverage of its own, and a denied one ends nothing."""
    site = make_site(scope="namespaces")
    mine, other = site.seed("secret", "payments/stripe"), site.seed("secret", "search/index")
    closed = site.seed("secret", "closed/a", denied=True)
    seen = site.observe(mine, closed, kinds=SECRETS)
    assert seen[mine].presence is Presence.PRESENT
    assert other in seen.items
    assert seen[closed].presence is Presence.DENIED
    assert (error(seen, closed).action, error(seen, closed).resource) == ("get secrets", "closed/a")
    statuses = seen.statuses()
    assert statuses["secret", "payments/"] == statuses["secret", "search/"] == "complete"
    assert statuses["secret", "closed/"] == "denied"
    assert ("secret", "") not in statuses
    entries = list(seen.coverage.values())
    assert presence_of(Locator("cluster", "secret", "payments/none"), entries) is Presence.ABSENT
    assert presence_of(Locator("cluster", "secret", "closed/none"), entries) is Presence.DENIED


def test_without_a_list_of_namespaces_named_ones_are_asked(site: Site) -> None:
    """An identity that may list neither the cluster nor its namespaces sees what pairs name, and says what it lacks."""
    from nhisync_kubernetes.grants import Grant
    from nhisync_kubernetes.permissions import objects

    wanted = site.seed("secret", "payments/stripe")
    beside = site.seed("secret", "payments/other")
    user = site.world.source("primary", "cluster").user
    grants = [Grant("payments", "", "secrets", "list"), Grant("payments", "", "namespaces", "get")]
    site.world.apply("primary", "cluster", objects("only", user, grants))
    seen = site.observe(wanted, kinds=SECRETS)
    assert set(seen.items) == {wanted, beside}
    assert seen.statuses() == {("secret", "payments/"): "complete", ("secret", ""): "denied"}
    lacking = seen.coverage["secret", ""].error
    assert lacking is not None
    assert (lacking.action, lacking.resource) == ("list secrets", "the whole cluster")
    assert presence_of(Locator("cluster", "secret", "search/none"), list(seen.coverage.values())) is Presence.DENIED


def test_prefixes_choose_namespaces(site: Site) -> None:
    """A template's prefix up to its slash is one namespace; a part of a namespace's name is the whole cluster."""
    site.seed("secret", "payments/api-key")
    site.seed("secret", "search/index")
    seen = site.observe(kinds=SECRETS, prefixes={"secret": ("payments/api",)})
    assert seen.statuses() == {("secret", "payments/"): "complete"}
    assert len(seen.items) == 1
    assert site.observe(kinds=SECRETS, prefixes={"secret": ("pay",)}).statuses() == {("secret", ""): "complete"}
    narrowed = site.observe(kinds=SECRETS, prefixes={"secret": ("pay",)}, namespaces=["payments", "search"])
    assert narrowed.statuses() == {("secret", "payments/"): "complete"}


@pytest.mark.requirement("R11")
def test_cert_manager_that_is_not_installed(site: Site) -> None:
    """A kind that the cluster does not serve is unsupported: neither absent, nor denied, nor an empty list."""
    site.seed("secret", "payments/stripe")
    site.fault("no-cert-manager")
    wanted = Locator.parse("cluster:certificate/payments/tls")
    site.cluster.masters.add(site.world.source("primary", "cluster").user)
    seen = site.observe(wanted, kinds=KINDS)
    assert seen.statuses()["certificate", ""] == "unsupported"
    assert seen[wanted].presence is Presence.UNSUPPORTED
    assert "cert-manager" in error(seen, wanted).message
    assert seen.statuses()["secret", ""] == "complete"
    assert [path for path in site.received() if path == "/apis"] == ["/apis"], "discovery is asked once"


def test_a_plain_404_is_not_believed_by_itself(site: Site) -> None:
    """When discovery still offers the group, a 404 on its path is somebody else's answer."""
    certificate = site.seed("certificate", "payments/tls", expires=60 * DAY)
    site.fault("status", code=404, reason="NotFound", resources=("certificates",))
    seen = site.observe(certificate, kinds={"certificate"})
    assert seen[certificate].presence is Presence.UNKNOWN
    assert error(seen, certificate).kind == ErrorKind.MALFORMED.value
    assert seen.statuses() == {("certificate", ""): "partial"}


def test_another_objects_404_is_not_believed(site: Site) -> None:
    """Absence needs the server to name the very object that was asked for."""
    secret = site.seed("secret", "payments/stripe")
    site.fault("status", code=404, reason="NotFound", details={"name": "other"}, resources=("secrets",))
    seen = site.observe(secret)
    assert seen[secret].presence is Presence.UNKNOWN
    assert error(seen, secret).kind == ErrorKind.MALFORMED.value


@pytest.mark.requirement("R11")
def test_a_listing_that_lags_makes_nothing_absent(site: Site) -> None:
    """A wanted item that a listing does not show yet is read by name before anything is said of it."""
    secret = site.seed("secret", "payments/new", created=timedelta(seconds=5), rotated=None)
    site.fault("list-lag", seconds=60)
    assert secret not in site.observe(kinds=SECRETS).items
    assert site.observe(secret, kinds=SECRETS)[secret].presence is Presence.PRESENT


@pytest.mark.parametrize("fault", ["whole-objects", "garbage", "cut"])
@pytest.mark.requirement("R6")
def test_what_is_not_metadata_is_not_looked_at(site: Site, fault: str) -> None:
    """A server that sends whole objects although metadata were asked for, or anything else, shows no value."""
    secret = site.seed("secret", "payments/stripe")
    site.fault(fault, resources=("secrets",))
    seen = site.observe(secret, kinds=SECRETS)
    assert seen[secret].presence is Presence.UNKNOWN
    assert error(seen, secret).kind == ErrorKind.MALFORMED.value
    assert seen.statuses() == {("secret", ""): "partial"}
    assert "canary" not in repr(seen.all)


def test_a_server_that_makes_no_metadata(site: Site) -> None:
    """406 ends it: whole objects are never asked for instead."""
    secret = site.seed("secret", "payments/stripe")
    site.fault("not-acceptable", resources=("secrets",))
    seen = site.observe(secret, kinds=SECRETS)
    assert seen[secret].presence is Presence.UNSUPPORTED
    assert seen.statuses() == {("secret", ""): "unsupported"}


@pytest.mark.requirement("R4b")
def test_ten_thousand_secrets(site: Site) -> None:
    """A sweep over ten thousand Secrets costs their pages, and a second one the same."""
    for number in range(10_000):
        site.seed("secret", f"crowd-{number % 7}/{number:05}", owner=None, fields={"k": "v"})
    first = site.observe(kinds=SECRETS)
    assert len(first.items) == 10_000
    assert first.calls == 1 + 20
    assert first.coverage["secret", ""].items == 10_000
    wanted = list(first.items)[:2_000]
    known = {locator: first[locator].marker for locator in wanted}
    second = site.observe(*wanted, kinds=SECRETS, known=known)
    assert second.unchanged == set(wanted)
    assert second.calls == first.calls


def test_a_cluster_whose_id_may_not_be_read(site: Site) -> None:
    """Without the cluster's id items are told all the same, without it."""
    from nhisync_kubernetes.grants import Grant
    from nhisync_kubernetes.permissions import objects

    secret = site.seed("secret", "payments/stripe")
    user = site.world.source("primary", "cluster").user
    site.world.apply("primary", "cluster", objects("only", user, [Grant("", "", "secrets", "list")]))
    seen = site.observe(secret, kinds=SECRETS)
    assert seen[secret].presence is Presence.PRESENT
    assert seen[secret].ids == ()


def test_chains_that_may_not_be_read(site: Site) -> None:
    """Without a right to requests and issuers a Certificate is told by its dates, and says what it lacks."""
    from nhisync_kubernetes.grants import Grant
    from nhisync_kubernetes.permissions import objects

    certificate = site.seed("certificate", "payments/tls", expires=60 * DAY)
    user = site.world.source("primary", "cluster").user
    grants = [Grant("payments", "cert-manager.io", "certificates", "get", ("tls",))]
    site.world.apply("primary", "cluster", objects("only", user, grants))
    seen = site.observe(certificate)
    item = seen[certificate]
    assert (item.presence, item.chain) == (Presence.PRESENT, None)
    assert "list certificaterequests.cert-manager.io -n payments" in seen.attribute(certificate, "chain_not_read")
    assert item.dependencies[0].usable is None
    assert "get clusterissuers" in item.dependencies[0].detail
