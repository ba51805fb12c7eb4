"""Nothing that can be sent to the poller port makes a blocked path answer 200 or say the ready token."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.app.publish import moment, publish
from nhisync.model import Mode, Word
from nhisync.server.listener import Listener, ListenerSettings
from nhisync.server.serving import bind
from nhisync.statement import Publication, Role, Signal, SignalState
from nhisync.testing.clocks import FakeClock

BLOCKED = "/v1/ready/payments/backup"


def published(clock: FakeClock) -> Publication:
    """A blocked backup of payments, and a ready one of wiki."""
    here = moment(clock)
    signals = tuple(
        Signal(
            app=app,
            path="backup",
            role=Role.BACKUP,
            tier="critical",
            mode=Mode.ENFORCE,
            word=word,
            state=SignalState.STANDBY,
            evaluated_at=here.now,
            valid_until=here.now.replace(year=here.now.year + 1),
        )
        for app, word in (("payments", Word.NOT_READY), ("wiki", Word.READY))
    )
    return Publication(
        instance="x",
        sequence=1,
        at=here.now,
        boot_id=here.boot_id,
        boottime=here.boottime,
        public_profile=True,
        signals=signals,
    )


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A listener that serves it."""
    clock, file = FakeClock(), tmp_path_factory.mktemp("port") / "publication.json"
    publish(file, published(clock))
    places = dict.fromkeys(("payments", "wiki"), ("primary", "backup"))
    listener = Listener(ListenerSettings(file=Path(file), instance="x", places=places), clock)
    sockets = bind("127.0.0.1:0")
    number = sockets[0].getsockname()[1]
    thread = threading.Thread(target=listener.run, args=(sockets,))
    thread.start()
    deadline = time.monotonic() + 10
    while not listener.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield int(number)
    listener.stop()
    thread.join(timeout=10)


def ask(port: int, request: bytes) -> bytes:
    """Everything that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        parts = []
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                parts.append(part)
        except ConnectionError:
            pass
    return b"".join(parts)


WIKI = b"GET /v1/ready/wiki/backup HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = (
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(WIKI)}\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n".encode()
    + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n".encode()
    + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED} HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode() + WIKI,
    f"GET {BLOCKED}?x=/v1/ready/wiki/backup HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    b"GET /v1/ready/wiki/../payments/backup HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/ready/payments/backup%00/../../wiki/backup HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/ready/payments/backup/NHISYNC-READY HTTP/1.1\r\nHost: NHISYNC-READY\r\n\r\n",
    b"POST /v1/ready/wiki/backup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET /v1/ready/payments/NHISYNC-READY HTTP/1.1\r\nHost: x\r\nX: \x00NHISYNC-READY\r\n\r\n",
)


def test_the_smuggled_request_alone_is_answered(port: int) -> None:
    """The attacks below mean something only because the request they hide is a good one: 200 with the token."""
    answer = ask(port, WIKI)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"NHISYNC-READY wiki/backup" in answer


@pytest.mark.parametrize("request_bytes", SMUGGLED)
def test_one_connection_gives_one_blocked_answer(port: int, request_bytes: bytes) -> None:
    """However a second request is hidden behind one for a blocked path, the only answer is no 200 and not the token."""
    answer = ask(port, request_bytes)
    assert b" 200 " not in answer
    assert b"nhisync-ready" not in answer.lower()
    assert answer.count(b"HTTP/1.1 ") == 1


@given(tail=st.binary(max_size=200), path=st.text(max_size=40))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_bytes_open_a_blocked_path(port: int, tail: bytes, path: str) -> None:
    """Arbitrary bytes behind the blocked URL never bring a 200 for it, nor more than one answer."""
    answer = ask(port, BLOCKED.join(("GET ", path)).encode("utf-8", "replace") + tail + b"\r\n\r\n")
    assert b" 200 " not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1
