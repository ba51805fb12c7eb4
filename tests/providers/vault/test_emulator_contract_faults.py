"""Fault switches and delivery: what hvac meets when a node is sealed, behind, throttled, cut off or lying."""

import socket
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac.exceptions
import pytest
import requests

from nhisync.testing.world import Seed
from nhisync_vault.emulator import VaultWorld

METADATA = "secret/metadata/payments/stripe"


def fault(target: Any, name: str, **options: Any) -> None:
    """Switch a fault of the only source."""
    target.world.fault("primary", "vault", name, **options)


def test_a_sealed_node_says_503_everywhere_but_in_its_status(seeded: Any) -> None:
    """Logical requests are 503; health answers 503 without a cluster id, unless another code is asked for."""
    fault(seeded, "sealed")
    with pytest.raises(hvac.exceptions.VaultDown):
        seeded.root.secrets.kv.v2.read_secret_metadata(path="payments/stripe")
    health = seeded.raw("GET", "sys/health", token="")
    assert (health.status_code, health.json()["sealed"]) == (503, True)
    assert "cluster_id" not in health.json()
    assert seeded.raw("GET", "sys/health?sealedcode=200", token="").status_code == 200
    fault(seeded, "sealed", off=True)
    assert seeded.raw("GET", METADATA).status_code == 200


def test_an_uninitialised_node_says_501(seeded: Any) -> None:
    """501 is its health and its answer to everything else."""
    fault(seeded, "uninitialized")
    assert seeded.raw("GET", "sys/health", token="").status_code == 501
    assert seeded.raw("GET", METADATA).status_code == 501


def test_a_standby_answers_reads_from_the_past(emulated: Any) -> None:
    """Two writes behind, a new key is a 404 and an old one shows its old version, although both are written."""
    mount = emulated.mount_kv()
    kv = emulated.root.secrets.kv.v2
    kv.create_or_update_secret(path="old", secret={"k": "1"}, mount_point=mount)
    kv.create_or_update_secret(path="old", secret={"k": "2"}, mount_point=mount)
    kv.create_or_update_secret(path="new", secret={"k": "1"}, mount_point=mount)
    fault(emulated, "standby", lag=2, performance=True)
    assert emulated.raw("GET", f"{mount}/metadata/new").status_code == 404
    assert emulated.raw("GET", f"{mount}/metadata/old").json()["data"]["current_version"] == 1
    assert emulated.raw("LIST", f"{mount}/metadata/").json()["data"]["keys"] == ["old"]
    fault(emulated, "standby", lag=3, performance=True)
    assert emulated.raw("LIST", f"{mount}/metadata/").status_code == 404
    fault(emulated, "standby", off=True)
    assert emulated.raw("LIST", f"{mount}/metadata/").json()["data"]["keys"] == ["new", "old"]


def test_a_standby_forwards_writes(emulated: Any) -> None:
    """A write through a standby reaches the cluster; its health is 429 unless standbyok."""
    mount = emulated.mount_kv()
    fault(emulated, "standby", lag=5)
    emulated.root.secrets.kv.v2.create_or_update_secret(path="x", secret={"k": "1"}, mount_point=mount)
    assert emulated.raw("GET", "sys/health", token="").status_code == 429
    assert emulated.raw("GET", "sys/health?standbyok=true", token="").status_code == 200
    leader = emulated.raw("GET", "sys/leader", token="").json()
    assert leader["is_self"] is False
    fault(emulated, "standby", off=True)
    assert emulated.raw("GET", f"{mount}/metadata/x").status_code == 200


def test_a_standby_source_names_its_active_node(world: VaultWorld) -> None:
    """A source made with standby_lag answers stale; the leader it names answers fresh."""
    document = world.add_source("primary", "vault", region="r", options={"standby_lag": 1})
    world.seed("primary", "vault", Seed(kind="kv", name="secret/a"))
    core = world.source("primary", "vault").core
    headers = {"X-Vault-Token": core.root_token}
    leader = requests.get(f"{document['address']}/v1/sys/leader", verify=document["ca_file"], timeout=5).json()
    assert leader["leader_address"] == document["nodes"][0]
    path = "/v1/secret/metadata/a"
    fresh = requests.get(leader["leader_address"] + path, headers=headers, verify=document["ca_file"], timeout=5)
    assert fresh.status_code == 200


def test_a_plain_vault_standby_forwards_reads_too(world: VaultWorld) -> None:
    """Only OpenBao's standbys and Vault's performance standbys answer reads themselves."""
    document = world.add_source("primary", "vault", region="r", options={"flavour": "vault"})
    world.seed("primary", "vault", Seed(kind="kv", name="secret/a"))
    world.fault("primary", "vault", "standby", lag=50)
    headers = {"X-Vault-Token": world.source("primary", "vault").core.root_token}
    url = f"{document['address']}/v1/secret/metadata/a"
    assert requests.get(url, headers=headers, verify=document["ca_file"], timeout=5).status_code == 200


def test_performance_standbys_say_473(emulated: Any) -> None:
    """A Vault performance standby's health is 473."""
    fault(emulated, "standby", lag=0, performance=True)
    assert emulated.raw("GET", "sys/health", token="").status_code == 473


def test_a_cluster_without_leader(emulated: Any) -> None:
    """Without a leader the leader address is empty."""
    fault(emulated, "no-leader")
    assert emulated.raw("GET", "sys/leader", token="").json()["leader_address"] == ""


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("precondition", {}, 412),
        ("bad-gateway", {}, 502),
        ("lease-quota", {}, 429),
        ("status", {"code": 472}, 472),
        ("status", {"code": 530, "text": "removed"}, 530),
    ],
)
def test_status_faults(seeded: Any, name: str, options: dict[str, Any], code: int) -> None:
    """Each fault answers its status code for as many requests as asked."""
    fault(seeded, name, times=1, **options)
    assert [seeded.raw("GET", METADATA).status_code for _ in range(2)] == [code, 200]


def test_throttling_carries_retry_after(seeded: Any) -> None:
    """429 with Retry-After, or without it."""
    fault(seeded, "throttled", retry_after=7)
    answer = seeded.raw("GET", METADATA)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    fault(seeded, "throttled", retry_after=None)
    assert "Retry-After" not in seeded.raw("GET", METADATA).headers


def test_a_redirect_names_another_host(seeded: Any) -> None:
    """307 with the whole target; the test client does not follow it."""
    fault(seeded, "redirect", location="https://other.example:8200")
    answer = _unfollowed(seeded)
    assert answer.status_code == 307
    assert answer.headers["Location"] == f"https://other.example:8200/v1/{METADATA}"


def _unfollowed(target: Any) -> requests.Response:
    """One request without following redirects."""
    client = target.client(target.token, raw=True)
    client.allow_redirects = False
    return client.adapter.request("GET", f"/v1/{METADATA}", raise_exception=False)


def test_a_dropped_reply_has_happened(emulated: Any) -> None:
    """drop-after-commit loses the reply, not the write."""
    mount = emulated.mount_kv()
    fault(emulated, "drop-after-commit", times=1)
    with pytest.raises(requests.ConnectionError):
        emulated.raw("POST", f"{mount}/data/x", json={"data": {"k": "1"}})
    assert emulated.raw("GET", f"{mount}/metadata/x").json()["data"]["current_version"] == 1


def test_a_half_answer_is_cut(seeded: Any) -> None:
    """The body ends before its announced length."""
    fault(seeded, "half-answer", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        seeded.raw("GET", METADATA)
    assert seeded.raw("GET", METADATA).status_code == 200


def test_a_hanging_request_ends_when_the_fault_does(seeded: Any) -> None:
    """Hang holds the reply back until it is switched off; the client's timeout fires first."""
    fault(seeded, "hang", paths=["secret/"])
    with pytest.raises(requests.exceptions.Timeout):
        seeded.raw("GET", METADATA, timeout=0.2)
    fault(seeded, "hang", off=True)
    assert seeded.raw("GET", METADATA).status_code == 200


def test_slowness_takes_the_worlds_time(seeded: Any, clock: Any) -> None:
    """Slow moves the injected clock, so a test of deadlines waits for nothing."""
    before = clock.monotonic()
    fault(seeded, "slow", seconds=12)
    seeded.raw("GET", METADATA)
    assert clock.monotonic() - before >= 12


def test_garbage_is_no_json(seeded: Any) -> None:
    """A proxy's page comes as 200 text/html."""
    fault(seeded, "garbage", times=1)
    answer = seeded.raw("GET", METADATA)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_endless_paging_never_repeats(seeded: Any) -> None:
    """Every page is full and new."""
    fault(seeded, "endless-paging", paths=["secret/"])
    pages = [tuple(seeded.raw("LIST", "secret/metadata/?limit=5").json()["data"]["keys"]) for _ in range(3)]
    assert len({key for page in pages for key in page}) == 15


def test_an_unreachable_source_refuses_connections(seeded: Any) -> None:
    """Nothing listens while it is on; the same address answers again afterwards."""
    fault(seeded, "unreachable")
    with pytest.raises(requests.ConnectionError):
        seeded.raw("GET", METADATA)
    fault(seeded, "unreachable", off=True)
    assert seeded.raw("GET", METADATA).status_code == 200


def test_denials_come_from_the_acl(world: VaultWorld) -> None:
    """Denied adds deny rules to nhisync's own policy, and off removes them."""
    document = world.add_source("primary", "vault", region="r", options={"auth": "token"})
    world.seed("primary", "vault", Seed(kind="kv", name="secret/a"))
    token = Path(document["auth"]["token_file"]).read_text().strip()

    def status() -> int:
        url = f"{document['address']}/v1/secret/metadata/a"
        return requests.get(url, headers={"X-Vault-Token": token}, verify=document["ca_file"], timeout=5).status_code

    codes = [status()]
    world.fault("primary", "vault", "denied", paths=("secret/metadata/*",))
    codes.append(status())
    world.fault("primary", "vault", "denied", off=True)
    assert [*codes, status()] == [200, 403, 200]


def test_unknown_faults_are_errors(seeded: Any) -> None:
    """A misspelt fault never passes for one that did nothing."""
    with pytest.raises(ValueError, match="unknown fault 'seeled'"):
        fault(seeded, "seeled")


def test_a_reply_is_one_segment(seeded: Any) -> None:
    """Head and body arrive in one read: nothing waits for Nagle and the delayed ACK."""
    place = urlsplit(seeded.address)
    context = ssl.create_default_context(cafile=str(seeded.verify))
    with (
        socket.create_connection((place.hostname, place.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as stream,
    ):
        head = f"GET /v1/{METADATA} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {seeded.token}\r\nConnection: close\r\n\r\n"
        stream.sendall(head.encode())
        first = stream.recv(65536)
    assert first.startswith(b"HTTP/1.1 200")
    assert first.rstrip().endswith(b"}")


def test_headers_are_those_of_the_real_server(seeded: Any) -> None:
    """Content-Type carries no charset (hvac drops the errors otherwise) and nothing may be cached."""
    answer = seeded.raw("GET", METADATA)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) >= {
        "request_id",
        "lease_id",
        "renewable",
        "lease_duration",
        "data",
        "wrap_info",
        "warnings",
        "auth",
    }


def test_many_threads_at_once(seeded: Any) -> None:
    """Writers and readers from many threads never lose a version."""
    mount = seeded.mount_kv()
    failures: list[int] = []

    def write(number: int) -> None:
        for turn in range(5):
            answer = seeded.raw("POST", f"{mount}/data/k{number}", json={"data": {"turn": str(turn)}})
            if answer.status_code != 200:
                failures.append(answer.status_code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    current = [seeded.raw("GET", f"{mount}/metadata/k{n}").json()["data"]["current_version"] for n in range(6)]
    assert current == [5] * 6


def test_namespaces_are_kept_apart(world: VaultWorld) -> None:
    """Inside a namespace only requests with its header are served; health refuses the header."""
    document = world.add_source("primary", "vault", region="r", options={"namespace": "team-a", "auth": "token"})
    world.seed("primary", "vault", Seed(kind="kv", name="secret/a"))
    token = Path(document["auth"]["token_file"]).read_text().strip()

    def status(path: str, **headers: str) -> int:
        url = f"{document['address']}/v1/{path}"
        return requests.get(
            url, headers={"X-Vault-Token": token, **headers}, verify=document["ca_file"], timeout=5
        ).status_code

    header = {"X-Vault-Namespace": "team-a/"}
    assert status("secret/metadata/a", **header) == 200
    assert status("secret/metadata/a") == 404
    assert status("sys/health", **header) == 400
    assert status("sys/health") == 200
