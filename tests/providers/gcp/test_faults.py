"""Every fault of the transport and of Google: a typed answer, honest coverage, no traceback, nothing hanging."""

import datetime as dt
import logging
import threading
import time
from contextlib import contextmanager

import pytest

from nhisync.spi import ErrorKind, ProviderError

from .conftest import ACCOUNT, REGION

DAY = dt.timedelta(days=1)
PAY = ACCOUNT.format("payments")
KINDS = "secret regional-secret service-account service-account-key certificate cas-certificate"
EVERYTHING = (
    "secret/stripe",
    f"regional-secret/{REGION}/ledger",
    f"service-account/{PAY}",
    f"service-account-key/{PAY}",
    "certificate/global/www",
    f"cas-certificate/{REGION}/pool/cn/api.example.com",
)
CALLS = "[!/]*"


@pytest.fixture
def stocked(gcp):
    """One item of each kind."""
    gcp.seed("secret", "stripe")
    gcp.seed("regional-secret", f"{REGION}/ledger")
    gcp.seed("service-account-key", "payments")
    gcp.seed("certificate", "global/www")
    gcp.seed("cas-certificate", f"{REGION}/pool/cn/api.example.com")
    return gcp


def test_everything_is_seen(stocked):
    """Without a fault every kind is complete and every item there."""
    seen = stocked.see(*EVERYTHING, kinds=KINDS)
    assert {name: seen[name].presence.value for name in EVERYTHING} == dict.fromkeys(EVERYTHING, "present")
    assert set(seen.status.values()) == {"complete"}


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("fault", "options", "status", "presence", "kind"),
    [
        ("denied", {}, "denied", "denied", "denied"),
        ("exhausted", {"call": CALLS}, "throttled", "throttled", "throttled"),
        ("unavailable", {"call": CALLS}, "unreachable", "unreachable", "unreachable"),
        ("internal", {"call": CALLS}, "unreachable", "unreachable", "unreachable"),
        ("drop", {"call": CALLS}, "unreachable", "unreachable", "unreachable"),
        ("garbage", {"call": CALLS}, "unreachable", "unknown", "malformed"),
        ("unreachable", {"listeners": ("global", "regional")}, "unreachable", "unreachable", "unreachable"),
    ],
)
def test_every_fault_has_its_own_answer(stocked, fault, options, status, presence, kind):
    """No item is absent or missing in the answer, no coverage complete, and the reason is the fault's."""
    stocked.fault(fault, **options)
    seen = stocked.see(*EVERYTHING, kinds=KINDS)
    assert {name: seen[name].presence.value for name in EVERYTHING} == dict.fromkeys(EVERYTHING, presence)
    assert {seen[name].error.kind for name in EVERYTHING} == {kind}
    assert set(seen.status.values()) == {status}
    stocked.fault(fault, off=True, **options)
    assert set(stocked.see(*EVERYTHING, kinds=KINDS).status.values()) == {"complete"}


@pytest.mark.requirement("R6")
def test_a_missing_grant_is_told_apart_by_service(stocked):
    """What one service refuses costs the answers of that service alone."""
    stocked.fault("denied", permission="iam.*")
    seen = stocked.see(*EVERYTHING, kinds=KINDS)
    words = {name.partition("/")[0]: item.presence.value for name, item in seen.items.items()}
    assert words == {
        "secret": "present",
        "regional-secret": "present",
        "service-account": "denied",
        "service-account-key": "denied",
        "certificate": "present",
        "cas-certificate": "present",
    }
    error = seen[f"service-account/{PAY}"].error
    assert error.action == "iam.serviceAccounts.get"
    assert error.request_id


def test_lists_without_grant_leave_single_reads(stocked):
    """Whoever may not list may still read what a pair names."""
    stocked.fault("denied", permission="secretmanager.secrets.list")
    seen = stocked.see("secret/stripe", "secret/none", kinds="secret")
    assert seen["secret/stripe"].presence.value == "present"
    assert seen["secret/none"].presence.value == "absent"
    assert seen.status == {"secret": "denied"}


def test_a_lost_answer_is_asked_for_again(stocked):
    """Three attempts: two lost answers are repaired, each spent, on a connection of its own."""
    stocked.fault("drop", call="SecretManagerService.ListSecretVersions", times=2)
    budget = stocked.budget()
    seen = stocked.see("secret/stripe", settings={"attempts": 3}, budget=budget)
    assert seen["secret/stripe"].presence.value == "present"
    assert budget.spent == sum(stocked.calls().values()) == 5
    assert stocked.clock.slept


def test_slow_down_is_obeyed(stocked):
    """The wait that Google names is waited, when the cycle is long enough; else the answer is THROTTLED at once."""
    stocked.fault("exhausted", call="SecretManagerService.GetSecret", times=1, retry_after=30)
    seen = stocked.see("secret/stripe", settings={"attempts": 2})
    assert seen["secret/stripe"].presence.value == "present"
    assert 30.0 in stocked.clock.slept
    stocked.fault("exhausted", call="SecretManagerService.GetSecret", retry_after=7200)
    item = stocked.see("secret/stripe", settings={"attempts": 3})["secret/stripe"]
    assert (item.presence.value, item.error.retry_after) == ("throttled", dt.timedelta(hours=2))
    assert max(stocked.clock.slept) < 60


def test_what_does_not_answer_is_not_asked_for_ever(stocked):
    """After three failures in a row the service is left alone: an outage costs no hundred timeouts."""
    for number in range(40):
        stocked.seed("secret", f"s-{number:02d}")
    stocked.fault("unavailable", call="SecretManagerService.ListSecretVersions")
    budget = stocked.budget()
    seen = stocked.see(kinds="secret", budget=budget)
    assert {item.presence.value for item in seen.items.values()} == {"unreachable"}
    assert budget.spent < 20


def test_a_silent_service_ends_in_time(stocked):
    """A call ends with its timeout, whatever the server does."""
    stocked.fault("hang", call="SecretManagerService.*")
    begun = time.monotonic()
    item = stocked.see("secret/stripe", settings={"timeout": "300ms"})["secret/stripe"]
    assert time.monotonic() - begun < 30
    assert (item.presence.value, item.error.message.startswith("no answer in time")) == ("unreachable", True)


@contextmanager
def once_called(gcp, call, action):
    """Do `action` from another thread as soon as `call` has reached the service."""

    def wait():
        while call not in gcp.calls():
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def test_our_own_deadline_is_not_the_services_fault(stocked):
    """When the cycle ends while a call waits, the answer is THROTTLED, not UNREACHABLE."""
    stocked.fault("hang", call="SecretManagerService.*")
    provider = stocked.provider(timeout="2s")
    request = stocked.request("secret/stripe")
    with once_called(stocked, "SecretManagerService.GetSecret", request.budget.cancel):
        items = [o for o in provider.inventory(request) if hasattr(o, "presence")]
    assert [item.presence.value for item in items] == ["throttled"]


def test_closing_ends_calls_in_progress(stocked):
    """`close` from another thread ends a call that waits, typed, and nothing is absent."""
    stocked.fault("hang", call="SecretManagerService.*")
    provider = stocked.provider(timeout="10m")
    with once_called(stocked, "SecretManagerService.GetSecret", provider.close):
        items = [o for o in provider.inventory(stocked.request("secret/stripe")) if hasattr(o, "presence")]
    assert [item.presence.value for item in items] == ["unreachable"]
    with pytest.raises(ProviderError) as caught:
        provider._connection.call("secretmanager.list_secrets", stocked.budget(), parent="projects/x")
    assert caught.value.kind is ErrorKind.UNREACHABLE


@pytest.mark.parametrize("same", [False, True])
def test_endless_lists_end(stocked, same):
    """A token that comes twice, or pages without end, are no complete list."""
    stocked.fault("endless-paging", call="SecretManagerService.ListSecrets", same=same)
    budget = stocked.budget(calls=4000)
    seen = stocked.see("secret/stripe", kinds="secret", budget=budget)
    assert seen["secret/stripe"].presence.value == "present"
    assert seen.status == {"secret": "partial"}
    assert budget.spent < 2100


def test_ten_thousand_secrets_cost_pages_and_what_is_asked_for(gcp):
    """A template that reaches five of ten thousand secrets costs ten pages and five calls."""
    with gcp.world.cloud.lock:
        for number in range(10_000):
            gcp.seed("secret", f"crowd-{number:05d}", rotated=None)
    seen = gcp.see(kinds="secret", prefixes={"secret": ("crowd-0000",)}, settings={"timeout": "60s"})
    assert len(seen.items) == 10
    assert gcp.calls() == {
        "/token": 1,
        "SecretManagerService.ListSecrets": 10,
        "SecretManagerService.ListSecretVersions": 10,
    }
    assert seen.coverage[0].items == 10_000


SECRET = "projects/acme-backup-gcp/secrets/stripe"
LOST = ["drop", "applied-unavailable", "internal", "garbage", "exhausted"]


@pytest.mark.parametrize("fault", LOST)
def test_a_mint_is_never_repeated(gcp, fault):
    """What was made and whose answer was lost is not made again, however many attempts a read has."""
    gcp.seed("secret", "stripe", rotated=None)
    gcp.world.grant("backup", "gcp", {SECRET: ("secretmanager.versions.add", "secretmanager.versions.list")})
    connection = gcp.provider(attempts=5)._connection
    gcp.fault(fault, call="SecretManagerService.AddSecretVersion")
    before = len(connection.call("secretmanager.list_secret_versions", gcp.budget(), parent=SECRET).versions)
    payload = {"data": b"canary-minted"}
    with pytest.raises(ProviderError) as told:
        connection.mint("secretmanager.add_secret_version", gcp.budget(), parent=SECRET, payload=payload)
    assert gcp.calls()["SecretManagerService.AddSecretVersion"] == 1
    found = connection.call("secretmanager.list_secret_versions", gcp.budget(), parent=SECRET).versions
    assert len(found) - before == (fault in {"drop", "applied-unavailable", "garbage"})
    assert "canary" not in f"{told.value!r} {told.value.fact!r}"


def test_a_token_that_was_refused_made_nothing(gcp):
    """It is replaced once, and the change is made once."""
    gcp.seed("secret", "stripe", rotated=None)
    gcp.world.grant("backup", "gcp", {SECRET: ("secretmanager.versions.add",)})
    connection = gcp.provider()._connection
    gcp.fault("token-expired", call="SecretManagerService.AddSecretVersion", times=1)
    made = connection.mint("secretmanager.add_secret_version", gcp.budget(), parent=SECRET, payload={"data": b"x"})
    assert made.name.endswith("/versions/2")
    assert gcp.calls() == {"/token": 2, "SecretManagerService.AddSecretVersion": 2}


def test_quotas_of_the_service_are_kept(gcp):
    """With the default rates a cycle over many secrets stays below 600 reads a minute."""
    gcp.world.cloud.knobs.quotas = True
    for number in range(700):
        gcp.seed("secret", f"s-{number:03d}", rotated=None)
    seen = gcp.see(kinds="secret", settings={"attempts": 1, "limits": {"deadline": "5m"}})
    assert {item.presence.value for item in seen.items.values()} == {"present"}


def test_nothing_is_logged_by_the_sdk(stocked, caplog):
    """Whatever goes wrong, gRPC's and Google's loggers stay silent: their records hold answers and tracebacks."""
    caplog.set_level(logging.DEBUG)
    for fault in ("garbage", "unavailable", "internal"):
        stocked.fault(fault, call=CALLS)
        stocked.see(*EVERYTHING, kinds=KINDS)
        stocked.fault(fault, off=True)
    stocked.see(*EVERYTHING, kinds=KINDS)
    assert [r.name for r in caplog.records if r.name.split(".")[0] in {"grpc", "google", "urllib3", "requests"}] == []
