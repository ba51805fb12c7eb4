"""Named faults, as the real SDKs meet them; every one hits only the source it was switched on for."""

import itertools
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.keyvault.secrets import SecretClient

from nhisync.testing.world import Seed
from nhisync_azure.emulator.faults import FAULTS

from .conftest import administer, code_of

PLACE = ("primary", "azure")
RETRY = {"retry_total": 5, "retry_status": 5, "retry_read": 3, "retry_connect": 3, "retry_backoff_factor": 0.0}


def names(site: Any) -> list[str]:
    """Names that the list shows."""
    return [row.name for row in site.secrets.list_properties_of_secrets()]


def versions(site: Any, name: str) -> int:
    """How many versions a secret has."""
    return len(list(site.secrets.list_properties_of_secret_versions(name)))


def test_a_throttled_call_is_tried_again_after_the_wait(site: Any, world: Any) -> None:
    """A 429 carries Retry-After; a client that retries gets through, one that does not sees the code."""
    world.fault(*PLACE, "throttled", times=1, seconds=1)
    with pytest.raises(HttpResponseError) as refused:
        names(site)
    assert code_of(refused.value)[:2] == (429, "Throttled")
    assert refused.value.response.headers["Retry-After"] == "1"
    world.fault(*PLACE, "throttled", times=1, seconds=0)
    assert list(site.client(SecretClient, **RETRY).list_properties_of_secrets()) == []


def test_an_applied_write_that_answers_503_is_duplicated_by_retries(site: Any, world: Any) -> None:
    """The trap of the default client: one set, applied and answered 503 twice, leaves three versions."""
    world.fault(*PLACE, "applied-then-503", operations="secrets/set", times=2)
    site.client(SecretClient, **RETRY).set_secret("paid", "v")
    assert versions(site, "paid") == 3


@pytest.mark.parametrize(("name", "there"), [("drop", 1), ("drop-before", 0)])
def test_a_dropped_connection_hides_whether_it_was_applied(site: Any, world: Any, name: str, there: int) -> None:
    """Without retries the write is there once, or not at all; the client cannot tell which."""
    names(site)
    world.fault(*PLACE, name, times=1)
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        site.secrets.set_secret("lost", "v")
    assert len(names(site)) == there


def test_an_unavailable_service_did_nothing(site: Any, world: Any) -> None:
    """The fault unavailable answers before anything is done, with the code that is asked for."""
    world.fault(*PLACE, "unavailable", status=500, times=1)
    with pytest.raises(HttpResponseError) as refused:
        site.secrets.set_secret("never", "v")
    assert refused.value.status_code == 500
    assert names(site) == []


def test_a_delay_is_real_time(site: Any, world: Any, clock: Any) -> None:
    """A delayed answer takes that long on the machine's clock, and the cloud's clock stands still."""
    names(site)
    before, start = clock.now(), time.monotonic()
    world.fault(*PLACE, "delay", seconds=0.3, times=1)
    names(site)
    assert time.monotonic() - start >= 0.3
    assert clock.now() == before


def test_a_hanging_service_is_left_by_the_clients_timeout(site: Any, world: Any) -> None:
    """No answer comes until the fault is off; a read timeout ends the wait."""
    names(site)
    world.fault(*PLACE, "hang")
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        list(site.client(SecretClient, read_timeout=0.3).list_properties_of_secrets())
    world.fault(*PLACE, "hang", off=True)
    assert names(site) == []


@pytest.mark.parametrize("name", ["cut", "garbage"])
def test_a_broken_answer_is_an_error_not_an_empty_list(site: Any, world: Any, name: str) -> None:
    """Half an answer, or a proxy's page with status 200, never passes for a list."""
    world.seed(*PLACE, Seed(kind="secret", name="s"))
    names(site)
    world.fault(*PLACE, name, times=1)
    with pytest.raises((AzureError, ValueError)):  # the SDK lets the decoder's own error through
        names(site)
    assert names(site) == ["s"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("denied", (403, "Forbidden", "ForbiddenByRbac")),
        ("firewall", (403, "Forbidden", "ForbiddenByFirewall")),
        ("private", (403, "Forbidden", "ForbiddenByConnection")),
    ],
)
def test_refusals_of_role_firewall_and_network_differ(site: Any, world: Any, name: str, code: Any) -> None:
    """The inner code tells who refused."""
    world.fault(*PLACE, name)
    with pytest.raises(HttpResponseError) as refused:
        names(site)
    assert code_of(refused.value) == code
    world.fault(*PLACE, name, off=True)
    assert names(site) == []


def test_a_failed_over_vault_reads_but_does_not_change(site: Any, world: Any) -> None:
    """After a failover the other region serves reads and signatures; every change is refused."""
    key = site.keys.create_ec_key("k")
    site.secrets.set_secret("s", "v")
    world.fault(*PLACE, "failed-over", region="northeurope")
    seen: dict[str, str] = {}
    site.secrets.get_secret("s", raw_response_hook=lambda answer: seen.update(answer.http_response.headers))
    assert seen["x-ms-keyvault-region"] == "northeurope"
    assert site.crypto(key.id).sign("ES256", b"\0" * 32).signature
    with pytest.raises(HttpResponseError) as refused:
        site.secrets.set_secret("s", "v2")
    assert refused.value.status_code == 403
    world.fault(*PLACE, "failed-over", off=True)
    assert site.secrets.set_secret("s", "v2").value == "v2"


def test_a_refused_token_is_a_401(site: Any, world: Any) -> None:
    """A vault that refuses good tokens ends in an authentication error after one more try."""
    world.fault(*PLACE, "unauthorized")
    with pytest.raises((ClientAuthenticationError, HttpResponseError)) as refused:
        names(site)
    assert refused.value.status_code == 401


def test_a_revoked_session_is_renewed_by_a_claims_challenge(site: Any, world: Any) -> None:
    """The SDK answers the claims challenge with a new token and repeats exactly the refused call."""
    site.secrets.set_secret("s", "v1")
    world.reset_calls()
    world.fault(*PLACE, "revoked")
    site.secrets.set_secret("s", "v2")
    calls = world.calls(*PLACE)
    assert (calls["sts:token"], calls["kv:secrets/set"]) == (1, 2)
    assert versions(site, "s") == 2
    assert site.secrets.get_secret("s").value == "v2"


@pytest.mark.parametrize("surface", ["graph", "arm"])
def test_graph_and_resource_manager_challenge_for_claims_too(site: Any, world: Any, surface: str) -> None:
    """A revoked session is renewed there as well; a token that is refused for good ends in a 401."""
    read = (lambda: site.graph("GET", "/applications")) if surface == "graph" else (lambda: site.arm(site.vault_id))
    assert read().status_code == 200
    world.fault(*PLACE, "revoked")
    assert read().status_code == 200
    world.fault(*PLACE, "unauthorized", surface=surface)
    assert read().status_code == 401


def test_an_overloaded_token_service_speaks_oauth(site: Any, world: Any) -> None:
    """A 429 of the token service names no wrong credential, and ends."""
    world.fault(*PLACE, "throttled", surface="sts", seconds=0)
    with pytest.raises(ClientAuthenticationError) as failed:
        site.login().get_token("https://vault.azure.net/.default")
    assert "AADSTS7000215" not in str(failed.value)
    world.fault(*PLACE, "throttled", off=True)
    assert site.login().get_token("https://vault.azure.net/.default").token


@pytest.mark.parametrize("number", [7000215, 7000222])
def test_logins_can_be_refused(site: Any, world: Any, number: int) -> None:
    """No credential is accepted while the fault is on, with the number that is asked for."""
    world.fault(*PLACE, "login-refused", number=number)
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{number}"):
        site.login().get_token("https://vault.azure.net/.default")
    world.fault(*PLACE, "login-refused", off=True)
    assert site.login().get_token("https://vault.azure.net/.default").token


def test_lists_lag_behind(site: Any, world: Any, clock: Any) -> None:
    """With list-lag new names and versions are read at once but listed later; deleted ones are still listed."""
    site.secrets.set_secret("old", "v")
    clock.advance(timedelta(minutes=5))
    world.fault(*PLACE, "list-lag", seconds=60)
    site.secrets.set_secret("new", "v")
    site.secrets.set_secret("old", "v2")
    site.secrets.begin_delete_secret("old", _polling_interval=0).wait()
    assert site.secrets.get_secret("new").value == "v"
    assert names(site) == ["old"]
    clock.advance(timedelta(seconds=61))
    assert names(site) == ["new"]


def test_deletion_and_recovery_take_a_while(site: Any, world: Any) -> None:
    """With delete-lag the first looks at a deleted or recovered name find nothing."""
    site.secrets.set_secret("s", "v")
    world.fault(*PLACE, "delete-lag", polls=2)
    site.secrets.begin_delete_secret("s", _polling_interval=0)
    for _ in range(2):
        with pytest.raises(ResourceNotFoundError):
            site.secrets.get_deleted_secret("s")
    assert site.secrets.get_deleted_secret("s").name == "s"
    site.secrets.begin_recover_deleted_secret("s", _polling_interval=0).wait()
    assert site.secrets.get_secret("s").value == "v"


def test_new_roles_spread_slowly(site: Any, world: Any, clock: Any) -> None:
    """With rbac-lag an assignment of the last minutes has no effect yet, in the vault and in Resource Manager."""
    clock.advance(timedelta(hours=1))
    world.fault(*PLACE, "rbac-lag", seconds=600)
    world.install(*PLACE, role={"Name": "r", "DataActions": ["*"], "Actions": ["*"]})
    with pytest.raises(HttpResponseError):
        names(site)
    assert site.arm(site.vault_id).status_code == 403
    clock.advance(timedelta(seconds=601))
    assert names(site) == []
    assert site.arm(site.vault_id).status_code == 200


@pytest.mark.parametrize("surface", ["kv", "graph", "arm"])
def test_pages_can_be_short_empty_and_endless(site: Any, world: Any, surface: str) -> None:
    """A client that follows every link sees all rows through short and empty pages, and never an end with endless."""
    for number in range(3):
        world.seed(*PLACE, Seed(kind="secret", name=f"s{number}"))
        world.seed(*PLACE, Seed(kind="app-secret", name=f"a{number}"))
        world.assign(*PLACE, role="Reader")
    whole = list(rows(site, surface))
    assert len(whole) >= 3
    world.fault(*PLACE, "short-pages", size=1)
    world.fault(*PLACE, "empty-pages")
    world.reset_calls()
    assert list(rows(site, surface)) == whole
    assert sum(count for call, count in world.calls(*PLACE).items() if "list" in call) == 2 * len(whole)
    world.fault(*PLACE, "endless-paging")
    endless = list(itertools.islice(rows(site, surface), 3 * len(whole)))
    assert endless[: len(whole)] == endless[len(whole) : 2 * len(whole)] == whole


def rows(site: Any, surface: str) -> Any:
    """Ids of everything that the surface lists, page after page."""
    if surface == "kv":
        yield from (row.id for row in site.secrets.list_properties_of_secrets())
        return
    read = (lambda link: site.graph("GET", link)) if surface == "graph" else site.arm
    assignments = f"{site.vault_id}/providers/Microsoft.Authorization/roleAssignments"
    link = "/applications?$select=id" if surface == "graph" else assignments
    while link:
        page = read(link).json()
        yield from (row["id"] for row in page["value"])
        link = page.get("@odata.nextLink") or page.get("nextLink")


def test_the_date_header_can_be_off(site: Any, world: Any, clock: Any) -> None:
    """With clock-skew the Date header is wrong by so much, and nothing else is."""
    world.fault(*PLACE, "clock-skew", seconds=-3600)
    seen: dict[str, str] = {}
    site.secrets.set_secret("s", "v", raw_response_hook=lambda answer: seen.update(answer.http_response.headers))
    wrong = clock.now() - timedelta(hours=1)
    assert seen["Date"] == f"{wrong:%a, %d %b %Y %H:%M:%S} GMT"
    assert site.secrets.get_secret("s").properties.created_on == clock.now()


def test_a_closed_port_and_a_strange_certificate(site: Any, world: Any) -> None:
    """A refused connection and a certificate of an unknown authority are both request errors, and both end."""
    for name in ("unreachable", "tls"):
        world.fault(*PLACE, name)
        with pytest.raises(ServiceRequestError):
            list(site.client(SecretClient).list_properties_of_secrets())
        world.fault(*PLACE, name, off=True)
        assert list(site.client(SecretClient).list_properties_of_secrets()) == []


@pytest.mark.parametrize(("surface", "wanted"), [("graph", 403), ("arm", 403)])
def test_faults_reach_graph_and_resource_manager(site: Any, world: Any, surface: str, wanted: int) -> None:
    """A fault of one surface leaves the others alone."""
    world.fault(*PLACE, "denied", surface=surface)
    answers = {"graph": site.graph("GET", "/applications"), "arm": site.arm(site.vault_id)}
    assert answers.pop(surface).status_code == wanted
    assert [answer.status_code for answer in answers.values()] == [200]
    assert names(site) == []


def test_graph_throttles_with_its_own_code(site: Any, world: Any) -> None:
    """A 429 of Graph has Retry-After and Graph's code; a policy refusal is a 400."""
    world.fault(*PLACE, "throttled", surface="graph", times=1, seconds=7)
    answer = site.graph("GET", "/applications")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["error"]["code"] == "TooManyRequests"
    assert site.graph("GET", "/applications").status_code == 200


def test_a_fault_knows_source_operation_and_count(open_target: Any, world: Any) -> None:
    """It hits only its source, only the named operations, after `skip` requests, and `times` times."""
    one, two = open_target(path="primary"), open_target(path="backup")
    for path in ("primary", "backup"):
        administer(world, path)
        world.seed(path, "azure", Seed(kind="secret", name="s"))
    world.fault(*PLACE, "unavailable", operations=("secrets/get",), skip=1, times=1)
    assert names(one) == names(two) == ["s"]
    assert one.secrets.get_secret("s").value
    with pytest.raises(HttpResponseError):
        one.secrets.get_secret("s")
    assert one.secrets.get_secret("s").value
    assert two.secrets.get_secret("s").value


def test_two_sources_on_one_vault_have_their_own_faults(open_target: Any, world: Any) -> None:
    """Two identities on one vault: a fault follows the identity that it was switched on for."""
    one = open_target(path="primary")
    two = open_target(path="backup", vault_of="primary/azure")
    assert (one.vault, one.auth["tenant"]) == (two.vault, two.auth["tenant"])
    for path in ("primary", "backup"):
        administer(world, path)
    world.fault(*PLACE, "denied")
    with pytest.raises(HttpResponseError):
        names(one)
    assert names(two) == []
    assert world.calls("backup", "azure")["kv:secrets/list"] == 1


def test_calls_are_counted_in_threads(site: Any, world: Any) -> None:
    """Many clients at once: nothing is lost, every version is its own."""
    names(site)
    world.reset_calls()
    clients = [site.client(SecretClient) for _ in range(4)]
    threads = [threading.Thread(target=lambda c=c: [c.set_secret("s", str(n)) for n in range(5)]) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.calls(*PLACE)["kv:secrets/set"] == 20
    assert versions(site, "s") == 20


def test_unknown_faults_are_errors(site: Any, world: Any) -> None:
    """A misspelt fault never passes for one that is on; all known ones say what they do."""
    with pytest.raises(ValueError, match="unknown fault 'thunderstorm'"):
        world.fault(*PLACE, "thunderstorm")
    assert all(text for _, text in FAULTS.values())
