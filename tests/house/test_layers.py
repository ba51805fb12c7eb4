"""The import contracts of pyproject.toml are kept, and each of them really bites."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
}

VIOLATIONS = {
    "layers": ("src/nhisync/model/locator.py", "import nhisync.parity.engine\n"),
    "layers-exhaustive": ("src/nhisync/stray.py", '"""A module without a layer."""\n'),
    "core-knows-no-adapter": ("src/nhisync/app/session.py", "import nhisync_aws\n"),
    "adapters-are-independent": ("providers/vault/nhisync_vault/__init__.py", "import nhisync_aws\n"),
    "adapters-see-the-spi": ("providers/tls/nhisync_tls/__init__.py", "import nhisync.model\n"),
    "decisions-are-pure": ("src/nhisync/parity/engine.py", "import logging\n"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a tree, seeing that tree only."""
    roots = [root / "src", *sorted((root / "providers").iterdir())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(LINT), "--no-cache", "--config", str(root / "pyproject.toml")]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that a test may break."""
    root = tmp_path_factory.mktemp("house")
    quiet = shutil.ignore_patterns("__pycache__", "emulator")
    for folder in ("src", "providers"):
        shutil.copytree(ROOT / folder, root / folder, ignore=quiet)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_contracts_are_kept(copy: Path) -> None:
    """The code as it stands keeps every contract."""
    run = lint(copy)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 kept, 0 broken" in run.stdout


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_contract_bites(copy: Path, contract: str) -> None:
    """Breaking a contract on purpose is reported."""
    name, line = VIOLATIONS[contract]
    file = copy / name
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.write_text((before or "") + "\n" + line, encoding="utf-8")
    try:
        run = lint(copy)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")
    name = CONTRACTS[contract.removesuffix("-exhaustive")]
    assert f"{name} BROKEN" in run.stdout, run.stdout + run.stderr
    assert run.returncode != 0
