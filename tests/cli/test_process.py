"""The installed program as a process: exit codes, pipes, signals, encodings."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("nhisync")
FRESH = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "LANG": "C.UTF-8"}

CONFIG = """\
version: 1
paths:
  primary: {region: here, sources: {disk: {provider: file, root: primary}}}
  backup: {region: there, sources: {disk: {provider: file, root: backup}}}
apps:
  payments:
    tier: standard
    owner: payments-oncall
    pairs:
      - {name: stripe, kind: key, primary: "disk:kubernetes-secret/stripe", backup: "disk:kubernetes-secret/stripe"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration over two folders, the backup's without the credential."""
    for side in ("primary", "backup"):
        (tmp_path / side).mkdir(mode=0o700)
    place = tmp_path / "primary" / "stripe"
    place.mkdir(mode=0o700)
    (place / "key").write_text("value")
    (place / "key").chmod(0o600)
    (tmp_path / "nhisync.yaml").write_text(CONFIG)
    return tmp_path


def nhisync(folder: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program in `folder`."""
    return subprocess.run(
        [PROGRAM, *argv], cwd=folder, env={**FRESH, **environ}, capture_output=True, text=True, check=False, timeout=60
    )


def test_drift_is_1(folder: Path) -> None:
    """The process answers 1 with NOT READY on stdout and nothing on stderr."""
    ended = nhisync(folder, "diff")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "NOT READY  backup cannot take payments: 1 fail of 1 pair. Exit 1." in ended.stdout


def test_usage_and_configuration_are_2(folder: Path) -> None:
    """A typo, a missing file and no arguments at all answer 2 with an empty stdout."""
    for argv in (("dif",), ("diff", "-c", "missing.yaml"), (), ("diff", "--nope")):
        ended = nhisync(folder, *argv)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr


def test_unknown_is_3_and_blindness_is_4(folder: Path) -> None:
    """Evidence that is missing answers 3; a path that cannot be asked at all answers 4."""
    config = folder / "nhisync.yaml"
    for side, text in (("primary", "{}"), ("backup", "{broken")):
        (folder / side / "key.json").write_text(text)
        (folder / side / "key.json").chmod(0o600)
    config.write_text(CONFIG.replace("disk:kubernetes-secret/stripe", "disk:json/key.json"))
    assert nhisync(folder, "diff").returncode == 3
    config.write_text(CONFIG.replace("root: backup", "root: elsewhere"))
    ended = nhisync(folder, "diff")
    assert ended.returncode in {3, 4}, ended.stdout
    assert "elsewhere" not in ended.stdout
    assert "Next: nhisync doctor backup -v" in ended.stderr


def test_help_and_version_are_0(folder: Path) -> None:
    """Help goes to stdout."""
    assert nhisync(folder, "--help").stdout.startswith("Usage: nhisync ")
    assert nhisync(folder, "--version").returncode == 0


def test_closed_pipe_is_141(folder: Path) -> None:
    """A reader that goes away ends the program with 141 and without a word."""
    with subprocess.Popen(
        [PROGRAM, "diff", "--format", "json"],
        cwd=folder,
        env=FRESH,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


def test_interrupt_is_130(folder: Path) -> None:
    """Ctrl-C while a source is being read ends with 130 and one word, no traceback."""
    os.mkfifo(folder / "nhisync.fifo")
    with subprocess.Popen(
        [PROGRAM, "diff", "-c", "nhisync.fifo"],
        cwd=folder,
        env=FRESH,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with (folder / "nhisync.fifo").open("w") as writer:  # opens when the program reads its configuration
            for _ in range(40):  # a person presses again when the first one fell into an import
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=2)
                    break
            out, err = process.communicate(timeout=60)
            assert writer.writable()
        assert (process.returncode, out) == (130, "")
        assert err == "interrupted\n"


def test_ascii_terminal_does_not_crash(folder: Path) -> None:
    """Where the encoding lacks a character it is written out."""
    ended = nhisync(folder, "diff", PYTHONIOENCODING="ascii")
    assert ended.returncode == 1
    assert "\\xb7 tier standard" in ended.stdout


def test_full_disk_is_told(folder: Path) -> None:
    """A result that cannot be written is no success."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [PROGRAM, "version"], cwd=folder, env=FRESH, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert "No space left on device" in ended.stderr
    assert "Free space on that disk" in ended.stderr
    named = nhisync(folder, "version", "-o", "/dev/full")
    assert named.returncode == 2
    assert "cannot write /dev/full: No space left on device\n  Free space on that disk" in named.stderr


def test_piped_table_is_not_wrapped(folder: Path) -> None:
    """COLUMNS does not matter in a pipe; only the evidence's age, told by the machine's clock, may differ."""
    narrow, wide = (nhisync(folder, "diff", COLUMNS=width).stdout for width in ("20", "200"))
    assert re.sub(r"evidence \d\d:\d\d old", "", narrow) == re.sub(r"evidence \d\d:\d\d old", "", wide)
    assert "evidence 00:" in narrow


LOADED = """
import json, sys
from nhisync.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def roots_after(folder: Path, *argv: str) -> tuple[int, set[str]]:
    """Exit code and top-level names of all modules that one command imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *argv], cwd=folder, env=FRESH, capture_output=True, text=True, check=True
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, {name.partition(".")[0] for name in names}


SDKS = {"boto3", "botocore", "hvac", "requests", "urllib3"}
SERVERS = {"uvicorn", "apscheduler"}


def test_diff_imports_neither_servers_nor_foreign_sdks(folder: Path) -> None:
    """A comparison of files starts without the daemon, without migrations, without rich and without any SDK."""
    code, roots = roots_after(folder, "diff")
    assert code == 1
    assert roots.isdisjoint({*SDKS, *SERVERS, "alembic", "rich", "nhisync_aws", "nhisync_tls", "nhisync_vault"})


def test_inventory_imports_no_database(folder: Path) -> None:
    """An inventory keeps nothing, so that it needs no store."""
    _, roots = roots_after(folder, "inventory", "primary", "--format", "json")
    assert roots.isdisjoint({*SDKS, *SERVERS, "sqlalchemy", "alembic", "rich"})


@pytest.mark.parametrize("argv", [("waivers",), ("inventory", "primary"), ("diff",)])
def test_sdks_of_sources_that_are_not_asked_are_not_imported(folder: Path, argv: tuple[str, ...]) -> None:
    """A path that is not looked at costs nothing: its providers are declared, their SDKs stay on the disk."""
    third = """
  elsewhere:
    region: far
    sources:
      aws: {provider: aws, auth: {method: keys_file, file: keys}}
      vault: {provider: vault, address: "https://vault.example.com", auth: {method: token, token_file: token}}
apps:"""
    config = folder / "nhisync.yaml"
    config.write_text(CONFIG.replace("\napps:", third))
    _, roots = roots_after(folder, *argv)
    assert {"nhisync_aws", "nhisync_vault"} <= roots
    assert roots.isdisjoint(SDKS)


@pytest.mark.parametrize(
    ("call", "told"), [("sys.argv[1:] = ['version']; main()", "5000 True"), ("main([])", "700 False")]
)
def test_only_a_process_of_its_own_tunes_its_collector(folder: Path, call: str, told: str) -> None:
    """A process that runs one command and ends is tuned for that; a caller in Python keeps what it had."""
    program = (
        f"import gc, sys\nfrom nhisync.cli import main\n{call}\nprint(gc.get_threshold()[0], gc.get_freeze_count() > 0)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=FRESH, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == told


INTERRUPTED_WHILE_LOADING = """
import sys

class Finger:
    def find_spec(self, name, path=None, target=None):
        if name == "nhisync.cli.group":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finger())
from nhisync.cli import main
sys.exit(main())
"""


def test_ctrl_c_while_the_command_is_being_loaded_is_no_traceback(folder: Path) -> None:
    """Whoever mistypes and presses Ctrl-C at once gets the same word and code as later."""
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]
    done = subprocess.run(command, cwd=folder, env=FRESH, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
