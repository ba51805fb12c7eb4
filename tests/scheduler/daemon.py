"""A running `nhisync serve`, for tests with real processes."""

import contextlib
import http.client
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SERVED = """
version: 1
store: {url: "sqlite:///nhisync.db"}
policies: ./policies
paths:
  west: {region: west, sources: {files: {provider: file, root: ./west}}}
  north: {region: north, sources: {files: {provider: file, root: ./north}}}
apps:
  payments:
    tier: quick
    owner: payments-oncall
    roles: {primary: west, backup: [north]}
    pairs:
      - {name: stripe, kind: api-key, primary: "files:json/stripe.json#key", backup: "files:json/stripe.json#key"}
listener: {bind: "127.0.0.1:0"}
"""

QUICK = """
version: 1
tier: quick
inherits: standard
evaluate: {every: 1s, entry_max_age: 6s, rise: 1s}
evidence: {inventory_max_age: 6s}
"""

NHISYNC = [sys.executable, "-c", "import sys; from nhisync.cli import main; sys.exit(main())"]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Poll `condition`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Daemon:
    """A running `nhisync serve`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder / f"log-{len(list(folder.glob('log-*')))}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*NHISYNC, "serve", *options], cwd=folder, stderr=log)
        self.port = 0

    def listens(self) -> bool:
        """Whether it told its port, or ended."""
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.log.read_text())
        self.port = int(found[1]) if found else 0
        return bool(found) or self.process.poll() is not None

    def status(self, path: str = "backup") -> int:
        """HTTP status of a signal; 0 = nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"/v1/ready/payments/{path}")
                return connection.getresponse().status
            except OSError:
                return 0

    def child(self, word: str) -> int:
        """Process id of the child whose command line holds `word`; 0 = there is none."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    if int(parent) == self.process.pid and word in (entry / "cmdline").read_text():
                        return int(entry.name)
        return 0

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=40)
