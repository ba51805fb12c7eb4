"""A publication to serve, a listener on a free loopback port, and a client that sees bytes."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.publish import moment, publish
from nhisync.clock import Clock
from nhisync.model import Mode, Word
from nhisync.server.listener import Listener, ListenerSettings
from nhisync.server.protocol import PollerProtocol
from nhisync.server.serving import bind
from nhisync.statement import Publication, Role, Signal, SignalState
from nhisync.testing.clocks import FakeClock

VALID_FOR = timedelta(seconds=90)


@pytest.fixture
def clock() -> FakeClock:
    """03:12:09 on 23 November 2026, until a test moves it."""
    return FakeClock()


def make_signal(clock: Clock, **changes: Any) -> Signal:
    """A ready backup of a critical app, with whatever a test wants to be different."""
    now = clock.now()
    values: dict[str, Any] = {
        "app": "payments",
        "path": "eu-north",
        "role": Role.BACKUP,
        "tier": "critical",
        "mode": Mode.ENFORCE,
        "word": Word.READY,
        "state": SignalState.STANDBY,
        "evaluated_at": now,
        "valid_until": now + VALID_FOR,
    }
    return Signal(**values | changes)


def make_publication(clock: Clock, *signals: Signal, **changes: Any) -> Publication:
    """A publication of this very moment and boot: both paths of one app, or the signals a test names."""
    here = moment(clock)
    span = {"evaluated_at": here.now, "valid_until": here.now + VALID_FOR}
    primary, backup = make_signal(clock, path="eu-west", role=Role.PRIMARY, **span), make_signal(clock, **span)
    values: dict[str, Any] = {
        "instance": "nhisync-a",
        "sequence": 41,
        "at": here.now,
        "boot_id": here.boot_id,
        "boottime": here.boottime,
        "public_profile": True,
        "signals": signals or (primary, backup),
    }
    return Publication(**values | changes)


@pytest.fixture
def signal(clock: FakeClock) -> Callable[..., Signal]:
    """Make signals of this moment."""
    return partial(make_signal, clock)


@pytest.fixture
def publication(clock: FakeClock) -> Callable[..., Publication]:
    """Make publications of this moment."""
    return partial(make_publication, clock)


class Served:
    """One running listener and a raw client."""

    def __init__(self, listener: Listener, port: int, file: Path) -> None:
        self.listener, self.port, self.file = listener, port, file

    def connect(self) -> socket.socket:
        """A connected socket, to be closed by the test."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, request: bytes) -> bytes:
        """Everything the listener answers to `request` until it closes; the Date header is replaced by DATE."""
        with self.connect() as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return re.sub(rb"(?m)^date: [^\r]+", b"date: DATE", b"".join(parts))

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        answer = self.ask(f"GET {path} HTTP/1.1\r\nHost: signals.test\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body

    def publish(self, publication: Publication) -> None:
        """Publish and wait until the listener serves it."""
        publish(self.file, publication)
        self.until(lambda: b'"seq":%d' % publication.sequence in self.get("/v1/ready/payments/backup")[1])

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        """Poll `condition` for at most ten seconds."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the listener did not follow in time"
            time.sleep(0.02)


PLACES = {"payments": ("primary", "backup", "eu-west", "eu-north")}


@contextmanager
def listening(*, file: Path, clock: Clock, **options: Any) -> Iterator[Served]:
    """One running listener; stopped on leaving."""
    protocol = options.pop("protocol", PollerProtocol)
    settings = ListenerSettings(file=file, instance="nhisync-a", places=PLACES, **options)
    listener = Listener(settings, clock, protocol=protocol)
    sockets = bind("127.0.0.1:0")
    port = sockets[0].getsockname()[1]
    thread = threading.Thread(target=listener.run, args=(sockets,))
    thread.start()
    try:
        Served.until(lambda: listener.started)
        yield Served(listener, port, settings.file)
    finally:
        listener.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def serve(tmp_path: Path, clock: FakeClock) -> Iterator[Callable[..., Served]]:
    """Start listeners; all are stopped afterwards."""
    with ExitStack() as stack:

        def start(**options: Any) -> Served:
            return stack.enter_context(listening(clock=clock, **{"file": tmp_path / "publication.json"} | options))

        yield start


@pytest.fixture
def served(serve: Callable[..., Served], publication: Callable[..., Publication], tmp_path: Path) -> Served:
    """A listener that serves one publication: payments, both paths ready."""
    publish(tmp_path / "publication.json", publication())
    return serve()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, shared by the tests of a module that change nothing."""
    file, clock = tmp_path_factory.mktemp("steady") / "publication.json", FakeClock()
    publish(file, make_publication(clock))
    with listening(file=file, clock=clock) as served:
        yield served
