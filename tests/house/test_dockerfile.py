"""The image: linted, and its RUN steps executed without an engine (docs/image.md says what that proves)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UID = 65532


def steps() -> list[str]:
    """The RUN instructions, continuation lines joined."""
    return re.findall(r"^RUN (.*)$", TEXT.replace("\\\n", " "), re.MULTILINE)


def context(target: Path) -> None:
    """What the build context holds after .dockerignore."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in allowed:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "emulator"))
        else:
            shutil.copy(source, target / name)


def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles has no remark (its binary exists as a wheel for Linux on x86-64)."""
    lint = Path(sys.executable).with_name("hadolint")
    if not lint.exists():
        pytest.skip("hadolint has no wheel for this platform; .ci/run checks it on Linux")
    done = subprocess.run([lint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_image_runs_as_nobody_in_particular() -> None:
    """Two stages; the last one ends as a numeric, unprivileged user and starts nhisync."""
    stages = TEXT.split("\nFROM ")
    assert len(stages) == 3
    assert f"USER {UID}:{UID}" in stages[2]
    assert 'ENTRYPOINT ["nhisync"]' in stages[2]
    assert "rm -rf" in TEXT
    assert "emulator" in TEXT


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_run_steps_build_a_working_tree(tmp_path: Path) -> None:
    """The RUN steps, on this machine under another root, give a tree that an unprivileged user can run read-only."""
    top = tmp_path / "image"
    src = top / "src"
    src.mkdir(parents=True)
    context(src)
    script = "\n".join(steps())
    for folder in ("/opt/", "/wheels", "/etc/nhisync", "/var/lib/nhisync"):
        script = script.replace(folder, f"{top}{folder}")
    script = script.replace("python -m venv", f"{_interpreter()} -m venv")
    if os.geteuid() != 0:
        script = script.replace(f"chown {UID}:{UID}", "ls -d")
    (top / "opt").mkdir()
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    subprocess.run(["sh", "-euc", script], cwd=src, env=env, check=True, timeout=800)
    packages = next((top / "opt/nhisync/lib").glob("python3*/site-packages"))
    assert list(packages.glob("nhisync_*/emulator")) == []
    assert not (packages / "moto").exists()
    assert not (packages / "pip").exists()
    assert _as_nobody(top, "providers", "--format", "json")
    assert "0.1.0" in _as_nobody(top, "version")


def _interpreter() -> str:
    """An interpreter that the image's user may execute: this one, or Debian's."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in Path(sys.executable).resolve().parents):
        return str(Path(sys.executable).resolve())
    usable = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    done = subprocess.run(["/usr/bin/python3", "-c", usable], capture_output=True, check=False)
    assert done.returncode == 0, "install Debian's python3-venv: this interpreter is closed to other users"
    return "/usr/bin/python3"


def _as_nobody(top: Path, *arguments: str) -> str:
    """Run the built nhisync as the image's user, in its working folder, from a tree it may not write."""
    command = [str(top / "opt/nhisync/bin/nhisync"), *arguments]
    root = os.geteuid() == 0
    for parent in [top, *top.parents][:6]:
        if root:
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run(
        command,
        cwd=top / "var/lib/nhisync",
        capture_output=True,
        text=True,
        check=False,
        user=UID if root else None,
        group=UID if root else None,
        extra_groups=[] if root else None,
        env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
