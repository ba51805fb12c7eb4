"""What the adapter says of each kind: dates, generations, identifiers, rights, exposure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nhisync.spi import CredentialState, Lifecycle, Locator, Precision, Presence
from nhisync_vault.emulator.kv_store import Key
from nhisync_vault.kinds.kv import whole

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def ids(item: Any) -> dict[str, str]:
    """Public identifiers by scheme."""
    return {one.scheme: one.value for one in item.ids}


@pytest.mark.requirement("R11", "R18", "R41")
def test_a_kv_secret_shows_versions_owner_and_fields(site: Any) -> None:
    """Creation, current generation, owner, logical name and field names come without its values."""
    secret = site.seed(
        "kv", "secret/payments/stripe", created=90 * DAY, rotated=5 * DAY, tags={"nhisync:name": "payments/stripe"}
    )
    item = site.observe(secret)[secret]
    assert item.presence is Presence.PRESENT
    assert (item.created.at, item.rotated.at) == (NOW - 90 * DAY, NOW - 5 * DAY)
    assert (item.version, item.state, item.owner) == ("2", CredentialState.ACTIVE, "platform-oncall")
    assert item.logical_name == "payments/stripe"
    assert item.fields == ("api_key", "password", "secret_id", "token")
    assert item.lifecycle is Lifecycle.UNKNOWN


def test_a_kv_secret_that_was_never_rotated(site: Any) -> None:
    """One version means no rotation since creation."""
    secret = site.seed("kv", "secret/old", created=400 * DAY, rotated=None, owner=None)
    item = site.observe(secret)[secret]
    assert (item.version, item.rotated, item.owner) == ("1", None, "")
    assert item.created.at == NOW - 400 * DAY


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"deleted": True}, CredentialState.DEACTIVATED),
        ({"destroyed": True}, CredentialState.DESTROYED),
        ({"expires": -1 * DAY}, CredentialState.DEACTIVATED),
        ({"expires": 2 * DAY}, CredentialState.ACTIVE),
    ],
)
def test_kv_versions_that_are_not_in_force_say_so(site: Any, options: dict[str, Any], state: CredentialState) -> None:
    """A deleted, destroyed or expired current version is present, and not in force."""
    secret = site.seed("kv", "secret/x", **options)
    item = site.observe(secret)[secret]
    assert (item.presence, item.state) == (Presence.PRESENT, state)
    assert (item.expires is not None) == (options.get("expires") == 2 * DAY)


def test_a_key_without_any_version_is_not_yet_active(site: Any) -> None:
    """Metadata can exist before the first version."""
    site.seed("kv", "secret/other")
    target = site.world.source("primary", "vault").core
    mount = target.mounts["secret/"]
    target.view(mount).put("key/empty", Key(created=NOW, updated=NOW))
    locator = Locator("vault", "kv", "secret/empty")
    item = site.observe(locator)[locator]
    assert (item.state, item.version) == (CredentialState.PRE_ACTIVATION, None)


@pytest.mark.requirement("R6")
def test_metadata_without_its_current_version_is_no_destroyed_secret(site: Any) -> None:
    """From an answer that leaves out the version it calls current nothing follows, neither a state nor an absence."""
    site.seed("kv", "secret/other")
    target = site.world.source("primary", "vault").core
    target.view(target.mounts["secret/"]).put("key/cut", Key(created=NOW, updated=NOW, current=2))
    locator = Locator("vault", "kv", "secret/cut")
    item = site.observe(locator)[locator]
    assert (item.presence, item.state) == (Presence.UNKNOWN, None)
    assert item.error is not None
    assert item.error.message == "GET secret/metadata/cut: the metadata does not tell which version is current"
    swept = site.observe(kinds=("kv",))[locator]
    assert (swept.presence, swept.state) == (Presence.PRESENT, None)


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"current_version": 0, "versions": {}}, True),
        ({"current_version": 2, "versions": {"2": {"destroyed": True}}}, True),
        ({"current_version": 2, "versions": {"1": {}}}, False),
        ({"current_version": 2, "versions": {"2": None}}, False),
        ({"current_version": "2", "versions": {"2": {}}}, False),
        ({"current_version": 2, "versions": []}, False),
        ({"versions": {}}, False),
        ({"current_version": 0}, False),
    ],
)
def test_metadata_is_judged_only_when_it_is_whole(info: dict[str, Any], told: bool) -> None:
    """Both servers always send the current version's number and the versions; anything else is another answer."""
    assert whole(info) is told


def test_declared_rotation_and_lifecycle_of_kv(site: Any) -> None:
    """An external rotator may declare itself in custom metadata."""
    secret = site.seed("kv", "secret/x", tags={"nhisync_lifecycle": "own", "nhisync_rotation_interval": "30d"})
    item = site.observe(secret)[secret]
    assert item.lifecycle is Lifecycle.OWN
    assert (item.rotation.enabled, item.rotation.interval) == (True, 30 * DAY)


@pytest.mark.requirement("R39")
@pytest.mark.parametrize("kind", ["db-static", "db-dynamic"])
def test_a_database_role_rests_on_the_login_of_its_connection(site: Any, kind: str) -> None:
    """What the engine itself logs in with makes every new generation; its password is in nothing."""
    role = site.seed(kind, "database/ledger", host="DB.example:5432")
    item = site.observe(role)[role]
    (master,) = item.dependencies
    assert (master.kind, master.region, master.multi_region) == ("master-secret", "eu-west-1", False)
    assert master.id.endswith(" at db.example")
    assert master.detail == "kept in database/config/postgres"


@pytest.mark.requirement("R41")
def test_a_static_role_shows_its_schedule(site: Any) -> None:
    """Last rotation, period, and the next one as an upper bound."""
    role = site.seed("db-static", "database/ledger", rotated=3 * DAY, period=30 * DAY, username="ledger-app")
    item = site.observe(role)[role]
    assert item.rotated.at == NOW - 3 * DAY
    assert (item.next_rotation.at, item.next_rotation.precision) == (NOW + 27 * DAY, Precision.UPPER_BOUND)
    assert (item.rotation.enabled, item.rotation.interval) == (True, 30 * DAY)
    assert item.lifecycle is Lifecycle.OWN
    assert ids(item)["login"] == "db.example.internal/ledger-app"


@pytest.mark.requirement("R41")
@pytest.mark.parametrize("why", ["stopped", "failing"])
def test_a_schedule_that_stopped_shows_as_overdue(site: Any, clock: Any, why: str) -> None:
    """A role the queue lost, or whose rotation fails, keeps its old date however much time passes."""
    role = site.seed("db-static", "database/x", rotated=40 * DAY, period=30 * DAY, **{why: True})
    clock.advance(timedelta(hours=3))
    item = site.observe(role)[role]
    assert item.rotated.at == NOW - 40 * DAY
    assert item.next_rotation.at < clock.now()


@pytest.mark.requirement("R42", "R44")
def test_one_account_on_two_clusters_is_one_login(make_site: Any) -> None:
    """Same host and user name on both paths give the same login identifier, however the port is spelt."""
    here, there = make_site("primary"), make_site("backup")
    a = here.seed("db-static", "database/ledger", host="DB.example:5432", username="app")
    b = there.seed("db-static", "database/ledger", host="db.example", username="app")
    assert ids(here.observe(a)[a])["login"] == ids(there.observe(b)[b])["login"] == "db.example/app"


def test_a_dynamic_role_shows_what_it_would_issue(site: Any) -> None:
    """Lifetimes and database; no login is minted."""
    role = site.seed("db-dynamic", "database/app", default_ttl=timedelta(hours=2))
    item = site.observe(role)[role]
    assert dict(item.attributes)["default_ttl"] == "2h"
    assert (item.lifecycle, item.rotated) == (Lifecycle.OWN, None)
    assert not [one for one in site.node.received if "/creds/" in one]


@pytest.mark.requirement("R11")
def test_an_approle_is_judged_by_its_newest_secret_id(site: Any) -> None:
    """Generation, expiry and policies of a role; the accessor is its version."""
    role = site.seed(
        "approle", "approle/pay", rotated=2 * DAY, expires=20 * DAY, secret_ids=2, policies=("pay", "audit")
    )
    item = site.observe(role)[role]
    assert item.rotated.at == NOW - 2 * DAY
    assert item.expires.at == NOW + 20 * DAY
    assert dict(item.attributes)["policies"] == "audit, pay"
    assert dict(item.attributes)["secret_ids_live"] == "2"
    assert item.state is CredentialState.ACTIVE


def test_an_approle_whose_secret_ids_all_ended(site: Any) -> None:
    """Dead accessors stay listed; the role is then out of force."""
    role = site.seed("approle", "approle/pay", expires=-1 * DAY)
    item = site.observe(role)[role]
    assert (item.state, item.expires.at) == (CredentialState.DEACTIVATED, NOW - DAY)


def test_an_approle_without_secret_ids_is_not_yet_active(site: Any) -> None:
    """A role that nobody can log in to is not in force."""
    role = site.seed("approle", "approle/pay", secret_ids=0)
    assert site.observe(role)[role].state is CredentialState.PRE_ACTIVATION


@pytest.mark.requirement("R42")
def test_a_copied_role_id_is_found_without_showing_it(make_site: Any) -> None:
    """Equal role ids give equal identifiers, and the identifier is not the role id."""
    here, there = make_site("primary"), make_site("backup")
    a = here.seed("approle", "approle/pay", role_id="11111111-2222-3333-4444-555555555555")
    b = there.seed("approle", "approle/pay", role_id="11111111-2222-3333-4444-555555555555")
    one, two = ids(here.observe(a)[a]), ids(there.observe(b)[b])
    assert one["role-id"] == two["role-id"]
    assert "11111111" not in one["role-id"]


@pytest.mark.requirement("R30")
def test_a_certificate_shows_its_chain_and_identifiers(site: Any) -> None:
    """Dates, chain up to the mount's root, key and serial identifiers, and the issuer as a dependency."""
    site.seed("pki", "pki/issuer/root-1", created=300 * DAY, rotated=None, expires=3000 * DAY)
    site.seed("pki", "pki/issuer/int-1", signed_by="root-1", expires=900 * DAY)
    leaf = site.seed("pki", "pki/cn/api.example.com", signed_by="int-1", rotated=5 * DAY, expires=60 * DAY)
    item = site.observe(leaf)[leaf]
    assert (item.not_before.at, item.expires.at) == (NOW - 5 * DAY, NOW + 60 * DAY)
    assert [one.subject for one in item.chain.certificates] == ["CN=api.example.com", "CN=int-1 CA"]
    assert (item.chain.builds, item.chain.anchor) == (True, "CN=root-1 CA")
    assert set(ids(item)) == {"cluster-id", "issuer-serial", "spki-sha256"}
    assert item.dependencies[0].id == "pki/issuer/int-1"
    assert (item.dependencies[0].usable, item.dependencies[0].region) == (True, "eu-west-1")


def test_the_newest_certificate_in_force_stands_for_its_name(site: Any) -> None:
    """A newer but revoked certificate does not; the one before it does."""
    good = site.seed("pki", "pki/cn/a.example", rotated=10 * DAY, expires=50 * DAY)
    site.seed("pki", "pki/cn/a.example", rotated=1 * DAY, expires=80 * DAY, revoked=timedelta(hours=1))
    item = site.observe(good)[good]
    assert item.not_before.at == NOW - 10 * DAY
    assert item.state is CredentialState.ACTIVE


def test_a_revoked_certificate_is_out_of_force(site: Any) -> None:
    """Revocation outranks the dates."""
    leaf = site.seed("pki", "pki/cn/a.example", revoked=timedelta(hours=1), by_serial=True)
    item = site.observe(leaf)[leaf]
    assert item.state is CredentialState.DEACTIVATED
    assert dict(item.attributes)["revoked"].startswith("2026-11-23T02:12:09")


@pytest.mark.requirement("R42")
def test_a_copied_key_is_found_by_its_certificates(make_site: Any) -> None:
    """Two certificates of one key, in two clusters, share an identifier; their serials differ."""
    here, there = make_site("primary"), make_site("backup")
    a = here.seed("pki", "pki/cn/a.example", key_label="shared")
    b = there.seed("pki", "pki/cn/a.example", key_label="shared")
    one, two = ids(here.observe(a)[a]), ids(there.observe(b)[b])
    assert one["spki-sha256"] == two["spki-sha256"]
    assert one["issuer-serial"] != two["issuer-serial"]


def test_an_issuer_is_an_item(site: Any) -> None:
    """Issuers are named, dated and can be revoked."""
    issuer = site.seed("pki", "pki/issuer/root-1", expires=100 * DAY, revoked=timedelta(days=1))
    item = site.observe(issuer)[issuer]
    assert item.expires.at == NOW + 100 * DAY
    assert item.state is CredentialState.DEACTIVATED


def test_a_token_is_told_by_accessor(site: Any) -> None:
    """Policies, window and owner of a token; its renewal moves the window, not the generation."""
    token = site.seed(
        "token", "job", created=90 * DAY, rotated=2 * DAY, expires=28 * DAY, period=30 * DAY, policies=("pay",)
    )
    item = site.observe(token)[token]
    assert dict(item.attributes)["policies"] == "pay"
    assert item.owner == "platform-oncall"
    assert item.created.at == NOW - 90 * DAY
    assert (item.not_before.at, item.expires.at) == (NOW - 2 * DAY, NOW + 28 * DAY)
    assert item.rotation is None


@pytest.mark.requirement("R12")
def test_a_root_token_is_exposed_and_static(site: Any) -> None:
    """A root token never ends and may do everything."""
    token = site.seed("token", "root", policies=("root",), expires=None)
    item = site.observe(token)[token]
    assert item.lifecycle is Lifecycle.STATIC
    assert item.exposure == "a root token: it may do everything"


@pytest.mark.requirement("R32")
def test_nhisyncs_own_token_is_an_item_too(site: Any) -> None:
    """token/self is whoever reads."""
    own = Locator("vault", "token", "self")
    item = site.observe(own)[own]
    assert item.presence is Presence.PRESENT
    assert "nhisync-read-primary-vault" in dict(item.attributes)["policies"]


def test_a_transit_key_shows_versions_and_exports(site: Any) -> None:
    """Latest version, its time, and whether the material can be read out."""
    key = site.seed("transit", "transit/pay", created=90 * DAY, rotated=10 * DAY, exportable=True)
    item = site.observe(key)[key]
    assert (item.version, item.rotated.at) == ("2", NOW - 10 * DAY)
    assert item.exposure == "key material can be read out by export"


def test_transit_keys_that_rotate_by_themselves(site: Any) -> None:
    """auto_rotate_period is a schedule."""
    key = site.seed("transit", "transit/pay", rotated=10 * DAY, auto_rotate=30 * DAY, type="ecdsa-p256")
    item = site.observe(key)[key]
    assert (item.rotation.enabled, item.rotation.interval) == (True, 30 * DAY)
    assert item.next_rotation.at == NOW + 20 * DAY


def test_an_ldap_role_shows_account_and_schedule(site: Any) -> None:
    """Distinguished name, directory and schedule."""
    role = site.seed("ldap-static", "ldap/pay", rotated=4 * DAY, dn="cn=pay,dc=example", host="ldap.example")
    item = site.observe(role)[role]
    assert item.rotated.at == NOW - 4 * DAY
    assert ids(item)["login"] == "ldap.example/cn=pay,dc=example"


def test_nested_ldap_roles_are_found(site: Any) -> None:
    """Vault's nested role names are folders of a listing."""
    nested, flat = site.seed("ldap-static", "ldap/team/pay"), site.seed("ldap-static", "ldap/x")
    assert set(site.observe(kinds=("ldap-static",)).items) == {nested, flat}


@pytest.mark.requirement("R44")
def test_a_performance_secondary_is_a_replica(make_site: Any) -> None:
    """Whatever stands in a replicated mount of a secondary is a copy; tokens are local."""
    primary = make_site("primary", flavour="vault")
    secret = primary.seed("kv", "secret/pay")
    role = primary.seed("db-static", "database/x")
    backup = make_site("backup", flavour="vault", replica_of="primary/vault")
    token = backup.seed("token", "job", expires=DAY)
    seen = backup.observe(secret, role, token)
    assert seen[secret].lifecycle is Lifecycle.REPLICA
    assert seen[role].lifecycle is Lifecycle.REPLICA
    assert seen[token].lifecycle is Lifecycle.OWN


@pytest.mark.requirement("R44")
def test_one_cluster_on_both_paths_is_recognised(make_site: Any) -> None:
    """Two sources of one cluster show one cluster id on every item, one authority and one cluster, which is refused."""
    here = make_site("primary")
    secret = here.seed("kv", "secret/pay")
    there = make_site("backup", cluster_of="primary/vault")
    assert ids(here.observe(secret)[secret])["cluster-id"] == ids(there.observe(secret)[secret])["cluster-id"]
    one, other = (site.provider().identify(site.budget()) for site in (here, there))
    assert one.authority == other.authority
    assert one.cluster == other.cluster == f"vault:{ids(here.observe(secret)[secret])['cluster-id']}"
    assert one.principal != other.principal


def test_mounts_with_slashes_are_taken_from_the_table(site: Any) -> None:
    """The longest mount that fits is the mount; nothing is guessed from the path."""
    secret = site.seed("kv", "team/a/kv/app/x", mount="team/a/kv")
    assert str(secret) == "vault:kv/team/a/kv/app/x"
    assert site.observe(secret)[secret].presence is Presence.PRESENT
