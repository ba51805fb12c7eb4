"""One file reached in two ways is one credential, however its roots and names are spelled."""

import json
import os
from pathlib import Path

import pytest

from nhisync.app.desks import private_desk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.clock import SystemClock
from nhisync.model import Word

CONFIG = """
version: 1
paths:
  primary: {{region: here, sources: {{files: {{provider: file, root: keys}}}}}}
  backup: {{region: there, sources: {{files: {{provider: file, root: {root}}}}}}}
apps:
  wallet:
    tier: standard
    owner: wallet-oncall
    pairs:
      - {{name: ledger, kind: api-key, primary: "files:json/a.json#key", backup: "files:json/a.json#key"}}
"""


def word(folder: Path, root: str) -> tuple[Word, str]:
    """The verdict, and what NHS402 saw, for a backup under `root`."""
    file = folder / "nhisync.yaml"
    file.write_text(CONFIG.format(root=root), encoding="utf-8")
    session = Session.open(file)
    with private_desk(session) as desk:
        report = diff(session, DiffOptions(primary="primary", backup="backup"), desk)
    (verdict,) = report.verdicts
    return verdict.word, next((f.observed for f in report.findings if f.code == "NHS402"), "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A key file and an equal one of its own, with a link, a hard link and a detour to the first."""
    rotated = f"{SystemClock().now():%Y-%m-%d}T00:00:00Z"
    for name in ("keys", "own", "hard"):
        (tmp_path / name).mkdir(mode=0o700)
    for name in ("keys", "own"):
        made = tmp_path / name / "a.json"
        content = {"key": f"canary-{name}-51c0de", "nhisync_rotated": rotated}
        made.write_text(json.dumps(content), encoding="utf-8")
        made.chmod(0o600)
    os.link(tmp_path / "keys/a.json", tmp_path / "hard/a.json")
    (tmp_path / "linked").symlink_to("keys")
    return tmp_path


@pytest.mark.requirement("R31", "R44")
@pytest.mark.parametrize("root", ["./keys", "keys/../keys", "linked", "hard"])
def test_one_file_is_no_pair(folder: Path, root: str) -> None:
    """The backup dies with the very file that the primary loses."""
    assert word(folder, root) == (Word.NOT_READY, "both paths hold the file itself, by another name or link")


def test_two_files_are_a_pair(folder: Path) -> None:
    """Equal in everything but the file."""
    assert word(folder, "own") == (Word.READY, "")
