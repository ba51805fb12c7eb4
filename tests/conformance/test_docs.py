"""docs/providers.md shows the sample as it is, and every standard test and trouble of the kit."""

import re
import subprocess
import sys
from pathlib import Path

from nhisync.testing.conformance import Hooks, Trouble

from .conftest import INITECH

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")


def test_excerpts_are_those_of_the_sample() -> None:
    """Whoever copies from the page gets code that passes the standard tests."""
    excerpts = re.findall(r"<!-- from (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(excerpts) == 4
    for file, excerpt in excerpts:
        assert excerpt.rstrip() in (INITECH / file).read_text(encoding="utf-8"), f"{file} differs"


def test_the_shape_is_that_of_the_sample() -> None:
    """The lines of `pyproject.toml` on the page stand in the sample's, in their order."""
    found = re.search(r"## Shape\n```toml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    theirs = iter((INITECH / "pyproject.toml").read_text(encoding="utf-8").splitlines())
    assert [line for line in found[1].splitlines() if line and line not in theirs] == []


def test_table_of_standard_tests_is_complete() -> None:
    """The page ends with what `python -m nhisync.testing.conformance` prints."""
    command = [sys.executable, "-m", "nhisync.testing.conformance"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert PAGE.endswith(printed)


def test_every_trouble_is_explained() -> None:
    """The words of the table are those of `Trouble`."""
    rows = re.findall(r"^\| `([a-z-]+)` \| ", PAGE, re.MULTILINE)
    assert rows == [trouble.value for trouble in Trouble]


def test_every_hook_is_documented() -> None:
    """The docstring of `Hooks` explains each hook, and the page or the excerpt names the methods."""
    attributes = set(Hooks.__annotations__)
    documented = set(re.findall(r"^        ([a-z_]+):", Hooks.__doc__ or "", re.MULTILINE))
    assert attributes == documented
    for method in ("changing", "crowd_seed", "crowd_calls", "served", "canaries"):
        assert f"`{method}`" in PAGE
