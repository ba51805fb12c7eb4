"""Credentials of applications and service principals through Microsoft Graph."""

from datetime import timedelta

import pytest

from nhisync.spi import CredentialState, Lifecycle, Presence

DAY = timedelta(days=1)


@pytest.fixture
def tenant(source_of):
    """``backup/entra``: a directory and no vault."""
    return source_of("backup", "entra", keyvault=False)


def ids(item):
    """Scheme → value."""
    return {one.scheme: one.value for one in item.ids}


def application(azure, name="payments"):
    """The application registration behind a seed."""
    apps = azure.source("backup", "entra").tenant.applications.values()
    return next(one for one in apps if one.display_name == name)


def test_a_client_secret(tenant, azure, clock):
    """Its generation is its start, its end is told, Graph's key id is its public id."""
    tenant.seed("app-secret", "payments", rotated=5 * DAY, expires=60 * DAY)
    item = tenant.see("app-secret/payments")["app-secret/payments"]
    assert (item.not_before.at, item.expires.at) == (clock.now() - 5 * DAY, clock.now() + 60 * DAY)
    assert (item.state, item.lifecycle, item.owner) == (CredentialState.ACTIVE, Lifecycle.OWN, "platform-oncall")
    assert ids(item)["access-key-id"] == application(azure).passwords[0].key_id
    assert ids(item)["login"] == f"{tenant.document['auth']['tenant']}/{application(azure).app_id}"
    assert item.rotation.pending_since is None


def test_two_secrets_that_work_are_an_unfinished_rotation(tenant, azure, clock):
    """The newest in force is the generation; an older one that still works keeps the rotation open."""
    tenant.seed("app-secret", "payments/old", rotated=40 * DAY)
    tenant.seed("app-secret", "payments/new", rotated=5 * DAY)
    tenant.seed("app-secret", "payments/gone", rotated=80 * DAY, expires=-DAY)
    name = f"app-secret/{application(azure).app_id}"
    item = tenant.see(name)[name]
    assert (item.rotated.at, item.rotation.pending_since) == (clock.now() - 5 * DAY, clock.now() - 5 * DAY)
    assert item.created.at == clock.now() - 80 * DAY
    shown = dict(item.attributes)
    assert (shown["credential"], shown["in_force"], shown["kept"]) == ("new", "2", "3")
    single = tenant.see("app-secret/payments/old")["app-secret/payments/old"]
    assert (single.rotated, single.not_before.at) == (None, clock.now() - 40 * DAY)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"rotated": 90 * DAY, "expires": -DAY}, CredentialState.DEACTIVATED),
        ({"rotated": -2 * DAY}, CredentialState.PRE_ACTIVATION),
    ],
)
def test_states_follow_the_dates(tenant, facts, state):
    """Graph knows no states: dates are what the token service goes by."""
    tenant.seed("app-secret", "payments", **facts)
    assert tenant.see("app-secret/payments")["app-secret/payments"].state is state


def test_a_disabled_principal_logs_in_nowhere(tenant):
    """Its credentials are suspended, whatever their dates."""
    tenant.seed("sp-secret", "payments", enabled=False)
    assert tenant.see("sp-secret/payments")["sp-secret/payments"].state is CredentialState.SUSPENDED


@pytest.mark.parametrize("kind", ["app-certificate", "sp-certificate"])
def test_a_certificate_is_known_by_its_public_half(tenant, kind):
    """Only a single read shows it, so it is read where a pair wants it and something moved."""
    tenant.seed(kind, "payments")
    swept = tenant.see(kinds=kind)[f"{kind}/payments"]
    assert (swept.chain, set(ids(swept))) == (None, {"login"})
    first = tenant.see(f"{kind}/payments", kinds=kind)
    item = first[f"{kind}/payments"]
    assert set(ids(item)) == {"login", "issuer-serial", "spki-sha256"}
    assert item.chain.leaf.key_type == "ec"
    tenant.world.reset_calls()
    again = tenant.see(f"{kind}/payments", kinds=kind, known=first.markers)
    assert again.unchanged == [f"{kind}/payments"]
    assert sum(calls for name, calls in tenant.calls.items() if name.startswith("graph:")) == 1


def test_trust_in_another_issuer(tenant, clock):
    """It stores nothing that could be copied; its issuer is what a failover needs."""
    issuer = "https://northeurope.oic.prod-aks.azure.com/t/1/"
    tenant.seed("app-federation", "payments/cluster", issuer=issuer, subject="system:serviceaccount:pay:api")
    name = "app-federation/payments/cluster"
    for seen in (tenant.see(name), tenant.see(kinds="app-federation")):
        item = seen[name]
        assert (item.state, item.expires, item.lifecycle) == (CredentialState.ACTIVE, None, Lifecycle.OWN)
        assert [(one.kind, one.id, one.region) for one in item.dependencies] == [("issuer", issuer, "northeurope")]
        assert clock.now() - item.rotated.at == timedelta(hours=1)
        assert dict(item.attributes)["subject"] == "system:serviceaccount:pay:api"


def test_owners_are_graphs_own_where_no_tag_names_one(tenant):
    """A tag goes first; then Graph's owners; "" means that both were read and name nobody."""
    tenant.seed("app-secret", "tagged", owner="ops", owned=True)
    tenant.seed("app-secret", "owned", owner=None, owned=True)
    tenant.seed("app-secret", "nobody", owner=None)
    for kinds in ("", "app-secret"):
        seen = tenant.see("app-secret/tagged", "app-secret/owned", "app-secret/nobody", kinds=kinds)
        owners = [seen[f"app-secret/{name}"].owner for name in ("tagged", "owned", "nobody")]
        assert owners == ["ops", "nhisync-backup-entra", ""]


def test_one_list_brings_the_trusts_along(tenant):
    """No read for each application: its federated credentials are expanded in the list."""
    for number in range(5):
        tenant.seed("app-federation", f"app {number}/cluster")
    seen = tenant.see(kinds="app-federation")
    assert len(seen.items) == 5
    assert {name: n for name, n in tenant.calls.items() if name.startswith("graph:")} == {"graph:applications/list": 1}


def test_a_certificate_named_by_id_costs_one_read(tenant, azure):
    """The single read of an application shows its public certificates."""
    tenant.seed("app-certificate", "payments")
    name = f"app-certificate/{application(azure).app_id}"
    assert tenant.see(name)[name].chain.leaf
    assert sum(n for call, n in tenant.calls.items() if call.startswith("graph:")) == 1


def test_a_sweep_names_applications_as_people_do(tenant, azure):
    """The display name where it is unique, else the application id; nhisync's own application is shown as well."""
    tenant.seed("app-secret", "payments")
    tenant.seed("app-secret", "twin", rotated=9 * DAY)
    first = application(azure, "twin")
    first.display_name = "other"
    tenant.seed("app-secret", "twin")
    second = application(azure, "twin")
    first.display_name = "twin"
    tenant.seed("app-secret", "a#b")
    seen = tenant.see(kinds="app-secret app-certificate")
    names = {name for name in seen.items if name.startswith("app-secret/")}
    assert names == {
        "app-secret/payments",
        f"app-secret/{first.app_id}",
        f"app-secret/{second.app_id}",
        f"app-secret/{application(azure, 'a#b').app_id}",
        "app-secret/nhisync-backup-entra",
    }
    assert seen.status == {"app-secret": "complete", "app-certificate": "complete"}
    assert (seen.coverage["app-secret"].items, seen.coverage["app-certificate"].items) == (5, 0)


@pytest.mark.parametrize("kinds", ["", "app-secret"])
def test_one_name_of_two_applications_is_ambiguous(tenant, azure, kinds):
    """Display names are not unique: nobody guesses which is meant."""
    tenant.seed("app-secret", "twin")
    application(azure, "twin").display_name = "other"
    tenant.seed("app-secret", "twin")
    application(azure, "other").display_name = "twin"
    item = tenant.see("app-secret/twin", kinds=kinds)["app-secret/twin"]
    assert item.presence is Presence.AMBIGUOUS
    assert "2 applications" in item.error.message


@pytest.mark.parametrize("kinds", ["", "app-secret sp-certificate app-federation"])
@pytest.mark.parametrize(
    "name",
    [
        "app-secret/none",
        "app-secret/payments/none",
        "app-secret/00000000-1111-2222-3333-444444444444",
        "app-certificate/payments",
        "sp-certificate/payments",
        "app-federation/payments/none",
        "app-federation/payments",
    ],
)
def test_absence_is_asked_for(tenant, kinds, name):
    """No application of that name, none of that id, or one without such a credential."""
    tenant.seed("app-secret", "payments")
    item = tenant.see(name, kinds=kinds)[name]
    assert (item.presence, item.error) == (Presence.ABSENT, None)


def test_names_that_need_quoting(tenant):
    """Quotes, slashes and other scripts in display names, in lists and in filters."""
    names = ["O'Brien & Søn / нож", "50%+x", "a=b?c&d"]
    for name in names:
        tenant.seed("app-secret", "plain")
        tenant.world.source("backup", "entra").tenant.applications[_id_of(tenant, "plain")].display_name = name
    seen = tenant.see(*(f"app-secret/{name}" for name in names))
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}
    assert set(tenant.see(kinds="app-secret").items) >= {f"app-secret/{name}" for name in names}


def _id_of(tenant, name):
    apps = tenant.world.source("backup", "entra").tenant.applications
    return next(key for key, one in apps.items() if one.display_name == name)


def test_a_source_without_a_directory_says_so(source_of):
    """A vault's source does not read the tenant by accident: unsupported, with the setting that changes it."""
    vault = source_of(graph=False)
    seen = vault.see("app-secret/x", kinds="app-secret secret")
    assert seen.status == {"app-secret": "unsupported", "secret": "complete"}
    assert seen["app-secret/x"].presence is Presence.UNSUPPORTED
    assert not any(name.startswith("graph:") for name in vault.calls)


def test_ten_thousand_applications(tenant):
    """999 a page, one list for secrets and certificates."""
    for number in range(2_500):
        tenant.seed("app-secret", f"app {number:05d}", fields={"v": "canary-many"})
    seen = tenant.see(kinds="app-secret app-certificate")
    assert len(seen.items) == 2_501
    assert tenant.calls["graph:applications/list"] == 3
