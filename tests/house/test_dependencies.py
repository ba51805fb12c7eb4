"""docs/dependencies.md justifies every dependency, and names no other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def names(requirements: list[object]) -> set[str]:
    """Distribution names of requirement strings."""
    return {re.split(r"[\[<>=;! ]", str(r))[0] for r in requirements if isinstance(r, str)}


def test_core_dependencies_are_justified() -> None:
    """The core table lists exactly the dependencies of the project."""
    table = PAGE.split("## Core")[1].split("## Extras")[0]
    assert set(re.findall(r"^\| ([a-z0-9.-]+) \|", table, re.MULTILINE)) - {"package"} == names(
        PROJECT["project"]["dependencies"]
    )


def test_extras_are_justified() -> None:
    """The extras table lists exactly the packages of the extras."""
    table = PAGE.split("## Extras")[1].split("## Development")[0]
    rows = re.findall(r"^\| ([a-z-]+) \| ([a-z0-9-]+) \|", table, re.MULTILINE)
    listed = {(extra, package) for extra, package in rows if extra != "extra"}
    extras = PROJECT["project"]["optional-dependencies"]
    assert listed == {(e, n) for e, reqs in extras.items() if e != "all" for n in names(reqs)}


def test_development_tools_are_named() -> None:
    """Every development dependency is mentioned."""
    section = PAGE.split("## Development")[1]
    group = PROJECT["dependency-groups"]["dev"] + PROJECT["dependency-groups"]["build"]
    assert [name for name in sorted(names(group)) if name not in section] == []
