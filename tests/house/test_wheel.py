"""The wheel alone: built and installed with its extras into a clean environment, it runs the demo."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(target: Path) -> Path:
    """Build the wheel from the checkout, without network."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(target), str(ROOT)], check=True, timeout=120)
    return next(target.glob("nhisync-*.whl"))


def test_wheel_holds_what_it_needs(tmp_path: Path) -> None:
    """Core, all providers with their emulators, migrations and type markers are in; tests and policies are not."""
    names = zipfile.ZipFile(build(tmp_path)).namelist()
    for wanted in (
        "nhisync/py.typed",
        "nhisync/store/migrations/env.py",
        "nhisync/testing/embedded.py",
        "nhisync_aws/emulator/__init__.py",
        "nhisync_gcp/emulator/__init__.py",
        "nhisync_azure/emulator/__init__.py",
        "nhisync_vault/emulator/__init__.py",
        "nhisync_tls/provider.py",
        "nhisync_file/provider.py",
    ):
        assert wanted in names
    assert [name for name in names if name.startswith(("tests/", "benchmarks/", "policies/"))] == []


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_demo_runs_from_the_wheel(tmp_path: Path) -> None:
    """`pip install nhisync[all,demo]` and `nhisync demo` work in a fresh environment, far from any source tree."""
    wheel = build(tmp_path)
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    install = [str(home / "bin/pip"), "install", "--quiet", "--constraint", str(_constraints(tmp_path))]
    subprocess.run([*install, f"{wheel}[all,demo]"], check=True, timeout=600)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "NHISYNC"))}
    done = subprocess.run(
        [str(home / "bin/nhisync"), "demo"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "and nothing else." in done.stderr


def _constraints(folder: Path) -> Path:
    """The locked versions without their hashes, as pip's constraints want them."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.removesuffix(" \\") for line in lines if "==" in line and not line.startswith(" ")]
    file = folder / "constraints.txt"
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return file
