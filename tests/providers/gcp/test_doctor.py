"""What `nhisync doctor` says of a Google source: what is wrong, what is missing, what is too much."""

import datetime as dt

import pytest

from nhisync.spi import AccessMode, CheckState
from nhisync_gcp.permissions import READ

from .conftest import REGION
from .test_permissions import KEY, PRESENT, READ_LINES, SECRET, granted, locators

KINDS = frozenset(READ)


@pytest.fixture
def stocked(gcp):
    """One item of each kind, read with exactly the read document."""
    gcp.seed("secret", "stripe", fields={"v": "S3CRET-stripe"})
    gcp.seed("regional-secret", f"{REGION}/ledger")
    gcp.seed("service-account-key", "payments")
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{REGION}/pool/cn/api.example.com")
    gcp.world.grant("backup", "gcp", granted(AccessMode.READ, *PRESENT))
    return gcp


def examined(gcp, mode=AccessMode.READ, names=PRESENT, kinds=KINDS, **settings):
    """All checks."""
    return list(gcp.provider(**settings).examine(mode, locators(*names), kinds, gcp.budget()))


def states(checks, state):
    """Names of the checks in one state."""
    return {check.name for check in checks if check.state is state}


def test_nothing_is_wrong_where_nothing_is(stocked):
    """Every permission is held, values are closed, the clock agrees, and TLS was verified."""
    checks = examined(stocked)
    assert states(checks, CheckState.FAILED) == states(checks, CheckState.WARNING) == set()
    named = {check.name for check in checks}
    assert {f"permission:{p}" for _, p in READ_LINES} <= named
    assert {"key-file", "identity", "clock", "reachable", "values-closed"} <= named
    assert "certificate verified" in next(c.observed for c in checks if c.name == "reachable")


@pytest.mark.requirement("R55")
@pytest.mark.parametrize("line", READ_LINES, ids=[permission for _, permission in READ_LINES])
def test_every_missing_permission_is_named_with_its_grant(stocked, line):
    """Exactly the missing one fails, and its fix is the command that grants it."""
    stocked.world.grant("backup", "gcp", granted(AccessMode.READ, *PRESENT, without=line))
    failed = [check for check in examined(stocked) if check.state is CheckState.FAILED]
    assert {check.name for check in failed} == {f"permission:{line[1]}"}
    assert f"--add-permissions={line[1]}" in failed[0].fix


@pytest.mark.requirement("R55")
@pytest.mark.parametrize(
    ("role", "warned"),
    [
        ("roles/owner", {"values-closed", "permissions-surplus"}),
        ("roles/secretmanager.admin", {"values-closed", "permissions-surplus"}),
    ],
)
def test_too_much_is_a_warning(make, role, warned):
    """An inventory's identity that could read values or change things works, and is more than it should be."""
    gcp = make(locations=[REGION], role=role)
    gcp.seed("secret", "stripe")
    checks = examined(gcp, names=[SECRET], kinds=frozenset({"secret"}))
    assert states(checks, CheckState.FAILED) == set()
    assert states(checks, CheckState.WARNING) == warned
    surplus = next(check for check in checks if check.name == "permissions-surplus")
    assert "secretmanager.versions.access" in surplus.observed
    assert "nhisync permissions --mode read" in surplus.fix


def test_a_single_value_too_much_is_a_warning(stocked):
    """A grant on one secret is found on that secret."""
    grants = granted(AccessMode.READ, *PRESENT)
    name = f"projects/{stocked.document['project']}/secrets/stripe"
    stocked.world.grant("backup", "gcp", {**grants, name: ["secretmanager.versions.access"]})
    checks = examined(stocked)
    assert states(checks, CheckState.WARNING) == {"permissions-surplus"}
    assert "values-closed" in states(checks, CheckState.OK)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("mode", [AccessMode.FINGERPRINT, AccessMode.PROBE, AccessMode.ROTATE])
def test_other_modes_need_more(stocked, mode, held):
    """What a mode needs on an item is asked of the service itself, without reading or changing anything."""
    names = (SECRET, KEY)
    given = mode if held else AccessMode.READ
    stocked.world.grant("backup", "gcp", granted(given, *names))
    checks = examined(stocked, mode=mode, names=names)
    failed = states(checks, CheckState.FAILED)
    assert failed == set() if held else "permission:secretmanager.versions.access" in failed
    assert ("permission:iam.serviceAccountKeys.create" in failed) is (mode is AccessMode.ROTATE and not held)
    assert "SecretManagerService.AccessSecretVersion" not in stocked.calls()
    assert not {call for call in stocked.calls() if "Create" in call or "Disable" in call}


@pytest.mark.parametrize(
    ("fault", "options", "failed", "said"),
    [
        ("token-refused", {}, "identity", "rejects"),
        ("token-unavailable", {}, "reachable", "token endpoint"),
        ("unreachable", {"listeners": ("token",)}, "reachable", "token endpoint"),
        ("unreachable", {"listeners": ("global",)}, "reachable", "refused"),
        ("garbage", {"call": "[!/]*"}, "reachable", "cannot be read"),
        ("clock-skew", {"seconds": 600}, "clock", "600 s"),
    ],
)
def test_what_is_wrong_is_told_apart(stocked, fault, options, failed, said):
    """Token endpoint, API, rejected key and clock are different repairs."""
    stocked.fault(fault, **options)
    checks = examined(stocked, names=[SECRET], kinds=frozenset({"secret"}))
    bad = {check.name: check for check in checks if check.state is CheckState.FAILED}
    assert failed in bad
    assert said in bad[failed].observed
    assert bad[failed].fix or bad[failed].error


def test_a_key_file_that_others_can_read_is_a_warning(stocked):
    """A shared key file is a shared identity."""
    file = stocked.base / stocked.document["auth"]["file"]
    file.chmod(0o644)
    checks = examined(stocked)
    assert states(checks, CheckState.WARNING) == {"key-file"}
    file.unlink()
    assert "key-file" in states(examined(stocked), CheckState.FAILED)


def test_a_missing_pool_is_not_a_missing_permission(stocked):
    """The place is wrong, not the grant."""
    name = f"cas-certificate/{REGION}/nopool/none"
    checks = examined(stocked, names=[name], kinds=frozenset())
    assert not [c for c in checks if c.error is not None and c.error.kind == "denied"]


def test_names_that_no_item_can_have_end_nothing(stocked):
    """The inventory says so of the item; the doctor goes on."""
    checks = examined(stocked, names=[*PRESENT, "secret/a b", "service-account-key/x"])
    assert states(checks, CheckState.FAILED) == set()


def test_without_kinds_there_is_still_a_way_to_ask(gcp):
    """A source that no pair names yet: reachable and identified, and nothing else is claimed."""
    checks = examined(gcp, names=(), kinds=frozenset())
    assert {check.name for check in checks} == {"key-file", "identity", "clock", "reachable"}


def test_skew_is_measured_when_the_answer_came(gcp):
    """A token that is kept for an hour must not make the clock look an hour off."""
    provider = gcp.provider()
    provider.identify(gcp.budget())
    gcp.clock.advance(dt.timedelta(minutes=30))
    checks = list(provider.examine(AccessMode.READ, (), frozenset({"secret"}), gcp.budget()))
    assert "clock" in states(checks, CheckState.OK)
