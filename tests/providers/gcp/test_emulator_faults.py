"""Every fault of the emulator, as real clients meet it; and that nothing is left behind when a world stops."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import RefreshError, TransportError
from google.rpc import error_details_pb2

from nhisync_gcp.emulator.faults import FAULTS

from .emulator_stand import LOCATION, Stand, open_stand

GET = "SecretManagerService.GetSecret"
LIST = "SecretManagerService.ListSecrets"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source with one secret."""
    with open_stand(tmp_path) as made:
        made.seed("secret", "stripe")
        yield made


def name(stand: Stand) -> str:
    """The planted secret."""
    return f"{stand.parent}/secrets/stripe"


def versions(stand: Stand) -> int:
    """How many versions the planted secret has."""
    return len(list(stand.sm.list_secret_versions(parent=name(stand))))


def add(stand: Stand) -> Any:
    """One write without the SDK's retry."""
    return stand.sm.add_secret_version(parent=name(stand), payload={"data": b"x"}, retry=None, timeout=10)


def test_denied_outweighs_every_policy(stand: Stand) -> None:
    """The fault denies one permission on resources that fit its pattern, even to an owner."""
    stand.seed("secret", "other")
    stand.fault("denied", permission="secretmanager.secrets.get", resource="*/secrets/stripe")
    with pytest.raises(exceptions.PermissionDenied, match=r"secretmanager\.secrets\.get"):
        stand.sm.get_secret(name=name(stand))
    assert stand.sm.get_secret(name=f"{stand.parent}/secrets/other").name
    assert versions(stand) == 2
    stand.fault("denied", off=True)
    assert stand.sm.get_secret(name=name(stand)).name


def test_exhausted_comes_before_the_effect_and_names_a_time(stand: Stand) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo when asked, for the calls that fit, as often as asked."""
    stand.fault("exhausted", call="*.AddSecretVersion", times=1, retry_after=7.5)
    with pytest.raises(exceptions.ResourceExhausted) as refusal:
        add(stand)
    info = next(one for one in refusal.value.details if isinstance(one, error_details_pb2.RetryInfo))
    assert info.retry_delay.ToTimedelta() == timedelta(seconds=7.5)
    assert refusal.value.reason == "RATE_LIMIT_EXCEEDED"
    assert versions(stand) == 2
    assert add(stand).name.endswith("/3")
    stand.fault("exhausted")
    with pytest.raises(exceptions.ResourceExhausted) as refusal:
        add(stand)
    assert not any(isinstance(one, error_details_pb2.RetryInfo) for one in refusal.value.details)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("unavailable", exceptions.ServiceUnavailable), ("internal", exceptions.InternalServerError)],
)
def test_a_failure_before_the_effect_changes_nothing(stand: Stand, fault: str, expected: type[Exception]) -> None:
    """The call is refused and nothing happened."""
    stand.fault(fault, times=1)
    with pytest.raises(expected):
        add(stand)
    assert versions(stand) == 2


def test_applied_unavailable_took_effect(stand: Stand) -> None:
    """The answer says UNAVAILABLE, but the version is there: whoever repeats the call makes a second one."""
    stand.fault("applied-unavailable", call="*.AddSecretVersion", times=1)
    with pytest.raises(exceptions.ServiceUnavailable):
        add(stand)
    assert versions(stand) == 3


def test_drop_takes_effect_and_ends_every_connection(stand: Stand) -> None:
    """The connection breaks without an answer; the next call finds a fresh one."""
    stand.fault("drop", call="*.AddSecretVersion", times=1)
    with pytest.raises(exceptions.ServiceUnavailable):
        add(stand)
    assert versions(stand) == 3


def test_delay_and_hang_end_with_the_callers_patience(stand: Stand) -> None:
    """A late answer arrives late; none at all ends at the deadline; a released wait answers."""
    stand.fault("delay", seconds=0.2, times=1)
    begun = time.monotonic()
    stand.sm.get_secret(name=name(stand))
    assert time.monotonic() - begun >= 0.2
    stand.fault("hang", call=GET)
    with pytest.raises(exceptions.DeadlineExceeded):
        stand.sm.get_secret(name=name(stand), timeout=0.3)
    assert versions(stand) == 2
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(stand.sm.get_secret(name=name(stand), timeout=20)))
    waiting.start()
    stand.fault("hang", off=True)
    waiting.join(20)
    assert len(answers) == 1


def test_read_only_refuses_writes_alone(stand: Stand) -> None:
    """During a failover reads go on, and every change is refused, not to be retried."""
    stand.fault("read-only")
    with pytest.raises(exceptions.FailedPrecondition, match="read-only"):
        add(stand)
    assert versions(stand) == 2


def test_garbage_is_no_message(stand: Stand) -> None:
    """A proxy's page in place of a message cannot be parsed; over HTTPS it is a page with status 200."""
    stand.fault("garbage", call=GET)
    for each in (name(stand), f"{stand.parent}/secrets/missing"):
        with pytest.raises(exceptions.InternalServerError, match="deserializing"):
            stand.sm.get_secret(name=each, retry=None)
    stand.fault("garbage", call="/token")
    answer = stand.owner.session.post(f"{stand.web}/token", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_endless_paging_never_runs_out_of_tokens(stand: Stand) -> None:
    """The last page also carries a token: a new one each time, or with same=True the first page's for ever."""

    def first_pages(count: int) -> list[tuple[int, str]]:
        pages = iter(stand.sm.list_secrets(parent=stand.parent).pages)
        return [(len(page.secrets), page.next_page_token) for page, _ in zip(pages, range(count), strict=False)]

    stand.fault("endless-paging", call=LIST)
    found = first_pages(5)
    assert len({token for _, token in found}) == 5
    stand.fault("endless-paging", off=True)
    stand.fault("endless-paging", call=LIST, same=True)
    found = first_pages(5)
    assert len(set(found)) == 1
    assert found[0][1]


def test_short_pages_begin_with_an_empty_one(stand: Stand) -> None:
    """A page may be short or empty although more follows; all rows still come once."""
    for index in range(3):
        stand.seed("secret", f"s{index}")
    stand.fault("short-pages", call=LIST, size=2)
    pages = [
        [row.name.rpartition("/")[2] for row in page.secrets]
        for page in stand.sm.list_secrets(parent=stand.parent).pages
    ]
    assert pages == [[], ["s2", "s1"], ["s0", "stripe"]]


def test_tokens_expire_and_token_endpoints_fail(stand: Stand) -> None:
    """An expired token, a refused grant and an endpoint that is down are three different things."""
    stand.sm.get_secret(name=name(stand))
    stand.fault("token-expired", times=1)
    with pytest.raises(exceptions.Unauthenticated) as refusal:
        stand.sm.get_secret(name=name(stand))
    assert refusal.value.reason == "ACCESS_TOKEN_EXPIRED"
    credentials = stand.nhisync.credentials
    stand.fault("token-refused", times=1, error="invalid_grant", description="Invalid grant: account not found")
    with pytest.raises(RefreshError, match="account not found") as failure:
        credentials.refresh(stand.owner.request)
    assert not failure.value.retryable
    stand.fault("token-unavailable")
    assert stand.owner.session.post(f"{stand.web}/token", timeout=10).status_code == 503


def test_dropped_token_answers_are_transport_errors(stand: Stand) -> None:
    """The HTTPS side drops too: a token may have been issued, nobody saw it."""
    stand.fault("drop", call="/token", times=1)
    with pytest.raises(TransportError):
        stand.nhisync.credentials.refresh(stand.owner.request)


def test_a_cut_answer_is_shorter_than_it_promised(stand: Stand) -> None:
    """The body ends in its middle, which a client sees by Content-Length."""
    stand.fault("cut", call="/token", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        stand.owner.session.post(f"{stand.web}/token", timeout=10)
    assert stand.owner.session.post(f"{stand.web}/token", timeout=10).json()["error"] == "unsupported_grant_type"


def test_answers_carry_the_services_time(stand: Stand) -> None:
    """Date in gRPC's initial metadata and in HTTPS answers, off by the fault clock-skew."""

    def dates() -> list[datetime]:
        call = stand.owner.channel(stand.global_address).unary_unary(
            "/google.cloud.secretmanager.v1.SecretManagerService/ListSecrets"
        )
        future = call.future(b"\n" + bytes([len(stand.parent)]) + stand.parent.encode(), timeout=10)
        over_grpc = dict(future.initial_metadata())["date"]
        assert dict(future.trailing_metadata())["x-goog-request-id"]
        over_https = stand.owner.session.get(f"{stand.web}/", timeout=10).headers["Date"]
        return [parsedate_to_datetime(each) for each in (over_grpc, over_https)]

    now = stand.clock.now().replace(microsecond=0)
    assert dates() == [now, now]
    stand.fault("clock-skew", seconds=-90)
    assert dates() == [now - timedelta(seconds=90)] * 2


@pytest.mark.parametrize("listener", ["global", "regional", "token"])
def test_unreachable_listeners_refuse_and_come_back(stand: Stand, listener: str) -> None:
    """A closed listener refuses connections, the others go on; it reopens on its port."""
    addresses = {
        "global": stand.global_address,
        "regional": stand.document["regional_endpoints"][LOCATION],
        "token": stand.web,
    }

    def reachable() -> set[str]:
        found = set()
        for each, address in addresses.items():
            host, port = address.removeprefix("https://").split(":")
            try:
                socket.create_connection((host, int(port)), timeout=5).close()
            except ConnectionRefusedError:
                continue
            found.add(each)
        return found

    stand.fault("unreachable", listeners=(listener,))
    assert reachable() == addresses.keys() - {listener}
    stand.fault("unreachable", listeners=(listener,), off=True)
    assert reachable() == addresses.keys()
    assert stand.sm.get_secret(name=name(stand), timeout=20, retry=_patient()).name


def _patient() -> Retry:
    """GRPC waits a second before it connects again to a listener that refused it."""
    return Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=0.5, timeout=15)


def test_a_queue_of_faults_is_worked_off_in_order(stand: Stand) -> None:
    """Faults of one name wait in line, each for as many calls as it was told."""
    stand.fault("exhausted", times=1, retry_after=1, call=GET)
    stand.fault("exhausted", times=1, retry_after=2, call=GET)
    waits = []
    for _ in range(2):
        with pytest.raises(exceptions.ResourceExhausted) as refusal:
            stand.sm.get_secret(name=name(stand))
        waits += [
            one.retry_delay.seconds for one in refusal.value.details if isinstance(one, error_details_pb2.RetryInfo)
        ]
    assert waits == [1, 2]
    assert stand.sm.get_secret(name=name(stand)).name


def test_unknown_faults_are_refused(stand: Stand) -> None:
    """A misspelt fault in a test must not look like one that never hits."""
    with pytest.raises(ValueError, match="exhausted"):
        stand.fault("exausted")


def test_every_fault_has_a_test_here() -> None:
    """The table of faults and this module's tests name the same faults (one is tested with the certificates)."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [fault for fault in FAULTS if f'"{fault}"' not in text and fault != "location-down"] == []


def test_calls_are_counted(stand: Stand) -> None:
    """Tests that hold a budget to its word count what reached the server, by service and method."""
    stand.sm.get_secret(name=name(stand))
    stand.source.node.counter.reset()
    stand.sm.get_secret(name=name(stand))
    stand.sm.get_secret(name=name(stand))
    stand.nhisync.credentials.refresh(stand.owner.request)
    assert stand.world.calls("primary", "gcp") == {GET: 2, "/token": 1}


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """After stop no thread and no listener is there, even with a hanging call and a dropped connection."""
    before = set(threading.enumerate())
    with open_stand(tmp_path) as stand:
        stand.seed("secret", "stripe")
        stand.fault("drop", call=GET, times=1)
        with pytest.raises(exceptions.ServiceUnavailable):
            stand.sm.get_secret(name=name(stand), retry=None)
        stand.fault("hang", call=LIST)
        hanging = threading.Thread(target=_ignoring, args=(stand,))
        hanging.start()
        ports = [int(one.address.rpartition(":")[2]) for one in stand.source.listeners.values()]
    stand.world.stop()
    hanging.join(20)
    left = set(threading.enumerate()) - before
    # gRPC core's own threads that once called Python are listed too; they belong to the library, not to a world.
    assert [each for each in left if not isinstance(each, threading._DummyThread)] == []
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def _ignoring(stand: Stand) -> None:
    """A call that the end of the world interrupts."""
    try:
        stand.nhisync.secrets(stand.global_address).list_secrets(parent=stand.parent, timeout=20, retry=None)
    except (exceptions.GoogleAPICallError, grpc.RpcError, requests.RequestException, TransportError, ValueError):
        return


def test_a_slow_handshake_holds_up_nobody(stand: Stand) -> None:
    """A client that connects and says nothing costs the others no time."""
    host, port = stand.web.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=5):
        begun = time.monotonic()
        assert stand.owner.session.get(f"{stand.web}/", timeout=10).status_code == 404
        assert time.monotonic() - begun < 5
