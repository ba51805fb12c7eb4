"""Real servers from Debian packages, each in a private folder, without privileges, on loopback; and a real nhisync."""

import contextlib
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

NHISYNC = [sys.executable, "-c", "import sys; from nhisync.cli import main; sys.exit(main())"]

TOOK_PART: dict[str, str] = {}
"""Server → version, of those that answered in this session."""

POSTGRES = "NHISYNC_TEST_POSTGRES_URL"
"""Tells the tests of the store where a PostgreSQL server is; set here when they are about to run."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start PostgreSQL before the store's tests on it, wherever they lie; without one the run ends at once."""
    wanted = [item for item in session.items if item.get_closest_marker("e2e") and "store" in item.path.parts]
    if wanted and POSTGRES not in os.environ:
        try:
            os.environ[POSTGRES] = DATABASE.url()
        except pytest.fail.Exception as missing:
            pytest.exit(str(missing), returncode=1)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped:
        SKIPPED.append(report.nodeid)


SKIPPED: list[str] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop PostgreSQL; a skipped test in a run against real servers is a failure, because it proves nothing."""
    DATABASE.end()
    if SKIPPED and session.config.option.markexpr == "e2e":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which real servers took part; the last line of `.ci/run` repeats it."""
    if SKIPPED and terminalreporter.config.option.markexpr == "e2e":
        terminalreporter.write_line(f"FAILED: {len(SKIPPED)} tests were skipped, so they prove nothing")
    servers = ", ".join(f"{name} {version}" for name, version in sorted(TOOK_PART.items())) or "none"
    terminalreporter.write_line(f"real servers that took part: {servers}")


@pytest.fixture(scope="session")
def took_part() -> Callable[[str, str], None]:
    """Note a server that answered."""
    return TOOK_PART.__setitem__


def program(name: str, package: str) -> str:
    """The program's path; the test fails, and says what to install, when it is not there."""
    chosen = os.environ.get("NHISYNC_POSTGRESQL_BIN") if package == "postgresql" else None
    usual = ("/usr/sbin", "/usr/bin", "/usr/lib/postgresql/*/bin", os.environ.get("PATH", ""))
    places = chosen or os.pathsep.join(usual)
    folders = [str(f) for p in places.split(os.pathsep) if p for f in sorted(Path("/").glob(p.lstrip("/")))]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        pytest.fail(
            f"{name} is not installed, so nothing is proven against it. Debian: apt-get install {package}",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def find_program() -> Callable[[str, str], str]:
    """Look up a program or fail with its package."""
    return program


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Poll `condition`; `what` says what did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Wait for something, with a deadline."""
    return until


def unprivileged() -> dict[str, Any]:
    """Arguments of Popen that give privileges up when there are any."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class Private:
    """A folder of an unprivileged server, and its process."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"nhisync-e2e-{name}-"))
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.own(self.folder)

    def own(self, *places: Path) -> None:
        """Hand `places` to the user the server runs as."""
        if os.geteuid() == 0:
            for place in places:
                shutil.chown(place, "nobody", "nogroup")

    def write(self, name: str, text: str) -> Path:
        """A file below the folder."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        self.own(file.parent, file)
        return file

    def start(self, *command: str) -> None:
        """Start the server."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **unprivileged()
            )

    def run(self, *command: str) -> str:
        """Run a helper program to its end, as the server's user."""
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False, **unprivileged()
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self.process is not None and self.process.poll() is None

    def told(self) -> str:
        """What the server logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server and remove its folder."""
        if self.process is not None:
            if self.alive:
                self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def private() -> Iterator[Callable[[str], Private]]:
    """Make private servers; all are stopped afterwards."""
    with contextlib.ExitStack() as stack:

        def make(name: str) -> Private:
            server = Private(name)
            stack.callback(server.end)
            return server

        yield make


@pytest.fixture
def free_port() -> int:
    """A port that is free for UDP and TCP on loopback."""
    return unused_port()


def unused_port() -> int:
    """A port that nobody uses for UDP or TCP on loopback at this moment."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            udp.bind(("127.0.0.1", port))
            return port


class Postgresql:
    """One PostgreSQL server for the session: TCP on loopback, any user trusted, durable as in production."""

    def __init__(self) -> None:
        self._server: Private | None = None
        self._url = ""

    def url(self) -> str:
        """URL of an empty database; the server starts with the first call."""
        if self._server is None:
            initdb, postgres, createdb = (program(name, "postgresql") for name in ("initdb", "postgres", "createdb"))
            server, port = Private("postgresql"), unused_port()
            self._server, data = server, server.folder / "data"
            common = ("--auth=trust", "--username=nhisync", "--encoding=UTF8", "--locale=C")
            server.run(initdb, *common, f"--pgdata={data}")
            settings = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={server.folder}")
            server.start(postgres, "-D", str(data), *(part for setting in settings for part in ("-c", setting)))
            until(lambda: "ready to accept connections" in server.told(), "PostgreSQL accepts connections")
            server.run(createdb, "-h", "127.0.0.1", "-p", str(port), "-U", "nhisync", "nhisync")
            version = re.search(r"starting PostgreSQL ([\w.]+)", server.told())
            TOOK_PART["PostgreSQL"] = version[1] if version else "of an unknown version"
            self._url = f"postgresql+psycopg://nhisync@127.0.0.1:{port}/nhisync"
        return self._url

    def end(self) -> None:
        """Stop the server, if it runs."""
        if self._server is not None:
            self._server.end(signal.SIGINT)  # a fast shutdown: clients that are left are cut off
            self._server = None


DATABASE = Postgresql()


@pytest.fixture
def postgresql() -> str:
    """URL of an empty database on a real server."""
    return DATABASE.url()


class AppHealth:
    """The application's own health check on one address: up or down, and how often it was asked."""

    def __init__(self, address: str, port: int = 0) -> None:
        health = self
        self.up = True
        self.asked = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            """200 or 503."""

            def do_GET(self) -> None:
                """Answer by the switch."""
                health.asked += 1
                self.send_response(200 if health.up else 503)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def rounds(self, number: int) -> None:
        """Wait until the controller has polled `number` times more: it has then seen what is so now."""
        seen = self.asked
        until(lambda: self.asked >= seen + number, f"{number} more polls of the app's health")

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def health() -> Iterator[tuple[AppHealth, AppHealth]]:
    """The app's health on the primary (127.0.0.1) and on the backup (127.0.0.2), on one port."""
    primary = AppHealth("127.0.0.1")
    with contextlib.closing(primary), contextlib.closing(AppHealth("127.0.0.2", primary.port)) as backup:
        yield primary, backup


HERE = Path(__file__).parent
CONFIG = (HERE / "nhisync.yaml").read_text(encoding="utf-8")
POLICY = (HERE / "quick.yaml").read_text(encoding="utf-8")


class Nhisync:
    """A running `nhisync serve` over two folders of key files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.config = CONFIG
        (folder / "nhisync.yaml").write_text(CONFIG, encoding="utf-8")
        (folder / "policies").mkdir()
        (folder / "policies" / "quick.yaml").write_text(POLICY, encoding="utf-8")
        for path in ("west", "north"):
            (folder / path).mkdir()
            self.mend(path)

    def mend(self, path: str = "north") -> None:
        """Put the credential of a path there."""
        key = self.folder / path / "stripe.json"
        made = datetime.now(UTC).isoformat()
        key.write_text(f'{{"key": "value-of-{path}", "nhisync_rotated": "{made}"}}', encoding="utf-8")
        key.chmod(0o600)

    def spoil(self) -> None:
        """Take the backup's credential away: the backup is then not ready."""
        (self.folder / "north" / "stripe.json").unlink()

    def start(self) -> None:
        """Start the service on a port that stays the same after a restart, and wait for its listener."""
        if self.port:
            text = self.config.replace("0.0.0.0:0", f"0.0.0.0:{self.port}")
            (self.folder / "nhisync.yaml").write_text(text, encoding="utf-8")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*NHISYNC, "serve"], cwd=self.folder, stderr=log, start_new_session=True)
        until(self._listens, "nhisync serve listens")

    def keep_store_at(self, url: str) -> None:
        """Use another store from the next start on."""
        self.config = CONFIG.replace("sqlite:///nhisync.db", url)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one command on the same configuration."""
        return subprocess.run(
            [*NHISYNC, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def _listens(self) -> bool:
        log = self.log.read_text(encoding="utf-8")
        assert self.process is not None
        assert self.process.poll() is None, f"nhisync serve ended: {log}"
        found = re.search(r"listening on http://[0-9.]+:(\d+)", log)
        self.port = int(found[1]) if found else self.port
        return bool(found) and self.signal() in {200, 503}

    def signal(self, path: str = "backup") -> int:
        """HTTP status of a signal; 0 = nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"/v1/ready/payments/{path}")
                return connection.getresponse().status
            except OSError:
                return 0

    def becomes(self, status: int) -> None:
        """Wait until the backup's signal has this status."""
        until(lambda: self.signal() == status, f"the backup's signal is {status}")

    def freeze(self) -> None:
        """Stop all processes but the listener without killing them: the cycles end, the answers go on."""
        assert self.process is not None
        for pid in self._family():
            if "nhisync.server" not in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                os.kill(pid, signal.SIGSTOP)

    def _family(self) -> list[int]:
        assert self.process is not None
        session = os.getsid(self.process.pid)
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
        return found

    def kill(self) -> None:
        """Kill every process of the service at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def nhisync(tmp_path: Path) -> Iterator[Nhisync]:
    """A service whose backup is ready."""
    service = Nhisync(tmp_path)
    try:
        service.start()
        service.becomes(200)
        yield service
    finally:
        service.kill()
