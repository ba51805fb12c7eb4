"""Answers that no AWS gives, over a real socket: a typed result of the list or of the item, never an internal bug."""

import json
import socket
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any

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
