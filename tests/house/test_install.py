"""README's install section offers what the distribution has."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_extra_with_packages_can_be_found() -> None:
    """Each named extra exists, and each that brings packages is named."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Install\n")[2].partition("\n## ")[0]
    named = {extra for group in re.findall(r"\.\[([a-z,-]+)\]", section) for extra in group.split(",")}
    assert {extra for extra, packages in extras.items() if packages} <= named <= set(extras)
