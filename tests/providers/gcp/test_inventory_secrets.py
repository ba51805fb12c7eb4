"""Kinds secret and regional-secret: what a list and one list of versions say of a secret, and what they do not."""

import datetime as dt
from pathlib import Path

import pytest
from google.cloud import secretmanager_v1
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import Budget, InventoryRequest, Locator, Precision, SourceContext
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_gcp.kinds.secret_facts import SecretFacts, Version, chosen, enough, secret_item
from nhisync_gcp.run import Run
from nhisync_gcp.settings import GcpSettings

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
REGION = "europe-north1"
SecretMessage = secretmanager_v1.Secret.pb()
KMS = "projects/keys/locations/{}/keyRings/r/cryptoKeys/k"


def settings():
    """The least that a source needs."""
    auth = {"method": "service_account_key", "file": "key.json"}
    return GcpSettings.model_validate({"provider": "gcp", "project": "payments-backup", "auth": auth})


def context(now):
    """Where an adapter stands, without a world."""
    clock, base = FakeClock(now), Path()
    return SourceContext(
        path="backup", source="gcp", region=REGION, base=base, clock=clock, randomness=CountingRandomness()
    )


def dependencies(item):
    """Kind → (id, region, usable, multi-region)."""
    return {d.kind: (d.id, d.region, d.usable, d.multi_region) for d in item.dependencies}


@pytest.mark.requirement("R18", "R29")
def test_the_generation_is_the_newest_version(gcp):
    """Creation of the secret, and of its newest version; owner and logical name out of labels and annotations."""
    gcp.seed(
        "secret",
        "stripe",
        created=60 * DAY,
        rotated=5 * DAY,
        owner="payments-oncall",
        tags={"nhisync:name": "payments/stripe-api"},
    )
    item = gcp.see("secret/stripe")["secret/stripe"]
    now = gcp.clock.now()
    assert (item.presence.value, item.state.value, item.version) == ("present", "active", "2")
    assert [(public.scheme, public.value) for public in item.ids] == [("resource", item.provider_id)]
    assert (item.created.at, item.rotated.at) == (now - 60 * DAY, now - 5 * DAY)
    assert item.rotated.precision is Precision.EXACT
    assert (item.owner, item.logical_name) == ("payments-oncall", "payments/stripe-api")
    assert item.lifecycle.value == "static"
    assert dict(item.attributes)["replication"] == "automatic"
    assert item.region is None


def test_a_first_version_is_no_rotation(gcp):
    """Infrastructure code makes containers empty and fills them later: the value's age is the credential's age."""
    gcp.seed("secret", "late", created=200 * DAY, rotated=None)
    item = gcp.see("secret/late")["secret/late"]
    assert (item.version, item.rotated) == ("1", None)
    assert item.created.at == gcp.clock.now() - 200 * DAY


@pytest.mark.requirement("R41")
def test_a_passed_schedule_is_no_rotation(gcp):
    """Secret Manager only sends a message and moves the date on; a rotation is a younger version, nothing else."""
    gcp.seed("secret", "due", rotated=40 * DAY, rotation_period=30 * DAY, next_rotation=-2 * DAY)
    item = gcp.see("secret/due")["secret/due"]
    now = gcp.clock.now()
    assert item.rotated.at == now - 40 * DAY
    assert item.next_rotation.at == now + 28 * DAY
    assert (item.rotation.enabled, item.rotation.interval, item.rotation.mechanism) == (
        True,
        30 * DAY,
        "notification",
    )
    assert item.lifecycle.value == "own"
    assert dependencies(item)["rotation-topic"] == ("projects/acme-backup-gcp/topics/rotation", None, None, True)


@pytest.mark.requirement("R41")
@pytest.mark.parametrize(("rotated", "announced"), [(40 * DAY, True), (1 * DAY, False)])
def test_an_announced_rotation_stays_announced_until_it_happened(rotated, announced):
    """A date in the past without a younger version is a rotation that nobody made."""
    now = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    entry = SecretMessage(name="projects/1/secrets/s")
    entry.create_time.FromDatetime(now - 90 * DAY)
    entry.rotation.next_rotation_time.FromDatetime(now - 2 * DAY)
    version = Version(number=2, state=1, created=now - rotated)
    run = Run(None, settings(), context(now), InventoryRequest(budget=Budget(FakeClock(now), seconds=1)))
    item = secret_item(run, Locator("gcp", "secret", "s"), SecretFacts(entry, "", (version,), 2))
    assert (item.next_rotation is not None) is announced


@pytest.mark.requirement("R41")
def test_managed_rotation_says_whether_it_works(gcp):
    """Active, switched off, and failing are three things; a failing one is a dependency that cannot be used."""
    for name, options in {
        "good": {"managed": "ACTIVE"},
        "off": {"managed": "INACTIVE", "rotation_period": 30 * DAY},
        "bad": {"managed": "ACTIVE", "managed_error": "canary-error-text"},
    }.items():
        gcp.seed("regional-secret", f"{REGION}/{name}", type="CLOUD_SQL_DB_CREDENTIALS", **options)
    seen = gcp.see(kinds="regional-secret")
    good, off, bad = (seen[f"regional-secret/{REGION}/{name}"] for name in ("good", "off", "bad"))
    assert (good.rotation.enabled, good.rotation.mechanism) == (True, "managed")
    assert (off.rotation.enabled, off.rotation.interval) == (False, 30 * DAY)
    assert {item.lifecycle.value for item in (good, off, bad)} == {"own"}
    assert dependencies(bad)["managed-rotation"] == ("Cloud SQL", REGION, False, None)
    assert "canary" not in str(bad)
    assert dict(good.attributes)["type"] == "Cloud SQL credential"
    assert (good.region, seen.status) == (REGION, {f"regional-secret:{REGION}": "complete"})


@pytest.mark.parametrize(
    ("states", "settings", "state", "version", "latest"),
    [
        (("ENABLED", "DISABLED"), {}, "active", "2", None),
        (("DISABLED", "ENABLED"), {}, "suspended", "2", "version 2 is disabled"),
        (("DESTROYED", "ENABLED"), {}, "destroyed", "2", "version 2 is destroyed"),
        (("DISABLED", "ENABLED"), {"current": "enabled"}, "active", "1", "version 2 is disabled"),
        (("ENABLED", "ENABLED"), {"alias": "prod"}, "active", "1", None),
        (("DISABLED", "ENABLED"), {"alias": "prod"}, "active", "1", "version 2 is disabled"),
        (("ENABLED", "DISABLED"), {"alias": "other"}, "active", "2", None),
    ],
)
def test_latest_is_the_newest_version_whatever_its_state(gcp, states, settings, state, version, latest):
    """Applications that read ``latest`` fail when the newest version is disabled; an alias keeps others working."""
    gcp.seed("secret", "s", created=9 * DAY, rotated=2 * DAY, states=states, aliases={"prod": 1})
    item = gcp.see("secret/s", settings=settings)["secret/s"]
    assert (item.state.value, item.version) == (state, version)
    assert dict(item.attributes).get("latest") == latest
    assert dict(item.attributes)["aliases"] == "prod=1"


def test_the_generation_is_the_newest_that_works(gcp):
    """A disabled newest version is out of force; the last rotation that holds is the one before."""
    gcp.seed("secret", "s", created=9 * DAY, rotated=2 * DAY, states=("DISABLED", "ENABLED", "ENABLED"))
    item = gcp.see("secret/s")["secret/s"]
    assert item.rotated.at == gcp.clock.now() - 9 * DAY + (7 * DAY) / 2


def test_a_secret_without_versions_is_not_active_yet(gcp):
    """A container is no credential."""
    gcp.seed("secret", "empty", versions=0)
    item = gcp.see("secret/empty")["secret/empty"]
    assert (item.presence.value, item.state.value, item.version) == ("present", "pre-activation", None)


def test_expiry_is_the_secrets_end(gcp):
    """Secret Manager deletes the secret then."""
    gcp.seed("secret", "temporary", expires=3 * DAY)
    item = gcp.see("secret/temporary")["secret/temporary"]
    assert item.expires.at == gcp.clock.now() + 3 * DAY


@pytest.mark.requirement("R39")
def test_replicas_and_keys_say_what_the_secret_is_bound_to(gcp):
    """One's own replica's key decrypts; every other replica must answer before a new version can be added."""
    replicas = (REGION, "europe-west1")
    gcp.seed("secret", "both", replicas=replicas, kms={r: KMS.format(r) for r in replicas})
    gcp.seed("secret", "elsewhere", replicas=("europe-west1",))
    gcp.seed("secret", "everywhere", kms=KMS.format("global"))
    gcp.seed("regional-secret", f"{REGION}/one", kms=KMS.format(REGION))
    seen = gcp.see(kinds="secret regional-secret")
    both, elsewhere = seen["secret/both"], seen["secret/elsewhere"]
    assert both.region == REGION
    assert dependencies(both) == {
        "kms-key": (KMS.format(REGION), REGION, None, False),
        "replica": ("europe-west1", "europe-west1", None, False),
        "replica-key": (KMS.format("europe-west1"), "europe-west1", None, False),
    }
    assert (elsewhere.region, elsewhere.dependencies) == ("europe-west1", ())
    assert seen["secret/everywhere"].region is None
    assert dependencies(seen["secret/everywhere"]) == {"kms-key": (KMS.format("global"), "global", None, True)}
    assert dependencies(seen[f"regional-secret/{REGION}/one"]) == {"kms-key": (KMS.format(REGION), REGION, None, False)}


def test_a_delayed_destruction_is_shown(gcp):
    """A version that is to be destroyed is disabled until then."""
    gcp.seed("secret", "doomed", destroy_ttl=7 * DAY, rotated=None)
    owner(gcp, "destroy_secret_version", name="doomed/versions/1")
    item = gcp.see("secret/doomed")["secret/doomed"]
    assert item.state.value == "suspended"
    assert dict(item.attributes)["destroyed_on"] == (gcp.clock.now() + 7 * DAY).isoformat()


@pytest.mark.requirement("R4b")
def test_a_run_costs_the_pages_and_one_call_for_each_secret(gcp):
    """N and the pages and the token; the same again in a second run, because no list tells of a new version."""
    for number in range(25):
        gcp.seed("secret", f"s-{number:02d}")
    first = gcp.see(kinds="secret")
    assert gcp.calls() == {
        "/token": 1,
        "SecretManagerService.ListSecrets": 1,
        "SecretManagerService.ListSecretVersions": 25,
    }
    gcp.forget()
    second = gcp.see(*first.items, kinds="secret", known=first.markers)
    assert (len(second.unchanged), second.items) == (25, {})
    assert gcp.calls()["SecretManagerService.ListSecretVersions"] == 25


def test_a_new_version_is_seen_although_the_list_is_the_same(gcp):
    """The secret's etag stays what it was; only its versions tell."""
    gcp.seed("secret", "s", rotated=9 * DAY)
    first = gcp.see("secret/s")
    gcp.clock.advance(HOUR)
    owner(gcp, "add_secret_version", parent="s", payload={"data": b"canary-new"})
    second = gcp.see("secret/s", known=first.markers)
    assert second["secret/s"].version == "3"
    assert second["secret/s"].rotated.at > first["secret/s"].rotated.at


def owner(gcp, method, **request):
    """One call of Secret Manager's client as an owner of the project; names stand below its secrets."""
    place = f"projects/{gcp.document['project']}/secrets/"
    request = {k: f"{place}{v}" if k in {"name", "parent"} else v for k, v in request.items()}
    with gcp.client("secretmanager") as (client, metadata):
        return getattr(client, method)(request=request, metadata=metadata, timeout=5)


@pytest.mark.requirement("R6")
def test_absence_needs_the_secrets_own_answer(gcp):
    """A list without it is not enough: the missing one is asked for by name, and only then absent."""
    gcp.seed("secret", "there")
    seen = gcp.see("secret/there", "secret/none", f"regional-secret/{REGION}/none", "regional-secret/mars-1/none")
    assert seen["secret/none"].presence.value == "absent"
    assert seen["secret/none"].error is None
    assert seen[f"regional-secret/{REGION}/none"].presence.value == "absent"
    assert seen["regional-secret/mars-1/none"].presence.value == "unreachable"
    assert gcp.calls()["SecretManagerService.GetSecret"] == 2


@pytest.mark.requirement("R6")
def test_a_list_that_lags_hides_nothing(gcp):
    """A secret that no list shows yet, and that its own read shows, is present."""
    gcp.seed("secret", "old")
    gcp.seed("secret", "new", created=HOUR, rotated=None)
    gcp.world.cloud.knobs.list_lag = 2 * HOUR
    seen = gcp.see("secret/old", "secret/new", kinds="secret")
    assert seen["secret/old"].presence.value == "present"
    assert seen["secret/new"].presence.value in {"present", "unknown"}
    assert gcp.calls()["SecretManagerService.GetSecret"] >= 1


def test_prefixes_and_kinds_limit_what_is_read(gcp):
    """What nobody asked for costs no call."""
    for name in ("pay-a", "pay-b", "search-a"):
        gcp.seed("secret", name)
    seen = gcp.see(kinds="secret", prefixes={"secret": ("pay-",)})
    assert set(seen.items) == {"secret/pay-a", "secret/pay-b"}
    assert gcp.calls()["SecretManagerService.ListSecretVersions"] == 2


def test_one_wanted_secret_needs_no_list(gcp):
    """A single pair reads its secret alone."""
    gcp.seed("secret", "s")
    gcp.see("secret/s")
    assert gcp.calls() == {
        "/token": 1,
        "SecretManagerService.GetSecret": 1,
        "SecretManagerService.ListSecretVersions": 1,
    }


def test_impossible_names_are_answered(gcp):
    """A name that no secret can have is a mistake, asked of nobody."""
    seen = gcp.see("secret/a b", "regional-secret/Nowhere/x", f"regional-secret/{REGION}/a b", "secret/fine")
    assert {name: item.error.kind for name, item in seen.items.items() if item.error} == {
        "secret/a b": "misconfigured",
        "regional-secret/Nowhere/x": "misconfigured",
        f"regional-secret/{REGION}/a b": "misconfigured",
    }
    assert seen["secret/fine"].presence.value == "absent"


def test_a_source_without_location_says_so(gcp):
    """Regional secrets cannot be swept nowhere; secrets without location can."""
    gcp.document = {k: v for k, v in gcp.document.items() if k not in {"locations", "region"}}
    provider = gcp.provider()
    object.__setattr__(provider._context, "region", None)
    found = {c.kind: c for c in provider.inventory(gcp.request(kinds="regional-secret secret cas-certificate"))}
    assert found["regional-secret"].error.kind == "misconfigured"
    assert found["cas-certificate"].error.kind == "misconfigured"
    assert found["secret"].status.value == "complete"


STATES = st.lists(st.sampled_from([1, 2, 3]), max_size=12)


@given(STATES, st.one_of(st.sampled_from(["latest", "enabled"]), st.integers(1, 12)))
def test_the_version_that_is_read(states, wanted):
    """`latest` is the newest, `enabled` the newest that works, a number itself; and the first pages suffice for it."""
    count = len(states)
    versions = [Version(number=count - i, state=state, created=None) for i, state in enumerate(states)]
    found = chosen(versions, wanted)
    works = [v.number for v in versions if v.state == 1]
    if wanted == "latest":
        assert found == (count or None)
    elif wanted == "enabled":
        assert found == (works[0] if works else count or None)
    else:
        assert found == (wanted if wanted <= count else None)
    for seen in range(count + 1):
        if enough(versions[:seen], wanted):
            assert chosen(versions[:seen], wanted) == found
            assert works[0] in [v.number for v in versions[:seen]]
