"""`nhisync serve` as it runs: real processes, real signals, the file provider, a real store."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.publish import load
from nhisync.clock import SystemClock
from nhisync.errors import GuardError, NhisyncError
from nhisync.scheduler import Pulse, SyncProcess
from nhisync.statement import SignalState

from .daemon import NHISYNC, QUICK, SERVED, Daemon, until


@pytest.mark.requirement("R9")
def test_service_serves_and_ends_together(serve: Callable[..., Daemon]) -> None:
    """One command brings both signals up; SIGTERM ends all three processes with exit code 0; nothing leaks a value."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    assert daemon.status("primary") == daemon.status("north") == 200
    assert daemon.status("nowhere") == 404
    children = [daemon.child("nhisync.server"), daemon.child("--sync-only")]
    assert all(children)
    assert daemon.end() == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert "canary" not in daemon.log.read_text()


@pytest.mark.requirement("R9")
def test_frozen_sync_process_ends_the_signal_and_a_killed_one_is_replaced(serve: Callable[..., Daemon]) -> None:
    """A sync process that is stopped without dying lets the signals end by themselves; once killed, it comes back."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    frozen = daemon.child("--sync-only")
    os.kill(frozen, signal.SIGSTOP)
    until(lambda: daemon.status() == daemon.status("primary") == 503)
    os.kill(frozen, signal.SIGKILL)
    until(lambda: daemon.status() == 200)
    assert "the sync process ended with -9" in daemon.log.read_text()


@pytest.mark.requirement("R9")
def test_killed_listener_is_replaced_without_a_refused_connection(serve: Callable[..., Daemon]) -> None:
    """The supervisor keeps the socket: while the listener is replaced, pollers wait and are answered."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    killed = daemon.child("nhisync.server")
    os.kill(killed, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{killed}").exists())
    assert daemon.status() == 200
    assert daemon.child("nhisync.server") != killed


@pytest.mark.requirement("R9")
def test_children_do_not_outlive_the_supervisor(serve: Callable[..., Daemon]) -> None:
    """When the supervisor is killed, both children leave, so that a restarted service finds port and store free."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    children = [daemon.child("nhisync.server"), daemon.child("--sync-only")]
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(_runs(child) for child in children))
    assert daemon.status() == 0
    again = serve()
    until(lambda: again.status() == 200)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.requirement("R2")
def test_not_ready_can_be_said_beside_the_daemon(serve: Callable[..., Daemon], folder: Path) -> None:
    """The listener blocks though the sync process stands still; that one then records it, and keeps it blocked."""
    policy = folder / "policies" / "quick.yaml"
    policy.write_text(f"{QUICK}attestations: {{data-lag: 2h}}\n", encoding="utf-8")

    def attest(result: str) -> subprocess.CompletedProcess[str]:
        words = ["attest", "payments", "data-lag", "--result", result, "--by", "dba"]
        return subprocess.run([*NHISYNC, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)

    assert attest("pass").returncode == 0
    daemon = serve()
    until(lambda: daemon.status() == 200)
    laid = attest("pass")
    assert (laid.returncode, laid.stdout.partition(":")[0]) == (0, "heard, recorded in the next cycle")
    until(lambda: not list(next(folder.glob("*.words")).iterdir()))
    sync_process = daemon.child("--sync-only")
    os.kill(sync_process, signal.SIGSTOP)
    objected = attest("fail")
    assert (objected.returncode, objected.stdout.partition(":")[0]) == (0, "heard, recorded in the next cycle")
    until(lambda: daemon.status() == 503)
    until(lambda: "a person objects: payments/north" in daemon.log.read_text())
    os.kill(sync_process, signal.SIGCONT)
    spool = next(folder.glob("*.objections"))
    until(lambda: not list(spool.iterdir()))
    until(lambda: daemon.status("primary") == 200)
    assert daemon.status() == 503
    assert daemon.end() == 0


def test_second_service_is_refused(serve: Callable[..., Daemon]) -> None:
    """Exactly one writer: a second service on the same store ends with 5 and leaves the first one alone."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    second = serve()
    assert second.process.wait(timeout=40) == 5
    assert "lock" in second.log.read_text()
    assert daemon.status() == 200


def test_configuration_is_reloaded(serve: Callable[..., Daemon], folder: Path) -> None:
    """SIGHUP takes a new app in; a broken configuration is told and changes nothing."""
    daemon = serve()
    until(lambda: daemon.status() == 200)
    config = folder / "nhisync.yaml"
    config.write_text(SERVED.replace("tier: quick", "tier: quickk"), encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "was not reloaded" in daemon.log.read_text())
    assert daemon.status() == 200
    config.write_text(SERVED.replace("  payments:", "  payments2:"), encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.status() == 404)
    assert "until a restart" not in daemon.log.read_text()
    config.write_text(SERVED.replace("bind:", "public_profile: false, bind:") + "# changed\n", encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.status() == 200)
    assert "until a restart" not in daemon.log.read_text()
    config.write_text(SERVED.replace("127.0.0.1:0", "127.0.0.2:0"), encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "the listener keeps the old ones until a restart" in daemon.log.read_text())
    assert daemon.status() == 200


def test_listener_alone_serves_what_a_timer_publishes(serve: Callable[..., Daemon], folder: Path) -> None:
    """--listener-only answers from the publication of `nhisync sync`, and turns to 503 when the timer stops."""
    daemon = serve("--listener-only")
    assert daemon.status() == 503
    subprocess.run([*NHISYNC, "-q", "sync"], cwd=folder, check=True, capture_output=True, timeout=60)
    until(lambda: daemon.status() == 200)
    until(lambda: daemon.status() == 503)
    assert daemon.end(signal.SIGINT) == 0


def test_sync_alone_publishes(serve: Callable[..., Daemon], folder: Path) -> None:
    """--sync-only runs cycles without a listener, and ends cleanly."""
    daemon = serve("--sync-only")
    file = folder / "nhisync.snapshot"
    until(lambda: file.exists() and load(file).signals[0].state is SignalState.STANDBY)
    first = load(file).sequence
    until(lambda: load(file).sequence > first)
    assert daemon.end() == 0


def test_usage_errors_end_at_once(serve: Callable[..., Daemon], folder: Path) -> None:
    """A port that is taken is told before anything runs, with exit code 2."""
    daemon = serve("--listener-only")
    config = folder / "nhisync.yaml"
    config.write_text(SERVED.replace("127.0.0.1:0", f"127.0.0.1:{daemon.port}"), encoding="utf-8")
    done = subprocess.run([*NHISYNC, "serve"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Address already in use" in done.stderr


@pytest.mark.parametrize("argv", [("serve",), ("serve", "--listener-only")])
def test_tls_files_that_cannot_be_used_end_at_once(folder: Path, argv: tuple[str, ...]) -> None:
    """A certificate that is not there is told once, with the way out and exit code 2: no traceback, no restarts."""
    config = folder / "nhisync.yaml"
    tls = 'listener: {bind: "127.0.0.1:0", tls: {cert: nope.pem, key: nope.key}}'
    config.write_text(SERVED.replace('listener: {bind: "127.0.0.1:0"}', tls), encoding="utf-8")
    done = subprocess.run([*NHISYNC, *argv], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    cert = folder / "nope.pem"
    assert f"nhisync: the listener's TLS files cannot be used: cert {cert}: No such file or directory" in done.stderr
    assert "listening on" not in done.stderr
    assert "Check listener.tls" in done.stderr
    assert "Traceback" not in done.stderr
    assert "started again" not in done.stderr


class Threaded:
    """A sync process in a thread, on a scripted world."""

    def __init__(self, world: Any, **options: Any) -> None:
        world.clock = SystemClock()
        world.answer("p")
        world.answer("b")
        self.process = SyncProcess(world.session, world.clock, **options)
        self.pulse: Pulse | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.pulse = self.process.run()

    def end(self) -> Pulse | None:
        """Stop it; how it ended."""
        self.process.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.pulse


def test_sync_process_holds_the_lock_and_announces_before_it_evaluates(world: Any) -> None:
    """From the first moment there is one writer, and what an earlier process said is taken back."""
    world.run("sync")
    running = Threaded(world)
    until(lambda: load(world.publication).at > world.clock.now() - timedelta(minutes=1))
    with pytest.raises(GuardError):
        world.store()
    assert running.end() is Pulse.ALIVE


def test_sync_process_leaves_with_its_supervisor(world: Any) -> None:
    """A sync process whose supervisor is gone ends by itself."""
    gone = threading.Event()
    running = Threaded(world, orphaned=gone.is_set)
    gone.set()
    running.thread.join(30)
    assert running.pulse is Pulse.ALIVE


def test_sync_process_that_fails_again_and_again_asks_to_be_replaced(world: Any) -> None:
    """Five failed cycles in a row end the process, because only a new one gets a new database session."""
    world.configure(more="policies: ./policies", tier="quick")
    (world.folder / "policies").mkdir()
    (world.folder / "policies" / "quick.yaml").write_text(QUICK, encoding="utf-8")
    running = Threaded(world)
    until(lambda: world.publication.exists() and load(world.publication).signals[0].state is SignalState.STANDBY)
    world.publication.unlink()
    (world.folder / ".nhisync.snapshot.draft").mkdir()
    running.thread.join(40)
    assert running.pulse is Pulse.DEAD


def test_broken_configuration_at_the_start_is_raised(world: Any) -> None:
    """A sync process does not start on a configuration it cannot use."""
    world.file.write_text("version: 2", encoding="utf-8")
    with pytest.raises(NhisyncError):
        SyncProcess(world.session, world.clock)
