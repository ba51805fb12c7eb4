"""How secrets are guarded: whose key, what Cloud KMS says of it, and whether data reads are recorded anywhere above."""

from collections.abc import Callable
from typing import Any

import pytest
from google.iam.v1 import policy_pb2

from nhisync.spi import GUARDED, AccessMode, Audited, KeyHolder, Locator, Protection
from nhisync_gcp.crypto_keys import HSM
from nhisync_gcp.permissions import PROTECTION, PROTECTION_ABOVE

from .conftest import REGION, Gcp

PROJECT, FOLDER, ORGANIZATION = "projects/acme-backup-gcp", "folders/7", "organizations/9"
MANAGER, ALL = "secretmanager.googleapis.com", "allServices"
DATA_READ, DATA_WRITE = 3, 2
KEY = f"projects/acme-backup-gcp/locations/{REGION}/keyRings/r/cryptoKeys/k"
GLOBAL_KEY = "projects/acme-backup-gcp/locations/global/keyRings/r/cryptoKeys/k"


@pytest.fixture
def guarded(make: Callable[..., Gcp]) -> Gcp:
    """A source under a folder of an organisation, with all that is printed."""
    return make(locations=[REGION], above=[FOLDER, ORGANIZATION], protection=True)


def record(gcp: Gcp, place: str, service: str = MANAGER, kind: int = DATA_READ, exempted: tuple[str, ...] = ()) -> None:
    """Add an audit config to a place."""
    cloud = gcp.world.cloud
    grown = policy_pb2.Policy()
    grown.CopyFrom(cloud.access.policy(place))
    config = grown.audit_configs.add(service=service)
    config.audit_log_configs.add(log_type=kind, exempted_members=exempted)
    cloud.access.set_policy(place, grown, cloud.clock.now())


def told(gcp: Gcp, settings: dict[str, Any] | None = None, **facts: Any) -> Protection:
    """What is said of one planted secret."""
    gcp.seed("secret", "pay", fields={"password": "canary"}, **facts)
    found = gcp.see("secret/pay", protection=True, settings=settings)["secret/pay"].protection
    assert found is not None
    return found


@pytest.mark.requirement("R33")
def test_a_secret_without_a_key_of_ones_own(guarded: Gcp) -> None:
    """Google holds the key, in software, and replaces it; without audit config anywhere no read is recorded."""
    assert told(guarded) == Protection(
        holder=KeyHolder.PROVIDER,
        hardware=False,
        rotates=True,
        enabled=True,
        key="Google's own key",
        audited=Audited.NO,
        audit="no audit config records data reads",
    )


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("facts", "expected", "said"),
    [
        ({}, (False, True, True), "Cloud KMS key k"),
        ({"level": HSM, "rotates": False}, (True, False, True), "Cloud KMS key k"),
        ({"level": 3, "state": 2}, (None, True, False), "Cloud KMS key k, kept outside of Google"),
    ],
)
def test_a_key_of_ones_own_is_read(guarded: Gcp, facts: dict[str, Any], expected: tuple[Any, ...], said: str) -> None:
    """Protection level, rotation and state are those of the key's primary version."""
    guarded.world.cloud.crypto_keys[GLOBAL_KEY] = facts
    found = told(guarded, kms=GLOBAL_KEY)
    assert found.holder is KeyHolder.CUSTOMER
    assert ((found.hardware, found.rotates, found.enabled), found.key) == (expected, said)


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("configs", "audited"),
    [
        ([(PROJECT, MANAGER, DATA_READ, ())], Audited.YES),
        ([(PROJECT, ALL, DATA_READ, ())], Audited.YES),
        ([(FOLDER, ALL, DATA_READ, ())], Audited.YES),
        ([(ORGANIZATION, MANAGER, DATA_READ, ())], Audited.YES),
        ([(PROJECT, MANAGER, DATA_WRITE, ())], Audited.NO),
        ([(PROJECT, "storage.googleapis.com", DATA_READ, ())], Audited.NO),
        ([(PROJECT, MANAGER, DATA_READ, ("user:a@b.example",))], Audited.PARTLY),
        ([(PROJECT, MANAGER, DATA_READ, ()), (PROJECT, ALL, DATA_READ, ("user:a@b.example",))], Audited.PARTLY),
    ],
)
def test_audit_configs_are_judged(guarded: Gcp, configs: list[Any], audited: Audited) -> None:
    """Data reads of Secret Manager or of all services, on the project or above; who is exempted leaves no trace."""
    for config in configs:
        record(guarded, *config)
    found = told(guarded)
    assert found.audited is audited
    if audited is not Audited.NO:
        assert configs[0][0] in found.audit


@pytest.mark.requirement("R33")
def test_what_is_above_is_unknown_where_it_is_not_looked_at(guarded: Gcp) -> None:
    """A project without audit config proves nothing while folders and organisation may have one."""
    found = told(guarded, {"inherited": False})
    assert (found.audited, "inherited: false" in found.audit) == (None, True)
    record(guarded, PROJECT)
    again = guarded.see("secret/pay", protection=True, settings={"inherited": False})["secret/pay"].protection
    assert again is not None
    assert again.audited is Audited.YES


@pytest.mark.requirement("R33", "R42")
@pytest.mark.parametrize("missing", [*PROTECTION, *PROTECTION_ABOVE])
def test_every_line_is_missed_by_name(guarded: Gcp, missing: str) -> None:
    """One permission less: unknown, never "not audited"; a note names it, and items and lists stand as they are."""
    guarded.seed("secret", "pay", kms=GLOBAL_KEY, fields={"password": "canary"})
    read = ("secretmanager.secrets.get", "secretmanager.secrets.list", "secretmanager.versions.list")
    kept = [one for one in (*PROTECTION, *PROTECTION_ABOVE) if one != missing]
    guarded.world.grant("backup", "gcp", {PROJECT: (*read, *kept), ORGANIZATION: kept})
    seen = guarded.see("secret/pay", kinds="secret", protection=True)
    found = seen["secret/pay"].protection
    assert found is not None
    lost = (found.hardware, found.key) if missing.startswith("cloudkms") else (found.audited, found.audit)
    assert lost[0] is None
    assert f"denied ({missing})" in str(lost[1])
    assert found.holder is KeyHolder.CUSTOMER
    assert seen.status == {"secret": "complete", f"{GUARDED}:{missing}": "denied"}
    (note,) = [one for one in seen.coverage if one.kind == GUARDED]
    assert note.error is not None
    assert (note.error.action, note.authoritative) == (missing, False)


@pytest.mark.requirement("R33", "R42")
def test_the_printed_lines_suffice(guarded: Gcp) -> None:
    """With them nothing is refused; they stand beside the READ roles, and kinds without a value need none."""
    name = guarded.seed("secret", "pay", kms=GLOBAL_KEY, fields={"password": "canary"})
    wanted = [guarded.locator(name)]
    here, above, script = guarded.provider().protection_permissions(wanted, frozenset())
    assert (here.actions, above.actions) == (PROTECTION, PROTECTION_ABOVE)
    assert script.language == "sh"
    read = guarded.provider().permissions(AccessMode.READ, wanted, frozenset())
    assert not {*here.actions, *above.actions} & {action for one in read for action in one.actions}
    assert not [one for one in guarded.see(name, protection=True).coverage if one.error]
    alone, _ = guarded.provider(inherited=False).protection_permissions(wanted, frozenset())
    assert "resourcemanager.projects.get" not in alone.actions
    role = [Locator.parse("gcp:service-account/x@y.iam.gserviceaccount.com")]
    assert guarded.provider().protection_permissions(role, frozenset()) == ()


@pytest.mark.requirement("R33")
def test_the_weakest_replica_counts(guarded: Gcp) -> None:
    """A payload lies under the keys of all its replicas: what one lacks is missing, what one hides is unknown."""
    other = KEY.replace(REGION, "europe-west1").replace("Keys/k", "Keys/soft")
    keys = {REGION: KEY, "europe-west1": other}
    name = guarded.seed("secret", "pay", replicas=tuple(keys), kms=keys, fields={"p": "canary"})
    guarded.world.cloud.crypto_keys |= {KEY: {"level": HSM}, other: {"rotates": False, "level": 3}}
    found = guarded.see(name, protection=True)[name].protection
    assert found is not None
    assert (found.holder, found.hardware, found.rotates, found.enabled) == (KeyHolder.CUSTOMER, None, False, True)
    assert found.key == "Cloud KMS key k; Cloud KMS key soft, kept outside of Google"


@pytest.mark.requirement("R33")
def test_a_config_that_goes_is_seen_although_no_secret_changed(guarded: Gcp) -> None:
    """An item is unchanged only while what guards it is; unasked, nothing of it is called."""
    record(guarded, PROJECT)
    names = [guarded.seed("secret", f"pay{n}", fields={"p": "canary"}) for n in range(3)]
    first = guarded.see(*names, protection=True)
    assert len(guarded.see(*names, known=first.markers, protection=True).unchanged) == 3
    silent = guarded.see(*names, known=first.markers)
    assert silent.unchanged == []
    assert {one.protection for one in silent.items.values()} == {None}
    cloud = guarded.world.cloud
    bare = policy_pb2.Policy()
    bare.CopyFrom(cloud.access.policy(PROJECT))
    bare.ClearField("audit_configs")
    cloud.access.set_policy(PROJECT, bare, cloud.clock.now())
    after = guarded.see(*names, known=first.markers, protection=True)
    assert after.unchanged == []
    assert {one.protection.audited for one in after.items.values() if one.protection} == {Audited.NO}
