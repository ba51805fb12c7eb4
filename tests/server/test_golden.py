"""The poller port, byte by byte, over raw sockets: what controllers really send and what they must get."""

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from nhisync.model import Mode, Word
from nhisync.statement import SignalState

READY_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"date: DATE\r\n"
    b"content-type: application/health+json\r\n"
    b"content-length: 218\r\n"
    b"cache-control: no-store\r\n"
    b"connection: close\r\n"
    b"nhisync-state: STANDBY\r\n"
    b"nhisync-evaluated-at: 2026-11-23T03:12:09Z\r\n"
    b"nhisync-valid-until: 2026-11-23T03:13:39Z\r\n"
    b"\r\n"
)
READY_BODY = (
    b'{"signal":"NHISYNC-READY payments/backup","status":"pass","state":"STANDBY","tier":"critical","mode":"enforce",'
    b'"evaluated_at":"2026-11-23T03:12:09Z","valid_until":"2026-11-23T03:13:39Z","seq":41,"instance":"nhisync-a"}'
)
NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\n"
    b"date: DATE\r\n"
    b"content-type: application/health+json\r\n"
    b"content-length: 44\r\n"
    b"cache-control: no-store\r\n"
    b"connection: close\r\n"
    b"\r\n"
    b'{"signal":"NHISYNC-UNKNOWN","status":"fail"}'
)


def without_connection_header(answer: bytes) -> bytes:
    """The answer without the line whose place differs between HTTP/1.0 and HTTP/1.1."""
    return b"\r\n".join(line for line in answer.split(b"\r\n") if line.lower() != b"connection: close")


def test_ready_answer_is_exactly_the_contract(steady: Any) -> None:
    """A ready backup answers 200 with these bytes and no others."""
    answer = steady.ask(b"GET /v1/ready/payments/backup HTTP/1.1\r\nHost: signals.test\r\n\r\n")
    assert answer == READY_HEAD + READY_BODY


def test_head_has_the_head_of_get_and_no_body(steady: Any) -> None:
    """HEAD answers the very headers of GET, Content-Length included, and nothing after them."""
    assert steady.ask(b"HEAD /v1/ready/payments/backup HTTP/1.1\r\nHost: signals.test\r\n\r\n") == READY_HEAD


CONTROLLERS = {
    "PowerDNS": b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nUser-Agent: PowerDNS Authoritative Server\r\n"
    b"Accept: */*\r\n\r\n",
    "gdnsd with vhost": b"GET %s HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nUser-Agent: gdnsd-monitor\r\n\r\n",
    "gdnsd without vhost": b"GET %s HTTP/1.0\r\nUser-Agent: gdnsd-monitor\r\n\r\n",
    "HAProxy": b"GET %s HTTP/1.1\r\nhost: app.test\r\nuser-agent: probe\r\nconnection: close\r\n\r\n",
    "HTTP/1.0 with keep-alive": b"GET %s HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "absolute form": b"GET http://signals.test%s HTTP/1.1\r\nHost: signals.test\r\n\r\n",
    "with a query": b"GET %s?nocache=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "websocket upgrade": b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("request_form", CONTROLLERS.values(), ids=CONTROLLERS.keys())
def test_every_controllers_request_gets_the_same_answer(steady: Any, request_form: bytes) -> None:
    """HTTP/1.0 without Host, lower-case header names and all other known forms get the ready answer, then the end."""
    answer = steady.ask(request_form % b"/v1/ready/payments/backup")
    assert without_connection_header(answer) == without_connection_header(READY_HEAD + READY_BODY)


def test_text_form_is_one_constant_line(served: Any, publication: Any, signal: Any) -> None:
    """`.txt` holds one line per state and nothing that changes with time (keepalived compares digests)."""
    assert served.get("/v1/ready/payments/backup.txt") == (200, b"NHISYNC-READY payments/backup\n")
    served.publish(publication(signal(word=Word.NOT_READY), sequence=42))
    assert served.get("/v1/ready/payments/backup.txt") == (503, b"NHISYNC-BLOCKED payments/backup\n")


def test_blocked_answer_is_exactly_the_contract(served: Any, publication: Any, signal: Any) -> None:
    """A backup that is not ready answers 503 with Retry-After; the public profile says nothing about why."""
    blocked = signal(word=Word.NOT_READY, state=SignalState.STANDBY_BLOCKED, blocks=("AUTH_FAILED",))
    served.publish(publication(blocked, sequence=42))
    assert served.ask(b"GET /v1/ready/payments/backup HTTP/1.1\r\nHost: a\r\n\r\n") == (
        b"HTTP/1.1 503 Service Unavailable\r\n"
        b"date: DATE\r\n"
        b"content-type: application/health+json\r\n"
        b"content-length: 228\r\n"
        b"cache-control: no-store\r\n"
        b"connection: close\r\n"
        b"nhisync-state: STANDBY_BLOCKED\r\n"
        b"nhisync-evaluated-at: 2026-11-23T03:12:09Z\r\n"
        b"nhisync-valid-until: 2026-11-23T03:13:39Z\r\n"
        b"retry-after: 10\r\n"
        b"\r\n"
        b'{"signal":"NHISYNC-BLOCKED payments/backup","status":"fail","state":"STANDBY_BLOCKED","tier":"critical",'
        b'"mode":"enforce","evaluated_at":"2026-11-23T03:12:09Z","valid_until":"2026-11-23T03:13:39Z","seq":42,'
        b'"instance":"nhisync-a"}'
    )


def test_private_profile_names_the_blocks(served: Any, publication: Any, signal: Any) -> None:
    """Without the public profile a blocked answer ends with its block words."""
    blocked = signal(word=Word.UNKNOWN, state=SignalState.STANDBY_BLOCKED, blocks=("UNKNOWN", "STALE"))
    served.publish(publication(blocked, sequence=42, public_profile=False))
    status, body = served.get("/v1/ready/payments/backup")
    assert status == 503
    assert body.endswith(b'"blocks":["UNKNOWN","STALE"]}')


UNKNOWN = [
    "/",
    "/v1/ready/payments",
    "/v1/ready/payments/",
    "/v1/ready/payments/backup/",
    "/v1/ready/payments/nowhere",
    "/v1/ready/unknown/backup",
    "/v1/ready/payments/backup.TXT",
    "/v1/ready/../ready/payments/backup",
    "/v1/ready/NHISYNC-READY/backup",
    "/metrics",
    "/docs",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_is_unknown_is_404_and_never_echoed(steady: Any, path: str) -> None:
    """Unknown apps, paths and URLs get one constant 404; what was asked is not repeated."""
    assert steady.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) == NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"])
def test_other_methods_are_404(steady: Any, method: str) -> None:
    """The readiness URLs know 200, 503 and 404 and nothing else: no 405, no CORS, no TRACE."""
    assert steady.ask(f"{method} /v1/ready/payments/backup HTTP/1.1\r\nHost: a\r\n\r\n".encode()) == NOT_FOUND


def test_livez_answers_while_nothing_is_published(serve: Callable[..., Any]) -> None:
    """`/livez` speaks of the listener process alone: 200 although no signal is open."""
    served = serve()
    assert served.get("/livez") == (200, b'{"status":"pass"}')
    assert served.get("/v1/ready/payments/backup")[0] == 503


GARBAGE = {
    "binary": b"\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n\r\n",
    "HTTP/1.1 without Host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "blank in header name": b"GET /livez HTTP/1.1\r\nHo st: a\r\n\r\n",
    "request line of a megabyte": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "head of a megabyte": b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "bad chunk in a body": b"POST /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
    "two lengths": b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_gets_one_plain_400_and_leaves_no_trace(
    steady: Any, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no HTTP request gets a sized, uncacheable 400; nothing is logged, and the next request is steady."""
    with steady.connect() as connection:
        connection.sendall(garbage)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass  # the listener closed while part of an oversized request was still unread
    assert not answer or answer == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=us-ascii\r\ncontent-length: 30\r\n"
        b"cache-control: no-store\r\nconnection: close\r\n\r\nInvalid HTTP request received."
    )
    assert steady.get("/livez")[0] == 200
    assert not caplog.records


def test_pipelined_requests_get_one_answer(steady: Any) -> None:
    """A pipelining client gets the first answer and the end of the connection, never two answers."""
    one = b"GET /v1/ready/payments/backup HTTP/1.1\r\nHost: a\r\n\r\n"
    assert steady.ask(one * 3) == READY_HEAD + READY_BODY


def test_half_closed_client_is_answered(steady: Any) -> None:
    """A client that shuts its sending side down right after the request still gets the whole answer."""
    with steady.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"pass"}')


def test_client_that_reads_13_bytes_and_leaves_is_quiet(steady: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A gdnsd reads the 13 bytes of the status line and resets the connection; that is no event for the log."""
    for _ in range(20):
        with steady.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /v1/ready/payments/backup HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert connection.recv(13) == b"HTTP/1.1 200 "
    assert steady.get("/livez")[0] == 200
    assert not caplog.records


def test_request_in_single_bytes_is_answered(steady: Any) -> None:
    """A request that arrives byte by byte is one request."""
    with steady.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /livez HTTP/1.0\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_observe_mode_gates_nothing_but_says_so(served: Any, publication: Any, signal: Any) -> None:
    """In observe mode a backup that is not ready answers 200 with the token, as a warning that names the mode."""
    observed = signal(mode=Mode.OBSERVE, word=Word.NOT_READY, state=SignalState.STANDBY_BLOCKED)
    served.publish(publication(observed, sequence=42))
    status, body = served.get("/v1/ready/payments/backup")
    assert status == 200
    assert body.startswith(b'{"signal":"NHISYNC-READY payments/backup","status":"warn","state":"STANDBY_BLOCKED"')
    assert b'"mode":"observe"' in body
    assert b'"would_block":true' in body
