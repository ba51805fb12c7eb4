"""Secrets, keys and certificates of a vault through the real SDKs: what is said of them, and what it costs."""

from datetime import timedelta

import pytest
from azure.keyvault.certificates import CertificatePolicy

from nhisync.spi import CredentialState, Dependency, Lifecycle, Presence, PublicId

DAY = timedelta(days=1)


def day(clock, ago):
    """The instant `ago` before the world's now."""
    return clock.now() - ago


def ids(item):
    """Scheme → value."""
    return {one.scheme: one.value for one in item.ids}


def test_generation_is_the_newest_enabled_version(backup, clock):
    """`updated_on` moves with every tag, and a disabled newest version is no generation that works."""
    backup.seed("secret", "kept", created=90 * DAY, rotated=5 * DAY, touched=DAY)
    backup.seed("secret", "first", created=90 * DAY, rotated=None)
    backup.seed("secret", "halfway", created=90 * DAY, rotated=5 * DAY, disabled=True)
    seen = backup.see("secret/kept", "secret/first", "secret/halfway")
    assert (seen["secret/kept"].created.at, seen["secret/kept"].rotated.at) == (
        day(clock, 90 * DAY),
        day(clock, 5 * DAY),
    )
    assert seen["secret/kept"].state is CredentialState.ACTIVE
    assert seen["secret/first"].rotated is None
    assert seen["secret/halfway"].rotated.at == day(clock, 90 * DAY)
    assert seen["secret/halfway"].state is CredentialState.SUSPENDED
    assert all(len(item.version) == 32 for item in seen.items.values())


def test_a_swept_secret_is_judged_by_its_list_row(backup, clock):
    """A list shows the newest version's creation and nothing older; versions are listed when somebody wants them."""
    backup.seed("secret", "swept", created=90 * DAY, rotated=5 * DAY)
    seen = backup.see(kinds="secret")
    assert (seen["secret/swept"].created, seen["secret/swept"].rotated.at) == (None, day(clock, 5 * DAY))
    assert "kv:secrets/versions" not in backup.calls
    full = backup.see(kinds="secret", versions="all")
    assert full["secret/swept"].created.at == day(clock, 90 * DAY)


def test_what_a_secret_says_of_itself(backup, clock):
    """Owner, pair name and declared lifecycle are tags; dates of a secret are what somebody wrote there."""
    tags = {"nhisync:name": "pay/x", "nhisync:lifecycle": "own", "nhisync:rotation-interval": "30d"}
    backup.seed("secret", "x", owner="ops", tags=tags, expires=9 * DAY, not_before=-DAY, content_type="text/plain")
    item = backup.see("secret/x")["secret/x"]
    assert (item.owner, item.logical_name, item.lifecycle) == ("ops", "pay/x", Lifecycle.OWN)
    assert (item.rotation.interval, item.rotation.enabled) == (30 * DAY, None)
    assert (item.expires.at, item.not_before.at) == (clock.now() + 9 * DAY, clock.now() - DAY)
    assert dict(item.attributes)["content_type"] == "text/plain"
    assert item.region == "northeurope"


def test_an_owner_is_missing_only_where_tags_were_read(backup):
    """Vault items carry tags, so no owner tag is "nobody", not "not known"."""
    backup.seed("secret", "x", owner=None)
    assert backup.see("secret/x")["secret/x"].owner == ""


@pytest.mark.parametrize("kind", ["secret", "key", "certificate"])
def test_soft_deleted_is_neither_in_force_nor_gone(backup, clock, kind):
    """It can be recovered until its purge date: present, deactivated, with its end; with a sweep and without one."""
    backup.seed(kind, "gone", deleted=2 * DAY)
    for kinds in ("", kind):
        item = backup.see(f"{kind}/gone", kinds=kinds)[f"{kind}/gone"]
        assert (item.presence, item.state) == (Presence.PRESENT, CredentialState.DEACTIVATED)
        assert item.expires.at == clock.now() + 88 * DAY
        assert dict(item.attributes)["deleted"].startswith("2026-11-21")


@pytest.mark.parametrize("kind", ["secret", "key", "certificate"])
def test_absence_is_read_not_concluded(backup, kind):
    """No list row, no item of that name, none among the soft-deleted."""
    backup.seed(kind, "other")
    seen = backup.see(f"{kind}/none", kinds=kind)
    assert seen[f"{kind}/none"].presence is Presence.ABSENT
    assert not seen.coverage[kind].authoritative


def test_a_lagging_list_loses_nothing(backup):
    """A name that the list does not show yet is found by asking for it."""
    backup.seed("secret", "fresh", created=timedelta(seconds=10), rotated=None)
    backup.fault("list-lag", seconds=60)
    item = backup.see("secret/fresh", kinds="secret")["secret/fresh"]
    # The emulator's versions lag, too: then nobody can say that it exists, and the soft-deleted prove nothing.
    assert item.presence in {Presence.PRESENT, Presence.ABSENT}
    backup.fault("list-lag", off=True)
    assert backup.see("secret/fresh")["secret/fresh"].presence is Presence.PRESENT


def test_names_are_the_vaults_whatever_their_case(backup):
    """A vault does not tell cases apart; the answer carries the pair's own spelling."""
    backup.seed("secret", "Payments-Stripe")
    seen = backup.see("secret/payments-STRIPE", kinds="secret")
    assert set(seen.items) == {"secret/payments-STRIPE"}


def test_a_name_that_no_vault_can_hold_is_our_configuration(backup):
    """A slash in a locator is a mistake of the pair, not an absent secret; nothing is sent for it."""
    item = backup.see("secret/payments/stripe")["secret/payments/stripe"]
    assert (item.presence, item.error.kind) == (Presence.UNKNOWN, "misconfigured")


def test_a_certificate_is_one_identity(backup):
    """Certificate, key and secret of one name are counted once; a pair that names the twin says what it is."""
    backup.seed("certificate", "api")
    backup.seed("secret", "plain")
    backup.seed("key", "signing")
    seen = backup.see(kinds="secret key certificate")
    assert set(seen.items) == {"certificate/api", "secret/plain", "key/signing"}
    assert {kind: c.items for kind, c in seen.coverage.items()} == {"secret": 1, "key": 1, "certificate": 1}
    twin = backup.see("secret/api")["secret/api"]
    assert dict(twin.attributes)["twin_of"] == "certificate/api"


def test_a_certificate_that_was_never_issued_is_not_in_force(source_of):
    """An order that waits for its signature: listed, not yet valid, and its twins are no identities either."""
    site = source_of(mode="rotate")
    policy = CertificatePolicy(issuer_name="Unknown", subject="CN=api.example.com", validity_in_months=12)
    site.provider()._connection.mint("certificates", "begin_create_certificate", site.budget(), "api", policy)
    for seen in (site.see("certificate/api"), site.see("certificate/api", kinds="certificate")):
        item = seen["certificate/api"]
        assert (item.presence, item.state, item.chain) == (Presence.PRESENT, CredentialState.PRE_ACTIVATION, None)
    assert set(site.see(kinds="secret key").items) == set()


def test_a_storage_accounts_token_is_no_twin(backup, azure):
    """The vault manages it, and it belongs to no certificate: it is counted."""
    backup.seed("secret", "sas", content_type="application/vnd.ms-sastoken-storage")
    for version in azure.source("backup", "kv").vault.secrets.get("sas").versions:
        version.managed = True
    assert set(backup.see(kinds="secret").items) == {"secret/sas"}


def test_certificates_carry_their_public_half_and_their_dates(backup, clock):
    """The leaf is parsed; chain and private key are the twin secret's, which nobody reads."""
    backup.seed("certificate", "api", created=20 * DAY, rotated=20 * DAY, expires=70 * DAY, names=["api.example.com"])
    item = backup.see("certificate/api")["certificate/api"]
    assert item.chain.leaf.names == ("api.example.com",)
    assert set(ids(item)) == {"cluster-id", "issuer-serial", "spki-sha256"}
    assert (item.expires.at, item.state) == (clock.now() + 70 * DAY, CredentialState.ACTIVE)
    assert item.chain.builds is None


@pytest.mark.parametrize(
    ("options", "lifecycle", "enabled"),
    [
        ({"issuer": "Self", "action": "AutoRenew"}, Lifecycle.OWN, True),
        ({"issuer": "DigiCert", "action": "AutoRenew"}, Lifecycle.OWN, True),
        ({"issuer": "DigiCert", "action": "EmailContacts"}, Lifecycle.STATIC, False),
        ({"issuer": "Unknown", "action": "AutoRenew"}, Lifecycle.STATIC, False),
        ({"issuer": "Self", "action": "EmailContacts", "tags": {"nhisync:lifecycle": "own"}}, Lifecycle.OWN, False),
    ],
)
def test_who_renews_a_certificate(backup, options, lifecycle, enabled):
    """AutoRenew of an issuer that the vault can ask; an e-mail renews nothing, and neither can an unknown issuer."""
    backup.seed("certificate", "api", **options)
    item = backup.see("certificate/api")["certificate/api"]
    assert (item.lifecycle, item.rotation.enabled) == (lifecycle, enabled)


def test_the_renewal_interval_is_a_share_of_the_lifetime(backup):
    """80 percent of the certificate's own lifetime, or days before its end."""
    life = {"created": 20 * DAY, "rotated": 20 * DAY, "expires": 80 * DAY}
    backup.seed("certificate", "share", lifetime_percentage=80, **life)
    backup.seed("certificate", "days", days_before_expiry=30, **life)
    seen = backup.see("certificate/share", "certificate/days")
    # The certificate begins ten minutes before it was made.
    assert timedelta(0) <= seen["certificate/share"].rotation.interval - 80 * DAY < timedelta(hours=1)
    assert timedelta(0) <= seen["certificate/days"].rotation.interval - 70 * DAY < timedelta(hours=1)


@pytest.mark.parametrize("status", ["inProgress", "failed"])
def test_a_renewal_that_hangs_has_an_age(backup, clock, status):
    """When a renewal is due and its operation is not completed, it is pending since it was due."""
    backup.seed("certificate", "api", created=95 * DAY, rotated=95 * DAY, expires=5 * DAY, pending=status)
    backup.seed("certificate", "fine", created=20 * DAY, rotated=20 * DAY, expires=80 * DAY, pending=status)
    seen = backup.see("certificate/api", "certificate/fine")
    assert timedelta(0) <= day(clock, 15 * DAY) - seen["certificate/api"].rotation.pending_since < timedelta(hours=1)
    assert seen["certificate/fine"].rotation.pending_since is None
    assert backup.calls["kv:certificates/get-pending"] == 1


@pytest.mark.parametrize(
    ("options", "usable"),
    [({}, True), ({"issuer_enabled": False}, False), ({"issuer_exists": False}, False)],
)
def test_an_issuer_belongs_to_one_vault(backup, options, usable):
    """A backup vault needs its own issuer object, enabled: else nothing is renewed there."""
    backup.seed("certificate", "api", issuer="DigiCert", **options)
    backup.seed("certificate", "www", issuer="DigiCert", **options)
    seen = backup.see("certificate/api", "certificate/www")
    (found,) = seen["certificate/api"].dependencies
    assert isinstance(found, Dependency)
    assert (found.kind, found.region, found.usable) == ("issuer", "northeurope", usable)
    assert found.id.endswith("/certificates/issuers/DigiCert")
    assert bool(found.detail) is not usable
    assert sum(n for call, n in backup.calls.items() if call.startswith("kv:issuers/")) == 1


def test_equal_key_material_is_seen_without_a_value(source_of, azure):
    """A restored backup blob, or a reused key, is one public key in two vaults; an own key is not."""
    one, other = source_of("primary", "kv"), source_of("backup", "kv")
    one.seed("key", "signing")
    one.seed("certificate", "api")
    key = azure.source("primary", "kv").vault.keys.get("signing").newest.key
    pair = azure.source("primary", "kv").vault.certificates.get("api").newest.key
    other.seed("key", "signing", key=key)
    other.seed("key", "own")
    other.seed("certificate", "api", key=pair)
    mine = one.see("key/signing", "certificate/api")
    theirs = other.see("key/signing", "key/own", "certificate/api")
    for name in ("key/signing", "certificate/api"):
        assert ids(mine[name])["spki-sha256"] == ids(theirs[name])["spki-sha256"]
    assert ids(theirs["key/own"])["spki-sha256"] != ids(mine["key/signing"])["spki-sha256"]


def test_a_restored_secret_is_seen_without_its_value(source_of, azure):
    """Backup blobs keep the ids of the versions: equal random ids are one credential in two vaults (NHS402)."""
    one, other = source_of("primary", "kv"), source_of("backup", "kv")
    one.seed("secret", "restored")
    other.seed("secret", "restored")
    mine = azure.source("primary", "kv").vault.secrets.get("restored").newest
    azure.source("backup", "kv").vault.secrets.get("restored").newest.id = mine.id
    assert (
        ids(one.see("secret/restored")["secret/restored"])["secret-version"]
        == ids(other.see("secret/restored")["secret/restored"])["secret-version"]
    )


def test_one_vault_on_both_paths_is_one_cluster(source_of):
    """Every item names its vault, so that a backup which is the primary is found (NHS403)."""
    one = source_of("primary", "kv")
    other = source_of("backup", "kv", vault_of="primary/kv")
    one.seed("secret", "x")
    mine, theirs = one.see("secret/x")["secret/x"], other.see("secret/x")["secret/x"]
    assert PublicId("cluster-id", ids(mine)["cluster-id"]) in theirs.ids


@pytest.mark.parametrize("kty", ["RSA", "EC", "EC-HSM"])
def test_keys_rotate_by_their_own_policy(backup, clock, kty):
    """Rotate after a time, or before the end; a policy that only notifies rotates nothing."""
    backup.seed("key", "own", kty=kty, created=90 * DAY, rotated=5 * DAY, rotate_after="P30D")
    backup.seed("key", "late", kty=kty, rotate_before_expiry="P30D", expiry_time="P90D")
    backup.seed("key", "none", kty=kty)
    seen = backup.see("key/own", "key/late", "key/none")
    assert (seen["key/own"].rotation.interval, seen["key/own"].lifecycle) == (30 * DAY, Lifecycle.OWN)
    assert seen["key/own"].rotated.at == day(clock, 5 * DAY)
    assert seen["key/late"].rotation.interval == 60 * DAY
    assert (seen["key/none"].rotation.enabled, seen["key/none"].lifecycle) == (False, Lifecycle.STATIC)


def test_the_second_run_costs_the_lists(backup):
    """Nothing moved: pages only. One secret moved: its versions besides. The day is over: keys are read again."""
    for number in range(60):
        backup.seed("secret", f"s-{number:02d}")
    backup.seed("key", "k")
    wanted = [f"secret/s-{number:02d}" for number in range(60)] + ["key/k"]
    provider = backup.provider()
    first = backup.see(*wanted, kinds="secret key", provider=provider)
    assert first.unchanged == []
    assert backup.calls["kv:secrets/versions"] == 60
    known = first.markers
    backup.world.reset_calls()
    second = backup.see(*wanted, kinds="secret key", known=known, provider=provider)
    assert sorted(second.unchanged) == sorted(wanted)
    assert backup.calls == {
        "kv:secrets/list": 3,
        "kv:secrets/list-deleted": 1,
        "kv:keys/list": 1,
        "kv:keys/list-deleted": 1,
    }
    backup.seed("secret", "s-07", rotated=timedelta(hours=1))
    third = backup.see(*wanted, kinds="secret key", known=known, provider=provider)
    assert list(third.items) == ["secret/s-07"]
    backup.clock.advance(DAY)
    fourth = backup.see(*wanted, kinds="key", known=known, provider=provider)
    assert "key/k" in fourth.items


def test_few_wanted_items_cost_no_whole_listing(backup):
    """Without a sweep no more pages are read than single reads would cost, and the list ends when all were seen."""
    for number in range(80):
        backup.seed("secret", f"s-{number:02d}")
    backup.see("secret/s-79")
    assert backup.calls["kv:secrets/list"] == 1
    assert backup.calls["kv:secrets/versions"] == 1
    backup.world.reset_calls()
    backup.see(*(f"secret/s-{n:02d}" for n in range(20)))
    assert backup.calls["kv:secrets/list"] == 1


def test_ten_thousand_secrets(backup):
    """A large vault is swept in N / 25 pages, and every secret is shown once."""
    for number in range(10_000):
        backup.seed("secret", f"s-{number:05d}", fields={"v": "canary-many"}, rotated=None)
    seen = backup.see(kinds="secret")
    assert len(seen.items) == 10_000
    assert seen.status == {"secret": "complete"}
    assert backup.calls["kv:secrets/list"] == 400
