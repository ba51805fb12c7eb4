"""No value of a secret appears in any output of any command, in any format, at any verbosity."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhisync.cli import catalogue
from nhisync.cli.output import REPORT_FORMATS

CANARY = "canary-8f1c2b7a"
COMMANDS = (
    *(("diff", "--format", fmt, "--show-passing") for fmt in REPORT_FORMATS),
    ("diff", "--exit-zero"),
    *(("inventory", path, "--format", fmt) for path in ("primary", "backup") for fmt in ("table", "json", "cbom")),
    ("discover", "primary"),
    ("discover", "backup", "--unmapped", "--format", "json"),
    ("graph",),
    ("graph", "--format", "dot"),
    ("graph", "--format", "json"),
    ("doctor",),
    ("doctor", "--mode", "fingerprint", "--format", "json"),
    ("permissions",),
    ("permissions", "--mode", "fingerprint"),
    ("providers", "--format", "json"),
    ("waivers",),
)

CONFIG = """\
version: 1
paths:
  primary: {region: here, sources: {disk: {provider: file, root: primary}}}
  backup: {region: there, sources: {disk: {provider: file, root: backup}}}
apps:
  payments:
    tier: critical
    pairs:
      - name: stripe
        kind: key
        primary: "disk:kubernetes-secret/stripe#key"
        backup: "disk:kubernetes-secret/stripe#key"
      - {name: mail, kind: key, primary: "disk:json/mail.json#password", backup: "disk:json/mail.json#password"}
"""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Two folders of real files whose values are canaries."""
    for side in ("primary", "backup"):
        folder = tmp_path / side / "stripe"
        folder.mkdir(parents=True)
        (folder / "key").write_text(f"{CANARY}-{side}")
        (tmp_path / side / "mail.json").write_text(json.dumps({"password": f"{CANARY}-{side}", "user": "mailer"}))
        (tmp_path / side / "odd.json").write_text(f'{{"token": "{CANARY}", broken')
        for file in (tmp_path / side).rglob("*"):
            file.chmod(0o700 if file.is_dir() else 0o600)
        (tmp_path / side).chmod(0o700)
    (tmp_path / "nhisync.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_no_value_is_shown(run: Callable[..., Any], secrets: Path, argv: tuple[str, ...]) -> None:
    """Every command over real secret files, with -vv and on a terminal as in a pipe, shows no value."""
    for terminal in (False, True):
        ended = run(*argv, "-vv", terminal=terminal)
        assert ended.code in {0, 1, 3}, ended.err
        assert CANARY not in ended.out + ended.err


def test_value_in_the_configuration_is_not_shown(run: Callable[..., Any], secrets: Path) -> None:
    """A secret that somebody put into the configuration by mistake is reported without showing it."""
    file = secrets / "nhisync.yaml"
    file.write_text(file.read_text().replace("root: primary", f"root: primary, password: {CANARY}"))
    ended = run("diff", "-vv")
    assert ended.code == 2
    assert CANARY not in ended.out + ended.err


def test_every_command_that_reads_is_covered() -> None:
    """A new command is either tried here or known to read nothing of a provider."""
    tried = {argv[0] for argv in COMMANDS}
    harmless = {
        "completion",
        "version",
        "explain",
        "schema",
        "policy",
        "store",
        "init",
        "waive",
        "attest",
        "run-probe",
        "status",
        "ready",
    }
    elsewhere = {"demo", "sync", "serve"}
    assert set(catalogue.available()) <= tried | harmless | elsewhere
