"""Answers that no AWS gives, over a real socket: a typed result of the list or of the item, never an internal bug."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any
from urllib.parse import parse_qs

import pytest

from nhisync.testing.loopback import LoopbackListener, receive

pytestmark = pytest.mark.requirement("R6")

ROW = {"Name": "pay/a", "ARN": "arn:aws:secretsmanager:eu-north-1:111122223333:secret:pay/a-AbCdEf"}
TIMES = ("CreatedDate", "LastChangedDate", "LastRotatedDate")


@pytest.fixture
def answering(source_of: Callable[..., Any]) -> Iterator[Callable[[bytes], Any]]:
    """What an inventory sees when Secrets Manager answers every call with this body and status 200."""
    open_ones: list[LoopbackListener] = []
    source = source_of(auth="keys_file")

    def see(body: bytes) -> Any:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"

        def exchange(connection: socket.socket, stream: BufferedReader, _remote: str) -> bool:
            receive(stream)
            connection.sendall(head.encode("ascii") + body)
            return True

        listener = LoopbackListener(exchange, None)
        listener.open()
        open_ones.append(listener)
        return source.see("secret/pay/a", kinds="secret", endpoints={"secretsmanager": listener.address})

    yield see
    for listener in open_ones:
        listener.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"SecretList": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        *(json.dumps({"SecretList": [{**ROW, name: 1e300}]}).encode() for name in TIMES),
        json.dumps({"SecretList": [{**ROW, TIMES[0]: -1e300}]}).encode(),
        json.dumps({"SecretList": [{**ROW, TIMES[0]: "never"}]}).encode(),
        b'{"SecretList": [{"CreatedDate": NaN}]}',
        b'{"SecretList": [{"Name": ' + b"9" * 5_000 + b"}]}",
    ],
    ids=["deep", *TIMES, "before", "text", "nan", "number"],
)
def test_what_cannot_be_read_is_malformed(answering: Callable[[bytes], Any], body: bytes) -> None:
    """Depth, instants outside any calendar and numbers without end: the list failed, and nothing is absent."""
    seen = answering(body)
    assert {entry.error.kind for entry in seen.coverage} == {"malformed"}
    assert seen["secret/pay/a"].presence.value == "unknown"


def test_rows_that_are_none_cost_the_claim_alone(answering: Callable[[bytes], Any]) -> None:
    """What the other rows say stays; that all was listed is not claimed."""
    seen = answering(json.dumps({"SecretList": [None, ROW, None]}).encode())
    assert seen["secret/pay/a"].presence.value == "present"
    assert [(entry.status.value, entry.error.kind) for entry in seen.coverage] == [("partial", "malformed")]


COLUMNS = (
    "user,arn,user_creation_time,"
    + ",".join(
        f"access_key_{number}_{fact}"
        for number in (1, 2)
        for fact in ("active", "last_rotated", "last_used_date", "last_used_service", "last_used_region")
    )
    + "\n"
)
SLOTS = "true,2026-01-01T00:00:00+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A\n"


@pytest.mark.parametrize(
    "row",
    [
        "svc,arn:aws:iam::111122223333:user/svc,2026-01-01T00:00:00+00:00\n",
        "svc,arn:aws:iam::111122223333:user/svc,9999-12-31T23:59:59-14:00," + SLOTS,
        "svc,arn:aws:iam::111122223333:user/svc,soon," + SLOTS,
        'svc,"arn',
        "\udcff\n",
    ],
    ids=["short", "calendar", "text", "quote", "bytes"],
)
def test_a_report_that_cannot_be_read_is_malformed(source_of: Callable[..., Any], row: str) -> None:
    """A credential report that was cut in a row, or holds no dates, fails its kind; keys are not absent for it."""
    content = base64.b64encode((COLUMNS + row).encode("utf-8", "surrogateescape")).decode()
    told = {
        "GenerateCredentialReport": "<State>COMPLETE</State>",
        "GetCredentialReport": f"<Content>{content}</Content><ReportFormat>text/csv</ReportFormat>"
        "<GeneratedTime>2026-01-01T00:00:00Z</GeneratedTime>",
    }

    def exchange(connection: socket.socket, stream: BufferedReader, _remote: str) -> bool:
        asked = parse_qs(receive(stream).body.decode())["Action"][0]
        result = f"<{asked}Result>{told[asked]}</{asked}Result>" if asked in told else ""
        body = f'<{asked}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{result}</{asked}Response>'.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode("ascii") + body)
        return True

    listener = LoopbackListener(exchange, None)
    listener.open()
    try:
        seen = source_of(auth="keys_file").see(
            "access-key/svc", kinds="access-key", endpoints={"iam": listener.address}
        )
    finally:
        listener.close()
    assert {entry.error.kind for entry in seen.coverage} == {"malformed"}
    assert seen["access-key/svc"].presence.value == "unknown"
