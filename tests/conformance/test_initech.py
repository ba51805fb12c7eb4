"""A third party's provider: it passes the standard tests as its own project, and runs only where it is allowed to."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.cli import main
from nhisync.errors import RegistryError
from nhisync.registry import Registry

from .conftest import INITECH, Install

CONFIG = """
version: 1
paths:
  primary: {{region: here, sources: {{initech: {{provider: initech, address: "127.0.0.1:9", token_file: token}}}}}}
  backup: {{region: there, sources: {{initech: {{provider: initech, address: "127.0.0.1:9", token_file: token}}}}}}
apps:
  payments:
    tier: standard
    owner: payments-oncall
    pairs: [{{name: stripe, kind: api-key, primary: "initech:key/stripe", backup: "initech:key/stripe"}}]
providers: {{allow: [{allow}]}}
"""


def run_pytest(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests in `folder` as the third party would: another project, nhisync merely installed."""
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run([*command, str(folder)], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Initech's repository."""
    folder = tmp_path / "initech-provider"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    (folder / "test_conformance.py").write_text(
        (INITECH / "initech_conformance.py").read_text("utf-8"), encoding="utf-8"
    )
    return folder


def test_a_third_party_passes_the_standard_tests(project: Path, install: Install) -> None:
    """Installed beside nhisync, with nothing of this repository, the sample passes every test that applies."""
    done = run_pytest(project, install())
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 45
    assert "skipped" not in done.stdout


def test_a_missing_test_fails_when_it_is_collected(project: Path, install: Install) -> None:
    """Whoever drops a standard test without a reason sees no green run."""
    file = project / "test_conformance.py"
    file.write_text(file.read_text("utf-8") + "    test_denied_is_not_absent = None\n", encoding="utf-8")
    done = run_pytest(project, install())
    assert done.returncode == 2
    assert "test_denied_is_not_absent is deleted or replaced without a reason" in done.stdout


def test_found_only_when_allowed(install: Install, reachable: Callable[[Path], None]) -> None:
    """An installed distribution is seen, but its code is imported only when the configuration allows it."""
    reachable(install())
    assert ("initech", "nhisync-initech") in {(one.name, one.distribution) for one in Registry().candidates()}
    with pytest.raises(RegistryError, match=r"nhisync-initech.*not allowed") as caught:
        Registry().load("initech")
    assert "allow: [nhisync, nhisync-initech]" in caught.value.fix
    assert "nhisync_initech" not in sys.modules
    assert Registry(allow=("nhisync", "nhisync_INITECH")).load("initech").info.title == "Initech keys"


def test_two_claims_on_one_name_are_refused(install: Install, reachable: Callable[[Path], None]) -> None:
    """A second distribution that claims the name makes it unusable, allowed or not: neither is imported."""
    reachable(install())
    reachable(install("elsewhere", "nhisync-innotech"))
    registry = Registry(allow=("nhisync", "nhisync-initech"))
    with pytest.raises(RegistryError, match="nhisync-initech and nhisync-innotech") as caught:
        registry.load("initech")
    assert caught.value.fix == "Uninstall one of them."
    assert "nhisync_initech" not in sys.modules


def test_a_claim_on_a_built_in_name_is_refused(install: Install, reachable: Callable[[Path], None]) -> None:
    """Nobody can slip an adapter under a name of ours: the name stops working instead."""
    site = install()
    points = next(site.glob("*.dist-info")) / "entry_points.txt"
    points.write_text("[nhisync.providers]\nvault = nhisync_initech:InitechProvider\n", encoding="utf-8")
    reachable(site)
    with pytest.raises(RegistryError, match="`vault` is offered by nhisync and nhisync-initech"):
        Registry(allow=("nhisync", "nhisync-initech")).load("vault")


@pytest.mark.parametrize(("allow", "code"), [("nhisync, nhisync-initech", 0), ("nhisync", 2)])
def test_the_command_line_runs_it_only_when_allowed(
    install: Install, reachable: Callable[[Path], None], tmp_path: Path, allow: str, code: int
) -> None:
    """`nhisync permissions` prints its document, or says which line of the configuration would allow it."""
    reachable(install())
    config = tmp_path / "nhisync.yaml"
    config.write_text(CONFIG.format(allow=allow), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    assert main(["-c", str(config), "permissions"], stdout=out, stderr=err) == code, err.getvalue()
    expected = "keys:describe:stripe" if code == 0 else "nhisync-initech"
    assert expected in out.getvalue() + err.getvalue()
