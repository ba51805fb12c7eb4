"""The main job on the embedded world: real SDKs, real sockets, everything planted is found, no value is ever shown."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from nhisync.app.demo import run
from nhisync.cli import main
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.testing.demo import scenario

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]

NHISYNC = Path(sys.executable).with_name("nhisync")
FORMATS = ("table", "plain", "json", "jsonl", "sarif", "junit", "ocsf", "markdown", "html")


def call(config: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = main(["-c", str(config), *arguments], stdout=out, stderr=err)
    return int(code), out.getvalue(), err.getvalue()


def spellings(canary: str) -> set[str]:
    """How a value may hide in an output."""
    raw = canary.encode()
    encoded = base64.b64encode(raw).decode()
    return {
        canary,
        encoded,
        encoded.rstrip("="),
        raw.hex(),
        quote(canary, safe=""),
        canary[::-1],
        json.dumps(canary)[1:-1],
    }


def leaks(text: str) -> list[str]:
    """Canaries of the world that `text` holds."""
    return [canary for canary in scenario().canaries if any(spelling in text for spelling in spellings(canary))]


def test_canary_scan_sees_a_leak() -> None:
    """The scan itself must catch a leak, plain and encoded."""
    canary = next(iter(scenario().canaries))
    assert leaks(f"x{canary}y") == [canary]
    assert leaks(base64.b64encode(canary.encode()).decode()) == [canary]


@pytest.mark.requirement("R9", "R13")
def test_everything_planted_is_found_and_nothing_else(config: Path) -> None:
    """The report of the real diff equals the plan, fault by fault, and every rule has a planted fault."""
    from nhisync.parity.rules import codes

    result = run(config, clock=SystemClock(), randomness=SystemRandomness())
    assert result.differences == ()
    planned = {code for app in scenario().apps for pair in app.pairs for code in pair.expects}
    planned |= {code for app in scenario().apps for code in app.expects}
    assert planned == set(codes())


def test_each_rule_that_can_fail_fails_somewhere() -> None:
    """What a rule declares of itself is true in the world: `fails` decides whether a waiver of it can take effect."""
    from nhisync.parity.rules import RULES

    planned = [pair.expects for app in scenario().apps for pair in app.pairs]
    planned += [app.expects for app in scenario().apps]
    failing = {code for one in planned for code, state in one.items() if state in {"fail", "waived"}}
    assert failing == {rule.info.code for rule in RULES if rule.info.fails}


@pytest.mark.parametrize("fmt", FORMATS)
def test_no_value_in_any_format(config: Path, fmt: str) -> None:
    """No planted value occurs in stdout or stderr of any format, verbose as it may be; the answer is a real one."""
    code, out, err = call(config, "diff", "primary", "backup", "--format", fmt, "-vv", "--show-passing")
    assert code == 1
    assert out
    assert leaks(out + err) == []


@pytest.mark.parametrize(
    "command",
    [
        ("inventory", "backup"),
        ("inventory", "primary", "--format", "cbom"),
        ("discover", "backup"),
        ("graph",),
        ("graph", "--format", "json"),
        ("doctor",),
        ("permissions",),
        ("permissions", "--mode", "fingerprint"),
        ("permissions", "--mode", "probe"),
        ("doctor", "--mode", "probe"),
        ("diff", "--live", "--app", "wallet", "--show-passing", "--format", "json"),
        ("sync",),
        ("status",),
        ("providers",),
    ],
    ids=" ".join,
)
def test_no_value_in_any_command(config: Path, command: tuple[str, ...]) -> None:
    """No planted value occurs in the output of any command that touches the world, and none crashes."""
    code, out, err = call(config, *command, "-vv")
    assert code in {0, 1, 3, 4}, err
    assert leaks(out + err) == []
    assert "Traceback" not in err


def test_no_value_in_any_file(config: Path) -> None:
    """After runs and syncs no file of the world's folder but the emulators' own holds a planted value."""
    call(config, "sync")
    files = [f for f in config.parent.rglob("*") if f.is_file() and "world" not in f.relative_to(config.parent).parts]
    assert any(f.suffix == ".db" for f in files)
    assert [f.name for f in files if leaks(f.read_bytes().decode("latin1"))] == []


def test_cached_diff_equals_the_last_sync(config: Path) -> None:
    """After a sync, `diff --cached` judges the stored rows and contacts nothing."""
    call(config, "sync")
    code, out, _ = call(config, "diff", "--cached", "--app", "wiki", "--format", "json")
    report = json.loads(out)
    assert code == 0
    assert [v["verdict"] for v in report["verdicts"]] == ["ready"]
    assert all(not path["sources"] for path in report["paths"])


def test_demo_command_exits_zero() -> None:
    """`nhisync demo` runs by itself, exits 0, and leaves no process behind."""
    done = subprocess.run([NHISYNC, "demo"], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "NOT READY  backup cannot take payments" in done.stdout
    assert "and nothing else." in done.stderr
    assert leaks(done.stdout + done.stderr) == []
