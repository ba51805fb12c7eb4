"""A person speaks to a running daemon over the operator listener."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .daemon import NHISYNC, SERVED, Daemon, until


@pytest.mark.requirement("R2", "R9")
def test_operators_speak_to_a_running_daemon(folder: Path, serve: Callable[..., Daemon]) -> None:
    """Over HTTP a person blocks a backup within a second and lifts it again, and nobody stops the daemon for that."""
    token = folder / "operator.token"
    token.write_text("canary-token-of-operators", encoding="utf-8")
    token.chmod(0o600)
    file = folder / "nhisync.yaml"
    file.write_text(f"{SERVED}operator: {{bind: '127.0.0.1:0', token_file: operator.token}}\n", encoding="utf-8")
    daemon = serve()
    until(lambda: daemon.status() == 200 and "operators: http" in daemon.log.read_text())
    assert daemon.child("--operator-only")
    assert post(daemon, "fail") == 202
    until(lambda: daemon.status() == 503, seconds=3)
    assert daemon.status("primary") == 200
    time.sleep(1.1)  # of two words about one second the bad one counts
    assert post(daemon, "pass") == 202
    until(lambda: daemon.status() == 200)
    os.kill(daemon.child("--operator-only"), signal.SIGKILL)
    until(lambda: daemon.log.read_text().count("operators: http") == 2)
    assert post(daemon, "pass") == 202
    assert daemon.end() == 0
    assert "canary" not in daemon.log.read_text()


@pytest.mark.requirement("R24")
def test_a_reload_never_leaves_the_door_open(folder: Path) -> None:
    """Client certificates are asked for from a restart on; until then a token that was taken out still counts."""
    token = folder / "operator.token"
    token.write_text("canary-token-of-operators", encoding="utf-8")
    token.chmod(0o600)
    file = folder / "nhisync.yaml"
    file.write_text(f"{SERVED}operator: {{bind: '127.0.0.1:0', token_file: operator.token}}\n", encoding="utf-8")
    daemon = Daemon(folder, "--operator-only")
    try:
        until(lambda: "operators: http" in daemon.log.read_text())
        assert post(daemon, "fail", token="") == 401
        tls = "{cert: c.pem, key: k.pem, client_ca: a.pem}"
        file.write_text(f"{SERVED}operator: {{bind: '127.0.0.1:0', tls: {tls}}}\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "goes on as before: operator.token_file is gone" in daemon.log.read_text(), seconds=20)
        assert post(daemon, "fail", token="") == 401
        assert post(daemon, "fail") == 202
    finally:
        assert daemon.end() == 0


def post(daemon: Daemon, result: str, *, token: str = "canary-token-of-operators") -> int:
    """Status of one attestation of the kind that needs no tier."""
    port = re.findall(r"operators: http://127\.0\.0\.1:(\d+)", daemon.log.read_text())[-1]
    body = json.dumps({"result": result, "by": "me", "observed_at": datetime.now(UTC).isoformat()})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)) as connection:
        connection.request("POST", "/v1/attestations/payments/on-call", body, headers)
        return connection.getresponse().status


def test_an_operator_listener_that_cannot_start_ends_the_daemon(folder: Path) -> None:
    """A token file that is not there is a configuration error: exit 2, told with the key, and nothing runs on."""
    file = folder / "nhisync.yaml"
    file.write_text(f"{SERVED}operator: {{bind: '127.0.0.1:0', token_file: nowhere}}\n", encoding="utf-8")
    for part in ((), ("--operator-only",)):
        ended = subprocess.run(
            [*NHISYNC, "serve", *part], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 2
        assert "operator.token_file" in ended.stderr
