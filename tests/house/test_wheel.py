"""The wheel alone: built and installed with its extras into a clean environment, it runs the demo."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "conformance" / "initech"


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


ORIGIN = """
from importlib.metadata import version
from pathlib import Path
import nhisync, nhisync_initech
for module in (nhisync, nhisync_initech):
    assert Path(module.__file__).is_relative_to({site!r}), module.__file__
assert version("nhisync-initech") == "1.0"
"""


def test_a_third_party_runs_beside_the_wheel(tmp_path: Path) -> None:
    """Both wheels installed by pip into one folder: the sample provider passes the kit that came with ours."""
    wheel, site, project = build(tmp_path), tmp_path / "site", tmp_path / "project"
    sample = shutil.copytree(SAMPLE, tmp_path / "sample", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-warn-conflicts"]
    install = [sys.executable, "-m", "pip", "install", *options, "--target", str(site)]
    subprocess.run([*install, str(wheel), str(sample)], check=True, timeout=120)
    project.mkdir()
    shutil.copy(SAMPLE / "initech_conformance.py", project / "test_conformance.py")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env = {**kept, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", ORIGIN.format(site=str(site))], cwd=project, env=env, check=True)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(project)]
    done = subprocess.run([*command, str(project)], cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 45


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
