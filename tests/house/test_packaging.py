"""Provider folders, wheel packages, editable folders, extras, entry points and import contracts name one set."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROVIDERS = sorted(folder.name for folder in (ROOT / "providers").iterdir() if folder.is_dir())

CLIENTS = {"amqp", "redis"}
"""Extras that bring the client of a probe and no provider."""


def test_folder_holds_one_package() -> None:
    """Each provider folder holds exactly its package and a README, so that editable mode adds nothing else."""
    for name in PROVIDERS:
        packages = [p.name for p in (ROOT / "providers" / name).iterdir() if p.is_dir() and p.name != "__pycache__"]
        assert packages == [f"nhisync_{name}"], name
        assert (ROOT / "providers" / name / "README.md").is_file(), name


def test_wheel_ships_every_provider() -> None:
    """Hatch takes no globs: a provider folder missing from `packages` would silently not ship."""
    hatch = PROJECT["tool"]["hatch"]["build"]
    expected = {"src/nhisync", *(f"providers/{name}/nhisync_{name}" for name in PROVIDERS)}
    assert set(hatch["targets"]["wheel"]["packages"]) == expected
    assert set(hatch["dev-mode-dirs"]) == {"src", *(f"providers/{name}" for name in PROVIDERS)}


def test_source_distribution_can_build_the_image() -> None:
    """Whoever unpacks the source distribution has all that the Dockerfile copies and all locks."""
    included = {name.lstrip("/") for name in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = {name for line in copied for name in line.split()} | {lock.name for lock in ROOT.glob("*.lock")}
    assert {"src", "requirements-runtime.lock"} <= wanted
    assert wanted - {"pyproject.toml"} <= included, "pyproject.toml is always packed"
    assert [name for name in sorted(included) if not (ROOT / name).exists()] == []


def test_entry_points_and_extras() -> None:
    """Every provider has an entry point and an extra of its name; `all` names these and the clients of probes."""
    points = PROJECT["project"]["entry-points"]["nhisync.providers"]
    extras = PROJECT["project"]["optional-dependencies"]
    assert sorted(points) == PROVIDERS
    assert set(PROVIDERS) <= set(extras)
    assert set(extras["all"][0].removeprefix("nhisync[").removesuffix("]").split(",")) == {*PROVIDERS, *CLIENTS}


def test_import_contracts_name_every_provider() -> None:
    """A provider that the contracts do not name would be free to import anything."""
    contracts = {c["id"]: c for c in PROJECT["tool"]["importlinter"]["contracts"]}
    packages = {f"nhisync_{name}" for name in PROVIDERS}
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == {"nhisync", *packages}
    assert set(contracts["core-knows-no-adapter"]["forbidden_modules"]) == packages
    assert set(contracts["adapters-are-independent"]["modules"]) == packages
    assert set(contracts["adapters-see-the-spi"]["source_modules"]) == packages


@pytest.mark.parametrize("group", ["nhisync.providers", "nhisync.worlds"])
def test_entry_points_resolve(group: str) -> None:
    """Every entry point leads to an existing object."""
    for target in PROJECT["project"]["entry-points"][group].values():
        module, _, name = target.partition(":")
        assert hasattr(importlib.import_module(module), name), target


def test_lock_files() -> None:
    """Locks carry hashes and no index address; the runtime lock is a subset of the development lock."""
    pins = {}
    for name in ("requirements.lock", "requirements-runtime.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "index-url" not in text
        pins[name] = {line.split(" ")[0] for line in text.splitlines() if "==" in line}
    assert pins["requirements-runtime.lock"] <= pins["requirements.lock"]
    assert pins["requirements-build.lock"] <= pins["requirements.lock"]
