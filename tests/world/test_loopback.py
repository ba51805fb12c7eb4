"""The listener that emulators share: one request after the other, and nothing left behind when it closes."""

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from time import monotonic
from typing import cast

import pytest

from nhisync.testing.loopback import GoneError, LoopbackListener, receive

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def echo(connection: socket.socket, stream: io.BufferedReader, _: str) -> bool:
    """Answer every request the same."""
    keep = receive(stream).keep
    connection.sendall(ANSWER)
    return keep


@pytest.fixture
def listener() -> Iterator[LoopbackListener]:
    """An open listener without TLS."""
    made = LoopbackListener(echo, None)
    made.open()
    yield made
    made.close()


def dial(listener: LoopbackListener) -> socket.socket:
    """A connection to it."""
    host, _, port = listener.authority.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_a_connection_is_kept_until_the_peer_ends_it(listener: LoopbackListener) -> None:
    """Two requests on one connection; the one that says close is the last."""
    with dial(listener) as peer:
        for header in (b"", b"Connection: close\r\n"):
            peer.sendall(b"POST /x HTTP/1.1\r\n" + header + b"Content-Length: 3\r\n\r\nabc")
            assert peer.recv(4096) == ANSWER
        assert peer.recv(4096) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort",
        b"GET / HTTP/1.1\r\nX: cut",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_is_no_request_is_none(sent: bytes) -> None:
    """No number, no end, another protocol: the connection ends, and nothing is made up."""
    with pytest.raises(GoneError):
        receive(io.BufferedReader(cast("io.RawIOBase", io.BytesIO(sent))))


def test_a_reopened_listener_keeps_its_port(listener: LoopbackListener) -> None:
    """Configured addresses stay true after an outage."""
    before = listener.address
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        dial(listener)
    listener.open()
    assert listener.address == before


def test_a_handshake_that_never_ends_does_not_hold_up_close() -> None:
    """A peer that connects and says nothing is cut, and no thread is left."""
    before = set(threading.enumerate())
    listener = LoopbackListener(echo, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    listener.open()
    with dial(listener):
        begun = monotonic()
        listener.close()
        assert monotonic() - begun < 4  # the join's patience is 5 s
    assert set(threading.enumerate()) <= before
