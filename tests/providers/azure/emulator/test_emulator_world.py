"""The embedded world: seeds, options, documents, secrecy and a clean end."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential

from nhisync.testing.clocks import FakeClock
from nhisync.testing.world import Seed, WorldPart
from nhisync_azure.emulator import AzureWorld
from nhisync_azure.emulator.durations import add_months, parse

from .conftest import administer

PLACE = ("primary", "azure")


def plant(world: AzureWorld, kind: str, name: str, **more: Any) -> str:
    """Seed the first source."""
    return world.seed(*PLACE, Seed(kind=kind, name=name, **more))


def test_it_is_a_world_part(world: AzureWorld) -> None:
    """The class has what the entry point promises."""
    part: WorldPart = world
    assert part.provider == "azure"


@pytest.mark.parametrize("method", ["client_secret", "certificate", "workload_identity"])
def test_documents_inline_no_credential(world: AzureWorld, method: str) -> None:
    """Credentials are files that only the owner reads, and the document holds nothing of them."""
    document = world.add_source("p", "a", region="westeurope", options={"auth": method})
    file = next(Path(value) for name, value in document["auth"].items() if name.endswith("_file"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text(encoding="ascii").strip() not in str(document)
    assert document["region"] == "westeurope"


def test_parts_that_are_not_wanted_are_left_out(world: AzureWorld) -> None:
    """A source without Resource Manager names no resource id, one without the directory says so."""
    document = world.add_source("p", "a", region="r", options={"arm": False, "graph": False})
    assert ("vault_id" in document, document["directory"]) == (False, False)
    assert "vault" not in world.add_source("p", "b", region="r", options={"keyvault": False})


def test_two_sources_can_share_vault_tenant_or_identity(world: AzureWorld) -> None:
    """One vault on both paths, one tenant for two vaults, one identity for two vaults."""
    first = world.add_source(*PLACE, region="r", options={})
    same = world.add_source("backup", "vault", region="r", options={"vault_of": "primary/azure"})
    identity = world.add_source("backup", "identity", region="r", options={"identity_of": "primary/azure"})
    one, two = (world.add_source("backup", name, region="r", options={"tenant": "shared"}) for name in "ab")
    assert (same["vault"], same["auth"]["client_id"] == first["auth"]["client_id"]) == (first["vault"], False)
    assert identity["auth"]["client_id"] == first["auth"]["client_id"]
    assert identity["vault"] != first["vault"]
    assert one["auth"]["tenant"] == two["auth"]["tenant"] != first["auth"]["tenant"]


def test_unknown_kinds_options_and_names_are_errors(world: AzureWorld) -> None:
    """A misspelt story never passes for one that was planted."""
    world.add_source(*PLACE, region="r", options={})
    world.add_source("backup", "azure", region="r", options={"access": "policies"})
    with pytest.raises(ValueError, match="no kind bucket"):
        plant(world, "bucket", "x")
    with pytest.raises(TypeError, match="no option vershuns"):
        plant(world, "secret", "x", options={"vershuns": 3})
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        plant(world, "secret", "team/x")
    with pytest.raises(ValueError, match="cannot deny a single object"):
        world.seed("backup", "azure", Seed(kind="secret", name="x", options={"denied": True}))
    with pytest.raises(TypeError):
        world.add_source("p", "w", region="r", options={"flavor": "x"})
    with pytest.raises(ValueError, match="no method"):
        world.add_source("p", "w", region="r", options={"auth": "kerberos"})
    with pytest.raises(KeyError):
        world.fault("p", "nowhere", "denied")


def test_a_secret_is_planted_with_its_history(site: Any, world: AzureWorld, clock: FakeClock) -> None:
    """Ages, expiry, owner, states and older versions are those of the seed."""
    rotated, created = timedelta(days=5), timedelta(days=90)
    locator = plant(
        world,
        "secret",
        "s",
        fields={"a": "1"},
        expires=timedelta(days=3),
        tags={"t": "v"},
        options={"older_versions": 2},
    )
    rows = sorted(site.secrets.list_properties_of_secret_versions("s"), key=lambda row: row.created_on)
    ages = [clock.now() - row.created_on for row in rows]
    assert (locator, ages[0], ages[-1], len(ages)) == ("secret/s", created, rotated, 3)
    assert rows[-1].expires_on == clock.now() + timedelta(days=3)
    assert rows[-1].tags == {"owner": "platform-oncall", "t": "v"}
    assert site.secrets.get_secret("s").value == '{"a": "1"}'
    assert site.secrets.get_secret("s", rows[0].version).value == '{"a": "1-old0"}'


def test_states_of_seeds(site: Any, world: AzureWorld) -> None:
    """Disabled, deleted, not valid yet and plain: as the service would show them."""
    plant(world, "secret", "off", options={"disabled": True})
    plant(world, "secret", "gone", options={"deleted": timedelta(days=2)})
    plant(world, "secret", "early", fields={"v": "x"}, options={"not_before": timedelta(days=1), "plain": True})
    plant(world, "certificate", "gone-c", options={"deleted": timedelta(days=2)})
    rows = {row.name: row for row in site.secrets.list_properties_of_secrets()}
    assert set(rows) == {"off", "early"}
    assert rows["off"].enabled is False
    assert rows["early"].not_before > rows["early"].created_on
    assert site.secrets.get_secret("early").value == "x"
    assert {row.name for row in site.secrets.list_deleted_secrets()} == {"gone", "gone-c"}
    assert {row.name for row in site.certificates.list_deleted_certificates()} == {"gone-c"}
    with pytest.raises(ResourceNotFoundError):
        site.keys.get_key("gone-c")


def test_certificates_are_planted_as_told(site: Any, world: AzureWorld, clock: FakeClock) -> None:
    """Dates, issuer, names, owner, key and a running operation are those of the seed; overdue stays overdue."""
    plant(world, "certificate", "late", expires=timedelta(days=-2), rotated=timedelta(days=30))
    options = {"issuer": "DigiCert", "names": ["a.example", "b.example"], "pending": "failed", "kty": "RSA"}
    plant(world, "certificate", "bought", expires=timedelta(days=20), owner="team-pay", options=options)
    late = site.certificates.get_certificate("late").properties
    assert (late.expires_on, clock.now() - late.created_on) == (
        clock.now() - timedelta(days=2),
        timedelta(days=30),
    )
    clock.advance(timedelta(days=1))
    assert site.certificates.get_certificate("late").properties.version == late.version
    bought = site.certificates.get_certificate("bought")
    assert (bought.policy.issuer_name, bought.policy.san_dns_names) == ("DigiCert", ["a.example", "b.example"])
    assert bought.properties.tags["owner"] == "team-pay"
    assert site.keys.get_key("bought").key_type.value == "RSA"
    assert site.certificates.get_certificate_operation("bought").status == "failed"


def test_one_key_can_stand_in_two_places(site: Any, world: AzureWorld) -> None:
    """A copied key shows the same public half under two names."""
    plant(world, "key", "original")
    entry = world.source(*PLACE).vault.keys.get("original")
    assert entry is not None
    plant(world, "key", "copy", options={"key": entry.newest.key})
    plant(world, "certificate", "copied", options={"key": entry.newest.key})
    assert len({site.keys.get_key(name).key.x for name in ("original", "copy", "copied")}) == 1


def test_what_is_planted_anew_replaces_what_was_there(site: Any, world: AzureWorld) -> None:
    """A second seed of one name is listed once, with its own state."""
    for kind in ("secret", "certificate", "key"):
        for rotated in (timedelta(days=9), timedelta(hours=1)):
            plant(world, kind, f"again-{kind}", rotated=rotated)
    names = [row.name for row in site.secrets.list_properties_of_secrets()]
    assert names == ["again-certificate", "again-secret"]
    versions = list(site.certificates.list_properties_of_certificate_versions("again-certificate"))
    assert len(versions) == 2


def test_every_mode_may_do_what_it_says_and_no_more(open_target: Any, world: AzureWorld) -> None:
    """The identity of each mode reads; only from fingerprint on it reads values; only rotate changes."""
    for access in ("rbac", "policies"):
        for mode in ("read", "fingerprint", "probe", "rotate"):
            target = open_target(access, mode, mode=mode, access=access)
            world.seed(access, mode, Seed(kind="secret", name="s"))
            assert [row.name for row in target.secrets.list_properties_of_secrets()] == ["s"]
            assert works(lambda t=target: t.secrets.get_secret("s")) is (mode != "read")
            assert works(lambda t=target: t.secrets.set_secret("s", "v")) is (mode == "rotate")
            assert target.arm(target.vault_id).status_code == 200
            assert target.graph("GET", "/applications").status_code == 200


def works(call: Any) -> bool:
    """Whether the call is not refused with 403."""
    try:
        call()
    except HttpResponseError as refused:
        if refused.status_code != 403:
            raise
        return False
    return True


def test_no_value_is_in_a_repr(site: Any, world: AzureWorld) -> None:
    """Values, client secrets, private keys and tokens are in no repr of the server's state."""
    plant(world, "secret", "s", fields={"v": "canary-1"})
    plant(world, "app-secret", "a", fields={"v": "canary-2"})
    plant(world, "certificate", "c")
    place = world.source(*PLACE)
    secret = Path(site.auth["secret_file"]).read_text(encoding="ascii")
    token = site.credential.get_token("https://vault.azure.net/.default").token
    shown = repr([list(place.vault.secrets), list(place.vault.certificates), list(place.tenant.applications.values())])
    assert "canary" not in shown
    assert secret not in shown
    assert token not in repr(list(world.cloud.tokens.values()))
    assert "canary-2" in {one.secret for app in place.tenant.applications.values() for one in app.passwords}


def test_stop_leaves_nothing_behind(tmp_path: Path, clock: FakeClock) -> None:
    """No thread stays, a second stop does no harm, and every port of a process is new."""
    before = set(threading.enumerate())
    ports: set[str] = set()
    for number in range(3):
        world = AzureWorld(clock=clock, directory=tmp_path / str(number))
        world.start()
        ports |= {world.address, world.add_source(*PLACE, region="r", options={})["vault"]}
        world.fault(*PLACE, "hang")
        world.stop()
        world.stop()
    assert set(threading.enumerate()) <= before
    assert len(ports) == 6


def test_vault_names_are_those_that_azure_allows(world: AzureWorld) -> None:
    """Long, odd and repeated names of paths and sources make distinct names of 3 to 24 characters."""
    for source in ("Ünï/codé source with a very long name", "Ünï/codé source with a very long name too"):
        world.add_source("primary", source, region="r", options={})
    names = set(world.cloud.vaults)
    assert len(names) == 2
    assert all(3 <= len(name) <= 24 and name.replace("-", "").isascii() for name in names)


def test_the_applications_of_a_world_hold_its_own(open_target: Any, world: AzureWorld) -> None:
    """Nhisync's own registration stands in the tenant like any other, with its credential."""
    target = open_target()
    administer(world)
    rows = target.graph("GET", "/applications").json()["value"]
    assert [row["displayName"] for row in rows] == ["nhisync-primary-azure"]


@pytest.mark.parametrize(("text", "days"), [("P30D", 30), ("P1M", 31), ("P1Y", 365), ("P2M1DT24H", 64)])
def test_durations_count_on_the_calendar(text: str, days: int, clock: FakeClock) -> None:
    """Months and years are those of the calendar; before undoes after."""
    start = clock.now().replace(month=12, day=1)
    span = parse(text)
    assert (span.after(start) - start).days == days
    assert span.before(span.after(start)) == start


def test_a_month_ends_on_its_last_day(clock: FakeClock) -> None:
    """One month after the 31st of January is the last of February; what is no duration is an error."""
    last = clock.now().replace(year=2027, month=1, day=31)
    assert add_months(last, 1) == last.replace(month=2, day=28)
    for text in ("", "P", "30D", "P-3D", "P1.5D"):
        with pytest.raises(ValueError, match="no ISO 8601 duration"):
            parse(text)


def test_the_metadata_service_is_what_the_sdk_expects(world: AzureWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-identity's own credential gets a token of the machine's identity, and none of another one."""
    document = world.add_source(*PLACE, region="r", options={"auth": "managed_identity"})["auth"]
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", document["endpoint"])
    with ManagedIdentityCredential(client_id=document["client_id"], retry_total=0) as credential:
        token = credential.get_token("https://vault.azure.net/.default").token
    known = world.cloud.token(token)
    assert known is not None
    assert known.caller.app_id == document["client_id"]
    with (
        ManagedIdentityCredential(client_id=str(uuid4()), retry_total=0) as other,
        pytest.raises(ClientAuthenticationError),
    ):
        other.get_token("https://vault.azure.net/.default")
