"""The poller port beside a plain uvicorn "hello", in one run: new connections a second, and latency at a fixed rate.

Run alone with ``python -m benchmarks.readiness [SECONDS]``. Every request opens a connection, as DNS controllers do.
Both servers run as processes of their own and share the machine with the client, so the ratio is worth more than the
numbers. Latency counts from the scheduled instant of a request, so a server that stalls cannot hide it.
"""

import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.results import write
from nhisync.app.publish import moment, publish
from nhisync.clock import SystemClock
from nhisync.model import Mode, Word
from nhisync.server.__main__ import wire
from nhisync.server.listener import ListenerSettings
from nhisync.server.serving import bind
from nhisync.statement import Publication, Role, Signal, SignalState, next_sequence

CLIENTS, RATE, ROUNDS = 16, 300, 3
APPS = 200
"""Apps in the publication: the answer must not depend on how many there are."""

HELLO = """
import socket, sys, uvicorn
async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
config = uvicorn.Config(hello, http="h11", loop="asyncio", lifespan="off", log_level="error", access_log=False)
uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
"""


@dataclass(frozen=True)
class Row:
    """One server in one round: answers a second when pressed, milliseconds at a fixed rate, and what went wrong."""

    per_second: float
    p50: float
    p99: float
    errors: int


async def ask(port: int, request: bytes) -> bool:
    """One request on a connection of its own, read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return (await reader.read()).startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()


async def pressed(port: int, request: bytes, seconds: float) -> tuple[int, int]:
    """Answers and errors while CLIENTS clients ask without a pause."""
    good = bad = 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal good, bad
        while time.perf_counter() < end:
            if await ask(port, request):
                good += 1
            else:
                bad += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return good, bad


async def paced(port: int, request: bytes, seconds: float) -> tuple[list[float], int]:
    """Milliseconds from the scheduled instant to the end of the answer, at RATE requests a second; and errors."""
    begin = time.perf_counter() + 0.05
    taken: list[float] = []
    bad = 0

    async def one(due: float) -> None:
        nonlocal bad
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        bad += not await ask(port, request)
        taken.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(one(begin + number / RATE) for number in range(int(RATE * seconds))))
    return sorted(taken), bad


def measure(port: int, path: str, seconds: float) -> Row:
    """One round against one server."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()
    good, lost = asyncio.run(pressed(port, request, seconds))
    taken, late = asyncio.run(paced(port, request, seconds))
    return Row(good / seconds, taken[len(taken) // 2], taken[int(len(taken) * 0.99)], lost + late)


@contextlib.contextmanager
def process(arguments: list[str], sock: socket.socket, told: bytes) -> Iterator[int]:
    """A server process on an inherited socket; its port, once it answers."""
    port: int = sock.getsockname()[1]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, pass_fds=[sock.fileno()]) as child:
        sock.close()
        try:
            assert child.stdin is not None
            child.stdin.write(told)
            child.stdin.flush()
            socket.create_connection(("127.0.0.1", port)).close()
            asyncio.run(ask(port, b"GET /livez HTTP/1.0\r\n\r\n"))
            yield port
        finally:
            child.terminate()


@contextlib.contextmanager
def servers() -> Iterator[dict[str, tuple[int, str]]]:
    """The listener with a publication of many apps, and the plain server; name → port and URL path."""
    clock = SystemClock()
    here = moment(clock)
    signals = tuple(
        Signal(
            app=f"app-{number}",
            path=role.value,
            role=role,
            tier="critical",
            mode=Mode.ENFORCE,
            word=Word.READY,
            state=SignalState.STANDBY,
            evaluated_at=here.now,
            valid_until=here.now + timedelta(hours=1),
        )
        for number in range(APPS)
        for role in Role
    )
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "publication.json"
        publish(
            file,
            Publication(
                instance="bench",
                sequence=next_sequence(None, here.now),
                at=here.now,
                boot_id=here.boot_id,
                boottime=here.boottime,
                public_profile=True,
                signals=signals,
            ),
        )
        (ours,), (plain,) = bind("127.0.0.1:0"), bind("127.0.0.1:0")
        told = wire(ListenerSettings(file=file, instance="bench", places={}), [ours.fileno()])
        listener = stack.enter_context(process([sys.executable, "-m", "nhisync.server"], ours, told))
        hello = stack.enter_context(process([sys.executable, "-c", HELLO, str(plain.fileno())], plain, b""))
        yield {"nhisync listener": (listener, "/v1/ready/app-7/backup"), 'uvicorn "hello"': (hello, "/")}


def main(seconds: float = 3.0) -> None:
    """Measure in alternating rounds, write the result and print the table."""
    rounds: dict[str, list[Row]] = {}
    with servers() as running:
        for _ in range(ROUNDS):
            for name, (port, path) in running.items():
                rounds.setdefault(name, []).append(measure(port, path, seconds))
    table = {name: [statistics.median(column) for column in _columns(rows)] for name, rows in rounds.items()}
    ours, plain = table.values()
    rows = [
        [name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{bad:.0f}"]
        for name, (rate, p50, p99, bad) in table.items()
    ]
    rows.append(["ratio", *(f"{mine / its:.2f}" for mine, its in zip(ours[:3], plain[:3], strict=True)), ""])
    text = write(
        "readiness",
        "Poller port: a new connection for each request, plain HTTP on loopback",
        ["server", "requests/s", f"p50 ms at {RATE}/s", f"p99 ms at {RATE}/s", "errors"],
        rows,
        {
            name: {"requests_per_second": v[0], "p50_ms": v[1], "p99_ms": v[2], "errors": v[3]}
            for name, v in table.items()
        },
        f"Medians of {ROUNDS} alternating rounds of {seconds:g} s; {CLIENTS} clients press, {APPS} apps are published. "
        "Client and servers share the machine, so read the ratio.",
    )
    print(text)


def _columns(rows: list[Row]) -> list[tuple[float, ...]]:
    return list(zip(*((row.per_second, row.p50, row.p99, row.errors) for row in rows), strict=True))


if __name__ == "__main__":
    main(*(float(word) for word in sys.argv[1:2]))
